//! The schema as editors need it: what a spec may hold *before* variables are filled in, in words that editors show.
//!
//! The walk checks a spec after `${…}` has been filled in and knows forms such as durations itself. A validator for JSON
//! Schema sees the text as it is written and knows neither. So every single value may also be a text with a reference in
//! it, forms become patterns, and lists of words become `enum`, for which editors show what each word means.

use serde_json::{Map, Value, json};

use crate::schema::inner;

/// A text that holds a reference to a variable or a secret; what it becomes is not known yet.
const REFERENCE: &str = r"\$\{";

/// Makes the schema of the walk one for editors.
pub(crate) fn adapt(mut schema: Value) -> Value {
    // Which document it is must be plain to see: these two are never filled in.
    let plain = ["apiVersion", "kind"].map(|key| (key, schema["properties"][key].clone()));
    visit(&mut schema);
    for (key, property) in plain {
        schema["properties"][key] = property;
    }
    schema
}

fn visit(schema: &mut Value) {
    inner(schema, &mut visit);
    let Some(object) = schema.as_object_mut() else { return };
    words(object);
    without_null(object);
    let types = types(object);
    let takes = |name: &str| types.iter().any(|known| known == name);
    if let Some(listed) = object.remove("enum") {
        enumeration(object, &listed);
    } else if takes("integer") || takes("number") || takes("boolean") {
        let what = if takes("boolean") {
            "`true` or `false`"
        } else if takes("integer") {
            "a whole number"
        } else {
            "a number"
        };
        let types: Vec<_> = types.into_iter().filter(|name| name != "string").chain(["string".to_owned()]).collect();
        object.insert("type".to_owned(), json!(types));
        object.remove("format");
        pattern(object, None, what);
    } else if takes("string") {
        text(object);
    }
    kinds(object);
    describe(object);
}

/// What to say of a node without a kind; by default an editor would name the first kind only.
fn kinds(object: &mut Map<String, Value>) {
    let Some(names) = object.get("x-kinds").and_then(Value::as_array) else { return };
    let names: Vec<_> = names.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let noun = object.get("x-noun").and_then(Value::as_str).unwrap_or("node");
    let message = format!("a {noun} needs one of the keys {}", names.join(", "));
    for alternative in object.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten() {
        alternative["errorMessage"] = json!(message);
    }
}

fn types(object: &Map<String, Value>) -> Vec<String> {
    match object.get("type") {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Alternatives that are words become one list of words.
fn words(object: &mut Map<String, Value>) {
    for key in ["oneOf", "anyOf"] {
        let Some(alternatives) = object.get(key).and_then(Value::as_array) else { continue };
        let listed: Vec<Value> = alternatives.iter().filter_map(|word| word.get("const").cloned()).collect();
        if listed.is_empty() || listed.len() != alternatives.len() {
            continue;
        }
        let texts: Vec<Value> =
            alternatives.iter().map(|word| word.get("description").cloned().unwrap_or(json!(""))).collect();
        object.remove(key);
        object.insert("type".to_owned(), json!("string"));
        object.insert("enum".to_owned(), Value::Array(listed));
        object.insert("markdownEnumDescriptions".to_owned(), Value::Array(texts));
        return;
    }
}

/// `X or null` is `X`, an option that is not given: as an alternative of its own, editors would offer the word `null`.
/// An empty value stays allowed where that offers nothing.
fn without_null(object: &mut Map<String, Value>) {
    let Some(alternatives) = object.get_mut("anyOf").and_then(Value::as_array_mut) else { return };
    let before = alternatives.len();
    alternatives.retain(|alternative| alternative.get("type") != Some(&json!("null")));
    if alternatives.len() == before {
        return;
    }
    if let [Value::Object(only)] = alternatives.as_slice() {
        let only = only.clone();
        object.remove("anyOf");
        for (key, value) in only {
            object.entry(key).or_insert(value);
        }
    }
    allow_null(object);
}

fn allow_null(object: &mut Map<String, Value>) {
    if let Some(Value::String(name)) = object.get("type") {
        let types = json!([name, "null"]);
        object.insert("type".to_owned(), types);
    } else if let Some(alternatives) = object.get_mut("anyOf").and_then(Value::as_array_mut) {
        // Beside a list of words, editors would offer `null` as one more.
        if alternatives.iter().any(|alternative| alternative.get("enum").is_some()) {
            return;
        }
        // One is enough.
        let mut inner = alternatives.iter_mut().filter_map(Value::as_object_mut);
        if let Some(alternative) = inner.find(|inner| inner.contains_key("type") || inner.contains_key("anyOf")) {
            allow_null(alternative);
        }
    }
}

/// Words to choose from, or a text that is filled in later.
fn enumeration(object: &mut Map<String, Value>, listed: &Value) {
    let listed: Vec<Value> = listed.as_array().cloned().unwrap_or_default();
    let of_columns = object.remove("format").is_some_and(|format| format == "column_type");
    // `string?` is `string`; it is understood, but not offered.
    let (plain, marked): (Vec<Value>, Vec<Value>) =
        listed.into_iter().partition(|word| !(of_columns && word.as_str().is_some_and(|word| word.ends_with('?'))));
    let also = marked.iter().filter_map(Value::as_str).map(|word| format!("^{}$", word.replace('?', r"\?")));
    let parametric = of_columns.then(|| pipectl_data::DataType::PARAMETRIC_PATTERN.to_owned());
    let also: Vec<String> = also.chain(parametric).chain([REFERENCE.to_owned()]).collect();
    let mut choice = Map::from_iter([("enum".to_owned(), Value::Array(plain))]);
    if let Some(texts) = object.remove("markdownEnumDescriptions") {
        choice.insert("markdownEnumDescriptions".to_owned(), texts);
    }
    object.remove("type");
    object.insert("anyOf".to_owned(), json!([choice, { "type": "string", "pattern": also.join("|") }]));
}

/// A text: its form as a pattern.
fn text(object: &mut Map<String, Value>) {
    if let Some((own, what)) = object.get("format").and_then(Value::as_str).and_then(form) {
        object.remove("format");
        pattern(object, Some(own), what);
    } else if let Some(own) = object.get("pattern").and_then(Value::as_str).map(str::to_owned) {
        pattern(object, Some(&own), "");
    } else if let Some(most) = object.get("maxLength").and_then(Value::as_u64) {
        let least = object.get("minLength").and_then(Value::as_u64).unwrap_or(0);
        object.remove("maxLength");
        let what = if most == 1 { "one character".to_owned() } else { format!("{most} characters at most") };
        pattern(object, Some(&format!(r"^[\s\S]{{{least},{most}}}$")), &what);
    }
}

/// The pattern of a format of ours, and what to call it.
fn form(format: &str) -> Option<(&'static str, &'static str)> {
    macro_rules! number {
        () => {
            r"[0-9][0-9_]*(\.[0-9]+)?"
        };
    }
    macro_rules! part {
        ($unit:literal) => {
            concat!("(", number!(), $unit, ")?")
        };
    }
    Some(match format {
        "duration" => (
            concat!(
                "^(?=[0-9])",
                part!("w"),
                part!("d"),
                part!("h"),
                part!("m"),
                part!("s"),
                part!("ms"),
                part!("us"),
                part!("ns"),
                "$"
            ),
            "a duration such as `60s`, `1h30m` or `7d`",
        ),
        "size" => (concat!("^", number!(), "(B|kB|[KMGT]B|[KMGT]iB)$"), "a size such as `1MiB`, `64KB` or `512B`"),
        "rate" => {
            (concat!("^(?=[0-9_.]*[1-9])", number!(), "[kKM]?/[smhd]$"), "a rate such as `200/s`, `10/m` or `5k/s`")
        }
        "timestamp" | "date-time" => {
            ("^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9:.,+Zz-]+)?$", "a timestamp such as `2026-01-31T12:00:00Z`")
        }
        "date" => ("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "a date such as `2026-01-31`"),
        _ => return None,
    })
}

/// Gives a text its pattern; a reference is always fine.
fn pattern(object: &mut Map<String, Value>, own: Option<&str>, what: &str) {
    let pattern = own.map_or_else(|| REFERENCE.to_owned(), |own| format!("{own}|{REFERENCE}"));
    object.insert("pattern".to_owned(), json!(pattern));
    if !what.is_empty() {
        object.insert("patternErrorMessage".to_owned(), json!(format!("write {what}, or `${{NAME}}`")));
    }
}

/// Texts without the line breaks of the source they come from; the default stands in what editors show.
fn describe(object: &mut Map<String, Value>) {
    let Some(text) = object.get("description").and_then(Value::as_str).map(fold) else { return };
    let default = object.get("default").and_then(|value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    });
    let shown = match default {
        Some(default) if !text.contains("Default: ") => format!("{text}\n\nDefault: `{default}`"),
        _ => text.clone(),
    };
    object.insert("description".to_owned(), json!(text));
    object.insert("markdownDescription".to_owned(), json!(shown));
}

/// Paragraphs, each on one line.
fn fold(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{adapt, form};
    use crate::formats;

    #[test]
    fn patterns_know_the_forms_that_the_walk_knows() {
        let cases: [(&str, &[&str]); 4] = [
            (
                "duration",
                &[
                    "60s",
                    "1h30m",
                    "500ms",
                    "7d",
                    "1.5h",
                    "1_000s",
                    "1w2d",
                    "0s",
                    "60",
                    "",
                    "10 minutes",
                    "1m1h",
                    "1M",
                    "s",
                    "-1s",
                    "1h 30m",
                    "1m1m",
                    "1s500ms",
                    "1us",
                    "1.s",
                    "1 s",
                ],
            ),
            ("size", &["1MiB", "64KB", "64kB", "512B", "1GiB", "1.5GiB", "1M", "1mib", "12", "B", "", "1 MiB", "-1B"]),
            (
                "rate",
                &["200/s", "10/m", "5k/s", "5K/s", "2M/h", "0.5/s", "200", "0/s", "/s", "5g/s", "5/w", "5 /s", ""],
            ),
            ("date", &["2026-01-31", "2026-1-31", "31.01.2026", "", "2026-01-31T00:00:00"]),
        ];
        for (format, texts) in cases {
            let pattern = regex_of(form(format).expect("a form of ours").0);
            for text in texts {
                let ours = formats::check(format, text).expect("a format of ours").is_ok();
                assert_eq!(pattern(text), ours, "{format} {text:?}");
            }
        }
    }

    /// A validator's own idea of a pattern, since the patterns are for validators.
    fn regex_of(pattern: &str) -> impl Fn(&str) -> bool + use<> {
        let schema = json!({ "pattern": pattern });
        let validator = jsonschema::validator_for(&schema).expect("a valid pattern");
        move |text| validator.is_valid(&json!(text))
    }

    #[test]
    fn every_single_value_may_be_filled_in_later() {
        let property = |schema: Value| {
            adapt(json!({ "properties": { "apiVersion": {}, "kind": {}, "at": schema } }))["properties"]["at"].clone()
        };
        let accepts = |schema: &Value, value: Value| {
            jsonschema::validator_for(&property(schema.clone())).expect("a valid schema").is_valid(&value)
        };
        let whole = json!({ "type": ["integer", "null"], "minimum": 1 });
        let duration = json!({ "type": "string", "format": "duration" });
        let words = json!({ "oneOf": [{ "const": "a", "type": "string" }, { "const": "b", "type": "string" }] });
        let letter = json!({ "type": "string", "minLength": 1, "maxLength": 1 });
        for schema in [&whole, &duration, &words, &letter] {
            assert!(accepts(schema, json!("${VALUE:-4}")), "{schema}");
            assert!(!accepts(schema, json!("other")), "{schema}");
            assert!(!accepts(schema, json!([])), "{schema}");
        }
        assert!(accepts(&whole, json!(4)) && accepts(&whole, json!(null)));
        assert!(!accepts(&whole, json!(0)) && !accepts(&whole, json!("4")));
        assert!(accepts(&duration, json!("60s")) && !accepts(&duration, json!(60)));
        assert!(accepts(&words, json!("b")) && accepts(&letter, json!(";")));
        for schema in [&duration, &words] {
            let optional = json!({ "anyOf": [schema, { "type": "null" }] });
            assert_eq!(accepts(&optional, json!(null)), schema == &duration, "{schema}");
            assert!(accepts(&optional, json!("${VALUE}")) && !accepts(&optional, json!("other")), "{schema}");
        }
    }

    #[test]
    fn what_editors_show_is_folded_and_names_the_default() {
        let schema = json!({ "properties": {
            "apiVersion": {}, "kind": {},
            "at": { "type": "string", "description": "One\nline.\n\nAnother.", "default": "x" },
        } });
        let adapted = adapt(schema);
        assert_eq!(adapted["properties"]["at"]["description"], "One line.\n\nAnother.");
        assert_eq!(adapted["properties"]["at"]["markdownDescription"], "One line.\n\nAnother.\n\nDefault: `x`");
    }
}

//! Single values: their type, the words they may be, ranges and formats.

use pipectl_diag::{Diagnostic, Part, Path, Place, Segment, codes::shape, nearest};
use serde_json::{Number, Value};

use super::{
    Walker,
    ask::{expected, fits, types, words},
    quoted,
};
use crate::{
    formats,
    tree::{Kind, Node, Origin, Style, plain},
};

/// A value as a message may show it: never what a variable or a secret holds.
pub(crate) fn shown(node: &Node) -> String {
    match (&node.origin, &node.kind) {
        (Origin::Variable { written, .. } | Origin::Secret { written }, _) => format!("`{written}`"),
        (_, Kind::Str(text)) if text.len() <= 60 && !text.contains('\n') => format!("`{text}`"),
        (_, Kind::Int(value)) => format!("`{value}`"),
        (_, Kind::Float(value)) => format!("`{value}`"),
        (_, Kind::Bool(value)) => format!("`{value}`"),
        _ => "this value".to_owned(),
    }
}

impl Walker<'_> {
    /// The problem, if the node's type fits none of the schemas.
    pub(super) fn wrong_type(&self, node: &Node, schemas: &[&Value], path: &Path) -> Option<Diagnostic> {
        let takes = |schema: &&Value| {
            let types = types(schema);
            types.is_empty() || types.iter().any(|json_type| fits(node, json_type))
        };
        if schemas.iter().any(takes) {
            return None;
        }
        let takes = |json_type: &str| schemas.iter().any(|schema| types(schema).contains(&json_type));
        let (name, expected) = (quoted(path), expected(schemas));
        let title = match node.kind {
            Kind::Null => format!("{name} has no value, and takes {expected}"),
            _ => format!("{name} takes {expected}, not {}", node.kind.noun()),
        };
        let mut problem = Diagnostic::error(shape::WRONG_TYPE, title).at(path, "");
        let place = || Place::Node(path.clone(), Part::Value);
        let unit = schemas.iter().find_map(|schema| match schema.get("format").and_then(Value::as_str) {
            Some("duration") => Some("s"),
            // A number alone hardly counts bytes.
            Some("size") => Some("MiB"),
            Some("rate") => Some("/s"),
            _ => None,
        });
        match &node.kind {
            _ if matches!(node.origin, Origin::Variable { .. })
                && ["integer", "number", "boolean"].iter().any(|json_type| takes(json_type)) =>
            {
                problem = problem.help(format!("{} does not hold {expected}: set it to one", shown(node)));
            }
            _ if node.origin != Origin::File => {}
            Kind::Int(_) | Kind::Float(_) if unit.is_some() && takes("string") => {
                let number = shown(node);
                let fixed = format!("{}{}", number.trim_matches('`'), unit.unwrap_or_default());
                problem = problem.help(format!("add the unit: `{fixed}`")).fix(place(), fixed);
            }
            Kind::Int(_) | Kind::Float(_) | Kind::Bool(_) if takes("string") => {
                problem = problem.help("put it in quotes to make it a string");
            }
            Kind::Str(text) => {
                let meant = match text.to_lowercase().as_str() {
                    "yes" | "on" | "y" | "true" => "true",
                    "no" | "off" | "n" | "false" => "false",
                    _ => "",
                };
                if takes("boolean") && !meant.is_empty() {
                    problem = problem.help(format!("write `{meant}`")).fix(place(), meant);
                } else if matches!(plain(text), Kind::Int(_) | Kind::Float(_))
                    && node.style == Style::Quoted
                    && (takes("integer") || takes("number"))
                {
                    problem = problem.help(format!("write `{text}` without quotes")).fix(place(), text.clone());
                } else if matches!(path.segments().last(), Some(Segment::Key(key)) if key == "dead_letters") {
                    problem = problem.help(format!("write `dead_letters: {{ file: {{ path: {text} }} }}`"));
                } else if takes("array") {
                    problem = problem.help(format!("write a list, even of one: `[{text}]`"));
                } else if let Some(key) = schemas.iter().find_map(|schema| self.taker(schema, text)) {
                    problem = problem.help(format!("write `{}: {{ {key}: {text} }}`", name.trim_matches('`')));
                }
            }
            Kind::Null if takes("object") => problem = problem.help("write its keys below, indented, or `{}` for none"),
            Kind::Seq(_) if takes("object") => {
                problem = problem.help("write `name: …` entries instead of `- …` entries");
            }
            _ => {}
        }
        let example = schemas.iter().find_map(|schema| schema.get("examples")?.as_array()?.first());
        if let Some(example) = example.filter(|_| problem.help.is_empty()) {
            problem = problem.help(format!("write, for example, `{}: {}`", name.trim_matches('`'), flow(example)));
        }
        Some(problem)
    }

    /// The key of a mapping that takes this text, if it is clear which: a path, the only one that is needed, one of whose
    /// words it is, or the first whose format it has.
    fn taker<'s>(&'s self, schema: &'s Value, text: &str) -> Option<&'s str> {
        let properties = schema.get("properties")?.as_object()?;
        let format =
            |key: &str| properties.get(key).and_then(|property| property.get("format")).and_then(Value::as_str);
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        if properties.contains_key("path") && required.iter().all(|key| *key == "path") {
            return Some("path");
        }
        if let [only] = required.as_slice() {
            let property = properties.get(*only)?;
            let fits =
                format(only).and_then(|format| formats::check(format, text)).is_none_or(|checked| checked.is_ok());
            return (types(property).contains(&"string") && fits).then_some(*only);
        }
        let has_format =
            |key: &&String| matches!(format(key).and_then(|format| formats::check(format, text)), Some(Ok(())));
        let has_word = |key: &&String| {
            let branches = properties.get(*key).map(|property| self.branches(property)).unwrap_or_default();
            branches.iter().any(|branch| words(branch.schema).iter().any(|word| word.as_str() == Some(text)))
        };
        properties.keys().find(has_format).or_else(|| properties.keys().find(has_word)).map(String::as_str)
    }

    /// Checks a single value whose type fits.
    pub(super) fn scalar(&mut self, node: &Node, schema: &Value, path: &Path) -> Value {
        let value = match &node.kind {
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Int(value) => number(*value),
            Kind::Float(value) => Number::from_f64(*value).map_or(Value::Null, Value::Number),
            Kind::Str(text) => Value::String(text.clone()),
            Kind::Null | Kind::Seq(_) | Kind::Map(_) | Kind::Broken => Value::Null,
        };
        let types = types(schema);
        let in_quotes = node.style == Style::Quoted;
        if let Origin::Variable { text, .. } = &node.origin
            && !matches!(node.kind, Kind::Str(_))
            && match types.as_slice() {
                [] => in_quotes,
                types if in_quotes && types.contains(&"string") => true,
                types => !types.iter().any(|json_type| *json_type != "string" && fits(node, json_type)),
            }
        {
            let text = text.clone();
            self.text(node, &text, schema, path);
            return Value::String(text);
        }
        match &node.kind {
            Kind::Str(text) => self.text(node, text, schema, path),
            Kind::Int(value) => self.range(node, *value as f64, schema, path),
            Kind::Float(value) if value.is_finite() => self.range(node, *value, schema, path),
            Kind::Float(_) => {
                let title = format!("{} takes a finite number", quoted(path));
                self.report(Diagnostic::error(shape::OUT_OF_RANGE, title).at(path, "").help("write a number"), path);
            }
            _ => {}
        }
        let words = words(schema);
        if !words.is_empty() && !matches!(node.kind, Kind::Str(_)) && !words.contains(&&value) {
            self.unknown_word(node, &words, path);
        }
        value
    }

    fn text(&mut self, node: &Node, text: &str, schema: &Value, path: &Path) {
        let format = schema.get("format").and_then(Value::as_str);
        if format == Some("column_type") {
            if let Err((title, help)) = formats::column("", text) {
                self.report(Diagnostic::error(shape::UNKNOWN_TYPE, title).at(path, "").help(help), path);
            }
            return;
        }
        let words = words(schema);
        if !words.is_empty() {
            if !words.iter().any(|word| word.as_str() == Some(text)) {
                self.unknown_word(node, &words, path);
            }
            return;
        }
        if let Some(Err(fault)) = format.and_then(|format| formats::check(format, text)) {
            let noun = format.and_then(formats::noun).unwrap_or_default();
            let problem = if node.origin == Origin::File {
                let title = format!("{} takes {noun}", quoted(path));
                Diagnostic::error(shape::BAD_FORMAT, title).at_inside(path, fault.range, "").help(fault.reason)
            } else {
                let title = format!("{} does not hold {noun}", shown(node));
                Diagnostic::error(shape::BAD_FORMAT, title).at(path, "").help("set the variable to such a text")
            };
            self.report(problem, path);
        }
        let reason = match schema.get("x-name").and_then(Value::as_str) {
            Some("document") => formats::document_name(text),
            Some(_) => formats::identifier(text),
            None => None,
        };
        if let Some(reason) = reason {
            self.report(bad_name(&shown(node), reason).at(path, ""), path);
            return;
        }
        self.length(node, text, schema, path);
        if let Some(pattern) = schema.get("pattern").and_then(Value::as_str).filter(|_| schema.get("x-name").is_none())
            && regex::Regex::new(pattern).is_ok_and(|regex| !regex.is_match(text))
        {
            let title = format!("{} does not have the format of {}", shown(node), quoted(path));
            let problem = Diagnostic::error(shape::BAD_FORMAT, title).at(path, "");
            let example = schema.get("examples").and_then(Value::as_array).and_then(|examples| examples.first());
            let problem = match example {
                Some(example) => problem.help(format!("write, for example, `{}`", flow(example))),
                None => problem.help(format!("write a value that matches the regular expression {pattern}")),
            };
            self.report(problem, path);
        }
    }

    fn length(&mut self, node: &Node, text: &str, schema: &Value, path: &Path) {
        let bound = |word: &str| schema.get(word).and_then(Value::as_u64);
        let length = text.chars().count() as u64;
        if bound("minLength").is_some_and(|least| length < least) {
            let title = if length == 0 {
                format!("{} is empty", quoted(path))
            } else {
                format!("{} is too short for {}", shown(node), quoted(path))
            };
            let least = bound("minLength").unwrap_or_default();
            let help = if least == 1 {
                "write at least one character".to_owned()
            } else {
                format!("write at least {least} characters")
            };
            self.report(Diagnostic::error(shape::OUT_OF_RANGE, title).at(path, "").help(help), path);
        }
        if let Some(most) = bound("maxLength").filter(|most| length > *most) {
            let title = format!("{} is longer than {most} characters", quoted(path));
            self.report(Diagnostic::error(shape::OUT_OF_RANGE, title).at(path, "").help("shorten it"), path);
        }
    }

    fn range(&mut self, node: &Node, value: f64, schema: &Value, path: &Path) {
        let bound = |word: &str| schema.get(word).and_then(Value::as_f64);
        let (least, most) = match schema.get("format").and_then(Value::as_str) {
            Some("int8") => (Some(f64::from(i8::MIN)), Some(f64::from(i8::MAX))),
            Some("uint8") => (Some(0.0), Some(f64::from(u8::MAX))),
            Some("int16") => (Some(f64::from(i16::MIN)), Some(f64::from(i16::MAX))),
            Some("uint16") => (Some(0.0), Some(f64::from(u16::MAX))),
            Some("int32") => (Some(f64::from(i32::MIN)), Some(f64::from(i32::MAX))),
            Some("uint32") => (Some(0.0), Some(f64::from(u32::MAX))),
            Some("int64" | "int") => (None, Some(i64::MAX as f64)),
            Some("uint64" | "uint") => (Some(0.0), None),
            _ => (None, None),
        };
        let least = bound("minimum").or(least);
        let most = bound("maximum").or(most);
        let above = bound("exclusiveMinimum");
        let below = bound("exclusiveMaximum");
        let limits = [
            least.filter(|least| value < *least).map(|least| format!("at least {least}")),
            most.filter(|most| value > *most).map(|most| format!("at most {most}")),
            above.filter(|above| value <= *above).map(|above| format!("more than {above}")),
            below.filter(|below| value >= *below).map(|below| format!("less than {below}")),
        ];
        let Some(limit) = limits.into_iter().flatten().next() else { return };
        let title = format!("{} must be {limit}, not {}", quoted(path), shown(node));
        let problem = Diagnostic::error(shape::OUT_OF_RANGE, title).at(path, "");
        let problem = match (least, most) {
            (Some(least), Some(most)) => problem.help(format!("write a number from {least} to {most}")),
            _ => problem.help(format!("write a number that is {limit}")),
        };
        self.report(problem, path);
    }

    /// A value that is none of the words that are taken.
    pub(super) fn unknown_word(&mut self, node: &Node, words: &[&Value], path: &Path) {
        let texts: Vec<_> = words.iter().filter_map(|word| word.as_str()).collect();
        let title = format!("{} cannot be {}", quoted(path), shown(node));
        let mut problem = Diagnostic::error(shape::UNKNOWN_VALUE, title);
        let near = match &node.kind {
            Kind::Str(text) if node.origin == Origin::File => nearest(text, texts.iter().copied()),
            _ => None,
        };
        problem = match near {
            Some(near) => {
                problem.at(path, format!("did you mean `{near}`?")).fix(Place::Node(path.clone(), Part::Value), near)
            }
            None => problem.at(path, ""),
        };
        self.report(problem.help(format!("write {}", formats::list(texts))), path);
    }
}

/// A name that cannot be one; the place is still to be added.
pub(super) fn bad_name(shown: &str, reason: &str) -> Diagnostic {
    Diagnostic::error(shape::BAD_NAME, format!("the name {shown} {reason}"))
        .help("begin with a letter, and continue with letters, digits and underscores")
}

fn number(value: i128) -> Value {
    match (i64::try_from(value), u64::try_from(value)) {
        (Ok(value), _) => Value::from(value),
        (_, Ok(value)) => Value::from(value),
        _ => Value::Null,
    }
}

/// A JSON value as YAML's flow style writes it, without quotes where they are not needed.
pub(super) fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let entries: Vec<_> = entries.iter().map(|(key, value)| format!("{key}: {}", flow(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

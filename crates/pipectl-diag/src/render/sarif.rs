//! SARIF 2.1.0: the form that code scanning services and editors read.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Item, located::Located};
use crate::{Diagnostic, Severity, SourceMap};

pub(super) fn render(items: &[Item<'_>], map: &SourceMap) -> String {
    let used: BTreeMap<_, _> = items.iter().map(|item| (item.diagnostic.code.as_str(), item.diagnostic.code)).collect();
    let numbers: BTreeMap<_, _> = used.keys().enumerate().map(|(number, code)| (*code, number)).collect();
    let rules: Vec<_> = used.values().map(|code| rule(*code)).collect();
    let results: Vec<_> =
        items.iter().map(|item| result(item, numbers.get(item.diagnostic.code.as_str()), map)).collect();
    let document = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "pipectl",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{document:#}\n")
}

fn rule(code: crate::Code) -> Value {
    let info = code.info();
    json!({
        "id": info.code,
        "name": pascal_case(info.name),
        "shortDescription": { "text": first_sentence(info.cause) },
        "fullDescription": { "text": info.cause },
        "help": {
            "text": format!("{}\n\nExample of the error:\n\n{}", info.fix, info.example),
            "markdown": format!("{}\n\nExample of the error:\n\n```yaml\n{}\n```\n", info.fix, info.example.trim_end()),
        },
        "defaultConfiguration": { "level": "error" },
    })
}

fn result(item: &Item<'_>, rule: Option<&usize>, map: &SourceMap) -> Value {
    let Diagnostic { code, severity, title, labels, help, notes, fix } = item.diagnostic;
    let mut lines = vec![title.clone()];
    let own = labels.iter().find(|label| label.primary).filter(|label| !label.text.is_empty());
    lines.extend(own.map(|label| label.text.clone()));
    lines.extend(notes.iter().chain(help).cloned());
    let related: Vec<_> = labels
        .iter()
        .filter(|label| !label.primary)
        .filter_map(|label| Some((label, Located::shown(&label.place, map)?)))
        .enumerate()
        .map(|(number, (label, place))| {
            let mut location = location(place);
            merge(&mut location, json!({ "id": number + 1, "message": { "text": label.text } }));
            location
        })
        .collect();
    let mut result = json!({
        "ruleId": code.as_str(),
        "level": match severity { Severity::Error => "error", Severity::Warning => "warning" },
        "message": { "text": lines.join("\n") },
    });
    merge(&mut result, rule.map_or(Value::Null, |number| json!({ "ruleIndex": number })));
    merge(&mut result, item.place.map_or(Value::Null, |place| json!({ "locations": [location(place)] })));
    if !related.is_empty() {
        merge(&mut result, json!({ "relatedLocations": related }));
    }
    if let Some((fix, place)) = fix.as_ref().and_then(|fix| Some((fix, Located::exact(&fix.place, map)?))) {
        let text = help.first().cloned().unwrap_or_else(|| format!("write `{}`", fix.replacement));
        let change = json!({
            "artifactLocation": artifact(place),
            "replacements": [{ "deletedRegion": region(place), "insertedContent": { "text": fix.replacement } }],
        });
        merge(&mut result, json!({ "fixes": [{ "description": { "text": text }, "artifactChanges": [change] }] }));
    }
    result
}

/// Adds the fields of one object to another.
fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

fn location(place: Located<'_>) -> Value {
    json!({ "physicalLocation": { "artifactLocation": artifact(place), "region": region(place) } })
}

fn artifact(place: Located<'_>) -> Value {
    json!({ "uri": uri(&place.file.name) })
}

fn region(place: Located<'_>) -> Value {
    let region = place.region();
    json!({
        "startLine": region.line,
        "startColumn": region.column,
        "endLine": region.end_line,
        "endColumn": region.end_column,
    })
}

/// A path as a URI reference (RFC 3986): relative paths stay relative to the folder of the call.
fn uri(name: &str) -> String {
    const PLAIN: &[u8] = b"-._~/";
    let slashes = if cfg!(windows) { name.replace('\\', "/") } else { name.to_owned() };
    let scheme = if slashes.starts_with('/') {
        "file://"
    } else if cfg!(windows) && slashes.as_bytes().get(1) == Some(&b':') {
        "file:///"
    } else {
        ""
    };
    let escaped = slashes.bytes().map(|byte| {
        let plain = byte.is_ascii_alphanumeric() || PLAIN.contains(&byte);
        if plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    });
    std::iter::once(scheme.to_owned()).chain(escaped).collect()
}

/// `unknown-key` as SARIF wants names of rules: `UnknownKey`.
fn pascal_case(slug: &str) -> String {
    slug.split('-')
        .map(|word| {
            let mut chars = word.chars();
            chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
        })
        .collect()
}

fn first_sentence(text: &str) -> &str {
    text.find(". ").map_or(text, |at| &text[..=at])
}

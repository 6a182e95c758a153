//! What differs between the plan that a checkpoint is a state of and the plan of a changed spec, in words.

use std::{collections::BTreeMap, fmt::Write as _};

use pipectl_data::units::Duration;
use serde_json::Value;

/// Differences within a node that are reported.
const REPORTED_PAUSE: usize = 3;

/// A line for each node that is new, gone or different. Both plans are without the parts that may change freely.
pub(crate) fn describe(old: &Value, new: &Value) -> Vec<String> {
    let (before, after) = (nodes(old), nodes(new));
    let mut lines = Vec::new();
    for (name, node) in &after {
        match before.get(name) {
            None => lines.push(format!("{} is new", called(name, node))),
            Some(was) if was != node => {
                let mut differences = Vec::new();
                leaves("", was, node, &mut differences);
                // A sink changes with the queries before it: it shows which columns it gets, whatever made them.
                let gets = node["node"]["role"] == "sink" && differences.iter().all(|found| found.contains("column"));
                if gets && has_changed_columns(&before, &after) {
                    continue;
                }
                let has = if gets { "gets other columns" } else { "has changed" };
                let mut line = format!("{} {has}", called(name, node));
                for (number, difference) in differences.iter().take(REPORTED_PAUSE).enumerate() {
                    write!(line, "{} {difference}", if number == 0 { ":" } else { "," }).unwrap_or_default();
                }
                if differences.len() > REPORTED_PAUSE {
                    line.push_str(", and more");
                }
                lines.push(line);
            }
            Some(_) => {}
        }
    }
    let gone = before.iter().filter(|(name, _)| !after.contains_key(*name));
    lines.extend(gone.map(|(name, node)| format!("{} is gone", called(name, node))));
    if lines.is_empty() {
        lines.push("the connections between its nodes have changed".to_owned());
    }
    lines
}

/// Whether the query of a processor makes other columns.
fn has_changed_columns(before: &BTreeMap<&str, Value>, after: &BTreeMap<&str, Value>) -> bool {
    after.iter().any(|(name, node)| {
        let mut differences = Vec::new();
        if let Some(was) = before.get(name).filter(|_| node["node"]["role"] == "processor") {
            leaves("", was, node, &mut differences);
        }
        differences.iter().any(|found| found.contains("column"))
    })
}

fn called(name: &str, node: &Value) -> String {
    let role = node["node"]["role"].as_str().unwrap_or("node");
    format!("{role} `{name}`")
}

/// What a plan says of each node: itself, the stage of its name, and the steps that are counted for it.
fn nodes(plan: &Value) -> BTreeMap<&str, Value> {
    let list = |value: &'static str| plan[value].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut nodes = BTreeMap::new();
    for (number, node) in list("nodes").iter().enumerate() {
        let Some(name) = node["name"].as_str() else { continue };
        let mut parts = serde_json::Map::new();
        parts.insert("node".to_owned(), node.clone());
        let mut operations = Vec::new();
        for stage in list("stages") {
            if stage["name"] == *name {
                parts.insert("tasks".to_owned(), stage["tasks"].clone());
                parts.insert("sink".to_owned(), stage["sink"]["schema"].clone());
            }
            let steps = stage["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
            operations.extend(steps.iter().filter(|step| step["node"] == number).map(|step| step["operation"].clone()));
        }
        parts.insert("operations".to_owned(), Value::Array(operations));
        nodes.insert(name, Value::Object(parts));
    }
    nodes
}

/// The values that differ, with the last words of their paths.
pub(crate) fn leaves(path: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(before), Value::Object(after)) => {
            let keys = before.keys().chain(after.keys().filter(|key| !before.contains_key(*key)));
            for key in keys {
                leaves(key, before.get(key).unwrap_or(&Value::Null), after.get(key).unwrap_or(&Value::Null), found);
            }
        }
        (Value::Array(before), Value::Array(after)) if are_named(before) && are_named(after) => {
            let of = |list: &[Value], name: &Value| list.iter().find(|value| value["name"] == *name).cloned();
            for value in after {
                match of(before, &value["name"]) {
                    None => found.extend(value["name"].as_str().map(|name| format!("column `{name}` is new"))),
                    Some(was) if was != *value => leaves("type", &was, value, found),
                    Some(_) => {}
                }
            }
            let gone = before.iter().filter(|value| of(after, &value["name"]).is_none());
            found.extend(gone.filter_map(|value| Some(format!("column `{}` is gone", value["name"].as_str()?))));
            if found.is_empty() && before != after {
                found.push("its columns have another order".to_owned());
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            before.iter().zip(after).for_each(|(old, new)| leaves(path, old, new, found));
        }
        (Value::Array(before), Value::Array(after)) => {
            found.push(format!("{} instead of {} {path}", after.len(), before.len()));
        }
        (old, new) if old != new => found.push(match (is_scalar(old), is_scalar(new)) {
            (true, true) => format!("`{path}` was {} and is {}", shown(path, old), shown(path, new)),
            _ => format!("its {path}"),
        }),
        _ => {}
    }
}

/// A value as a person writes it: lengths of time are in microseconds in a plan.
fn shown(name: &str, value: &Value) -> String {
    match value.as_u64().filter(|_| ["size", "slide", "offset"].contains(&name)) {
        Some(micros) => Duration(std::time::Duration::from_micros(micros)).to_string(),
        None => value.to_string(),
    }
}

/// Whether these are columns.
fn are_named(values: &[Value]) -> bool {
    !values.is_empty() && values.iter().all(|value| value["name"].is_string())
}

fn is_scalar(value: &Value) -> bool {
    !matches!(value, Value::Object(_) | Value::Array(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plan(size: i64, partitions: u32, sinks: &[&str]) -> Value {
        let mut nodes = vec![json!({ "name": "s", "role": "stream" }), json!({ "name": "w", "role": "processor" })];
        nodes.extend(sinks.iter().map(|name| json!({ "name": name, "role": "sink" })));
        json!({
            "nodes": nodes,
            "stages": [{
                "name": "s",
                "tasks": { "fixed": partitions },
                "steps": [{ "node": 1, "operation": { "window": { "query": { "size": size }, "input": ["a"] } } }],
            }],
        })
    }

    #[test]
    fn new_gone_and_changed_nodes_are_reported() {
        let old = plan(60, 4, &["files"]);
        assert_eq!(
            describe(&old, &plan(120, 8, &["table"])),
            [
                "stream `s` has changed: `fixed` was 4 and is 8",
                "sink `table` is new",
                "processor `w` has changed: `size` was 60us and is 120us",
                "sink `files` is gone",
            ]
        );
        assert_eq!(describe(&old, &old), ["the connections between its nodes have changed"]);
    }
}

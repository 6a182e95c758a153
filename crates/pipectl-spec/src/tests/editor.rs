//! The editor's verdict, by a validator that is not ours, agrees with the walk's.

use serde_json::Value;

use super::{EXAMPLE, documents, kinds, read_one};
use crate::json_schema;

#[test]
fn editors_agree_on_good_and_bad_specs() {
    let schema = json_schema(&kinds());
    let validator = jsonschema::validator_for(&schema).expect("a valid schema");
    let good = |text: &str| documents(text).iter().all(|document| validator.is_valid(document));
    if let Some(error) = documents(EXAMPLE).iter().find_map(|document| validator.validate(document).err()) {
        panic!("{error} at {}", error.instance_path());
    }
    let changes = [
        ("partitions: 4", "partitions: 0"),
        ("partitions: 4", "partitions: many"),
        ("partitions: 4", "x-note: 4"),
        ("partitions: 4", "partitons: 4"),
        ("ordering: key", "ordering: keys"),
        ("key: sensor_id", "key: [a, b]"),
        ("key: sensor_id", "key: []"),
        ("key: sensor_id", "key: { a: b }"),
        ("model: sensors", "model: sensor"),
        ("model: sensors, ", ""),
        ("simulate:", "simulat:"),
        ("      simulate: {", "      x-simulate: {"),
        ("to: sensor_data", "file: { path: x }"),
        ("from: clicks, ", ""),
        ("stdout: {}", "stdout: { a: 1 }"),
        ("user_id: string!", "user_id: text"),
        ("format: jsonl", "format: { csv: { delimiter: \";\" } }"),
        ("format: jsonl", "format: { xml: {} }"),
        ("format: jsonl", "format: xml"),
        ("    sensors:", "    sen-sors:"),
        ("    sensors:", "    x-sensors:"),
        ("name: sensor-lab", "name: -lab"),
        ("kind: Environment", "kind: Environments"),
        ("apiVersion: pipectl/v1", "apiVersion: pipectl/v2"),
        ("existing: true", "existing: yes"),
        ("existing: true", "existing: false"),
        ("{ kinesis: { region: us-east-1 } }", "{ kinesis: {}}"),
        ("{ memory: {} }", "{ memory: {}, kinesis: { region: a } }"),
        ("sqlite: { path: t.db }", "dynamodb: {}"),
        ("memory: 64MiB", "memory: { a: 1 }"),
        ("spec:", "specs:"),
    ];
    for (from, to) in changes {
        assert!(EXAMPLE.contains(from), "{from}");
        let text = EXAMPLE.replacen(from, to, 1);
        assert_eq!(good(&text), read_one(&text).1.is_empty(), "{from} -> {to}");
    }
}

#[test]
fn every_key_is_explained() {
    fn undescribed(schema: &Value, path: &str, root: &Value, into: &mut Vec<String>) {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
        for (key, property) in properties {
            let path = format!("{path}/{key}");
            let target = property.get("$ref").and_then(Value::as_str).and_then(|target| root.pointer(&target[1..]));
            if property.get("description").or_else(|| target?.get("description")).is_none() {
                into.push(path.clone());
            }
            undescribed(property, &path, root, into);
            if let Some(node) = property.get("additionalProperties") {
                undescribed(node, &format!("{path}/*"), root, into);
            }
        }
    }
    let none = crate::Kinds::default();
    let schema = json_schema(&none);
    let mut missing = Vec::new();
    undescribed(&schema, "", &schema, &mut missing);
    for document in ["PipelineSpec", "EnvironmentSpec", "Metadata"] {
        undescribed(&schema["$defs"][document], document, &schema, &mut missing);
    }
    assert!(missing.is_empty(), "{missing:?}");
}

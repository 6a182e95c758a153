//! What is inferred can be read: as a spec, and by the decoder of the records that it came from.

use arrow_array::BinaryViewArray;
use pipectl_data::{
    Field, Schema,
    decode::{DecodeFormat, Decoder},
};
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::{lines, read_one};

/// The schema that a spec with this block has.
fn read(block: &str) -> Schema {
    let indented = block.lines().fold(String::new(), |text, line| format!("{text}      {line}\n"));
    let text = format!(
        "apiVersion: pipectl/v1\nkind: Pipeline\nmetadata: {{ name: lab }}\nspec:\n  streams:\n    records:\n{indented}"
    );
    let (loaded, problems, map) = read_one(&text);
    assert_eq!(lines(&problems, &map), Vec::<String>::new(), "{text}");
    loaded.pipelines[0].streams[0].schema.clone().expect("a schema").schema
}

/// The fields that a spec can name.
fn nameable(schema: &Schema) -> Vec<Field> {
    let long = |name: &str| Value::from(name).to_string().len() >= 1_000;
    schema.fields().iter().filter(|field| !field.name.contains("${") && !long(&field.name)).cloned().collect()
}

fn names() -> impl Strategy<Value = String> {
    let hard = [
        "",
        "a",
        "x-id",
        "on",
        "null",
        "~",
        "<<",
        "- a",
        "a: b",
        "a #b",
        "#",
        "*a",
        "&a",
        "!a",
        "%a",
        "@a",
        "`a`",
        "'",
        "\"",
        "{a}",
        "[a]",
        "? a",
        "1",
        "1.5",
        ".inf",
        "0x1f",
        "2026-01-31",
        "a b",
        " a ",
        "a\nb",
        "a\u{7f}",
        "a\u{85}",
        "\u{feff}a",
        "\u{2028}",
        "\u{fffe}",
        "é",
        "🙂",
        "${A}",
        "$${A}",
        "$(A)",
        "true",
        "Yes",
        "=",
        "\\",
        "\t",
        "---",
        "line",
        "_pipectl_x",
        "time",
        "key",
    ];
    prop_oneof![prop::sample::select(hard.to_vec()).prop_map(str::to_owned), "\\PC{0,8}", any::<String>()]
}

fn values() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "null",
            "true",
            "1",
            "-0",
            "1.5",
            "1e3",
            "1e999",
            "-1e400",
            "18446744073709551616",
            "[]",
            "{\"a\":1}",
            "\"\"",
            "\"2026-01-31\"",
            "\"2026-02-30\"",
            "\"9999-12-31T23:59:59-05:00\"",
            "\"9999-12-31T23:59:59Z\"",
            "\"0001-01-01\"",
            "\"2026-01-31T10:00:00[Europe/Berlin]\"",
            "\"2026-01-31 10:00\"",
            "1767225600000",
            "\"2026-01-31T10:00:00+01:00[Europe/Berlin]\"",
            "\"-000001-01-01T00:00:00Z\"",
            "\"2016-12-31T23:59:60Z\"",
        ])
        .prop_map(str::to_owned),
        any::<i64>().prop_map(|number| number.to_string()),
        "\\PC{0,12}".prop_map(|text| Value::from(text).to_string()),
    ]
}

#[test]
fn long_names_are_no_keys() {
    let long = "x".repeat(2_000);
    let schema = crate::infer([format!("{{\"{long}\":1,\"a\":1}}").as_bytes()].into_iter()).expect("a schema");
    assert_eq!(read(&crate::schema_block(&schema)).fields(), nameable(&schema));
    assert!(crate::infer([format!("{{\"{long}\":1}}").as_bytes()].into_iter()).is_err());
}

proptest! {
    #[test]
    fn a_schema_of_json_is_a_spec_and_reads_its_records(records in prop::collection::vec(prop::collection::vec((names(), values()), 0..5), 1..5)) {
        let records: Vec<String> = records.iter().map(|members| {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("{}:{value}", Value::from(name.as_str()))).collect();
            format!("{{{}}}", members.join(","))
        }).collect();
        if let Ok(schema) = crate::infer(records.iter().map(String::as_bytes)) {
            let read = read(&crate::schema_block(&schema));
            prop_assert_eq!(read.fields(), nameable(&schema));
            let decoded = Decoder::new(&read, DecodeFormat::Json).decode(&BinaryViewArray::from_iter_values(&records));
            prop_assert_eq!(decoded.expect("decodes").bad, [], "{:?}", records);
        }
    }

    #[test]
    fn a_schema_of_rows_is_a_spec_and_reads_its_rows(names in prop::collection::vec(names(), 1..4), values in prop::collection::vec(prop_oneof![values(), "[ -~]{0,6}"], 0..12)) {
        let rows: Vec<Vec<String>> = values.chunks_exact(names.len()).map(<[String]>::to_vec).collect();
        if let Ok(schema) = crate::infer_rows(&names, rows.iter().cloned()) {
            let read = read(&crate::schema_block(&schema));
            prop_assert_eq!(read.fields(), nameable(&schema));
            let written: Vec<String> = rows.iter().map(|row| {
                row.iter().map(|value| format!("\"{}\"", value.replace('"', "\"\""))).collect::<Vec<_>>().join(",")
            }).collect();
            let mut decoder = Decoder::new(&read, DecodeFormat::Csv { delimiter: b',', columns: names.clone(), nulls: Vec::new() });
            let decoded = decoder.decode(&BinaryViewArray::from_iter_values(&written)).expect("decodes");
            prop_assert_eq!(decoded.bad, [], "{:?}", written);
        }
    }

    #[test]
    fn a_map_of_any_names_is_a_spec(names in prop::collection::btree_set(any::<String>(), 1..6)) {
        let record: Map<String, Value> = names.iter().map(|name| (name.clone(), Value::from(1))).collect();
        let record = Value::Object(record).to_string();
        if let Ok(schema) = crate::infer([record.as_bytes()].into_iter()) {
            let read = read(&crate::schema_block(&schema));
            prop_assert_eq!(read.fields(), nameable(&schema));
        }
    }
}

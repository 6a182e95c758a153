//! Our tree says the same as serde-saphyr, a reader of YAML that others wrote.
//!
//! Both stand on one parser, so this is about what is made of its events: types of scalars, block scalars, anchors, merge
//! keys, the order and the end of collections.

use std::{fs, path::Path};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{EXAMPLE, documents};

/// Read with the booleans of YAML 1.2, as a spec is: `yes` is a text. (Underscores in numbers are left out of the comparison: to
/// YAML 1.2, and to us, `1_000` is a text; to them a number.)
fn theirs(text: &str) -> Vec<Value> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_multiple_with_options(text, options).unwrap_or_else(|error| panic!("{error} in\n{text}"))
}

/// Numbers by their value: `1.0` in a text may come back as `1`.
fn plain(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Number(number), |value| json!(value)),
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::Object(entries) => entries.into_iter().map(|(key, value)| (key, plain(value))).collect(),
        other => other,
    }
}

fn agree(name: &str, text: &str) {
    let ours: Vec<Value> = documents(text).into_iter().map(plain).collect();
    let theirs: Vec<Value> = theirs(text).into_iter().map(plain).collect();
    assert_eq!(ours, theirs, "{name}\n{text}");
}

#[test]
fn the_same_values_from_every_spec_that_is_yaml() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    agree("the example of these tests", EXAMPLE);
    let mut read = 0;
    for folder in ["pipelines", "tests/diagnostics", "benches"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.display().to_string();
            let Ok(text) = fs::read_to_string(&path) else { continue };
            // What is no YAML has no value to compare; where it is and we say otherwise, a case of PC00 says why.
            if path.extension().is_none_or(|extension| extension != "yaml")
                || text.contains("error[PC00")
                || path.with_extension("expect").exists()
            {
                continue;
            }
            agree(&name, &text);
            read += 1;
        }
    }
    assert!(read >= 100, "only {read} specs");
}

#[test]
fn the_same_values_from_every_form_of_yaml_that_a_spec_may_use() {
    for text in [
        "a: 1\nb: 1.5\nc: true\nd: null\ne: ~\nf:\ng: text\nh: \"1\"\ni: 'it''s'\n",
        "a: yes\nb: no\nc: on\nd: off\ne: 012\nf: 1e3\ng: -0\nh: 0x1f\ni: 0o17\nj: .5\nk: 5.\n",
        "a: 2026-01-31\nb: 12:30:00\nc: 60s\nd: 10%\ne: 1.2.3\n",
        "a: |\n  one\n  two\n\n  three\nb: |-\n  no end\nc: |+\n  with end\n\nd: >\n  folded\n  line\n\n  second\ne: >-\n  x\n",
        "a: {b: [1, {c: d}], e: }\nf: [a, b, , ]\n".replace(", , ]", "]").as_str(),
        "a: &x {b: 1, c: 2}\nd: *x\ne: {<<: *x, c: 3}\nf: {<<: [*x, {g: 4}], b: 5}\n",
        "a: \"line\\n\\ttab \\u00e9 \\x41\"\nb: 'c\\d'\nc: \"a\n  b\n\n  c\"\n",
        "# comment\na: b # comment\n---\nc: d\n...\n---\n- 1\n- - 2\n  - 3\n",
        "? a\n: b\n\"c d\": e\n'f': g\n1: h\ntrue: i\n",
        "text: some words: no\n".replace(": no", ":no").as_str(),
    ] {
        agree("a form", text);
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let text = prop_oneof!["[ -~]{0,12}", "\\PC{0,8}", "[a-z]{1,6}(\n[a-z ]{0,6}){0,3}", "[0-9.+eE_xo:-]{1,8}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Z_][ -~]{0,8}", inner, 0..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// What they write, we read as what it was.
    #[test]
    fn the_same_values_from_what_they_write(value in any_value()) {
        let document = json!({ "value": value });
        let text = serde_saphyr::to_string(&document).unwrap();
        let ours: Vec<Value> = documents(&text).into_iter().map(plain).collect();
        prop_assert_eq!(ours, vec![plain(document)], "{}", text);
    }
}

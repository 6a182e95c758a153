//! Each form of text through the operator, and what its options must not be.

use std::{fmt::Write as _, sync::Arc};

use arrow_array::{BinaryViewArray, Int64Array, cast::AsArray};
use pipectl_data::{DataType, Field, PayloadFormat, encode};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::parse::check::check;

fn options(value: Value) -> ParseOptions {
    serde_json::from_value(value).expect("options")
}

fn input() -> Schema {
    Schema::new([Field::new("host", DataType::String), Field::new("line", DataType::String)])
}

fn batch(lines: &[Option<&str>]) -> Batch {
    let count = lines.len() as i64;
    let hosts: StringViewArray = (0..count).map(|number| Some(format!("host-{number}"))).collect();
    let texts: StringViewArray = lines.iter().copied().collect();
    let columns = RecordBatch::try_new(input().arrow(), vec![Arc::new(hosts), Arc::new(texts)]).expect("columns");
    let payload: BinaryViewArray = lines.iter().map(|line| line.map(str::as_bytes)).collect();
    let offsets: Int64Array = (0..count).collect();
    let arrival: Int64Array = (0..count).map(|number| number * 10).collect();
    Batch::raw(3, offsets, arrival, payload, PayloadFormat::Opaque).with_columns(columns)
}

/// Rows that go on as JSON lines, then dead letters with their offset.
fn run(value: Value, lines: &[Option<&str>]) -> String {
    let options = options(value);
    let facts = check(&options, Some(&input())).expect("facts");
    let mut operator = ParseOperator::new(&options, &input()).expect("an operator");
    let mut out = Output::default();
    operator.on_batch(batch(lines), &mut out).expect("output");
    let mut shown = String::new();
    let mut seen = 0;
    for batch in &out.batches {
        seen += batch.len();
        let columns = batch.columns.as_ref().expect("columns");
        assert_eq!(columns.schema(), facts.output.arrow());
        let (mut rows, mut ends) = (Vec::new(), Vec::new());
        encode::jsonl::write_rows(columns, &facts.output, &mut rows, &mut ends).expect("JSON");
        let payload = batch.payload.as_ref().expect("payload");
        for (row, text) in String::from_utf8(rows).expect("text").lines().enumerate() {
            let offset = batch.offsets.value(row);
            assert_eq!(batch.arrival.value(row), offset * 10);
            assert_eq!(Some(payload.value(row)), lines[offset as usize].map(str::as_bytes));
            writeln!(shown, "{offset} {text}").expect("text");
        }
    }
    for dead in &out.dead {
        assert_eq!(dead.batch.len(), dead.reasons.len());
        seen += dead.batch.len();
        for (offset, reason) in dead.batch.offsets.values().iter().zip(&dead.reasons) {
            writeln!(shown, "{offset} ! {}: {}", reason.code, reason.message).expect("text");
        }
    }
    assert_eq!(seen, lines.len(), "the ledger");
    shown
}

const GOOD: &str = r#"192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "x""#;

#[test]
fn access_logs() {
    insta::assert_snapshot!(run(json!({ "format": "combined" }), &[Some(GOOD), None, Some("nonsense"), Some(GOOD)]));
}

#[test]
fn regular_expressions() {
    let value = json!({
        "regex": r"^(?<level>[A-Z]+)(?: code=(?<code>\w+))? (?<at>\S+)$",
        "schema": { "code": "int64", "at": "timestamp!" },
        "keep": [], "keep_field": true,
    });
    let lines = [
        "INFO code=7 2026-01-31T10:00:00Z",
        "WARN 31/Jan/2026:10:00:00 +0000",
        "WARN code=x 2026-01-31",
        "low 1",
        "INFO soon",
    ];
    insta::assert_snapshot!(run(value, &lines.map(Some)));
    let value = json!({
        "regex": r"(?<at>\d\d\.\d\d\.\d{4})", "schema": { "at": "timestamp" }, "time_format": "%d.%m.%Y", "keep": [],
    });
    insta::assert_snapshot!(run(value, &[Some("on 31.01.2026."), Some("on 32.01.2026.")]));
}

#[test]
fn grok_patterns() {
    let value = json!({
        "grok": "%{IPORHOST:client} %{WORD:method} (?:%{NUMBER:bytes:int}|%{ORDER:order}|-) %{GREEDYDATA:host}",
        "patterns": { "ORDER": "%{PREFIX}-[0-9]+", "PREFIX": "order" },
    });
    insta::assert_snapshot!(run(
        value,
        &[Some("192.0.2.1 GET 17 a b"), Some("x.example PUT order-8 "), Some("::1 GET - c"), Some("?")]
    ));
    let value = json!({ "grok": "%{COMBINEDAPACHELOG}", "schema": { "timestamp": "timestamp" }, "keep": [] });
    insta::assert_snapshot!(run(value, &[Some(GOOD)]));
    // Alternatives may share a column.
    let value = json!({ "grok": "^(?:%{INT:id:int} first|second %{INT:id:int})(?<rest>.*)$", "keep": [] });
    insta::assert_snapshot!(run(value, &[Some("1 first"), Some("second 2!"), Some("third")]));
}

#[test]
fn rows_of_values() {
    let value = json!({
        "csv": { "columns": ["id", "_", "amount", "at", "_"], "delimiter": ";" },
        "schema": { "amount": "float64", "at": "timestamp" },
        "keep": ["host"],
    });
    let lines = ["a;x;1.5;2026-01-31;", "\"a;b\";;;;", "a;x;much;;", "a;x"];
    insta::assert_snapshot!(run(value, &lines.map(Some)));
}

#[test]
fn objects() {
    let value = json!({ "json": {}, "schema": { "id": "string!", "n": "int64", "more": "json" } });
    let lines =
        [Some(r#"{"n":1,"id":"a","more":{"x":[1]}}"#), Some(r#"{"n":1}"#), Some("[]"), None, Some(r#"{"id":"b"}"#)];
    insta::assert_snapshot!(run(value, &lines));
}

#[test]
fn parsed_columns_replace_those_that_came_in() {
    let value = json!({ "regex": "(?<host>.+)" });
    insta::assert_snapshot!(run(value, &[Some("new")]));
}

/// Every problem as `code at.path[range]: title (help)`.
fn problems(value: Value, input: Option<&Schema>) -> String {
    let Err(found) = check(&options(value), input) else { return "fine\n".to_owned() };
    found
        .iter()
        .map(|problem| {
            let places: Vec<String> = problem
                .labels
                .iter()
                .map(|label| match &label.place {
                    pipectl_diag::Place::Node(path, part) => format!("{path} {part:?}"),
                    pipectl_diag::Place::Span(_) => "elsewhere".to_owned(),
                })
                .collect();
            let more: Vec<&str> = problem.help.iter().chain(&problem.notes).map(String::as_str).collect();
            format!("{} at {}: {} ({})", problem.code, places.join(", "), problem.title, more.join("; "))
        })
        .collect::<Vec<_>>()
        .join("\n")
        + "\n"
}

#[test]
fn wrong_options() {
    let numbers = Schema::new([Field::new("n", DataType::Int64)]);
    let two = Schema::new([Field::new("a", DataType::String), Field::new("b", DataType::String)]);
    let cases = [
        (json!({}), None),
        (json!({ "format": "combined", "regex": "(?<a>.)", "json": {} }), None),
        (
            json!({ "format": "combined", "schema": { "a": "int64" }, "patterns": { "A": "b" }, "time_format": "%Y-%m-%d" }),
            None,
        ),
        (json!({ "format": "combined" }), Some(&numbers)),
        (json!({ "format": "combined", "field": "n" }), Some(&numbers)),
        (json!({ "format": "combined" }), Some(&two)),
        (json!({ "format": "combined", "field": "elsewhere" }), Some(&two)),
        (json!({ "regex": r"^(?<a>\S+ " }), None),
        (json!({ "regex": r"(?<a>\d{2,1})" }), None),
        (json!({ "regex": r"(?<a>x)(?=y)" }), None),
        (json!({ "regex": r"(?<a>x)\1" }), None),
        (json!({ "regex": r"(?<a>(?:\w{1000}){1000})" }), None),
        (json!({ "regex": r"\d+" }), None),
        (json!({ "regex": r"(?<status>\d+)", "schema": { "statsu": "int64", "zzzzzz": "int64" } }), None),
        (json!({ "regex": r"(?<at>.+)", "schema": { "at": "timestamp" }, "time_format": "%b %d" }), None),
        (json!({ "regex": r"(?<at>.+)", "schema": { "at": "timestamp" }, "time_format": "%Y-%m-%d %!" }), None),
        (json!({ "grok": "a %{IPORHOTS:client} %{NOTSPCE:b}" }), None),
        (json!({ "grok": "a %{WORD:client" }), None),
        (json!({ "grok": "%{NUMBER:bytes:integre}" }), None),
        (json!({ "grok": "%{WORD}" }), None),
        (json!({ "grok": "(%{WORD:a}" }), None),
        (json!({ "grok": "" }), None),
        (json!({ "grok": "%{A:a} %{A:b}", "patterns": { "A": "[a-", "UNUSED": "(" } }), None),
        (json!({ "grok": "%{A:a} %{A:b}", "patterns": { "A": "x%{B}", "B": "%{A}" } }), None),
        (json!({ "grok": "%{A:a}", "patterns": { "A": "%{WROD}" } }), None),
        (json!({ "csv": { "columns": ["_"] } }), None),
        (json!({ "csv": { "columns": ["a", "b", "a"], "delimiter": "::" }, "schema": { "c": "int64" } }), None),
        (json!({ "json": {} }), None),
    ];
    let shown: Vec<String> =
        cases.into_iter().map(|(value, input)| format!("{value}\n{}", problems(value.clone(), input))).collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_pattern_that_grows_without_bounds_is_refused() {
    let mut patterns: serde_json::Map<String, Value> =
        (0..40).map(|level| (format!("P{level}"), format!("%{{P{0}}}%{{P{0}}}", level + 1).into())).collect();
    patterns.insert("P40".to_owned(), "x".into());
    let found = problems(json!({ "grok": "%{P0:a}", "patterns": patterns }), None);
    assert!(found.contains("becomes too large"), "{found}");
}

#[test]
fn an_unknown_type_names_the_nearest() {
    let error = serde_json::from_value::<ParseOptions>(json!({ "json": {}, "schema": { "a": "flaot64" } })).err();
    assert_eq!(
        error.map(|error| error.to_string()),
        Some("`flaot64` is not a type; did you mean `float64`?".to_owned())
    );
}

#[test]
fn bytes_are_read_too() {
    let schema = Schema::new([Field::new("line", DataType::Bytes)]);
    let mut operator = ParseOperator::new(&options(json!({ "regex": "(?<a>.)" })), &schema).expect("an operator");
    let texts: BinaryViewArray = [Some(b"x".as_slice()), Some(b"\xff")].into_iter().collect();
    let columns = RecordBatch::try_new(schema.arrow(), vec![Arc::new(texts.clone())]).expect("columns");
    let batch = Batch::raw(0, vec![0, 1].into(), vec![0, 0].into(), texts, PayloadFormat::Opaque).with_columns(columns);
    let mut out = Output::default();
    operator.on_batch(batch, &mut out).expect("output");
    let columns = out.batches[0].columns.as_ref().expect("columns");
    assert_eq!(columns.column(0).as_string_view().iter().collect::<Vec<_>>(), [Some("x")]);
    assert_eq!(out.dead[0].reasons[0].message, "column `line` is not valid UTF-8");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_panics(lines in proptest::collection::vec(proptest::option::of("\\PC{0,80}"), 1..20)) {
        let lines: Vec<Option<&str>> = lines.iter().map(Option::as_deref).collect();
        for value in [
            json!({ "format": "combined" }),
            json!({ "regex": r"(?<a>\w+)(?<b>\d)?", "schema": { "b": "int64" } }),
            json!({ "grok": "%{NOTSPACE:a} %{NUMBER:b:int}" }),
            json!({ "csv": { "columns": ["a", "b"] }, "schema": { "b": "timestamp" } }),
            json!({ "json": {}, "schema": { "a": "int64" } }),
        ] {
            run(value, &lines);
        }
    }

    #[test]
    fn no_pattern_panics(text in "[%{}:=A-Za-z(\\[)*?+|\\\\ ]{0,24}") {
        for kind in ["regex", "grok"] {
            let _any = check(&options(json!({ kind: text })), None);
        }
    }
}

/// `cargo test --release -p pipectl-process parse::operator::tests::speed -- --ignored --nocapture`
#[test]
#[ignore = "a measurement, not a check"]
#[allow(clippy::disallowed_methods, reason = "a measurement needs the real clock")]
fn speed() {
    let line = r#"192.0.2.153 - - [01/Jan/2026:00:00:00 +0000] "GET /product/38?page=2 HTTP/1.1" 200 25329 "https://shop.example/" "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0""#;
    let batch = batch(&vec![Some(line); 8192]);
    let grok = "%{COMBINEDAPACHELOG}";
    let regex = r#"^(?<client>\S+) \S+ \S+ \[(?<time>[^\]]+)\] "(?<request>[^"]*)" (?<status>\d+) (?<bytes>\S+)"#;
    for (name, value, rounds) in [
        ("combined", json!({ "format": "combined", "keep": [] }), 200),
        ("regex", json!({ "regex": regex, "keep": [] }), 50),
        ("grok", json!({ "grok": grok, "keep": [] }), 5),
    ] {
        let mut operator = ParseOperator::new(&options(value), &input()).expect("an operator");
        let started = std::time::Instant::now();
        for _ in 0..rounds {
            let mut out = Output::default();
            operator.on_batch(batch.clone(), &mut out).expect("output");
            assert_eq!(out.batches[0].len(), 8192);
        }
        let rows = f64::from(rounds) * 8192.0;
        println!("{name}: {:.2} M lines/s", rows / started.elapsed().as_secs_f64() / 1e6);
    }
}

//! Runs made by hand, and a plain model of multisets.

use std::collections::BTreeMap;

use pipectl_data::DataType;
use pipectl_ir::{RunReport, report::Outcome};
use proptest::prelude::*;

use super::*;

fn rows(texts: &[&str]) -> Vec<Row> {
    texts.iter().map(|text| Row { text: (*text).to_owned(), key: None }).collect()
}

fn run(name: &str, rows: Vec<Row>, ordered: bool) -> Run {
    let report = RunReport {
        pipeline: "p".to_owned(),
        outcome: Outcome::Finished,
        started: 0,
        ended: 1,
        resumed_from: None,
        checkpoint: 0,
        nodes: Vec::new(),
        regions: Vec::new(),
    };
    let sinks = BTreeMap::from([("out".to_owned(), Recorded { rows, ordered, origin: Origin::default() })]);
    let (name, backends, input) = (name.to_owned(), Vec::new(), Input::new());
    Run { name, backends, report, sinks, input, late: 0, retries: 0, latency: None }
}

fn verdict(expected: Vec<Row>, found: Vec<Row>, ordered: bool) -> SinkVerdict {
    judge(&run("a", expected, ordered), &run("b", found, ordered), Settings::default()).sinks.remove(0)
}

#[test]
fn rows_are_equal_in_any_order_of_rows_and_fields_and_within_the_tolerance() {
    let expected = rows(&[r#"{"a":1,"b":0.1}"#, r#"{"a":2,"b":0.30000000000000004}"#]);
    let found = rows(&[r#"{"b":0.3,"a":2}"#, r#"{"a":1,"b":0.1}"#]);
    assert!(verdict(expected, found, false).is_equal());
    let verdict = verdict(rows(&[r#"{"b":0.3}"#]), rows(&[r#"{"b":0.31}"#]), false);
    assert_eq!((verdict.lost, verdict.foreign, verdict.duplicates), (1, 1, 0));
    assert_eq!(verdict.examples[0].what, "other values");
}

#[test]
fn what_is_lost_and_what_is_there_twice_is_counted() {
    let verdict = verdict(rows(&["1", "2", "2", "3"]), rows(&["2", "1", "1", "4"]), false);
    assert_eq!((verdict.lost, verdict.duplicates, verdict.foreign), (2, 1, 1));
}

#[test]
fn the_order_of_a_key_counts_where_it_is_promised_and_only_there() {
    let keyed = |texts: &[(&str, &str)]| -> Vec<Row> {
        texts.iter().map(|(key, text)| Row { text: (*text).to_owned(), key: Some((*key).to_owned()) }).collect()
    };
    let expected = || keyed(&[("a", "1"), ("b", "2"), ("a", "3")]);
    let found = || keyed(&[("b", "2"), ("a", "3"), ("a", "1")]);
    assert!(verdict(expected(), found(), false).is_equal());
    let judged = verdict(expected(), found(), true);
    assert_eq!(judged.disordered_keys, 1);
    assert_eq!(judged.examples[0].key.as_deref(), Some("a"));
    assert!(verdict(expected(), keyed(&[("b", "2"), ("a", "1"), ("a", "3")]), true).is_equal());
}

/// Rows of one column that comes from a field, of windows of a minute.
fn per_minute() -> Origin {
    use crate::origin::{From, Time, Way, Windowed};
    let window = Windowed::starting("start", 60_000_000, Time::Field("at".to_owned(), DataType::Timestamp));
    let columns = BTreeMap::from([("id".to_owned(), From::Field("sensor".to_owned(), DataType::String))]);
    Origin { ways: vec![Way { source: "in".to_owned(), columns, window: Some(window), ..Way::default() }] }
}

#[test]
fn a_difference_comes_with_the_records_of_its_key_and_window() {
    let row =
        |id: &str, minute: u32, n: u32| format!(r#"{{"id":"{id}","start":"2026-01-01T00:{minute:02}:00Z","n":{n}}}"#);
    let record = |id: &str, at: &str| format!(r#"{{"sensor":"{id}","at":"2026-01-01T00:{at}Z"}}"#);
    let recorded = |rows: &[String]| Recorded {
        rows: rows.iter().map(|text| Row { text: text.clone(), key: None }).collect(),
        ordered: false,
        origin: per_minute(),
    };
    let of = |name: &str, rows: &[String]| Run {
        sinks: BTreeMap::from([("out".to_owned(), recorded(rows))]),
        ..run(name, Vec::new(), false)
    };
    let mut reference = of("a", &[row("b", 1, 1), row("a", 2, 1), row("a", 1, 5)]);
    let mut records: Vec<String> = (0..5).map(|second| record("a", &format!("01:0{second}"))).collect();
    records.extend([record("a", "02:00"), record("b", "01:59.999"), record("b", "02:00"), "no JSON".to_owned()]);
    reference.input = Input::from([("in".to_owned(), records)]);
    let other = of("b", &[row("a", 1, 4), row("a", 2, 2), row("b", 1, 2)]);
    let verdict = judge(&reference, &other, Settings::default()).sinks.remove(0);
    // By key and time, each row beside that of its own group.
    let shown: Vec<_> = verdict.examples.iter().map(|one| (one.expected.clone(), one.found.clone())).collect();
    let pair = |id, minute, one, other| (Some(row(id, minute, one)), Some(row(id, minute, other)));
    assert_eq!(shown, [pair("a", 1, 5, 4), pair("a", 2, 1, 2), pair("b", 1, 1, 2)]);
    let inputs: Vec<_> = verdict.examples.iter().filter_map(|one| one.input.clone()).collect();
    assert_eq!(
        inputs.iter().map(|input| (input.records.len(), input.total)).collect::<Vec<_>>(),
        [(3, 5), (1, 1), (1, 1)]
    );
    assert_eq!(inputs[2].records, [record("b", "01:59.999")]);
}

#[test]
fn of_lines_the_values_of_a_row_are_asked_for_as_words() {
    use crate::origin::{From, Way};
    let columns = BTreeMap::from([("status".to_owned(), From::Text), ("host".to_owned(), From::Text)]);
    let origin = Origin { ways: vec![Way { source: "log".to_owned(), columns, ..Way::default() }] };
    let sinks = BTreeMap::from([(
        "out".to_owned(),
        Recorded { rows: rows(&[r#"{"status":503,"host":"192.0.2.1"}"#]), ordered: false, origin },
    )]);
    let lines = ["192.0.2.1 GET /a 503", "192.0.2.11 GET /b 503", "192.0.2.1 GET /c 200", "192.0.2.1 GET /5031 404"];
    let input = Input::from([("log".to_owned(), lines.map(str::to_owned).to_vec())]);
    let reference = Run { sinks, input, ..run("a", Vec::new(), false) };
    let verdict = judge(&reference, &run("b", Vec::new(), false), Settings::default()).sinks.remove(0);
    let input = verdict.examples[0].input.clone().expect("its input");
    assert_eq!((input.records, input.total), (vec![lines[0].to_owned()], 1));
}

#[test]
fn latency_is_read_off_the_sorted_durations() {
    assert_eq!(Latency::of((1..=101).rev().collect()), Some(Latency { p50: 51, p99: 100 }));
    assert_eq!(Latency::of(Vec::new()), None);
}

proptest! {
    /// Lost and added rows are those of a plain multiset difference.
    #[test]
    fn counts_are_those_of_multisets(
        expected in prop::collection::vec(0_i32..6, 0..30),
        found in prop::collection::vec(0_i32..6, 0..30),
    ) {
        let texts = |numbers: &[i32]| -> Vec<Row> {
            numbers.iter().map(|number| Row { text: format!("{{\"n\":{number},\"x\":{number}.5}}"), key: None }).collect()
        };
        let judged = verdict(texts(&expected), texts(&found), false);
        let count = |numbers: &[i32], wanted: i32| numbers.iter().filter(|number| **number == wanted).count() as u64;
        let (mut lost, mut duplicates, mut foreign) = (0, 0, 0);
        for number in 0..6 {
            let (one, other) = (count(&expected, number), count(&found, number));
            lost += one.saturating_sub(other);
            if one == 0 { foreign += other } else { duplicates += other.saturating_sub(one) }
        }
        prop_assert_eq!((judged.lost, judged.duplicates, judged.foreign), (lost, duplicates, foreign));
    }
}

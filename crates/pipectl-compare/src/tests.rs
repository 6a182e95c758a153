//! Runs made by hand, and a plain model of multisets.

use std::collections::BTreeMap;

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

//! Inputs that went wrong once, each a folder of `cases/` with its spec.

use std::{fs, time::Duration};

use serde_json::Value;

use crate::support::{Lab, edit, output, sqlite, wait::until};

fn lines(lab: &Lab, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(lab.path(name)).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn folders(lab: &Lab, below: &str) -> Vec<String> {
    let files = output::files(&lab.path(below));
    let mut folders: Vec<String> =
        files.keys().map(|file| file.rsplit_once('/').expect("a folder").0.to_owned()).collect();
    folders.dedup();
    folders
}

/// The date that stands for "for ever", and the first of our era.
#[test]
fn both_ends_of_the_calendar_are_in_prefixes_and_files() {
    let lab = Lab::of_case("F08-sentinel-9999");
    lab.run(&["apply", "spec.yaml"]).code(0);
    assert_eq!(
        folders(&lab, "out/c/lake"),
        [
            "ts=0001-01-01/d=0001-01-01",
            "ts=2025-01-01/d=2025-01-01",
            "ts=9999-12-30/d=9999-12-30",
            "ts=9999-12-31/d=9999-12-31",
            "ts=__HIVE_DEFAULT_PARTITION__/d=__HIVE_DEFAULT_PARTITION__",
        ]
    );
    assert_eq!(output::all_rows(&lab.path("out/c/pq")).len(), 5);
}

/// An instant that leaves the range in UTC is refused where it comes in.
#[test]
fn an_instant_beyond_the_range_is_a_dead_letter() {
    let lab = Lab::of_case("F08-sentinel-9999");
    let row = |id: u32, at: &str| format!("{{\"id\":{id},\"valid_to\":\"{at}\",\"d\":null}}\n");
    lab.write("in.jsonl", row(1, "9999-12-31T23:59:59-05:00") + &row(2, "9999-12-31T18:59:59-05:00"));
    lab.run(&["apply", "spec.yaml"]).code(0);
    let mut dead = lines(&lab, "dead.jsonl");
    dead.retain(|letter| letter["node"] == "r");
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert!(dead[0].to_string().contains("from year 0 to 9999"), "{dead:?}");
    let rows = output::all_rows(&lab.path("out/c/pq"));
    assert_eq!(rows, [r#"{"id":2,"valid_to":"9999-12-31T23:59:59Z","d":null}"#]);
}

#[test]
fn access_logs_with_more_fields_in_front_are_not_shifted() {
    let lab = Lab::of_case("F12-access-log-shifted");
    lab.run(&["apply", "spec.yaml"]).code(0);
    assert_eq!(lines(&lab, "out.jsonl").iter().map(|row| row["client"].clone()).collect::<Vec<_>>(), ["192.0.2.4"]);
    let dead = lines(&lab, "dead.jsonl");
    assert_eq!(dead.len(), 2, "{dead:?}");
    assert!(dead.iter().any(|letter| letter.to_string().contains("`vhost_combined`")), "{dead:?}");

    let lab = Lab::of_case("F12-access-log-shifted");
    let spec = fs::read_to_string(lab.path("spec.yaml")).expect("the spec");
    lab.write("spec.yaml", edit(&spec, &[("format: combined", "format: vhost_combined")]));
    lab.run(&["apply", "spec.yaml"]).code(0);
    let rows = lines(&lab, "out.jsonl");
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(
        (&rows[0]["vhost"], &rows[0]["port"], &rows[0]["client"]),
        (&"www.example.com".into(), &443.into(), &"192.0.2.4".into())
    );
}

#[test]
fn a_field_may_have_the_empty_name() {
    let lab = Lab::of_case("F18-empty-json-key");
    lab.run(&["apply", "spec.yaml"]).code(0);
    let text = fs::read_to_string(lab.path("out2.jsonl")).expect("the output");
    assert_eq!(text, "{\"\":1,\"a\":2}\n".repeat(4));
}

#[test]
fn an_empty_variable_takes_the_default() {
    for (variables, expected) in
        [(&[][..], 2), (&[("N", ""), ("O", "")], 2), (&[("N", "3")], 3), (&[("N", "3"), ("O", "o.jsonl")], 3)]
    {
        let lab = Lab::of_case("F20-env-default");
        let ran = lab.start(&["apply", "spec.yaml"], variables).finish();
        ran.code(0);
        assert_eq!(lines(&lab, "o.jsonl").len(), expected, "{variables:?}");
    }
    let lab = Lab::of_case("F20-env-default");
    let spec = fs::read_to_string(lab.path("spec.yaml")).expect("the spec");
    lab.write("spec.yaml", edit(&spec, &[("records: \"${N:-2}\"", "records: ${N}")]));
    lab.start(&["apply", "spec.yaml"], &[("N", "4")]).finish().code(0);
    assert_eq!(lines(&lab, "o.jsonl").len(), 4);
}

/// Another program holds the database when the run opens it, and again while it writes.
#[test]
fn a_locked_database_is_reported_at_once() {
    let lab = Lab::of_case("F16-sqlite-locked-silent");
    let path = lab.path("out/c/tables.sqlite");
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let other = rusqlite::Connection::open(&path).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE; CREATE TABLE other (a)").expect("locks");
    let run = lab.start(&["apply", "spec.yaml"], &[]);
    until("a warning", Duration::from_secs(8), || run.stderr().contains("database is locked").then_some(()));
    assert!(run.stderr().contains("another program holds the lock"), "{}", run.stderr());
    other.execute_batch("COMMIT").expect("unlocks");
    run.finish().code(0);
    assert!(!sqlite::query(&path, "SELECT * FROM out").is_empty());
}

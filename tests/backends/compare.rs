//! The examples come to the same result on every backend, and pipelines that cannot are found out.

use crate::place::{Place, example};

/// A log in Apache's combined format, one line in ten a failure, one in a hundred no such line at all.
fn log(lines: u32) -> String {
    (0..lines)
        .map(|line| match line {
            _ if line % 100 == 99 => format!("not a line of a log {line}\n"),
            _ => {
                let status = if line % 10 == 3 { 503 } else { 200 };
                let second = line % 60;
                format!(
                    "192.0.2.{} - - [31/Jan/2026:12:{:02}:{second:02} +0000] \"GET /p/{line} HTTP/1.1\" {status} {line} \"-\" \"t/1\"\n",
                    line % 250,
                    (line / 60) % 60,
                )
            }
        })
        .collect()
}

fn everywhere(place: &Place, pipeline: &str, more: &[&str]) {
    for (kind, records) in &place.backends {
        let backends = format!("memory,{kind}");
        let records = records.to_string();
        let mut arguments =
            vec!["compare", pipeline, "--backends", &backends, "--records", &records, "--format", "json"];
        arguments.extend(more);
        let ran = place.run(&arguments, "").code(0);
        let report = ran.json();
        assert_eq!(report["equal"], true, "{}", ran.stdout);
        let runs = report["pipelines"][0]["runs"].as_array().expect("runs");
        assert_eq!(runs[0]["backends"][0], "memory");
        assert_eq!(runs[1]["backends"][0], *kind, "the streams were not carried by {kind}");
        assert!(runs[0]["records"].as_u64() > Some(500), "{}", runs[0]["records"]);
        assert_eq!(runs[0]["records"], runs[1]["records"]);
        for sink in runs[1]["sinks"].as_array().expect("sinks") {
            assert_eq!(sink["expected"], sink["found"], "{kind}: {sink}");
        }
    }
}

#[test]
fn sensor_lab_is_equal_on_every_backend() {
    everywhere(&Place::with_all(), &example("sensor-lab.yaml"), &[]);
}

#[test]
fn clickstream_is_equal_on_every_backend() {
    everywhere(&Place::with_all(), &example("clickstream.yaml"), &[]);
}

#[test]
fn server_logs_are_equal_on_every_backend() {
    let place = Place::with_all();
    place.write("access.log", &log(1_000));
    everywhere(&place, &example("server-logs.yaml"), &["--input", "access_log=access.log"]);
}

const NAMED_BROKER: &str = "apiVersion: pipectl/v1\nkind: Environment\nmetadata: { name: broker }\nspec: { backends: { default: { memory: { broker: b } } } }\n";

#[test]
fn a_query_that_reads_arrival_times_is_found_out_with_its_rows() {
    let place = Place::empty();
    place.write("broker.yaml", NAMED_BROKER);
    place.write("plain.yaml", &NAMED_BROKER.replace("broker: b", "").replace("name: broker", "name: plain"));
    let spec = "apiVersion: pipectl/v1\nkind: Pipeline\nmetadata: { name: arrivals }\nspec:\n  sources:\n    sensors: { simulate: { model: sensors, devices: 3, rate: 2/s, pace: fast, seed: 1 }, to: readings }\n  streams:\n    readings: { key: sensor_id, partitions: 2 }\n  processors:\n    stamped: { sql: \"SELECT sensor_id, arrival_time() AS came FROM readings\" }\n  sinks:\n    out: { from: stamped, object_store: {} }\n    raw: { from: readings, object_store: { prefix: raw/ } }\n";
    place.write("arrivals.yaml", spec);
    let arguments = ["compare", "arrivals.yaml", "--envs", "plain.yaml,broker.yaml", "--records", "100"];
    let ran = place.run(&arguments, "").code(2);
    assert!(ran.stdout.contains("different"), "{}", ran.stdout);
    assert!(ran.stdout.contains("out on broker.yaml"), "{}", ran.stdout);
    assert!(ran.stdout.contains("sensor-001"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("raw on"), "what is equal was told as different: {}", ran.stdout);
    let markdown = place.run(&[&arguments[..], &["--format", "markdown"]].concat(), "").code(2);
    assert!(markdown.stdout.contains("| broker.yaml | different"), "{}", markdown.stdout);
    let junit = place.run(&[&arguments[..], &["--format", "junit"]].concat(), "").code(2);
    assert!(junit.stdout.contains("<failure") && junit.stdout.contains("</testsuites>"), "{}", junit.stdout);
}

#[test]
fn a_stream_without_its_key_is_found_out_where_order_is_asked_for() {
    let place = Place::empty();
    place.write("broker.yaml", NAMED_BROKER);
    place.write("plain.yaml", &NAMED_BROKER.replace("broker: b", "").replace("name: broker", "name: plain"));
    let spec = "apiVersion: pipectl/v1\nkind: Pipeline\nmetadata: { name: unkeyed }\nspec:\n  sources:\n    sensors: { simulate: { model: sensors, devices: 3, rate: 2/s, pace: fast, seed: 1 }, to: readings }\n  streams:\n    readings: { KEY partitions: 4 }\n  sinks:\n    raw: { from: readings, object_store: {} }\n";
    place.write("keyed.yaml", &spec.replace("KEY", "key: sensor_id,"));
    place.write("unkeyed.yaml", &spec.replace("KEY", ""));
    let run = |file: &str, code| {
        let arguments =
            ["compare", file, "--envs", "plain.yaml,broker.yaml", "--records", "20000", "--key", "sensor_id"];
        place.run(&arguments, "").code(code)
    };
    run("keyed.yaml", 0);
    let ran = run("unkeyed.yaml", 2);
    assert!(ran.stdout.contains("keys in another order") && ran.stdout.contains("other order, key"), "{}", ran.stdout);
}

#[test]
fn a_comparison_needs_two_places_that_exist() {
    let place = Place::empty();
    let spec = example("sensor-lab.yaml");
    let alone = place.run(&["compare", &spec, "--backends", "memory"], "").code(1);
    assert!(alone.stderr.contains("nothing to compare"), "{}", alone.stderr);
    let unknown = place.run(&["compare", &spec, "--backends", "memory,kafak"], "").code(1);
    assert!(unknown.stderr.contains("no backend `kafak`"), "{}", unknown.stderr);
}

//! The examples come to the same result on every backend, and pipelines that cannot are found out.

use crate::testbed::{Testbed, example};

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

fn everywhere(place: &Testbed, pipeline: &str, more: &[&str]) {
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
    everywhere(&Testbed::with_all(), &example("sensor-lab.yaml"), &[]);
}

#[test]
fn clickstream_is_equal_on_every_backend() {
    everywhere(&Testbed::with_all(), &example("clickstream.yaml"), &[]);
}

#[test]
fn server_logs_are_equal_on_every_backend() {
    let place = Testbed::with_all();
    place.write("access.log", &log(1_000));
    everywhere(&place, &example("server-logs.yaml"), &["--input", "access_log=access.log"]);
}

const NAMED_BROKER: &str = "apiVersion: pipectl/v1\nkind: Environment\nmetadata: { name: broker }\nspec: { backends: { default: { memory: { broker: b } } } }\n";

#[test]
fn a_query_that_reads_arrival_times_is_found_out_with_its_rows() {
    let place = Testbed::empty();
    place.write("broker.yaml", NAMED_BROKER);
    place.write("plain.yaml", &NAMED_BROKER.replace("broker: b", "").replace("name: broker", "name: plain"));
    let spec = "apiVersion: pipectl/v1\nkind: Pipeline\nmetadata: { name: arrivals }\nspec:\n  sources:\n    sensors: { simulate: { model: sensors, devices: 3, rate: 2/s, pace: fast, seed: 1 }, to: readings }\n  streams:\n    readings: { key: sensor_id, partitions: 2 }\n  processors:\n    stamped: { sql: \"SELECT sensor_id, arrival_time() AS came FROM readings\" }\n  sinks:\n    out: { from: stamped, object_store: {} }\n    raw: { from: readings, object_store: { prefix: raw/ } }\n";
    place.write("arrivals.yaml", spec);
    let arguments = ["compare", "arrivals.yaml", "--envs", "plain.yaml,broker.yaml", "--records", "100"];
    let ran = place.run(&arguments, "").code(2);
    assert!(ran.stdout.contains("different"), "{}", ran.stdout);
    assert!(ran.stdout.contains("out on broker:"), "{}", ran.stdout);
    assert!(ran.stdout.contains("sensor-001"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("raw on"), "what is equal was reported as different: {}", ran.stdout);
    let markdown = place.run(&[&arguments[..], &["--format", "markdown"]].concat(), "").code(2);
    assert!(markdown.stdout.contains("| broker | different"), "{}", markdown.stdout);
    let junit = place.run(&[&arguments[..], &["--format", "junit"]].concat(), "").code(2);
    assert!(
        junit.stdout.contains("<failure") && junit.stdout.contains("time=") && junit.stdout.contains("</testsuites>"),
        "{}",
        junit.stdout
    );
}

#[test]
fn a_total_without_a_window_and_the_time_of_a_processor_are_the_same_behind_a_broker() {
    let place = Testbed::empty();
    place.write("broker.yaml", NAMED_BROKER);
    place.write("plain.yaml", &NAMED_BROKER.replace("broker: b", "").replace("name: broker", "name: plain"));
    let spec = "apiVersion: pipectl/v1\nkind: Pipeline\nmetadata: { name: totals }\nspec:\n  sources:\n    sensors: { simulate: { model: sensors, devices: 5, rate: 20/s, for: 20s, pace: fast, seed: 7, disorder: 2s }, to: readings }\n  streams:\n    readings: { key: sensor_id, partitions: 4 }\n  processors:\n    totals: { sql: \"SELECT sensor_id, count(*) AS n FROM readings GROUP BY sensor_id\" }\n    all: { sql: \"SELECT count(*) AS sensors, sum(n) AS records FROM totals\" }\n    timed: { sql: \"SELECT sensor_id, timestamp AS at FROM readings\", time: { field: at } }\n    seconds: { sql: \"SELECT sensor_id AS sensor, window_start, count(*) AS n FROM timed GROUP BY sensor_id, tumble(INTERVAL '5 seconds')\" }\n  sinks:\n    totals_out: { from: totals, table: { key: [sensor_id] } }\n    all_out: { from: all, file: { path: all.jsonl } }\n    seconds_out: { from: seconds, table: { key: [sensor, window_start] } }\n";
    place.write("totals.yaml", spec);
    let arguments = ["compare", "totals.yaml", "--envs", "plain.yaml,broker.yaml", "--format", "json"];
    let report = place.run(&arguments, "").code(0).json();
    assert_eq!(report["equal"], true, "{report}");
    let sinks = report["pipelines"][0]["runs"][1]["sinks"].as_array().expect("sinks").clone();
    let found = |name: &str| sinks.iter().find(|sink| sink["sink"] == name).expect("a sink")["found"].clone();
    assert_eq!((found("totals_out"), found("all_out")), (5.into(), 1.into()), "{sinks:?}");
}

#[test]
fn a_stream_without_its_key_is_found_out_where_order_is_asked_for() {
    let place = Testbed::empty();
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
    assert!(ran.stdout.contains("in another order") && ran.stdout.contains("other order, key"), "{}", ran.stdout);
}

#[test]
fn a_row_that_differs_is_shown_with_the_records_that_it_was_made_of() {
    let place = Testbed::empty();
    place.write("broker.yaml", NAMED_BROKER);
    place.write("plain.yaml", &NAMED_BROKER.replace("broker: b", "").replace("name: broker", "name: plain"));
    // Without lateness, how many of a shuffled input are late depends on how a backlog is read.
    let spec = "apiVersion: pipectl/v1\nkind: Pipeline\nmetadata: { name: late }\nspec:\n  sources:\n    sensors: { simulate: { model: sensors, devices: 4, rate: 20/s, for: 20s, pace: fast, seed: 7, disorder: 2s }, to: readings }\n  streams:\n    readings: { key: sensor_id, partitions: 4, time: { field: timestamp, lateness: 0s } }\n  processors:\n    minutes: { sql: \"SELECT sensor_id AS sensor, window_start, count(*) AS n FROM readings GROUP BY sensor_id, tumble(INTERVAL '2 seconds')\" }\n  sinks:\n    out: { from: minutes, table: { key: [sensor, window_start] } }\n";
    place.write("late.yaml", spec);
    let run = |format: &str| {
        let arguments = ["compare", "late.yaml", "--envs", "plain.yaml,broker.yaml", "--lateness", "--format", format];
        place.run(&arguments, "").code(2)
    };
    let report = run("json").json();
    let sinks = report["pipelines"][0]["runs"][1]["sinks"].as_array().expect("sinks");
    let examples =
        sinks.iter().find(|sink| sink["sink"] == "out").expect("the sink")["examples"].as_array().expect("some");
    let rows: Vec<serde_json::Value> = examples
        .iter()
        .map(|example| serde_json::from_str(example["expected"].as_str().expect("a row")).expect("JSON"))
        .collect();
    let order = |row: &serde_json::Value| (row["sensor"].to_string(), row["window_start"].to_string());
    assert!(rows.is_sorted_by_key(order), "not by key and time: {rows:?}");
    for (row, example) in rows.iter().zip(examples) {
        let input = &example["input"];
        let records = input["records"].as_array().expect("records");
        // The reference has no row of more records than there are.
        assert!(input["total"].as_u64() >= row["n"].as_u64(), "{example}");
        assert!(!records.is_empty() && records.len() <= 3, "{example}");
        for record in records {
            let record: serde_json::Value = serde_json::from_str(record.as_str().expect("text")).expect("JSON");
            assert_eq!(record["sensor_id"], row["sensor"]);
            let (start, at) = (row["window_start"].as_str(), record["timestamp"].as_str());
            assert!(start.map(|start| &start[..19]) <= at.map(|at| &at[..19]), "before its window: {example}");
        }
    }
    for format in ["text", "markdown", "junit"] {
        let ran = run(format);
        assert!(ran.stdout.contains("input: ") && ran.stdout.contains(" more"), "{format}: {}", ran.stdout);
    }
}

#[test]
fn what_cannot_be_compared_is_refused_before_anything_is_made() {
    let place = Testbed::empty();
    place.write("broker.yaml", NAMED_BROKER);
    place.write("plain.yaml", &NAMED_BROKER.replace("broker: b", "").replace("name: broker", "name: plain"));
    let spec = example("sensor-lab.yaml");
    let endless = example("server-logs.yaml");
    let on = ["--envs", "plain.yaml,broker.yaml"];
    for (pipeline, more, says) in [
        (&spec, &["--key", "sensorid"][..], "did you mean `--key sensor_id`?"),
        (&spec, &["--records", "0"], "1 or more"),
        (&spec, &["--records", "-5"], "1 or more"),
        (&spec, &["--tolerance", "-1"], "0 or more"),
        (&spec, &["--input", "sensors=nofile.jsonl"], "nofile.jsonl"),
        (&spec, &["--backends", "memory"], "cannot be used with"),
        (&endless, &[], "does not end by itself"),
    ] {
        let ran = place.run(&[&["compare", pipeline][..], &on, more].concat(), "").code(1);
        assert!(ran.stderr.contains(says), "{more:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains("running"), "{more:?}: {}", ran.stderr);
    }
    for twice in [["--backends", "memory,memory"], ["--envs", "plain.yaml,./plain.yaml"]] {
        let ran = place.run(&[&["compare", &spec][..], &twice].concat(), "").code(1);
        assert!(ran.stderr.contains("named twice"), "{}", ran.stderr);
    }
}

#[test]
fn a_comparison_needs_two_places_that_exist() {
    let place = Testbed::empty();
    let spec = example("sensor-lab.yaml");
    let alone = place.run(&["compare", &spec, "--backends", "memory"], "").code(1);
    assert!(alone.stderr.contains("nothing to compare"), "{}", alone.stderr);
    let unknown = place.run(&["compare", &spec, "--backends", "memory,kafak"], "").code(1);
    assert!(unknown.stderr.contains("no backend `kafak`"), "{}", unknown.stderr);
}

//! Where a run begins: at the latest, over again, and with streams that are not as its specs say.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use pipectl_peers::need;

use crate::testbed::{Testbed, numbers};

/// One region with one owner: it owns its file.
const SPEC: &str = "apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: NAME }
spec:
  checkpoint: { every: 10m }
  streams:
    NAME: { key: k, partitions: 4, schema: { id: int64, k: string } }
  sinks:
    kept: { from: NAME, file: { path: kept.jsonl, mode: overwrite } }
";

const AT: &str = "2026-01-01T00:00:00Z";

fn kafka() -> String {
    format!("{}/../../pipelines/environments/kafka.yaml", env!("CARGO_MANIFEST_DIR"))
}

/// Waits until the file holds these numbers and no others.
fn kept(place: &Testbed, wanted: std::ops::Range<u64>, said: impl Fn() -> String) {
    let since = Instant::now();
    while !numbers(&place.log("kept.jsonl")).into_iter().eq(wanted.clone()) {
        assert!(since.elapsed() < Duration::from_mins(1), "{:?}\n{}", numbers(&place.log("kept.jsonl")), said());
        sleep(Duration::from_millis(100));
    }
}

#[test]
fn what_comes_after_a_start_at_the_latest_survives_a_crash() {
    let broker = need!(pipectl_peers::Kafka::shared());
    let place = Testbed::with_kafka(broker.endpoint());
    place.write("latest.yaml", &SPEC.replace("NAME", "latest"));
    let environment = place.write(
        "env.yaml",
        &format!("{}  streams: {{ latest: {{ start: latest }} }}\n", std::fs::read_to_string(kafka()).expect("a file")),
    );
    let environment = environment.display().to_string();
    let apply = ["apply", "latest.yaml", "--env", &environment];
    let fill = |ids| assert_eq!(place.fill(&kafka(), "latest", ids, |_| AT.to_owned()).end(), Some(0));
    fill(90..100);
    let first = place.start("first.log", &apply);
    first.says("starting");
    let checkpoint = place.path(".pipectl");
    let since = Instant::now();
    while !holds_a_checkpoint(&checkpoint) {
        assert!(since.elapsed() < Duration::from_secs(30), "no checkpoint is taken at once:\n{}", first.said());
        sleep(Duration::from_millis(50));
    }
    first.kill();
    fill(0..10);
    let second = place.start("second.log", &apply);
    second.says("resuming");
    assert_eq!(second.stop(), Some(0));
    kept(&place, 0..10, || place.log("second.log"));
}

fn holds_a_checkpoint(folder: &std::path::Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() { holds_a_checkpoint(&path) } else { path.to_string_lossy().contains("checkpoint") }
    })
}

#[test]
fn a_run_that_starts_over_reads_everything_again() {
    let place = Testbed::with_all_or_kafka();
    for (kind, _) in &place.backends {
        let Some(environment) = place.sharing(kind) else { continue };
        let name = format!("over_{kind}");
        place.write("over.yaml", &SPEC.replace("NAME", &name));
        let filled = place.fill(&environment, &name, 0..50, |_| AT.to_owned());
        assert_eq!(filled.end(), Some(0), "{kind}: {}", place.log("fill.log"));
        for more in [&[][..], &["--fresh"]] {
            let apply = [&["apply", "over.yaml", "--env", &environment, "--state", kind], more].concat();
            let run = place.start("over.log", &apply);
            run.says("starting");
            // What is not there yet is written with the last checkpoint.
            sleep(Duration::from_secs(8));
            assert_eq!(run.stop(), Some(0), "{kind}: {}", place.log("over.log"));
            kept(&place, 0..50, || format!("{kind} {more:?}: {}", place.log("over.log")));
        }
    }
}

#[test]
fn a_stream_that_differs_is_reported_or_changed_and_one_of_others_is_neither() {
    let broker = need!(pipectl_peers::Kafka::shared());
    let place = Testbed::with_kafka(broker.endpoint());
    let ours = kafka();
    let theirs = std::fs::read_to_string(&ours).expect("a file") + "  streams: { differs: { existing: true } }\n";
    let theirs = place.write("theirs.yaml", &theirs).display().to_string();
    // Runs the pipeline for a moment; what it said.
    let run = |environment: &str, partitions: u32, retention: &str, more: &[&str]| {
        let stream = format!("partitions: {partitions}, retention: {retention}");
        // A region that is shared: it keeps nothing that would have to fit the number of partitions.
        let spec = SPEC.replace("NAME", "differs").replace("partitions: 4", &stream);
        place.write("differs.yaml", &spec.replace("file: { path: kept.jsonl, mode: overwrite }", "stdout: {}"));
        let run = place.start("run.log", &[&["apply", "differs.yaml", "--env", environment], more].concat());
        run.says("ing pipeline=\"differs\"");
        assert_eq!(run.stop(), Some(0), "{}", place.log("run.log"));
        place.log("run.log")
    };
    let shape = || {
        let described = place.run(&["stream", "describe", "differs", "--env", &ours, "--format", "json"], "").code(0);
        let state: serde_json::Value = serde_json::from_str(&described.stdout).expect("JSON");
        let hours = state["settings"]["retention.ms"].as_str().map(|text| text.parse::<u64>().expect("ms") / 3_600_000);
        (state["partitions"].as_array().expect("partitions").len(), hours)
    };
    let first = run(&ours, 2, "24h", &[]);
    assert!(first.contains("created stream `differs` on kafka (2 partitions)"), "{first}");
    assert_eq!(shape(), (2, Some(24)));

    let reported = run(&ours, 3, "48h", &[]);
    assert!(reported.contains("has partitions 2, and the specs ask for 3; it is not changed"), "{reported}");
    assert!(reported.contains("has config.retention.ms 86400000, and the specs ask for 172800000"), "{reported}");
    assert_eq!(shape(), (2, Some(24)));

    let changed = run(&ours, 3, "48h", &["--update-streams"]);
    assert!(changed.contains("changed partitions of stream `differs` on kafka: 2 to 3"), "{changed}");
    assert_eq!(shape(), (3, Some(48)));
    assert!(!run(&ours, 3, "48h", &[]).contains("ask for"));

    let untouched = run(&theirs, 5, "72h", &["--update-streams"]);
    assert!(!untouched.contains("changed") && !untouched.contains("created"), "{untouched}");
    assert_eq!(shape(), (3, Some(48)));
}

#[test]
fn a_stream_of_others_that_is_not_there_is_not_made() {
    let broker = need!(pipectl_peers::Kafka::shared());
    let place = Testbed::with_kafka(broker.endpoint());
    let theirs = std::fs::read_to_string(kafka()).expect("a file") + "  streams: { nobodys: { existing: true } }\n";
    let theirs = place.write("theirs.yaml", &theirs).display().to_string();
    place.write("nobodys.yaml", &SPEC.replace("NAME", "nobodys"));
    let refused = place.run(&["apply", "nobodys.yaml", "--env", &theirs], "").code(4);
    assert!(refused.stderr.contains("there is no stream `nobodys` on kafka"), "{}", refused.stderr);
    let listed = place.run(&["stream", "ls", "--env", &theirs], "").code(0);
    assert!(!listed.stdout.contains("nobodys"), "{}", listed.stdout);
}

#[test]
fn a_stream_of_others_is_read_on_every_backend() {
    let place = Testbed::with_all_or_kafka();
    for (kind, _) in &place.backends {
        let Some(ours) = place.sharing(kind) else { continue };
        let name = format!("theirs_{kind}");
        let filled = place.fill(&ours, &name, 0..50, |_| AT.to_owned());
        assert_eq!(filled.end(), Some(0), "{kind}: {}", place.log("fill.log"));
        let theirs = std::fs::read_to_string(&ours).expect("a file");
        let theirs = format!("{theirs}  streams: {{ {name}: {{ existing: true }} }}\n");
        let theirs = place.write("theirs.yaml", &theirs).display().to_string();
        place.write("read.yaml", &SPEC.replace("NAME", &name));
        drop(std::fs::remove_file(place.path("kept.jsonl")));
        let run = place.start("read.log", &["apply", "read.yaml", "--env", &theirs, "--state", &name]);
        run.says("starting");
        sleep(Duration::from_secs(8));
        assert_eq!(run.stop(), Some(0), "{kind}: {}", place.log("read.log"));
        kept(&place, 0..50, || format!("{kind}: {}", place.log("read.log")));
    }
}

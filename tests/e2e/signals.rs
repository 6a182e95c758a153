//! Stopping and going on: signals, a second owner, a changed spec, a damaged checkpoint.

use std::{fs, time::Duration};

use crate::support::{
    Lab, edit, example,
    output::{all_rows, assert_same_rows, files},
    run::{Ran, Run},
    sqlite, wait,
};

const SOON: Duration = Duration::from_secs(20);
const RATE: f64 = 400.0;

/// The sensor example on the clock, without an end unless FOR gives one, with windows of a second.
fn paced() -> String {
    edit(
        &example("sensor-lab"),
        &[
            ("spec:\n  sources:", "spec:\n  checkpoint: { every: 50ms }\n  sources:"),
            (
                "rate: 20/s, for: 1h, pace: fast, seed: 7, disorder: 2s",
                "rate: 400/s, for: \"${FOR:-365d}\", pace: \"${PACE:-real}\", seed: 7, disorder: 200ms, start: 2026-01-01T00:00:00Z",
            ),
            ("lateness: 5s", "lateness: 500ms"),
            ("tumble(INTERVAL '1 minute')", "tumble(INTERVAL '1 second')"),
        ],
    )
}

/// Starts the pipeline and lets it come some checkpoints further.
fn start(lab: &Lab, spec: &str) -> Run {
    let before = lab.checkpoint("sensor-lab").map_or(0, |(id, _)| id);
    let mut run = lab.start(&["apply", spec, "--format", "json"], &[]);
    wait::until("checkpoints", SOON, || {
        assert!(run.ended().is_none(), "it ended: {}", run.stderr());
        lab.checkpoint("sensor-lab").filter(|(id, _)| *id >= before + 4)
    });
    run
}

fn stop(run: Run, signal: &str) -> Ran {
    run.signal(signal);
    run.finish_within(SOON).code(0)
}

fn count(report: &serde_json::Value, node: &str, what: &str) -> u64 {
    let nodes = report["nodes"].as_array().expect("nodes");
    nodes.iter().find(|found| found["name"] == node).and_then(|node| node["counts"][what].as_u64()).expect("a count")
}

#[test]
fn a_signal_drains_and_the_next_start_goes_on() {
    let lab = Lab::new();
    lab.write("spec.yaml", paced());
    let mut read = 0;
    for signal in ["TERM", "INT", "TERM"] {
        let ran = stop(start(&lab, "spec.yaml"), signal);
        let report = ran.json();
        assert_eq!(report["outcome"], "stopped");
        assert!(count(&report, "sensors", "in") > read, "nothing was read: {report}");
        read = count(&report, "sensors", "in");
        // Everything that was read is there to see, at once.
        assert_eq!(all_rows(&lab.path("out/sensor-lab/raw-stream")).len() as u64, read);
        assert_eq!(count(&report, "sensors", "in"), count(&report, "raw", "out"));
    }
    // A last start that comes to an end, somewhere beyond.
    let span = format!("{}ms", (read as f64 / RATE * 1000.0) as u64 + 700);
    let ran = lab.start(&["apply", "spec.yaml", "--format", "json"], &[("FOR", &span)]).finish().code(0);
    assert!(ran.stderr.contains("resuming"), "{}", ran.stderr);
    assert_eq!(ran.json()["outcome"], "finished");

    let undisturbed = Lab::new();
    undisturbed.write("spec.yaml", paced());
    undisturbed.start(&["apply", "spec.yaml"], &[("FOR", &span), ("PACE", "fast")]).finish().code(0);
    for folder in ["raw-stream", "processed-stream"] {
        let [found, expected] = [&lab, &undisturbed].map(|lab| all_rows(&lab.path("out/sensor-lab").join(folder)));
        assert!(expected.len() > 10);
        assert_same_rows(folder, &found, &expected);
    }
    let [found, expected] = [&lab, &undisturbed].map(|lab| sqlite::dump(&lab.path("out/sensor-lab/tables.sqlite")));
    assert_same_rows("the table", &found, &expected);
}

#[test]
fn a_second_owner_is_refused() {
    let lab = Lab::new();
    lab.write("spec.yaml", paced());
    let first = start(&lab, "spec.yaml");
    let second = lab.run(&["apply", "spec.yaml"]).code(4);
    assert!(second.stderr.contains(&format!("process {}", first.pid())), "{}", second.stderr);
    assert!(second.stderr.contains("--state"), "it says what to do: {}", second.stderr);
    // Refused is not disturbed.
    stop(first, "TERM");
    // A holder that was killed holds nothing.
    let (_, hit) = start(&lab, "spec.yaml").kill();
    assert!(hit);
    stop(start(&lab, "spec.yaml"), "TERM");
}

#[test]
fn a_changed_spec_does_not_go_on_from_the_old_state() {
    let lab = Lab::new();
    lab.write("spec.yaml", paced());
    stop(start(&lab, "spec.yaml"), "TERM");
    lab.write("changed.yaml", edit(&paced(), &[("tumble(INTERVAL '1 second')", "tumble(INTERVAL '2 seconds')")]));
    let before = files(&lab.path("out"));
    let refused = lab.run(&["apply", "changed.yaml"]).code(3);
    assert!(refused.stderr.contains("has changed since checkpoint"), "{}", refused.stderr);
    assert!(refused.stderr.contains("--fresh"), "{}", refused.stderr);
    let reported = "processor `per_minute`";
    assert!(refused.stderr.contains(reported) && refused.stderr.contains("2s"), "{}", refused.stderr);
    assert!(files(&lab.path("out")) == before, "a refused start wrote something");
    // Where a sink writes and how often are no part of the state.
    lab.write("moved.yaml", edit(&paced(), &[("prefix: \"raw-stream/", "prefix: \"elsewhere/")]));
    let run = start(&lab, "moved.yaml");
    assert!(run.stderr().contains("resuming"), "{}", run.stderr());
    stop(run, "TERM");
    lab.start(&["apply", "changed.yaml", "--fresh", "--replace-output"], &[("FOR", "1s"), ("PACE", "fast")])
        .finish()
        .code(0);
}

#[test]
fn a_damaged_checkpoint_is_named() {
    let lab = Lab::new();
    lab.write("spec.yaml", paced());
    stop(start(&lab, "spec.yaml"), "TERM");
    let (_, path) = lab.checkpoint("sensor-lab").expect("a checkpoint");
    let whole = fs::read(&path).expect("a checkpoint");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [&whole[..whole.len() / 2], &flipped, b""] {
        fs::write(&path, damaged).expect("a checkpoint");
        let refused = lab.run(&["apply", "spec.yaml"]).code(3);
        let name = path.file_name().expect("a name").to_string_lossy();
        assert!(refused.stderr.contains(&*name), "it names {name}: {}", refused.stderr);
        assert!(refused.stderr.contains("--fresh"), "{}", refused.stderr);
    }
    fs::write(&path, &whole).expect("a checkpoint");
    stop(start(&lab, "spec.yaml"), "TERM");
}

/// A pipeline whose reader has stopped reading cannot drain.
fn stuck(lab: &Lab, arguments: &[&str]) -> Run {
    lab.write(
        "stuck.yaml",
        "apiVersion: pipectl/v1\nkind: Pipeline\nmetadata: { name: stuck }\nspec:\n  sources:\n    sensors:\n      \
         simulate: { model: sensors, pace: fast }\n      to: readings\n  streams:\n    readings: {}\n  sinks:\n    out:\n      \
         from: readings\n      stdout: {}\n",
    );
    let mut run = Run::start_unread(lab.pipectl(&[&["apply", "stuck.yaml"], arguments].concat()));
    wait::until("a full pipe", SOON, || {
        assert!(run.ended().is_none(), "it ended: {}", run.stderr());
        run.stderr().contains("starting").then_some(())
    });
    run
}

#[test]
fn what_cannot_drain_says_so_in_time() {
    let lab = Lab::new();
    let run = stuck(&lab, &["--drain-timeout", "200ms"]);
    run.signal("TERM");
    let ran = run.finish_within(SOON).code(3);
    assert!(ran.stderr.contains("did not drain in time"), "{}", ran.stderr);
    assert!(ran.stderr.contains("--drain-timeout"), "{}", ran.stderr);
}

#[test]
fn a_second_signal_ends_at_once() {
    let lab = Lab::new();
    let run = stuck(&lab, &["--drain-timeout", "10m"]);
    run.signal("INT");
    wait::until("the first signal to be heard", SOON, || run.stderr().contains("stopping").then_some(()));
    // Signals that follow at once are the same request.
    wait::pass(Duration::from_millis(600));
    run.signal("INT");
    run.finish_within(SOON).code(130);
}

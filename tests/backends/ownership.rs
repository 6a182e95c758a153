//! Which regions are shared and which have one owner is decided before anything runs, and for a reason that is reported.

use pipectl_ir::physical::Workers;

use crate::testbed::Testbed;

/// The regions of a pipeline on Kafka: each with why only one process may run it, or nothing if several may.
fn regions(body: &str) -> Vec<(String, Option<String>)> {
    let place = Testbed::empty();
    let spec = place.write(
        "spec.yaml",
        &format!("apiVersion: pipectl/v1\nkind: Pipeline\nmetadata: {{ name: lab }}\nspec:\n{body}"),
    );
    let environment = concat!(env!("CARGO_MANIFEST_DIR"), "/../../pipelines/environments/kafka.yaml");
    let environment = (!body.contains("kind: Environment")).then_some(environment);
    let (source, compiled) = pipectl::compile_files(&[spec], environment, &pipectl::registry());
    let problems: Vec<&str> = source.diagnostics.iter().map(|problem| problem.title.as_str()).collect();
    assert!(problems.is_empty(), "{problems:?}");
    let plans = pipectl_plan::lower_regions(&compiled[0].dag).expect("regions");
    plans
        .into_iter()
        .map(|plan| match plan.workers {
            Workers::Any => (plan.region.unwrap_or_default(), None),
            Workers::One { because } => (plan.region.unwrap_or_default(), Some(because)),
        })
        .collect()
}

const SCHEMA: &str = "schema: { id: int64, k: string, at: timestamp }, time: { field: at }";

#[test]
fn what_keeps_nothing_and_owns_nothing_is_shared() {
    let found = regions(&format!(
        "  streams: {{ raw: {{ key: k, {SCHEMA} }}, kept: {{ key: k }}, shown: {{}} }}\n  processors:\n    even: {{ sql: \"SELECT * FROM raw WHERE id % 2 = 0\", to: kept }}\n    odd: {{ sql: \"SELECT * FROM kept WHERE id % 3 = 0\", to: shown }}\n  sinks: {{ out: {{ from: shown, stdout: {{}} }} }}\n"
    ));
    assert_eq!(found, [("raw".into(), None), ("kept".into(), None), ("shown".into(), None)]);
}

#[test]
fn windows_files_and_sources_have_one_owner() {
    let found = regions(&format!(
        "  sources: {{ web: {{ tail: {{ path: web.log, format: json }}, schema: {{ id: int64, k: string, at: timestamp }}, to: raw }} }}\n  streams: {{ raw: {{ key: k, {SCHEMA} }}, counts: {{}} }}\n  processors:\n    per_minute: {{ sql: \"SELECT k, window_start, count(*) AS n FROM raw GROUP BY k, tumble(INTERVAL '1 minute')\", to: counts }}\n  sinks: {{ out: {{ from: counts, file: {{ path: out.jsonl }} }} }}\n"
    ));
    assert_eq!(
        found,
        [
            ("web".into(), Some("source `web` can be read by one process only".into())),
            ("raw".into(), Some("`per_minute` keeps state".into())),
            ("counts".into(), Some("sink `out` can be written by one process only".into())),
        ]
    );
}

#[test]
fn what_is_written_in_transactions_has_one_owner() {
    let found = regions(&format!(
        "  streams: {{ raw: {{ key: k, {SCHEMA} }}, kept: {{ key: k }} }}\n  processors:\n    even: {{ sql: \"SELECT * FROM raw WHERE id % 2 = 0\", to: kept }}\n  sinks: {{ out: {{ from: kept, stdout: {{}} }} }}\n---\napiVersion: pipectl/v1\nkind: Environment\nmetadata: {{ name: other }}\nspec:\n  backends: {{ default: {{ kafka: {{ brokers: [localhost:9092] }} }} }}\n  streams: {{ kept: {{ kafka: {{ transactional: true }} }} }}\n"
    ));
    assert_eq!(found, [("raw".into(), Some("stream `kept` is written in transactions".into())), ("kept".into(), None)]);
}

#[test]
fn what_has_an_end_is_read_to_its_end_by_one() {
    let found = regions(&format!(
        "  sources: {{ old: {{ file: {{ path: old.jsonl }}, schema: {{ id: int64, k: string, at: timestamp }}, to: raw }} }}\n  streams: {{ raw: {{ key: k, {SCHEMA} }}, kept: {{}} }}\n  processors:\n    even: {{ sql: \"SELECT * FROM raw WHERE id % 2 = 0\", to: kept }}\n  sinks: {{ out: {{ from: kept, stdout: {{}} }} }}\n"
    ));
    assert_eq!(
        found[1..],
        [("raw".into(), Some("`raw` has an end".into())), ("kept".into(), Some("`kept` has an end".into()))]
    );
}

#[test]
fn a_stream_that_others_write_needs_no_source_on_a_broker_only() {
    let place = Testbed::empty();
    let spec = "apiVersion: pipectl/v1\nkind: Pipeline\nmetadata: { name: lab }\nspec:\n  streams: { raw: { schema: { id: int64 } } }\n  processors: { even: { sql: \"SELECT id FROM raw WHERE id % 2 = 0\" } }\n  sinks: { out: { from: even, file: { path: out.jsonl } } }\n";
    place.write("spec.yaml", spec);
    let environment = concat!(env!("CARGO_MANIFEST_DIR"), "/../../pipelines/environments/kafka.yaml");
    let refused = place.run(&["validate", "spec.yaml"], "").code(1);
    assert!(refused.stderr.contains("no source leads to stream `raw`"), "{}", refused.stderr);
    assert!(refused.stderr.contains("choose the Environment of their broker with `--env`"), "{}", refused.stderr);
    place.run(&["validate", "spec.yaml", "--env", environment], "").code(0);
    // In a run that knows nothing of the others, a file stands in for them.
    let dry = |more: &[&str]| place.run(&[&["dry-run", "spec.yaml", "--env", environment], more].concat(), "");
    let refused = dry(&[]).code(1);
    assert!(refused.stderr.contains("--input raw=FILE"), "{}", refused.stderr);
    place.write("raw.jsonl", "{\"id\":1}\n{\"id\":2}\n{\"id\":4}\n");
    let shown = dry(&["--input", "raw=raw.jsonl"]).code(0);
    assert!(shown.stdout.contains("{\"id\":4}") && !shown.stdout.contains("{\"id\":1}"), "{}", shown.stdout);
}

#[test]
fn what_a_crash_may_leave_twice_is_reported_before_a_run() {
    let place = Testbed::empty();
    let spec = "apiVersion: pipectl/v1\nkind: Pipeline\nmetadata: { name: lab }\nspec:\n  streams: { raw: { schema: { id: int64 } }, even: {}, odd: {} }\n  processors:\n    evens: { sql: \"SELECT id FROM raw WHERE id % 2 = 0\", to: even }\n    odds: { sql: \"SELECT id FROM raw WHERE id % 2 = 1\", to: odd }\n  sinks: { kept: { from: even, file: { path: out.jsonl } }, shown: { from: odd, stdout: {} } }\n";
    let environment = "apiVersion: pipectl/v1\nkind: Environment\nmetadata: { name: kafka }\nspec:\n  backends: { default: { kafka: { brokers: [localhost:9092] } } }\n  streams: { even: { kafka: { transactional: true } } }\n";
    place.write("spec.yaml", spec);
    place.write("env.yaml", environment);
    let said = place.run(&["validate", "spec.yaml", "--env", "env.yaml"], "").code(0).stdout;
    assert!(said.ends_with("can be duplicated in stream `odd` (kafka), sink `shown` (stdout)\n"), "{said}");
    // Nothing of the kind where everything is there once.
    let said = place.run(&["validate", &format!("{}/../../pipelines/sensor-lab.yaml", env!("CARGO_MANIFEST_DIR"))], "");
    assert!(!said.code(0).stdout.contains("twice"));
}

//! Services that do not answer: a signal ends every command at once, and who asks by hand does not wait for long. Held
//! against an address where nobody listens, for the backends that this build has.

use std::time::Duration;

use crate::support::{Lab, edit, lab::repository, run::Run};

/// A second or two, on a machine that does other things as well.
const AT_ONCE: Duration = Duration::from_secs(8);

const NOBODY: [(&str, &str); 6] = [
    ("KAFKA_BROKERS", "127.0.0.1:1"),
    ("KINESIS_ENDPOINT", "http://127.0.0.1:1"),
    ("DYNAMODB_ENDPOINT", "http://127.0.0.1:1"),
    ("PUBSUB_ENDPOINT", "http://127.0.0.1:1"),
    ("EVENTHUBS_ENDPOINT", "amqp://127.0.0.1:1"),
    ("EVENTHUBS_MANAGEMENT", "http://127.0.0.1:1"),
];

const SPEC: &str = "apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: nobody }
spec:
  sources:
    sensors: { simulate: { model: sensors, for: 1s, pace: fast }, to: readings }
  streams:
    readings: { key: sensor_id }
  sinks:
    out: { from: readings, file: { path: out.jsonl } }
";

fn backends() -> Vec<&'static str> {
    let all = [
        (cfg!(feature = "kafka"), "kafka"),
        (cfg!(feature = "kinesis"), "kinesis"),
        (cfg!(feature = "pubsub"), "pubsub"),
        (cfg!(feature = "eventhubs"), "eventhubs"),
    ];
    all.into_iter().filter_map(|(is_built, kind)| is_built.then_some(kind)).collect()
}

fn environment(kind: &str) -> String {
    repository().join(format!("pipelines/environments/{kind}.yaml")).display().to_string()
}

/// Enough to come to the wait for a service, and less than any of them is waited for.
const BEGUN: Duration = Duration::from_secs(3);

#[test]
fn a_signal_ends_every_command_that_waits_for_a_service() {
    let lab = Lab::new();
    lab.write("spec.yaml", SPEC);
    for kind in backends() {
        let (env, both) = (environment(kind), format!("{kind},memory"));
        let commands = [
            (vec!["apply", "spec.yaml", "--env", &env], "`readings` on", "TERM"),
            (vec!["compare", "spec.yaml", "--backends", &both], "may still exist", "INT"),
            (vec!["stream", "ls", "--backend", kind], "ended before", "TERM"),
            (vec!["stream", "describe", "orders", "--backend", kind], "ended before", "INT"),
            (vec!["stream", "read", "orders", "--backend", kind], "ended before", "TERM"),
            (vec!["stream", "put", "orders", "--backend", kind], "ended before", "INT"),
            (vec!["infer", "--stream", "orders", "--backend", kind], "ended before", "TERM"),
        ];
        let runs: Vec<Run> = commands.iter().map(|(arguments, ..)| lab.start(arguments, &NOBODY)).collect();
        std::thread::sleep(BEGUN);
        for ((arguments, says, signal), mut run) in commands.iter().zip(runs) {
            assert!(run.ended().is_none(), "{kind} {arguments:?} ended by itself: {}", run.stderr());
            run.signal(signal);
            let ran = run.finish_within(AT_ONCE).code(130);
            assert!(ran.stderr.contains(says), "{kind} {arguments:?}: {}", ran.stderr);
        }
    }
}

#[test]
fn who_asks_by_hand_is_answered_in_time_and_told_what_to_check() {
    let lab = Lab::new();
    for kind in backends() {
        let asked = [&["stream", "ls"][..], &["doctor"]].map(|verb| {
            let arguments = [verb, &["--backend", kind, "--timeout", "6s"]].concat();
            (verb, lab.start(&arguments, &NOBODY))
        });
        for (verb, run) in asked {
            let ran = run.finish_within(Duration::from_secs(30)).code(4);
            let said = ran.stdout + &ran.stderr;
            assert!(said.contains("check") || said.contains("whether"), "{kind} {verb:?}: {said}");
        }
    }
}

#[test]
fn the_memory_backend_has_nothing_outside_and_that_is_no_fault() {
    let lab = Lab::new();
    let doctor = lab.run(&["doctor", "--backend", "memory"]).code(0);
    assert!(doctor.stdout.contains("good") && !doctor.stdout.contains("BAD"), "{}", doctor.stdout);
    assert_eq!(lab.run(&["doctor", "--env", &environment("memory"), "--format", "json"]).code(0).json()["good"], true);
    for verb in [&["ls"][..], &["describe", "orders"], &["read", "orders"], &["put", "orders"]] {
        let ran = lab.run(&[&["stream"], verb, &["--backend", "memory"]].concat()).code(1);
        assert!(ran.stderr.contains("from outside"), "{verb:?}: {}", ran.stderr);
    }
}

#[test]
fn what_no_backend_could_do_is_refused_before_it_is_asked() {
    let lab = Lab::new();
    let future = ["stream", "read", "orders", "--backend", "kafka", "--from", "2100-01-01T00:00:00Z"];
    assert!(lab.run(&future).code(1).stderr.contains("in the future"));
    if cfg!(feature = "kinesis") {
        let headers = ["stream", "put", "orders", "--backend", "kinesis", "--header", "a=b"];
        assert!(lab.run(&headers).code(1).stderr.contains("does not support headers"));
    }
}

#[test]
fn a_pipeline_says_as_which_group_it_reads() {
    let lab = Lab::new();
    lab.write("spec.yaml", SPEC);
    let broker = "apiVersion: pipectl/v1\nkind: Environment\nmetadata: { name: lab }\nspec: { backends: { default: { memory: { broker: b } } } }\n";
    lab.write("broker.yaml", broker);
    let ran = lab.run(&["apply", "spec.yaml", "--env", "broker.yaml"]).code(0);
    assert!(ran.stderr.contains("pipectl.nobody.lab.readings"), "{}", ran.stderr);
    let empty = lab.run(&["stream", "ls", "--env", "broker.yaml"]).code(0);
    assert!(empty.stdout.is_empty() && empty.stderr.contains("no streams"), "{}", empty.stderr);
    lab.write("one.yaml", edit(SPEC, &[("file: { path: out.jsonl }", "stdout: {}")]));
    let ran = lab.run(&["apply", "one.yaml", "--state", "other"]).code(0);
    assert!(!ran.stderr.contains("Output:\n\n"), "{}", ran.stderr);
}

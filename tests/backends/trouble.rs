//! What goes wrong around a run: the broker restarts, nobody takes what a sink delivers.

use std::{
    collections::BTreeSet,
    io::Read as _,
    process::Stdio,
    thread::sleep,
    time::{Duration, Instant},
};

use pipectl_peers::need;

use crate::testbed::{Testbed, numbers};

const FLOOD: &str = "apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: flood }
spec:
  memory: 32MiB
  checkpoint: { every: 1s }
  streams:
    flood: { key: k, partitions: 4, schema: { id: int64, k: string } }
  sinks:
    shown: { from: flood, stdout: {} }
";

const AT: &str = "2026-01-01T00:00:00Z";

fn kafka() -> String {
    format!("{}/../../pipelines/environments/kafka.yaml", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_broker_restarts_under_a_pipeline_that_goes_on_by_itself() {
    let broker = need!(pipectl_peers::Kafka::start());
    let place = Testbed::with_kafka(broker.endpoint());
    place.write("flood.yaml", FLOOD);
    let environment = kafka();
    let worker = place.start("worker.log", &["apply", "flood.yaml", "--env", &environment]);
    worker.says("starting");
    let before = place.fill(&environment, "flood", 0..20_000, |_| AT.to_owned());
    assert_eq!(before.end(), Some(0), "{}", place.log("fill.log"));
    // The broker goes away under a writer and a reader at once.
    let meanwhile = place.fill(&environment, "flood", 20_000..40_000, |_| AT.to_owned());
    broker.restart();
    assert_eq!(meanwhile.end(), Some(0), "{}", place.log("fill.log"));
    let wanted: BTreeSet<u64> = (0..40_000).collect();
    let since = Instant::now();
    while numbers(&place.log("worker.log.out")) != wanted {
        assert!(since.elapsed() < Duration::from_secs(90), "not all came:\n{}", worker.said());
        sleep(Duration::from_millis(200));
    }
    assert_eq!(worker.stop(), Some(0));
}

#[test]
fn a_sink_that_nobody_empties_holds_the_pipeline_back_and_loses_nothing() {
    const COUNT: u64 = 300_000;
    pipectl_peers::full_only!();
    let broker = need!(pipectl_peers::Kafka::shared());
    let place = Testbed::with_kafka(broker.endpoint());
    let name = "blocked";
    place.write("blocked.yaml", &FLOOD.replace("flood", name));
    let environment = kafka();
    let apply = ["apply", "blocked.yaml", "--env", &environment, "--drain-timeout", "2s"];
    assert_eq!(place.fill(&environment, name, 0..COUNT, |_| AT.to_owned()).end(), Some(0), "{}", place.log("fill.log"));

    // Its output is a pipe, of which nobody reads.
    let mut blocked = place.command(&apply).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut most = 0;
    for _ in 0..50 {
        sleep(Duration::from_millis(200));
        most = most.max(resident(blocked.id()));
    }
    println!("blocked for 10 s with a budget of 32 MiB: {most} MiB resident at most");
    // The program itself takes about 60 MiB; all records together would be far above the budget.
    assert!(most < 200, "{most} MiB");
    let reported = Instant::now();
    std::process::Command::new("kill").args(["-TERM", &blocked.id().to_string()]).status().expect("kill");
    let status = blocked.wait().expect("it ends");
    assert_eq!(status.code(), Some(3));
    assert!(reported.elapsed() < Duration::from_secs(12), "{:?}", reported.elapsed());
    let mut said = String::new();
    blocked.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
    assert!(said.contains("did not drain in time"), "{said}");
    let mut taken = String::new();
    blocked.stdout.take().expect("a pipe").read_to_string(&mut taken).expect("text");

    // What was not taken was not committed either: the next worker brings it.
    let next = place.start("next.log", &apply);
    let wanted: BTreeSet<u64> = (0..COUNT).collect();
    let since = Instant::now();
    loop {
        let mut came = numbers(&place.log("next.log.out"));
        came.extend(numbers(&taken));
        if came == wanted {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(90), "{} of {COUNT} came:\n{}", came.len(), next.said());
        sleep(Duration::from_millis(300));
    }
    assert_eq!(next.stop(), Some(0));
}

/// What a process has in memory, in MiB.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) / 1024
}

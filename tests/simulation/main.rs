//! Deterministic simulation of whole pipelines: a virtual clock, sinks that fail and stall, crashes at random moments.
//!
//! Whatever happens on the way, what the sinks have published at the end is what an undisturbed run publishes, and the
//! ledger of every node balances. A failing seed is printed; `PIPECTL_SIM_SEED=N` runs that one alone,
//! `PIPECTL_SIM_SEEDS=N` more of them.

mod world;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use pipectl_host::{Host, Rng};
use pipectl_ir::{PhysicalPlan, RunReport};
use pipectl_runtime::{
    Limits, OutputPolicy, RunError, RunOptions,
    checkpoint::{Checkpoint, Checkpoints, Store},
    start,
};
use world::{Trouble, World};

/// Three readers whose records meet in windows by another key than the stream's: two exchanges, aligned barriers with
/// several inputs, no late rows since the lateness covers the disorder.
const MANY_READERS: &str = r"
apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: many }
spec:
  checkpoint: { every: 300ms }
  sources:
    orders:
      simulate: { model: orders, products: 20, rate: 3000/s, records: 12000, seed: 3, partitions: 3, disorder: 1s, malformed: 0.01 }
      to: lines
  streams:
    lines: { key: customer_id, time: { field: timestamp, lateness: 2s }, partitions: 4 }
    copies: { partitions: 3 }
  processors:
    totals:
      sql: |
        SELECT product_id, window_start, count(*) AS orders, sum(quantity) AS pieces, min(stock_left) AS stock
        FROM lines WHERE quantity > 1 GROUP BY product_id, hop(INTERVAL '500 milliseconds', INTERVAL '1 second')
    checked:
      sql: SELECT order_id, product_id, 100 / (quantity - 3) AS share FROM lines
      to: copies
  sinks:
    raw: { from: lines, stdout: {} }
    totals_out: { from: totals, object_store: {} }
    copies_out: { from: copies, object_store: {} }
";

/// One reader with late rows: which ones are late must not depend on batches, checkpoints or crashes.
const LATE_ROWS: &str = r"
apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: late }
spec:
  checkpoint: { every: 200ms }
  sources:
    sensors:
      simulate: { model: sensors, devices: 7, rate: 2000/s, records: 8000, seed: 5, disorder: 500ms, late: 0.02 }
      to: readings
  streams:
    readings: { key: sensor_id, time: { field: timestamp, lateness: 300ms }, partitions: 3 }
  processors:
    seconds:
      sql: |
        SELECT sensor_id, window_start, count(*) AS n, avg(temperature) AS t, max(humidity) AS h
        FROM readings GROUP BY sensor_id, tumble(INTERVAL '1 second')
  sinks:
    seconds_out: { from: seconds, object_store: {} }
";

/// Two sources of different speed that are read as one: by windows, by a query behind which they meet in a stream, and by
/// a sink.
const UNION: &str = r"
apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: union }
spec:
  checkpoint: { every: 250ms }
  sources:
    slow:
      simulate: { model: sensors, devices: 5, rate: 800/s, records: 3000, seed: 4, disorder: 500ms }
      time: { field: timestamp, lateness: 1s }
    fast:
      simulate: { model: sensors, devices: 9, rate: 3000/s, records: 9000, seed: 6, partitions: 2, disorder: 500ms, malformed: 0.01 }
      time: { field: timestamp, lateness: 1s }
  streams:
    warm: { key: sensor_id, partitions: 3 }
  processors:
    seconds:
      from: [slow, fast]
      sql: |
        SELECT sensor_id, window_start, count(*) AS n, max(temperature) AS t, count(DISTINCT humidity) AS h
        FROM input GROUP BY sensor_id, hop(INTERVAL '500 milliseconds', INTERVAL '1 second')
    warmer: { from: [fast, slow], sql: 'SELECT sensor_id, temperature FROM input WHERE temperature > 20', to: warm }
  sinks:
    seconds_out: { from: seconds, object_store: {} }
    warm_out: { from: warm, object_store: {} }
    both: { from: [slow, fast], object_store: {} }
";

/// Alerts of two inputs that are read as one, with durations of event time, and what comes after them.
const ALERTS: &str = r"
apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: alerts }
spec:
  checkpoint: { every: 200ms }
  sources:
    slow:
      simulate: { model: sensors, devices: 5, rate: 800/s, records: 3000, seed: 4, disorder: 500ms }
      time: { field: timestamp, lateness: 450ms }
    fast:
      simulate: { model: sensors, devices: 9, rate: 3000/s, records: 9000, seed: 6, partitions: 2, disorder: 500ms, late: 0.01 }
      time: { field: timestamp, lateness: 450ms }
  processors:
    warm:
      from: [slow, fast]
      alert: { key: [sensor_id], fire: temperature > 20, resolve: temperature <= 19.9, for: 10ms, silence: 60ms, message: '{sensor_id} {temperature}', send_resolved: true }
    humid: { from: fast, alert: { fire: humidity > 55, resolve: humidity < 52, message: humid } }
    counts: { sql: 'SELECT alert_state, count(*) AS n FROM warm GROUP BY alert_state, tumble(INTERVAL ''1 second'')' }
  sinks:
    warm_out: { from: warm, object_store: {} }
    humid_out: { from: humid, object_store: {} }
    counts_out: { from: counts, object_store: {} }
";

/// State that is placed by the key of the stream: windows with all kinds of accumulators, and an alert.
const IN_THE_STREAM: &str = r"
apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: keyed }
spec:
  checkpoint: { every: 200ms }
  sources:
    fast:
      simulate: { model: sensors, devices: 29, rate: 3000/s, records: 9000, seed: 6, disorder: 500ms, late: 0.01 }
      to: stream
  streams:
    stream: { key: sensor_id, partitions: 4, time: { field: timestamp, lateness: 450ms } }
  processors:
    named: { sql: 'SELECT sensor_id AS sensor, temperature AS t, humidity AS h FROM stream' }
    seconds:
      sql: |
        SELECT sensor, window_start, count(DISTINCT t) AS n, first(t) AS f, median(h) AS m, max(h) AS most, min_by(t, h) AS b
        FROM named GROUP BY sensor, hop(INTERVAL '500 milliseconds', INTERVAL '1 second')
    warm: { from: stream, alert: { key: [sensor_id], fire: temperature > 20, resolve: temperature <= 19.9, for: 10ms, silence: 60ms, message: '{sensor_id} {temperature}', send_resolved: true } }
  sinks:
    seconds_out: { from: seconds, object_store: {} }
    warm_out: { from: warm, object_store: {} }
    raw: { from: stream, object_store: {} }
";

/// A function of each record alone, and one with state, which ends its process now and then.
const FUNCTIONS: &str = r"
apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: functions }
spec:
  checkpoint: { every: 200ms }
  sources:
    fast:
      simulate: { model: sensors, devices: 9, rate: 3000/s, records: 6000, seed: 6, disorder: 300ms }
      to: stream
  streams:
    stream: { key: sensor_id, partitions: 2, time: { field: timestamp, lateness: 450ms } }
  processors:
    split: { from: stream, function: { file: FILE, handler: split, returns: { half: int64! }, keep: [sensor_id, timestamp] } }
    counted: { from: stream, function: { file: FILE, handler: counted, key: [sensor_id], returns: { n: int64! } } }
    halves: { sql: 'SELECT half, count(*) AS n FROM split GROUP BY half, tumble(INTERVAL ''1 second'')' }
  sinks:
    counted_out: { from: counted, object_store: {} }
    halves_out: { from: halves, object_store: {} }
";

/// The file of these functions.
const FUNCTIONS_FILE: &str = r#"
import os

def split(record):
    number = record["timestamp"].microsecond // 1000
    if number % 97 == 0:
        return None
    if number % 89 == 0:
        raise ValueError("89")
    return [{"half": half} for half in range(1 + number % 2)]

def counted(record, context):
    context.state["n"] = context.state.get("n", 0) + 1
    if record["timestamp"].microsecond // 1000 == 500 and record["sensor_id"].endswith("3"):
        os._exit(3)
    return {"n": context.state["n"]}
"#;

fn plan(spec: &str) -> PhysicalPlan {
    let file = tempfile::NamedTempFile::with_suffix(".yaml").expect("a file");
    std::fs::write(file.path(), spec).expect("written");
    let (source, compiled) = pipectl::compile_files(&[file.path().to_path_buf()], None, &pipectl::registry());
    let found: Vec<_> = source.diagnostics.iter().collect();
    assert!(!source.diagnostics.has_errors(), "{found:?}");
    pipectl_plan::lower(&compiled[0].dag)
}

/// Checkpoints that the disk never takes.
#[derive(Debug)]
struct Stuck(Box<dyn Checkpoints>);

#[async_trait]
impl Checkpoints for Stuck {
    async fn latest(&self) -> Result<Option<Checkpoint>, RunError> {
        self.0.latest().await
    }

    async fn before_latest(&self) -> Result<Option<Checkpoint>, RunError> {
        self.0.before_latest().await
    }

    async fn write(&self, _: Checkpoint) -> Result<(), RunError> {
        std::future::pending().await
    }

    async fn note_committed(&self, id: u64) -> Result<(), RunError> {
        self.0.note_committed(id).await
    }

    async fn note_begun(&self, note: Vec<u8>) -> Result<(), RunError> {
        self.0.note_begun(note).await
    }

    async fn begun(&self) -> Result<Option<Vec<u8>>, RunError> {
        self.0.begun().await
    }

    async fn is_committed(&self, id: u64) -> Result<bool, RunError> {
        self.0.is_committed(id).await
    }
}

/// A checkpoint that takes for ever holds up no stop: the run ends at the deadline of its drain.
#[test]
fn a_run_is_stopped_while_its_checkpoint_is_written() {
    let plan = plan(MANY_READERS);
    let world = World::new(Trouble::default());
    let state = tempfile::tempdir().expect("a folder");
    let ended = pipectl_host::simulate(async {
        let host = Host::simulated(1, 1_767_225_600_000_000);
        let store = Store::open(state.path()).expect("a store").on(&host);
        let options = RunOptions {
            store: Some(Box::new(Stuck(store))),
            directory: state.path().to_path_buf(),
            limits: Limits::default(),
            drain: Duration::from_secs(5),
            live: false,
            output: OutputPolicy::default(),
            edits: pipectl_runtime::StateEdits::default(),
        };
        let mut running = start(plan.clone(), &world, &host, options).await.expect("starts");
        host.sleep(Duration::from_secs(1)).await;
        let stopped = host.now();
        running.stop();
        let message = tokio::select! {
            biased;
            report = running.join() => report.expect_err("without a checkpoint there is no end").message,
            () = host.sleep(Duration::from_mins(10)) => "it hangs".to_owned(),
        };
        (message, host.now() - stopped)
    });
    let (message, took) = ended.expect("a runtime");
    assert!(message.contains("could not write its last checkpoint in time"), "{message}");
    assert_eq!(took, 5_000_000, "µs");
}

/// A process that is being started has the locks of this one until it runs a program of its own, so no other run may let go
/// of its state and take it again meanwhile.
static STARTS_PROCESSES: RwLock<()> = RwLock::new(());

/// Runs until the end or until `crash`; `None` for a crash.
fn run(plan: &PhysicalPlan, world: &World, state: &Path, seed: u64, crash: Option<Duration>) -> Option<RunReport> {
    let alone = plan.nodes.iter().any(|node| node.kind == "function");
    let _writing = alone.then(|| STARTS_PROCESSES.write().unwrap_or_else(PoisonError::into_inner));
    let _reading = (!alone).then(|| STARTS_PROCESSES.read().unwrap_or_else(PoisonError::into_inner));
    let outcome = pipectl_host::simulate(async {
        let host = Host::simulated(seed, 1_767_225_600_000_000);
        let options = RunOptions {
            store: Some(Store::open(state).expect("a store").on(&host)),
            directory: state.to_path_buf(),
            limits: Limits::default(),
            drain: Duration::from_mins(1),
            live: false,
            output: OutputPolicy::default(),
            edits: pipectl_runtime::StateEdits::default(),
        };
        let mut running = start(plan.clone(), world, &host, options).await.expect("starts");
        let deadline = crash.unwrap_or(Duration::from_hours(10));
        tokio::select! {
            biased;
            report = running.join() => Some(report.expect("a run that goes on after every trouble")),
            () = host.sleep(deadline) => None,
        }
    });
    outcome.expect("a runtime")
}

fn balanced(report: &RunReport) {
    for node in &report.nodes {
        assert!(node.counts.balances(node.stateful), "{} does not balance: {:?}", node.name, node.counts);
    }
}

fn undisturbed(plan: &PhysicalPlan) -> (BTreeMap<String, Vec<String>>, RunReport) {
    let world = World::new(Trouble::default());
    let state = tempfile::tempdir().expect("a folder");
    let report = run(plan, &world, state.path(), 1, None).expect("no crash");
    balanced(&report);
    (world.is_committed(), report)
}

/// Several readers write to one partition in an order that a crash may change, as several producers do to a broker's;
/// the positions in dead letters follow that order.
fn without_positions(sinks: BTreeMap<String, Vec<String>>) -> BTreeMap<String, Vec<String>> {
    let without = |row: String, name: &str| match row.split_once(name) {
        Some((before, after)) => {
            format!("{before}{}", after.trim_start_matches(|c: char| c.is_ascii_digit() || c == ','))
        }
        None => row,
    };
    let strip = |row: String| without(without(row, "\"position\":"), "\"partition\":");
    let sorted = |rows: Vec<String>| {
        let mut rows: Vec<String> = rows.into_iter().map(strip).collect();
        rows.sort();
        rows
    };
    sinks.into_iter().map(|(sink, rows)| (sink, sorted(rows))).collect()
}

fn disturbed(spec: &str, seed: u64, positions: bool) {
    disturbed_with(&[plan(spec)], seed, positions);
}

/// As `disturbed`, with the next of these plans after each crash.
fn disturbed_with(plans: &[PhysicalPlan], seed: u64, positions: bool) {
    let normal = |sinks| if positions { sinks } else { without_positions(sinks) };
    let (expected, calm) = undisturbed(&plans[0]);
    let expected = normal(expected);
    let mut rng = Rng::new(seed, "crashes");
    let world = World::new(Trouble { seed, failures: 0.05, stalls: 0.1 });
    let state = tempfile::tempdir().expect("a folder");
    let mut crashes = 0;
    let report = loop {
        let crash = (crashes < 20).then(|| Duration::from_micros(1000 + rng.below(900_000)));
        match run(&plans[crashes as usize % plans.len()], &world, state.path(), seed + crashes, crash) {
            Some(report) => break report,
            None => crashes += 1,
        }
        world.crash();
    };
    assert!(crashes > 2, "seed {seed}: the crashes came too late to mean anything");
    balanced(&report);
    for (before, after) in calm.nodes.iter().zip(&report.nodes) {
        assert_eq!(before.counts, after.counts, "seed {seed}: counts of {}", before.name);
    }
    let found = normal(world.is_committed());
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "seed {seed}");
    for (sink, rows) in &expected {
        let differ = rows.iter().zip(&found[sink]).find(|(before, after)| before != after);
        assert_eq!(differ, None, "seed {seed}: first differing row of {sink} after {crashes} crashes");
        assert_eq!(rows.len(), found[sink].len(), "seed {seed}: rows of {sink} after {crashes} crashes");
    }
}

fn seeds() -> Vec<u64> {
    let host = Host::real();
    let number = |name: &str| host.variable(name).and_then(|text| text.parse::<u64>().ok());
    match number("PIPECTL_SIM_SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("PIPECTL_SIM_SEEDS").unwrap_or(12)).collect(),
    }
}

/// After each crash with another number of partitions.
fn repartitioned(spec: &str, partitions: &str, seed: u64) {
    assert!(spec.contains(partitions), "no {partitions}");
    let plans = [3, 1, 5, 2, 4].map(|number| plan(&spec.replace(partitions, &format!("partitions: {number}"))));
    disturbed_with(&plans, seed, false);
}

#[test]
fn crashes_and_other_numbers_of_partitions_change_nothing() {
    // Five plans for each run.
    for seed in seeds().into_iter().step_by(3) {
        repartitioned(MANY_READERS, "partitions: 4", seed);
        repartitioned(LATE_ROWS, "partitions: 3", seed);
        repartitioned(UNION, "partitions: 3", seed);
        repartitioned(IN_THE_STREAM, "partitions: 4", seed);
    }
}

#[test]
fn crashes_change_nothing_with_many_readers_and_exchanges() {
    for seed in seeds() {
        disturbed(MANY_READERS, seed, false);
    }
}

#[test]
fn crashes_change_nothing_where_inputs_are_read_as_one() {
    for seed in seeds() {
        disturbed(UNION, seed, false);
    }
}

#[test]
fn crashes_change_nothing_about_alerts() {
    let (published, report) = undisturbed(&plan(ALERTS));
    assert!(published["warm_out"].len() > 100 && published["humid_out"].len() > 3, "alerts");
    assert!(report.nodes.iter().any(|node| node.name == "warm" && node.counts.late > 100), "late records");
    for seed in seeds() {
        disturbed(ALERTS, seed, false);
    }
}

#[test]
fn crashes_change_nothing_about_functions() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("functions.py");
    std::fs::write(&file, FUNCTIONS_FILE).expect("written");
    let spec = FUNCTIONS.replace("FILE", &file.display().to_string());
    let (published, report) = undisturbed(&plan(&spec));
    let count = |sink: &str| published[sink].len();
    assert!(count("counted_out") > 5_000 && count("dead-letters") > 20, "rows");
    let split = report.nodes.iter().find(|node| node.name == "split").expect("a node").counts;
    assert!(split.extra > 1_000 && split.filtered > 20 && split.dead_lettered > 20, "{split:?}");
    // Each start of a worker takes as long as a whole run otherwise.
    let is_full = Host::real().variable("PIPECTL_TESTS").is_some_and(|tests| tests == "full");
    for seed in seeds().into_iter().take(if is_full { 3 } else { 1 }) {
        disturbed(&spec, seed, false);
    }
    for seed in seeds().into_iter().take(usize::from(is_full)) {
        repartitioned(&spec, "partitions: 2", seed);
    }
}

#[test]
fn crashes_change_nothing_about_late_rows() {
    for seed in seeds() {
        disturbed(LATE_ROWS, seed, true);
    }
}

#[test]
fn a_reference_run_has_every_kind_of_outcome() {
    let (published, report) = undisturbed(&plan(MANY_READERS));
    let node = |name: &str| report.nodes.iter().find(|node| node.name == name).expect("a node").counts;
    assert!(node("orders").dead_lettered > 50, "malformed payloads");
    assert!(node("checked").dead_lettered > 100, "division by zero");
    assert!(node("totals").filtered > 100 && node("totals").late == 0);
    assert_eq!(published["dead-letters"].len() as u64, node("dead-letters").output);
    let (_, late) = undisturbed(&plan(LATE_ROWS));
    assert!(late.nodes.iter().any(|node| node.counts.late > 20), "late rows");
}

#[test]
fn the_same_seed_gives_the_same_order_of_everything() {
    let plan = plan(MANY_READERS);
    let trace = || {
        let world = World::new(Trouble { seed: 9, failures: 0.05, stalls: 0.1 });
        let state = tempfile::tempdir().expect("a folder");
        let report = run(&plan, &world, state.path(), 9, None).expect("no crash");
        (world.in_order(), report)
    };
    assert_eq!(trace(), trace());
}

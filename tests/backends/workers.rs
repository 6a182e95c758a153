//! Several processes over one stream, and what is left when one of them is killed.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::testbed::{KEYS, Testbed};

/// How many records each peer carries in reasonable time.
fn size(kind: &str) -> u64 {
    match kind {
        "kafka" => 100_000,
        "eventhubs" => 10_000,
        _ => 2_000,
    }
}

const SLICES: u64 = 10;
const LONG_AGO: &str = "2026-01-01T00:00:00Z";
const CHECKPOINT: Duration = Duration::from_secs(2);

/// Another pipeline writes the stream, slice after slice.
fn fill(
    place: &Testbed,
    environment: &str,
    stream: &str,
    ids: std::ops::Range<u64>,
    event_time: impl Fn(u64) -> String,
) {
    assert_eq!(place.fill(environment, stream, ids, event_time).end(), Some(0), "{}", place.log("fill.log"));
}

fn rows(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    // The last line may still be on its way.
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Whether a worker has reported in its log that it has read some of the numbers.
fn takes_part(log: &str) -> bool {
    log.lines().any(|line| line.contains(r#"node="numbers""#) && !line.contains(" in=0 "))
}

fn wait(what: &str, mut ready: impl FnMut() -> bool) {
    let since = Instant::now();
    while !ready() {
        assert!(since.elapsed() < Duration::from_secs(150), "{what}: waited for it in vain");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn one_of_two_workers_is_killed_and_nothing_is_lost() {
    let place = Testbed::with_all_or_kafka();
    for (kind, _) in &place.backends {
        let Some(environment) = place.sharing(kind) else { continue };
        let spec = "apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: share }
spec:
  checkpoint: { every: 2s }
  streams:
    numbers:
      partitions: 4
      key: k
      schema: { id: int64, k: string }
    kept: { key: k, partitions: 2 }
  processors:
    even: { sql: \"SELECT id, k FROM numbers WHERE id % 2 = 0\", to: kept }
  sinks:
    files: { from: kept, file: { path: kept.jsonl, mode: overwrite } }
";
        place.write("share.yaml", spec);
        let apply = ["apply", "share.yaml", "--env", &environment];
        if *kind == "kafka" {
            // Each subtask is a member of the group, and the sticky assignor moves nothing without need: with as many partitions
            // as members of the first worker, the second one would get a part by chance only.
            let wide = "apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: wide }
spec:
  sources:
    nothing: { file: { path: nothing.jsonl }, schema: { id: int64, k: string }, to: numbers }
  streams:
    numbers: { key: k, partitions: 8 }
  sinks:
    none: { from: numbers, file: { path: none.jsonl, mode: overwrite } }
";
            place.write("wide.yaml", wide);
            place.write("nothing.jsonl", "");
            place.run(&["apply", "wide.yaml", "--env", &environment, "--state", "wide-state"], "").code(0);
        }
        let first = place.start("first.log", &apply);
        first.says("starting");
        let second = place.start("second.log", &[&apply[..], &["--standby"]].concat());
        second.says("standing by");
        let third = place.run(&apply, "").code(4);
        assert!(third.stderr.contains("already runs this pipeline"), "{}", third.stderr);
        let each = size(kind) / SLICES;
        let mut slices = 0;
        let mut write = || {
            let ids = slices * each..(slices + 1) * each;
            slices += 1;
            fill(&place, &environment, "numbers", ids, |_| LONG_AGO.to_owned());
            (Instant::now(), slices)
        };
        let mut written = Vec::new();
        // Until the second worker has its part of the partitions. How many slices that takes depends on the machine alone: a
        // service may wait for the session of an earlier member, 45 s on Kafka.
        let began = Instant::now();
        while written.len() < SLICES as usize / 2 || !takes_part(&second.said()) {
            written.push(write().0);
            let waited = began.elapsed();
            assert!(
                waited < Duration::from_secs(150),
                "{kind}: the second worker got no partition:\n{}\nthe first one:\n{}",
                second.said(),
                first.said()
            );
        }
        written.push(write().0);
        let killed = Instant::now();
        second.kill();
        // What the dead one may have handled and not committed: all since its last checkpoint but one slice.
        let recent = written.iter().filter(|at| killed - **at < CHECKPOINT * 2).count() as u64 + 1;
        for _ in 0..SLICES / 2 {
            written.push(write().0);
        }
        let count = write().1 * each;
        let wanted: BTreeSet<u64> = (0..count).filter(|id| id % 2 == 0).collect();
        let ids =
            || -> Vec<u64> { rows(&place.path("kept.jsonl")).iter().filter_map(|row| row["id"].as_u64()).collect() };
        wait(&format!("{kind}: all records"), || ids().into_iter().collect::<BTreeSet<_>>() == wanted);
        assert_eq!(first.stop(), Some(0), "{kind}");
        let all = ids();
        let twice = all.len() - wanted.len();
        println!("{kind}: {count} records, two workers, one killed: none lost, {twice} twice");
        assert!(twice as u64 <= recent * each / 2, "{kind}: {twice} of {} came twice", wanted.len());
        std::fs::remove_file(place.path("kept.jsonl")).expect("the output");
        std::fs::remove_dir_all(place.path(".pipectl")).expect("the state");
    }
}

#[test]
fn a_standby_takes_over_windows_from_a_killed_owner() {
    let place = Testbed::with_all_or_kafka();
    for (kind, _) in &place.backends {
        let Some(environment) = place.sharing(kind) else { continue };
        let spec = "apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: windows }
spec:
  checkpoint: { every: 2s }
  streams:
    moments:
      partitions: 4
      key: k
      schema: { id: int64, k: string, at: timestamp }
      time: { field: at, lateness: 1h, max_ahead: 36500d }
      idle_after: 1s
  processors:
    counts:
      sql: |
        SELECT k, window_start, count(*) AS n FROM moments
        GROUP BY k, tumble(INTERVAL '1 minute')
  sinks:
    files: { from: counts, file: { path: counts.jsonl, mode: overwrite } }
";
        place.write("windows.yaml", spec);
        let apply = ["apply", "windows.yaml", "--env", &environment];
        let owner = place.start("owner.log", &apply);
        owner.says("starting");
        let standby = place.start("standby.log", &[&apply[..], &["--standby"]].concat());
        standby.says("standing by");
        let count = size(kind);
        let each = count / SLICES;
        // Five minutes.
        let event_time = |id: u64| {
            let second = id * 300 / count;
            format!("2026-01-01T00:{:02}:{:02}Z", second / 60, second % 60)
        };
        let mut owner = Some(owner);
        for slice in 0..SLICES {
            fill(&place, &environment, "moments", slice * each..(slice + 1) * each, event_time);
            if slice == SLICES / 2 {
                owner.take().expect("once").kill();
            }
        }
        standby.says("taking over");
        // Far ahead, so that all windows close.
        fill(&place, &environment, "moments", count..count + KEYS, |_| "2030-01-01T00:00:00Z".to_owned());
        let sums = || -> BTreeMap<String, u64> {
            let mut sums = BTreeMap::new();
            for row in rows(&place.path("counts.jsonl")) {
                *sums.entry(row["k"].as_str().unwrap_or_default().to_owned()).or_default() +=
                    row["n"].as_u64().unwrap_or(0);
            }
            sums
        };
        let total = || sums().values().sum::<u64>();
        wait(&format!("{kind}: all windows"), || total() >= count);
        assert_eq!(standby.stop(), Some(0), "{kind}");
        let wanted: BTreeMap<String, u64> =
            (0..KEYS).map(|key| (format!("k{key}"), (0..count).filter(|id| id % KEYS == key).count() as u64)).collect();
        assert_eq!(sums(), wanted, "{kind}");
        println!("{kind}: {count} records, the owner killed: each counted once");
        std::fs::remove_file(place.path("counts.jsonl")).expect("the output");
        std::fs::remove_dir_all(place.path(".pipectl")).expect("the state");
    }
}

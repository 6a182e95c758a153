//! Workers that share no folder: their checkpoints and the right to a pipeline are in an object store.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use pipectl_peers::{AZURITE_ACCOUNT, AZURITE_KEY, Azurite, Kafka, make_container};

use crate::testbed::{KEYS, Testbed};

const SPEC: &str = "apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: far }
spec:
  checkpoint: { every: 1s }
  streams:
    far_moments:
      partitions: 4
      key: k
      schema: { id: int64, k: string, at: timestamp }
      time: { field: at, lateness: 1h, max_ahead: 36500d }
      idle_after: 1s
    far_counts: { key: k, partitions: 2 }
  processors:
    counts:
      sql: |
        SELECT k, window_start, count(*) AS n FROM far_moments
        GROUP BY k, tumble(INTERVAL '1 minute')
  sinks:
    out: { from: counts, stream: far_counts }
";

const ENVIRONMENT: &str = "apiVersion: pipectl/v1
kind: Environment
metadata: { name: kafka }
spec:
  backends: { default: { kafka: { brokers: [\"${KAFKA_BROKERS}\"] } } }
  streams: { far_counts: { kafka: { transactional: true } } }
";

const STATE: &str = "az://state/pipelines";
const COUNT: u64 = 20_000;
const SLICES: u64 = 10;

/// What is counted for each key in the topic, by readers of what is committed.
fn sums(place: &Testbed) -> BTreeMap<String, u64> {
    let read =
        place.run(&["stream", "read", "far_counts", "--env", "env.yaml", "--format", "json", "--limit", "100000"], "");
    let mut sums = BTreeMap::new();
    for line in read.code(0).stdout.lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect("a record");
        let row = match &record["payload"] {
            serde_json::Value::String(text) => serde_json::from_str(text).expect("a row"),
            row => row.clone(),
        };
        *sums.entry(row["k"].as_str().unwrap_or_default().to_owned()).or_default() += row["n"].as_u64().unwrap_or(0);
    }
    sums
}

#[test]
fn a_standby_on_another_machine_takes_over_from_a_killed_owner() {
    pipectl_peers::full_only!();
    let broker = pipectl_peers::need!(Kafka::shared());
    let blobs = pipectl_peers::need!(Azurite::shared());
    make_container(blobs, "state").expect("a container");
    let machine = || {
        let mut place = Testbed::with_kafka(broker.endpoint());
        place.set("AZURE_STORAGE_ACCOUNT_NAME", AZURITE_ACCOUNT);
        place.set("AZURE_STORAGE_ACCOUNT_KEY", AZURITE_KEY);
        place.set("AZURE_STORAGE_ENDPOINT", &format!("{}/{AZURITE_ACCOUNT}", blobs.endpoint()));
        place.set("AZURE_ALLOW_HTTP", "true");
        place.write("far.yaml", SPEC);
        place.write("env.yaml", ENVIRONMENT);
        place
    };
    let (here, there, third) = (machine(), machine(), machine());
    let doctor = |state| here.run(&["doctor", "--env", "env.yaml", "--state", state], "");
    let good = doctor(STATE).code(0).stdout;
    assert!(good.contains("good     checkpoints: objects can be written, and a stale change"), "{good}");
    let bad = doctor("az://no-such-container/pipelines").code(4).stdout;
    assert!(bad.contains("BAD      checkpoints: cannot make an object"), "{bad}");
    let apply = ["apply", "far.yaml", "--env", "env.yaml", "--state", STATE];
    let owner = here.start("owner.log", &apply);
    owner.says("starting");
    let standby = there.start("standby.log", &[&apply[..], &["--standby"]].concat());
    standby.says("standing by until process");
    // It waits only until the owner shows that it lives.
    let refused = third.run(&apply, "").code(4);
    assert!(
        refused.stderr.contains("already runs this pipeline (state in `az://state/pipelines`)"),
        "{}",
        refused.stderr
    );

    // Five minutes.
    let event_time = |id: u64| {
        let second = id * 300 / COUNT;
        format!("2026-01-01T00:{:02}:{:02}Z", second / 60, second % 60)
    };
    let fill = |ids: std::ops::Range<u64>, at: &dyn Fn(u64) -> String| {
        assert_eq!(third.fill("env.yaml", "far_moments", ids, at).end(), Some(0), "{}", third.log("fill.log"));
    };
    let mut owner = Some(owner);
    let each = COUNT / SLICES;
    for slice in 0..SLICES {
        fill(slice * each..(slice + 1) * each, &event_time);
        if slice == SLICES / 2 {
            owner.take().expect("once").kill();
        }
    }
    standby.says("has ended, taking over");
    // Far ahead, so that all windows close.
    fill(COUNT..COUNT + KEYS, &|_| "2030-01-01T00:00:00Z".to_owned());
    let since = Instant::now();
    while sums(&third).values().sum::<u64>() < COUNT {
        assert!(since.elapsed() < Duration::from_secs(100), "windows never came:\n{}", standby.said());
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(standby.stop(), Some(0));
    let wanted: BTreeMap<String, u64> =
        (0..KEYS).map(|key| (format!("k{key}"), (0..COUNT).filter(|id| id % KEYS == key).count() as u64)).collect();
    assert_eq!(sums(&third), wanted, "each record is counted once");
    assert!(!here.path(".pipectl").exists() && !there.path(".pipectl").exists(), "no state is kept on the machines");

    // Who ends in order is followed at once.
    let since = Instant::now();
    let next = third.start("next.log", &apply);
    next.says("resuming");
    assert!(since.elapsed() < Duration::from_secs(14), "{}", next.said());
    assert_eq!(next.stop(), Some(0));
    let wrong = third.run(&["apply", "far.yaml", "--state", "ftp://host/path"], "").code(1);
    assert!(wrong.stderr.contains("ftp://host/path"), "{}", wrong.stderr);
}

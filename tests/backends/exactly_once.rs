//! Streams that are written in transactions hold every record once, wherever between two checkpoints the writer dies.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use pipectl_contract::{ConnectorError, ErrorKind, Refused, Rejection, SinkWriter};
use pipectl_data::Batch;
use pipectl_host::Host;
use pipectl_ir::{PhysicalPlan, physical::Workers, report::Outcome};
use pipectl_peers::Kafka;
use pipectl_runtime::{Differing, Job, Limits, RunOptions, checkpoint::Store, provision};

use crate::{between::Between, place::Place};

/// Readings that come in as many slices as there are checkpoints, handed over from topic to topic: as they are, counted in
/// windows, split in two, and to files beside.
const SPEC: &str = "apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: once }
spec:
  checkpoint: { every: 150ms }
  sources:
    sensors:
      simulate: { model: sensors, devices: 10, rate: 600/s, for: 3s, pace: real, seed: 7, disorder: 300ms }
      to: raw
  streams:
    raw:
      key: sensor_id
      partitions: 3
      time: { field: timestamp, lateness: 1s }
      schema: { sensor_id: string!, timestamp: timestamp!, temperature: float64, humidity: float64, pressure: float64 }
    counts: { key: sensor_id, partitions: 2 }
    warm: { key: sensor_id, partitions: 2 }
  processors:
    per_slice:
      sql: \"SELECT sensor_id, window_start, count(*) AS n FROM raw GROUP BY sensor_id, tumble(INTERVAL '200 milliseconds')\"
      to: counts
    only_warm: { sql: \"SELECT sensor_id, timestamp, temperature FROM raw WHERE temperature > 28\", to: warm }
  sinks:
    all: { from: raw, file: { path: all.jsonl } }
---
apiVersion: pipectl/v1
kind: Environment
metadata: { name: kafka }
spec:
  backends: { default: { kafka: { brokers: [BROKERS] } } }
  streams:
    raw: { kafka: { transactional: true } }
    counts: { kafka: { transactional: true } }
    warm: { kafka: { transactional: true } }
";

/// When a writer of a stream dies: at which of its commits, and on which side of it.
#[derive(Debug, Clone, Copy)]
struct Death {
    stream: &'static str,
    commit: u32,
    after: bool,
}

struct Dying {
    inner: Box<dyn SinkWriter>,
    commits: Arc<AtomicU32>,
    death: Death,
}

#[async_trait]
impl SinkWriter for Dying {
    async fn write(&mut self, batch: &Batch) -> Result<Vec<Rejection>, ConnectorError> {
        self.inner.write(batch).await
    }

    fn refused(&mut self) -> Vec<Refused> {
        self.inner.refused()
    }

    fn decides(&self) -> bool {
        self.inner.decides()
    }

    async fn checkpoint(&mut self) -> Result<Vec<u8>, ConnectorError> {
        self.inner.checkpoint().await
    }

    async fn committed(&mut self) -> Result<(), ConnectorError> {
        let dies = self.commits.fetch_add(1, Ordering::SeqCst) + 1 == self.death.commit;
        if !dies || self.death.after {
            self.inner.committed().await?;
        }
        if dies { Err(ConnectorError::new(ErrorKind::Internal, "dead")) } else { Ok(()) }
    }

    async fn finish(&mut self) -> Result<(), ConnectorError> {
        self.inner.finish().await
    }
}

/// One life of the pipeline; whether it came to its end.
async fn live(plans: &[PhysicalPlan], place: &Place, death: Option<Death>) -> bool {
    let host = Host::real();
    let connectors = Between::new(move |stream, inner| match death.filter(|death| death.stream == stream) {
        Some(death) => Box::new(Dying { inner, commits: Arc::default(), death }),
        None => inner,
    });
    provision(plans, &connectors.inner, &host, Differing::Tell).await.expect("topics");
    let options = |plan: &mut PhysicalPlan| {
        assert!(plan.workers != Workers::Any, "what is written in transactions has one owner");
        let folder = place.path("state").join(plan.region.as_deref().unwrap_or("whole"));
        Ok(RunOptions {
            store: Some(Store::open(folder)?.on(&host)),
            directory: place.path(""),
            limits: Limits::default(),
            drain: Duration::from_secs(20),
        })
    };
    let mut job = Job::start(plans.to_vec(), &connectors, &host, options).await.expect("a start");
    match job.join().await {
        Ok(report) => report.outcome == Outcome::Finished,
        Err(error) => {
            assert!(error.to_string().contains("dead"), "{error}");
            false
        }
    }
}

/// How often each record is in a topic, for readers of what is committed.
fn records(place: &Place, topic: &str) -> BTreeMap<String, u32> {
    let read = place.run(&["stream", "read", topic, "--env", "spec.yaml", "--format", "json", "--limit", "100000"], "");
    let mut found = BTreeMap::new();
    for line in read.code(0).stdout.lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect("a record");
        *found.entry(record["payload"].to_string()).or_default() += 1;
    }
    found
}

#[test]
fn every_record_is_there_once_however_often_the_writer_dies() {
    let broker = pipectl_peers::need!(Kafka::shared());
    let place = Place::with_kafka(broker.endpoint());
    let spec = place.write("spec.yaml", &SPEC.replace("BROKERS", broker.endpoint()));
    let (source, compiled) = pipectl::compile_files(&[spec], None, &pipectl::registry());
    assert!(!source.diagnostics.has_errors(), "{:?}", source.diagnostics);
    let plans = pipectl_plan::lower_regions(&compiled[0].dag).expect("regions");
    let death = |stream, commit, after| Some(Death { stream, commit, after });
    let deaths = [
        // The first checkpoint of all: there is none before it.
        death("raw", 1, false),
        death("raw", 1, true),
        death("raw", 3, false),
        death("counts", 1, false),
        death("counts", 2, true),
        death("warm", 3, false),
        death("raw", 3, true),
        death("counts", 4, false),
        death("warm", 2, true),
    ];
    let lives = pipectl_host::run(Some(2), async {
        let mut lives = 0;
        for death in deaths {
            lives += 1;
            if live(&plans, &place, death).await {
                return lives;
            }
        }
        assert!(live(&plans, &place, None).await);
        lives + 1
    });
    assert!(lives.expect("a run") > 5, "too few deaths to prove anything");

    let raw = records(&place, "raw");
    assert_eq!(raw.len(), 1800, "600 readings a second for three seconds");
    assert!(raw.values().all(|count| *count == 1), "a reading came twice");
    let counts = records(&place, "counts");
    assert!(counts.values().all(|count| *count == 1), "a window came twice");
    let counted: u64 = counts.keys().map(|text| payload(text)["n"].as_u64().expect("a count")).sum();
    assert_eq!(counted, 1800, "windows hold each reading once");
    let mut warm = BTreeMap::new();
    for text in raw.keys() {
        let reading = payload(text);
        if reading["temperature"].as_f64().is_some_and(|temperature| temperature > 28.0) {
            *warm.entry(row(&reading)).or_default() += 1;
        }
    }
    let found: BTreeMap<String, u32> =
        records(&place, "warm").into_iter().map(|(text, count)| (row(&payload(&text)), count)).collect();
    assert!(!found.is_empty() && found == warm, "the warm readings: {} rows, {} expected", found.len(), warm.len());
    let file = std::fs::read_to_string(place.path("all.jsonl")).expect("the file");
    assert_eq!(file.lines().count(), 1800, "what files hold beside the topics is once too");
}

/// What the query keeps of a reading.
fn row(reading: &serde_json::Value) -> String {
    ["sensor_id", "timestamp", "temperature"].map(|column| reading[column].to_string()).join(" ")
}

fn payload(text: &str) -> serde_json::Value {
    let value: serde_json::Value = serde_json::from_str(text).expect("JSON");
    match &value {
        serde_json::Value::String(text) => serde_json::from_str(text).expect("a payload"),
        _ => value,
    }
}

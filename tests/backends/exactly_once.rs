//! Streams that are written in transactions hold every record once, wherever between two checkpoints the writer dies.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use pipectl_contract::{ConnectorError, ErrorKind, Refused, Rejection, SinkWriter};
use pipectl_data::Batch;
use pipectl_host::Host;
use pipectl_ir::{PhysicalPlan, physical::Workers, report::Outcome};
use pipectl_peers::Kafka;
use pipectl_runtime::{Differing, Job, Limits, OutputPolicy, RunOptions, checkpoint::Store, provision};

use crate::{between::Between, testbed::Testbed};

/// Readings that come in as many slices as there are checkpoints, handed over from topic to topic: as they are, counted in
/// windows, in bursts between which there is nothing, and to files beside.
const SPEC: &str = "apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: once }
spec:
  checkpoint: { every: 150ms }
  sources:
    sensors:
      simulate: { model: sensors, devices: 10, rate: 120/s, for: 20s, pace: real, seed: 7, disorder: 300ms }
      to: raw
  streams:
    raw:
      key: sensor_id
      partitions: 3
      time: { field: timestamp, lateness: 1s }
      schema: { sensor_id: string!, timestamp: timestamp!, temperature: float64, humidity: float64, pressure: float64 }
    counts: { key: sensor_id, partitions: 2 }
    bursts: { key: sensor_id, partitions: 2 }
  processors:
    per_second:
      sql: \"SELECT sensor_id, window_start, count(*) AS n FROM raw GROUP BY sensor_id, tumble(INTERVAL '1 second')\"
      to: counts
    now_and_then:
      sql: \"SELECT sensor_id, timestamp, temperature FROM raw WHERE date_part('millisecond', timestamp) BETWEEN 400 AND 479\"
      to: bursts
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
    bursts: { kafka: { transactional: true } }
";

/// When the writer of a stream dies.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// Before it has made this commit.
    Before(u32),
    /// When it has made this commit.
    After(u32),
    /// After the first commit of an interval in which it got nothing, and another stream of the transaction got records.
    Silent,
}

#[derive(Debug, Clone, Copy)]
struct Death {
    stream: &'static str,
    at: Moment,
}

/// How many records each stream of a transaction got in the interval that is committed next.
type Written = Arc<Mutex<BTreeMap<String, usize>>>;

struct Dying {
    inner: Box<dyn SinkWriter>,
    stream: String,
    written: Written,
    records: usize,
    commit: u32,
    death: Option<Moment>,
}

impl Dying {
    /// Whether it dies before or after the commit that it is about to make.
    fn dies(&self) -> (bool, bool) {
        match self.death {
            None => (false, false),
            Some(Moment::Before(number)) => (self.commit == number, false),
            Some(Moment::After(number)) => (false, self.commit == number),
            Some(Moment::Silent) => {
                let written = self.written.lock().expect("a lock");
                let others = written.iter().any(|(stream, records)| *stream != self.stream && *records > 0);
                (false, others && written.get(&self.stream) == Some(&0))
            }
        }
    }
}

#[async_trait]
impl SinkWriter for Dying {
    async fn write(&mut self, batch: &Batch) -> Result<Vec<Rejection>, ConnectorError> {
        self.records += batch.len();
        self.inner.write(batch).await
    }

    fn refused(&mut self) -> Vec<Refused> {
        self.inner.refused()
    }

    fn is_two_phase(&self) -> bool {
        self.inner.is_two_phase()
    }

    async fn checkpoint(&mut self) -> Result<Vec<u8>, ConnectorError> {
        self.written.lock().expect("a lock").insert(self.stream.clone(), std::mem::take(&mut self.records));
        self.inner.checkpoint().await
    }

    async fn committed(&mut self) -> Result<(), ConnectorError> {
        self.commit += 1;
        let (before, after) = self.dies();
        if !before {
            self.inner.committed().await?;
        }
        if after && matches!(self.death, Some(Moment::Silent)) {
            // Who got the records makes the commit.
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        if before || after { Err(ConnectorError::new(ErrorKind::Internal, "dead")) } else { Ok(()) }
    }

    async fn finish(&mut self) -> Result<(), ConnectorError> {
        self.inner.finish().await
    }
}

/// One life of the pipeline; whether it came to its end.
async fn live(plans: &[PhysicalPlan], place: &Testbed, death: Option<Death>) -> bool {
    let host = Host::real();
    let together = Written::default();
    let connectors = Between::new(move |stream, inner| {
        let death = death.filter(|death| death.stream == stream).map(|death| death.at);
        // The first region writes one stream; what is written to files is in no transaction.
        let written = if ["counts", "bursts"].contains(&stream) { Arc::clone(&together) } else { Written::default() };
        Box::new(Dying { inner, stream: stream.to_owned(), written, records: 0, commit: 0, death })
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
            live: false,
            output: OutputPolicy::default(),
            edits: pipectl_runtime::StateEdits::default(),
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
fn records(place: &Testbed, topic: &str) -> BTreeMap<String, u32> {
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
    let place = Testbed::with_kafka(broker.endpoint());
    let spec = place.write("spec.yaml", &SPEC.replace("BROKERS", broker.endpoint()));
    let (source, compiled) = pipectl::compile_files(&[spec], None, &pipectl::registry());
    assert!(!source.diagnostics.has_errors(), "{:?}", source.diagnostics);
    let plans = pipectl_plan::lower_regions(&compiled[0].dag).expect("regions");
    let death = |stream, at| Some(Death { stream, at });
    let deaths = [
        // The first checkpoint of all: there is none before it.
        death("raw", Moment::Before(1)),
        death("raw", Moment::After(1)),
        death("raw", Moment::Before(3)),
        death("counts", Moment::Before(1)),
        death("bursts", Moment::Silent),
        death("counts", Moment::After(2)),
        death("counts", Moment::Silent),
        death("bursts", Moment::Before(3)),
        death("raw", Moment::After(3)),
        death("bursts", Moment::Silent),
        death("counts", Moment::Before(4)),
        death("counts", Moment::Silent),
        death("bursts", Moment::After(2)),
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
    assert!(lives.expect("a run") > 8, "too few deaths to prove anything");

    let raw = records(&place, "raw");
    assert_eq!(raw.len(), 2400, "120 readings a second for twenty seconds");
    assert!(raw.values().all(|count| *count == 1), "a reading came twice");
    let counts = records(&place, "counts");
    assert!(counts.values().all(|count| *count == 1), "a window came twice");
    let counted: u64 = counts.keys().map(|text| payload(text)["n"].as_u64().expect("a count")).sum();
    assert_eq!(counted, 2400, "windows hold each reading once");
    let mut bursts = BTreeMap::new();
    for text in raw.keys() {
        let reading = payload(text);
        let time = reading["timestamp"].as_str().and_then(|time| chrono::DateTime::parse_from_rfc3339(time).ok());
        if (400..480).contains(&time.expect("a time").timestamp_subsec_millis()) {
            *bursts.entry(row(&reading)).or_default() += 1;
        }
    }
    let found: BTreeMap<String, u32> =
        records(&place, "bursts").into_iter().map(|(text, count)| (row(&payload(&text)), count)).collect();
    assert!(!found.is_empty() && found == bursts, "the bursts: {} rows, {} expected", found.len(), bursts.len());
    let file = std::fs::read_to_string(place.path("all.jsonl")).expect("the file");
    assert_eq!(file.lines().count(), 2400, "what files hold beside the topics is once too");
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

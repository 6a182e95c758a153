//! A topic of one test, with everything that a run does to it.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use arrow_array::{Array as _, BinaryViewArray, Int64Array};
use pipectl_backend_pubsub::{PubSub, PubSubConnection, PubSubOptions};
use pipectl_contract::{
    ConnectContext, Connection as _, ConsumerContext, Ownership, ProducerContext, Read, SinkWriter, SourceReader,
    StartAt, StreamTarget,
};
use pipectl_data::{Batch, HeadersBuilder, Micros, PayloadFormat, units};
use pipectl_host::Host;
use serde_json::Value;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A connection and a topic.
pub(crate) struct World {
    pub(crate) connection: PubSubConnection,
    pub(crate) target: StreamTarget,
    pub(crate) host: Host,
}

/// A record as tests look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) subtask: u32,
    pub(crate) key: Option<String>,
    pub(crate) payload: Option<String>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
    pub(crate) id: String,
    pub(crate) arrival: Micros,
}

/// Runs a test on a topic of its own; says so if there is no server.
pub(crate) fn on_topic<F: Future<Output = ()>>(
    stream: Value,
    change: impl FnOnce(&mut PubSubOptions),
    test: impl FnOnce(World) -> F,
) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let server = pipectl_peers::need!(pipectl_peers::PubSub::shared());
    if !server.is_emulator {
        eprintln!("skipped: Google's fake for tests (pstest) cannot be administered: it speaks no REST");
        return;
    }
    let mut options = PubSubOptions {
        endpoint: Some(format!("http://{}", server.endpoint())),
        project: Some("pipectl-tests".into()),
        quiet: units::Duration::from_secs(1),
        ..PubSubOptions::default()
    };
    change(&mut options);
    let name = format!("topic-{}", NUMBER.fetch_add(1, Ordering::SeqCst));
    let target =
        StreamTarget { name, existing: false, partitions: None, retention: None, ordered: true, options: Some(stream) };
    let host = Host::real();
    let context = ConnectContext::new(host.clone(), "tests", "local");
    pipectl_host::run(Some(2), async {
        let connection = PubSub::open(options, context).await.unwrap();
        connection.create(&target).await.unwrap();
        let finished = tokio::time::timeout(PATIENCE * 2, test(World { connection, target, host })).await;
        assert!(finished.is_ok(), "the test has not ended in time");
    })
    .unwrap();
}

/// A key and a payload.
pub(crate) type Pair<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// A batch of records without headers.
pub(crate) fn batch(records: &[Pair<'_>]) -> Batch {
    let payload = records.iter().map(|(_, payload)| *payload).collect::<BinaryViewArray>();
    let offsets = Int64Array::from_iter_values(0..records.len() as i64);
    let mut batch = Batch::raw(0, offsets.clone(), offsets, payload, PayloadFormat::Json);
    batch.keys = Some(records.iter().map(|(key, _)| *key).collect());
    batch
}

/// The same record headers for each row.
pub(crate) fn with_headers(mut batch: Batch, headers: &[(&str, Option<&[u8]>)]) -> Batch {
    let mut builder = HeadersBuilder::default();
    for _ in 0..batch.len() {
        for (name, value) in headers {
            builder.header(name, *value);
        }
        builder.end_record();
    }
    batch.headers = builder.finish();
    batch
}

/// `count` records `KEY NUMBER`, numbered within each of `keys` keys.
pub(crate) fn numbered(count: usize, keys: usize) -> Batch {
    let texts: Vec<(String, String)> = (0..count)
        .map(|number| (format!("k{}", number % keys), format!("k{} {}", number % keys, number / keys)))
        .collect();
    let records: Vec<_> = texts.iter().map(|(key, payload)| (Some(key.as_bytes()), Some(payload.as_bytes()))).collect();
    batch(&records)
}

impl World {
    pub(crate) async fn producer(&self) -> Box<dyn SinkWriter> {
        let context = ProducerContext::new("out", 4 << 20);
        self.connection.producer(&self.target, context).await.unwrap()
    }

    /// Writes and waits until it is confirmed.
    pub(crate) async fn write(&self, batch: &Batch) {
        let mut producer = self.producer().await;
        assert_eq!(producer.write(batch).await.unwrap(), []);
        producer.checkpoint().await.unwrap();
        assert!(producer.refused().is_empty());
    }

    pub(crate) fn context(&self, subtasks: u32, ownership: Ownership, start: StartAt) -> ConsumerContext {
        ConsumerContext {
            node: "in".into(),
            group: format!("tests.local.{}", self.target.name),
            subtasks,
            ownership,
            start,
            memory: 64 << 20,
            checkpoint_every: Duration::from_secs(10),
        }
    }

    pub(crate) async fn readers(&self, subtasks: u32, ownership: Ownership, start: StartAt) -> Subtasks {
        let context = self.context(subtasks, ownership, start);
        Subtasks { readers: self.connection.consumer(&self.target, context).await.unwrap(), host: self.host.clone() }
    }

    pub(crate) async fn settings(&self) -> std::collections::BTreeMap<String, String> {
        self.connection.describe(&self.target, None).await.unwrap().unwrap().settings
    }
}

/// The readers of a consumer, driven as the runtime does.
pub(crate) struct Subtasks {
    pub(crate) readers: Vec<Box<dyn SourceReader>>,
    host: Host,
}

impl Subtasks {
    /// Reads all subtasks in turns until `enough` says so; calls are cut off now and then, as a checkpoint does.
    pub(crate) async fn until(&mut self, mut enough: impl FnMut(&[Seen]) -> bool) -> Vec<Seen> {
        let mut seen = Vec::new();
        let started = self.host.now();
        while !enough(&seen) {
            assert!(self.host.now() - started < PATIENCE.as_micros() as i64, "only {} came", seen.len());
            for reader in &mut self.readers {
                let next = tokio::time::timeout(Duration::from_millis(20), reader.next()).await;
                if let Ok(read) = next
                    && let Read::Records(batch) = read.unwrap()
                {
                    seen.extend(records(&batch));
                }
            }
        }
        seen
    }

    /// Reads so many records.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<Seen> {
        let seen = self.until(|seen| seen.len() >= count).await;
        assert_eq!(seen.len(), count, "too many came");
        seen
    }

    /// Reads for a while in which nothing must come.
    pub(crate) async fn nothing_comes(&mut self, during: Duration) {
        assert_eq!(self.during(during).await, []);
    }

    /// Reads for a while.
    pub(crate) async fn during(&mut self, during: Duration) -> Vec<Seen> {
        let until = self.host.now() + during.as_micros() as i64;
        let host = self.host.clone();
        self.until(|_| host.now() >= until).await
    }

    /// A checkpoint that is durable at once.
    pub(crate) async fn commit(&mut self) -> Vec<Value> {
        let mut positions = Vec::new();
        for reader in &mut self.readers {
            let position = reader.position();
            reader.committed(&position).await.unwrap();
            positions.push(position);
        }
        positions
    }

    pub(crate) fn positions(&self) -> Vec<Value> {
        self.readers.iter().map(|reader| reader.position()).collect()
    }

    pub(crate) async fn close(mut self) {
        for reader in &mut self.readers {
            reader.close().await.unwrap();
        }
    }
}

fn records(batch: &Batch) -> Vec<Seen> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (0..batch.len())
        .map(|row| Seen {
            subtask: batch.partition,
            key: batch.keys.as_ref().filter(|keys| keys.is_valid(row)).map(|keys| text(keys.value(row))),
            payload: batch.payload.as_ref().filter(|all| all.is_valid(row)).map(|all| text(all.value(row))),
            headers: batch.headers.as_ref().map_or_else(Vec::new, |headers| {
                headers.of(row).map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec))).collect()
            }),
            id: batch.positions.as_ref().unwrap().value(row).to_owned(),
            arrival: batch.arrival.value(row),
        })
        .collect()
}

/// Whether the numbers of each key ascend, each key has one subtask, and nothing is there twice.
pub(crate) fn assert_in_order(seen: &[Seen]) {
    let mut last: std::collections::BTreeMap<&str, (u32, i64)> = std::collections::BTreeMap::new();
    for record in seen {
        let (key, number) = record.payload.as_deref().unwrap().split_once(' ').unwrap();
        assert_eq!(record.key.as_deref(), Some(key));
        let number: i64 = number.parse().unwrap();
        let (subtask, before) = last.insert(key, (record.subtask, number)).unwrap_or((record.subtask, -1));
        assert_eq!(subtask, record.subtask, "{key} is on two subtasks");
        assert_eq!(before + 1, number, "{key}");
    }
}

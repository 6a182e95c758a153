//! The bench that the tests share: peers, a connection, a stream, and short ways to write and read.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use arrow_array::{Array, BinaryViewArray, Int64Array};
use pipectl_backend_kinesis::{Kinesis, KinesisConnection, KinesisOptions};
use pipectl_contract::{
    ConnectContext, Connection, ConsumerContext, Ownership, ProducerContext, Read, SinkWriter, SourceReader, StartAt,
    StreamTarget,
};
use pipectl_data::{Batch, PayloadFormat};
use pipectl_host::Host;
use serde_json::{Value, json};

/// No test may wait longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(90);

/// No output may show it.
pub(crate) const SECRET: &str = "a-secret-canary";

pub(crate) struct Bench {
    pub(crate) connection: Arc<KinesisConnection>,
    pub(crate) stream: StreamTarget,
}

pub(crate) fn options(endpoint: &str, dynamo: &str) -> KinesisOptions {
    serde_json::from_value(json!({
        "region": "us-east-1", "endpoint": endpoint, "dynamodb_endpoint": dynamo, "retry_for": "20s", "lease": "2s",
        "discover_every": "1s",
        "credentials": { "access_key_id": "AKIATEST", "secret_access_key": SECRET },
    }))
    .unwrap()
}

static STREAMS: AtomicU32 = AtomicU32::new(0);

/// A name that no other test of this process uses.
pub(crate) fn stream(partitions: u32, options: Value) -> StreamTarget {
    StreamTarget {
        name: format!("stream-{}", STREAMS.fetch_add(1, Ordering::Relaxed)),
        existing: false,
        partitions: Some(partitions),
        retention: None,
        ordered: true,
        options: Some(options),
    }
}

pub(crate) async fn connect(options: KinesisOptions) -> Arc<KinesisConnection> {
    let context = ConnectContext::new(Host::real(), "p", "e");
    Kinesis.open(options, context).await.unwrap()
}

impl Bench {
    pub(crate) async fn new(endpoint: &str, dynamo: &str, partitions: u32, stream_options: Value) -> Self {
        let connection = connect(options(endpoint, dynamo)).await;
        let stream = stream(partitions, stream_options);
        connection.create(&stream).await.unwrap();
        Self { connection, stream }
    }

    pub(crate) async fn producer(&self) -> Box<dyn SinkWriter> {
        let context = ProducerContext::new("s", 8 << 20);
        self.connection.producer(&self.stream, context).await.unwrap()
    }

    pub(crate) async fn consumer(
        &self,
        subtasks: u32,
        ownership: Ownership,
        start: StartAt,
    ) -> Vec<Box<dyn SourceReader>> {
        self.consumer_of("p.e.s", subtasks, ownership, start).await
    }

    pub(crate) async fn consumer_of(
        &self,
        group: &str,
        subtasks: u32,
        ownership: Ownership,
        start: StartAt,
    ) -> Vec<Box<dyn SourceReader>> {
        let context = ConsumerContext {
            node: "s".into(),
            group: group.into(),
            subtasks,
            ownership,
            start,
            memory: 16 << 20,
            checkpoint_every: Duration::from_secs(1),
        };
        self.connection.consumer(&self.stream, context).await.unwrap()
    }

    /// Writes records and waits until they are confirmed.
    pub(crate) async fn put(&self, records: &[(Option<&str>, &str)]) {
        let mut producer = self.producer().await;
        let rejected = producer.write(&batch(records)).await.unwrap();
        assert_eq!(rejected, []);
        producer.finish().await.unwrap();
        assert!(producer.refused().is_empty());
    }
}

pub(crate) fn batch(records: &[(Option<&str>, &str)]) -> Batch {
    let numbers = Int64Array::from_iter_values(0..records.len() as i64);
    let payload = BinaryViewArray::from_iter_values(records.iter().map(|(_, value)| value));
    let mut batch = Batch::raw(0, numbers.clone(), numbers, payload, PayloadFormat::Json);
    batch.keys = Some(records.iter().map(|(key, _)| key.map(str::as_bytes)).collect::<BinaryViewArray>());
    batch
}

/// `count` records over `keys` keys; each value is `key:number`, numbers ascending within a key.
pub(crate) fn numbered(count: usize, keys: usize) -> Vec<(String, String)> {
    (0..count).map(|n| (format!("k{}", n % keys), format!("k{}:{}", n % keys, n / keys))).collect()
}

pub(crate) fn refs(records: &[(String, String)]) -> Vec<(Option<&str>, &str)> {
    records.iter().map(|(key, value)| (Some(key.as_str()), value.as_str())).collect()
}

/// What was read: a row for each record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) shard: u32,
    pub(crate) key: Option<String>,
    pub(crate) value: String,
    pub(crate) position: String,
    pub(crate) offset: i64,
    pub(crate) arrival: i64,
}

pub(crate) fn rows(batch: &Batch) -> Vec<Row> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (keys, payload) = (batch.keys.as_ref().unwrap(), batch.payload.as_ref().unwrap());
    let row = |row: usize| Row {
        shard: batch.partition,
        key: keys.is_valid(row).then(|| text(keys.value(row))),
        value: text(payload.value(row)),
        position: batch.positions.as_ref().unwrap().value(row).to_owned(),
        offset: batch.offsets.value(row),
        arrival: batch.arrival.value(row),
    };
    (0..batch.len()).map(row).collect()
}

/// Reads a subtask until `enough` holds for all that was read and told.
pub(crate) async fn read_until(
    reader: &mut Box<dyn SourceReader>,
    seen: &mut Seen,
    mut enough: impl FnMut(&Seen) -> bool,
) {
    let reading = async {
        while !enough(seen) {
            let read = reader.next().await.unwrap();
            seen.add(read);
        }
    };
    let done = tokio::time::timeout(PATIENCE, reading).await.is_ok();
    assert!(done, "not enough within {PATIENCE:?}: {} rows, {:?}", seen.rows.len(), seen.reported);
}

/// Reads a subtask to its end after the writers have finished.
pub(crate) async fn drain(reader: &mut Box<dyn SourceReader>) -> Seen {
    reader.writers_finished().await.unwrap();
    let mut seen = Seen::default();
    read_until(reader, &mut seen, |seen| seen.reported.contains(&"end".to_owned())).await;
    seen
}

#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) rows: Vec<Row>,
    /// What else the reader said: `opened 3`, `closed 0`.
    pub(crate) reported: Vec<String>,
}

impl Seen {
    pub(crate) fn add(&mut self, read: Read) {
        match read {
            Read::Records(batch) => self.rows.extend(rows(&batch)),
            Read::Quiet => {}
            Read::Opened(shard) => self.reported.push(format!("opened {shard}")),
            Read::CaughtUp(shard) => {
                if self.reported.last() != Some(&format!("caught up {shard}")) {
                    self.reported.push(format!("caught up {shard}"));
                }
            }
            Read::Closed(shard) => self.reported.push(format!("closed {shard}")),
            Read::Lost(shard) => self.reported.push(format!("lost {shard}")),
            Read::End => self.reported.push("end".to_owned()),
        }
    }

    pub(crate) fn has(&self, what: &str) -> bool {
        self.reported.iter().any(|reported| reported == what)
    }

    /// The numbers of each key in the order in which they were read.
    pub(crate) fn by_key(&self) -> BTreeMap<String, Vec<usize>> {
        let mut keys: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for row in &self.rows {
            let (key, number) = row.value.split_once(':').unwrap();
            assert_eq!(row.key.as_deref(), Some(key));
            keys.entry(key.to_owned()).or_default().push(number.parse().unwrap());
        }
        keys
    }
}

/// Fails unless each key has the numbers from 0 on, each once and in order.
pub(crate) fn assert_complete(seen: &Seen, count: usize, keys: usize) {
    assert_eq!(seen.rows.len(), count);
    for (key, numbers) in seen.by_key() {
        assert_eq!(numbers, (0..count / keys).collect::<Vec<_>>(), "key {key}");
    }
}

/// Gives the peers that a test needs, or ends it with a word.
#[macro_export]
macro_rules! peers {
    () => {
        (pipectl_peers::need!(pipectl_peers::Kinesis::shared()), pipectl_peers::need!(pipectl_peers::Dynamo::shared()))
    };
}

/// Runs a test's async part.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

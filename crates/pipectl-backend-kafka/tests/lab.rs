//! What the tests have in common: a connection to the shared broker, streams of their own, batches, and readers that are
//! driven until what a test waits for has come.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use arrow_array::{Array as _, BinaryViewArray, Int64Array};
use pipectl_backend_kafka::{Kafka, KafkaOptions};
use pipectl_contract::{
    Backend as _, ConnectContext, Connection, ConnectorError, ConsumerContext, Ownership, ProducerContext, Read,
    SinkWriter, SourceReader, StartAt, StreamTarget,
};
use pipectl_data::{Batch, PayloadFormat};
use pipectl_host::Host;
use serde_json::{Value, json};

/// How long a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

static STREAMS: AtomicU32 = AtomicU32::new(0);

/// A connection, and names that nobody else uses.
pub(crate) struct Lab {
    pub(crate) connection: Arc<dyn Connection>,
    pub(crate) brokers: String,
}

/// Runs a test against the shared broker, or says why not.
pub(crate) fn with_kafka(test: impl AsyncFnOnce(Lab)) {
    let kafka = pipectl_peers::need!(pipectl_peers::Kafka::shared());
    on(kafka.endpoint(), test);
}

/// Runs a test against a broker.
pub(crate) fn on(brokers: &str, test: impl AsyncFnOnce(Lab)) {
    pipectl_host::run(Some(2), async {
        let connection = connect(json!({ "brokers": [brokers], "discover_every": "1s" })).await.unwrap();
        test(Lab { connection, brokers: brokers.to_owned() }).await;
    })
    .unwrap();
}

pub(crate) async fn connect(options: Value) -> Result<Arc<dyn Connection>, ConnectorError> {
    let options: KafkaOptions = serde_json::from_value(options).unwrap();
    let context = ConnectContext::new(Host::real(), "tests", "here");
    Kafka.connect(options, context).await
}

impl Lab {
    /// A stream that does not exist yet.
    pub(crate) fn target(&self, name: &str, partitions: u32) -> StreamTarget {
        let number = STREAMS.fetch_add(1, Ordering::Relaxed);
        StreamTarget {
            name: format!("{name}-{}-{number}", std::process::id()),
            existing: false,
            partitions: Some(partitions),
            retention: None,
            ordered: true,
            options: None,
        }
    }

    /// A stream that was just made.
    pub(crate) async fn stream(&self, name: &str, partitions: u32) -> StreamTarget {
        let target = self.target(name, partitions);
        self.connection.create(&target).await.unwrap();
        target
    }

    pub(crate) async fn stream_with(&self, name: &str, partitions: u32, options: Value) -> StreamTarget {
        let target = StreamTarget { options: Some(options), ..self.target(name, partitions) };
        self.connection.create(&target).await.unwrap();
        target
    }

    pub(crate) async fn producer(&self, target: &StreamTarget) -> Box<dyn SinkWriter> {
        self.connection.producer(target, producing(16 << 20)).await.unwrap()
    }

    /// Writes payloads with keys, and waits for the broker.
    pub(crate) async fn write(&self, target: &StreamTarget, records: &[(&str, String)]) {
        let mut producer = self.producer(target).await;
        let rejected = producer.write(&batch(records)).await.unwrap();
        assert_eq!(rejected, []);
        producer.checkpoint().await.unwrap();
    }

    pub(crate) async fn readers(&self, target: &StreamTarget, context: ConsumerContext) -> Vec<Box<dyn SourceReader>> {
        self.connection.consumer(target, context).await.unwrap()
    }

    /// Everything that is in a stream now.
    pub(crate) async fn all(&self, target: &StreamTarget) -> Seen {
        let mut readers = self.readers(target, consuming(&target.name, 1, Ownership::Look)).await;
        let mut seen = Seen::default();
        readers[0].writers_finished().await.unwrap();
        until_end(&mut readers, &mut seen).await;
        close(readers).await;
        seen
    }
}

pub(crate) fn producing(memory: u64) -> ProducerContext {
    ProducerContext::new("out", memory)
}

pub(crate) fn consuming(group: &str, subtasks: u32, ownership: Ownership) -> ConsumerContext {
    ConsumerContext {
        node: "in".into(),
        group: group.into(),
        subtasks,
        ownership,
        start: StartAt::Earliest,
        memory: 32 << 20,
        checkpoint_every: Duration::from_secs(5),
    }
}

/// Records as a producer gets them.
pub(crate) fn batch(records: &[(&str, String)]) -> Batch {
    let numbers = Int64Array::from_iter_values(0..records.len() as i64);
    let payload = BinaryViewArray::from_iter_values(records.iter().map(|(_, payload)| payload));
    let mut batch = Batch::raw(0, numbers.clone(), numbers, payload, PayloadFormat::Json);
    batch.keys = Some(BinaryViewArray::from_iter_values(records.iter().map(|(key, _)| key)));
    batch
}

/// Numbered records over a number of keys.
pub(crate) fn numbered(range: std::ops::Range<u32>, keys: u32) -> Vec<(String, String)> {
    range.map(|number| (format!("k{}", number % keys), number.to_string())).collect()
}

pub(crate) fn borrowed(records: &[(String, String)]) -> Vec<(&str, String)> {
    records.iter().map(|(key, payload)| (key.as_str(), payload.clone())).collect()
}

/// Partition, offset, key, payload.
pub(crate) type Record = (u32, i64, Option<Vec<u8>>, Option<Vec<u8>>);

/// What readers have reported.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) records: Vec<Record>,
    pub(crate) batches: Vec<Batch>,
    pub(crate) opened: Vec<u32>,
    pub(crate) caught_up: Vec<u32>,
    pub(crate) lost: Vec<u32>,
}

impl Seen {
    pub(crate) fn take(&mut self, read: &Read) {
        match read {
            Read::Records(batch) => {
                assert!(batch.offsets.values().windows(2).all(|pair| pair[0] < pair[1]), "offsets ascend in a batch");
                let bytes = |array: Option<&BinaryViewArray>, row: usize| {
                    array.filter(|array| array.is_valid(row)).map(|array| array.value(row).to_vec())
                };
                for row in 0..batch.len() {
                    self.records.push((
                        batch.partition,
                        batch.offsets.value(row),
                        bytes(batch.keys.as_ref(), row),
                        bytes(batch.payload.as_ref(), row),
                    ));
                }
                self.batches.push(batch.clone());
            }
            Read::Opened(partition) => self.opened.push(*partition),
            Read::CaughtUp(partition) => self.caught_up.push(*partition),
            Read::Lost(partition) => self.lost.push(*partition),
            Read::Quiet | Read::Closed(_) | Read::End => {}
        }
    }

    pub(crate) fn payloads(&self) -> Vec<String> {
        let text = |payload: &Option<Vec<u8>>| String::from_utf8(payload.clone().unwrap_or_default()).unwrap();
        self.records.iter().map(|(_, _, _, payload)| text(payload)).collect()
    }

    /// The payloads of each key, in the order in which they came.
    pub(crate) fn by_key(&self) -> BTreeMap<String, Vec<String>> {
        let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for ((_, _, key, _), payload) in self.records.iter().zip(self.payloads()) {
            keys.entry(String::from_utf8(key.clone().unwrap_or_default()).unwrap()).or_default().push(payload);
        }
        keys
    }

    /// The numbers that came, each once.
    pub(crate) fn numbers(&self) -> Vec<u32> {
        let mut numbers: Vec<u32> = self.payloads().iter().map(|payload| payload.parse().unwrap()).collect();
        numbers.sort_unstable();
        numbers
    }
}

/// Drives readers in turn until `done`.
pub(crate) async fn drive(readers: &mut [Box<dyn SourceReader>], seen: &mut Seen, mut done: impl FnMut(&Seen) -> bool) {
    let began = Instant::now();
    while !done(seen) {
        for reader in readers.iter_mut() {
            let read = reader.next().await.unwrap();
            seen.take(&read);
            if reader.wants_checkpoint() {
                let position = reader.position();
                reader.committed(&position).await.unwrap();
            }
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain; {} records so far", seen.records.len());
    }
}

/// Drives readers until each has reported its end.
pub(crate) async fn until_end(readers: &mut [Box<dyn SourceReader>], seen: &mut Seen) {
    let began = Instant::now();
    for reader in readers {
        loop {
            let read = reader.next().await.unwrap();
            seen.take(&read);
            if matches!(read, Read::End) {
                break;
            }
            assert!(began.elapsed() < PATIENCE, "no end; {} records so far", seen.records.len());
        }
    }
}

pub(crate) async fn close(readers: Vec<Box<dyn SourceReader>>) {
    for mut reader in readers {
        reader.close().await.unwrap();
    }
}

//! What the tests have in common: the peers, a connection, records, and reading until something holds.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use arrow_array::{Array, BinaryViewArray, Int64Array};
use pipectl_backend_eventhubs::EventHubs;
use pipectl_contract::{
    Backend, ConnectContext, Connection, ConnectorError, ConsumerContext, Ownership, ProducerContext, Read, SinkWriter,
    SourceReader, StartAt, StreamTarget,
};
use pipectl_data::{Batch, HeadersBuilder, PayloadFormat};
use pipectl_host::Host;
use pipectl_peers::{AZURITE_ACCOUNT, AZURITE_KEY, Azurite, EventHubs as Service, Peer};
use serde_json::{Value, json};

/// The only key that the emulator knows, unless told otherwise.
pub(crate) const SECRET: &str = "SAS_KEY_VALUE";
/// Nothing here takes longer.
pub(crate) const LONG: Duration = Duration::from_mins(1);
pub(crate) const MEMORY: u64 = 32 << 20;
pub(crate) const CONTAINER: &str = "checkpoints";

/// Options that lead to this peer.
pub(crate) fn options(service: &Peer<Service>) -> Value {
    json!({
        "connection_string":
            format!("Endpoint=sb://test.servicebus.windows.net/;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey={SECRET}"),
        "endpoint": format!("amqp://{}", service.endpoint()),
        "management": { "subscription": "s", "resource_group": "g", "endpoint": service.control },
        "credentials": { "token": "e30.e30.e30" },
        "retry": { "first": "50ms", "longest": "500ms", "answer": "3s", "for": "20s" },
    })
}

/// The same with a container for checkpoints.
pub(crate) fn with_checkpoints(mut options: Value, blobs: &Peer<Azurite>, lease: &str) -> Value {
    options["checkpoints"] = json!({
        "account": AZURITE_ACCOUNT,
        "key": AZURITE_KEY,
        "container": CONTAINER,
        "endpoint": format!("{}/{AZURITE_ACCOUNT}", blobs.endpoint()),
        "lease": lease,
    });
    options
}

pub(crate) async fn connect(options: &Value) -> Arc<dyn Connection> {
    let options = serde_json::from_value(options.clone()).unwrap();
    let context = ConnectContext::new(Host::real(), "test", "peers");
    EventHubs.connect(options, context).await.unwrap()
}

/// A name that no other test of this process has.
pub(crate) fn fresh(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn target(name: &str, partitions: u32) -> StreamTarget {
    StreamTarget { existing: false, partitions: Some(partitions), ..StreamTarget::existing(name) }
}

/// A hub that was made for this test.
pub(crate) async fn hub(connection: &Arc<dyn Connection>, name: &str, partitions: u32) -> StreamTarget {
    let target = target(&fresh(name), partitions);
    connection.create(&target).await.unwrap();
    target
}

pub(crate) type Row<'a> = (Option<&'a str>, &'a str);

pub(crate) fn batch(rows: &[Row<'_>]) -> Batch {
    let count = rows.len() as i64;
    let payload = BinaryViewArray::from_iter_values(rows.iter().map(|(_, payload)| payload));
    let numbers = Int64Array::from_iter_values(0..count);
    let mut batch = Batch::raw(0, numbers.clone(), numbers, payload, PayloadFormat::Json);
    batch.keys = Some(rows.iter().map(|(key, _)| *key).collect());
    batch
}

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

pub(crate) async fn producer(connection: &Arc<dyn Connection>, target: &StreamTarget) -> Box<dyn SinkWriter> {
    connection.producer(target, ProducerContext::new("stream", MEMORY)).await.unwrap()
}

pub(crate) async fn put(connection: &Arc<dyn Connection>, target: &StreamTarget, rows: &[Row<'_>]) {
    let mut writer = producer(connection, target).await;
    assert_eq!(writer.write(&batch(rows)).await.unwrap(), []);
    writer.finish().await.unwrap();
    assert!(writer.refused().is_empty());
}

pub(crate) fn context(ownership: Ownership, subtasks: u32, start: StartAt) -> ConsumerContext {
    ConsumerContext {
        node: "stream".into(),
        group: "test.peers.stream".into(),
        subtasks,
        ownership,
        start,
        memory: MEMORY,
        checkpoint_every: Duration::from_secs(5),
    }
}

pub(crate) fn first_owner() -> Ownership {
    Ownership::Owned { positions: Vec::new() }
}

pub(crate) async fn subtasks(
    connection: &Arc<dyn Connection>,
    target: &StreamTarget,
    context: ConsumerContext,
) -> Vec<Box<dyn SourceReader>> {
    connection.consumer(target, context).await.unwrap()
}

/// A record that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) partition: u32,
    pub(crate) offset: i64,
    pub(crate) key: Option<String>,
    pub(crate) payload: String,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

pub(crate) fn records(batch: &Batch) -> Vec<Got> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let payload = batch.payload.as_ref().unwrap();
    let one = |row| Got {
        partition: batch.partition,
        offset: batch.offsets.value(row),
        key: batch.keys.as_ref().filter(|keys| keys.is_valid(row)).map(|keys| text(keys.value(row))),
        payload: text(payload.value(row)),
        headers: batch
            .headers
            .iter()
            .flat_map(|headers| headers.of(row))
            .map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec)))
            .collect(),
    };
    (0..batch.len()).map(one).collect()
}

/// Reads a subtask until `enough` says so.
pub(crate) async fn read_until(
    subtask: &mut Box<dyn SourceReader>,
    mut enough: impl FnMut(&[Got], &Read) -> bool,
) -> Result<Vec<Got>, ConnectorError> {
    let mut got = Vec::new();
    let until = Instant::now() + LONG;
    loop {
        assert!(Instant::now() < until, "only {} records came: {:?}", got.len(), got.last());
        let read = tokio::time::timeout(LONG, subtask.next()).await.expect("the reader never wakes")?;
        if let Read::Records(batch) = &read {
            got.extend(records(batch));
        }
        if enough(&got, &read) {
            return Ok(got);
        }
    }
}

/// Everything that is in a stream, by a look.
pub(crate) async fn all(connection: &Arc<dyn Connection>, target: &StreamTarget) -> Vec<Got> {
    let mut subtasks = subtasks(connection, target, context(Ownership::Look, 1, StartAt::Earliest)).await;
    let subtask = &mut subtasks[0];
    subtask.writers_finished().await.unwrap();
    let got = read_until(subtask, |_, read| matches!(read, Read::End)).await.unwrap();
    subtask.close().await.unwrap();
    got
}

pub(crate) fn by_partition(got: &[Got]) -> BTreeMap<u32, Vec<String>> {
    let mut sorted: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for one in got {
        sorted.entry(one.partition).or_default().push(one.payload.clone());
    }
    sorted
}

/// A request to an HTTP server on loopback; answers status and body.
pub(crate) fn http(method: &str, address: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let host = address.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).unwrap();
    let headers = headers.iter().fold(String::new(), |all, (name, value)| all + name + ": " + value + "\r\n");
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// Orders something of the emulator that no service has: a fault.
pub(crate) fn order(service: &Peer<Service>, path: &str, body: &Value) {
    let (status, answer) = http("POST", &service.control, path, &[], &body.to_string());
    assert_eq!(status, 200, "{answer}");
}

/// The service forgets what came into a hub more than 20 ms ago.
pub(crate) fn forget(service: &Peer<Service>, target: &StreamTarget) {
    for milliseconds in [20, 3_600_000] {
        order(service, "/peer/retention", &json!({ "hub": target.name, "milliseconds": milliseconds }));
    }
}

pub(crate) fn counters(service: &Peer<Service>) -> Value {
    serde_json::from_str(&http("GET", &service.control, "/peer/counters", &[], "").1).unwrap()
}

/// Runs a test on two threads, as the program does.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    pipectl_host::run(Some(2), future).unwrap()
}

//! Event Hubs, and a plain client of Microsoft's SDK: a receiver for each partition, and batches of what has come while the
//! one before was on its way. Events keep their partitions and their keys.

use std::{
    cell::Cell,
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use azure_core_amqp::{AmqpMessage, AmqpSymbol, AmqpValue};
use azure_messaging_eventhubs::{
    BufferedProducerClient, ConsumerClient, EnqueueEventOptions, EventDataBatchOptions, OpenReceiverOptions,
    ProducerClient, StartLocation, StartPosition,
};
use futures::{StreamExt as _, TryStreamExt as _, stream::FuturesUnordered};
use pipectl_peers::{EventHubs, Peer, Skip};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{PARTITIONS, cannot, load, race::Until, wait_for};

/// A connection string with the only key that the emulator knows.
const CONNECTION: &str =
    "Endpoint=sb://localhost/;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE";
/// The consumer group that every hub has.
const GROUP: &str = "$Default";
/// Where an event's key stands.
const KEY: &str = "x-opt-partition-key";
/// Events that the service sends in advance, for each partition: the SDK's own number, and pipectl's.
const PREFETCH: u32 = 300;
/// Events that wait to be sent, at most, for each partition.
const WAITING: usize = 10_000;
/// How often opening clients is tried again.
const TRIES: u32 = 5;
/// How often the onlooker looks.
const LOOK: Duration = Duration::from_millis(50);

pub(super) struct Lab {
    server: Peer<EventHubs>,
    endpoint: String,
}

impl Lab {
    /// Starts a server of its own.
    pub(super) fn open() -> Result<Self, Skip> {
        let server = EventHubs::start()?;
        let endpoint = format!("amqp://{}", server.endpoint());
        Ok(Self { server, endpoint })
    }

    async fn writer(&self, hub: &str) -> Result<ProducerClient, String> {
        let builder = ProducerClient::builder().with_custom_endpoint(self.endpoint.clone());
        builder.open_with_connection_string(CONNECTION, Some(hub)).await.map_err(cannot("open a producer"))
    }

    async fn reader(&self, hub: &str) -> Result<ConsumerClient, String> {
        let builder = ConsumerClient::builder().with_custom_endpoint(self.endpoint.clone());
        let builder = builder.with_consumer_group(GROUP.to_owned());
        builder.open_with_connection_string(CONNECTION, Some(hub)).await.map_err(cannot("open a consumer"))
    }

    /// Passes a partition on. While links are opened, the SDK now and then loses the connection (it may miss an answer that
    /// comes quickly); as long as nothing has been sent, everything begins again.
    async fn copy_partition(&self, from: &str, to: &str, partition: String) -> Result<(), String> {
        let sent = Cell::new(false);
        for _ in 0..TRIES {
            match self.try_partition(from, to, &partition, &sent).await {
                Err(_) if !sent.get() => {}
                copied => return copied,
            }
        }
        self.try_partition(from, to, &partition, &sent).await
    }

    /// Clients of its own for each partition: links that are opened side by side on one connection disturb each other.
    async fn try_partition(&self, from: &str, to: &str, partition: &str, sent: &Cell<bool>) -> Result<(), String> {
        let (reader, writer) = (self.reader(from).await?, self.writer(to).await?);
        let known = reader.get_partition_properties(partition).await.map_err(cannot("look at the input"))?;
        let options = OpenReceiverOptions {
            prefetch: Some(PREFETCH),
            start_position: Some(StartPosition { location: StartLocation::Earliest, inclusive: false }),
            ..Default::default()
        };
        let receiver = reader.open_receiver_on_partition(partition.to_owned(), Some(options)).await;
        let receiver = receiver.map_err(cannot("read a partition"))?;
        let (read, mut waiting) = mpsc::channel(WAITING);
        let reading = async {
            let mut events = receiver.stream_events();
            for _ in 0..=known.last_enqueued_sequence_number {
                let event = events.next().await.ok_or("the partition has ended")?.map_err(cannot("read"))?;
                let mut message = AmqpMessage::builder().with_body(event.raw_amqp_message().body.clone()).build();
                if let Some(key) = event.partition_key() {
                    message.add_message_annotation(AmqpSymbol::from(KEY), AmqpValue::String(key.clone()));
                }
                read.send(message).await.map_err(cannot("pass an event on"))?;
            }
            drop(read);
            Ok::<_, String>(())
        };
        let writing = async {
            let mut messages = Vec::new();
            // The link is opened before there is anything to send.
            drop(batch(&writer, partition).await?);
            while waiting.recv_many(&mut messages, WAITING).await > 0 {
                let mut request = batch(&writer, partition).await?;
                sent.set(true);
                for message in messages.drain(..) {
                    if !request.try_add_amqp_message(message.clone(), None).map_err(cannot("fill a batch"))? {
                        writer.send_batch(request, None).await.map_err(cannot("write"))?;
                        request = batch(&writer, partition).await?;
                        request.try_add_amqp_message(message, None).map_err(cannot("fill a batch"))?;
                    }
                }
                writer.send_batch(request, None).await.map_err(cannot("write"))?;
            }
            Ok::<_, String>(())
        };
        futures::try_join!(reading, writing)?;
        receiver.close().await.map_err(cannot("close"))?;
        reader.close().await.map_err(cannot("close"))?;
        writer.close().await.map_err(cannot("close"))
    }
}

impl super::Lab for Lab {
    fn peer(&self) -> &'static str {
        "our emulator of Event Hubs"
    }

    fn backend(&self) -> Value {
        json!({ "connection_string": CONNECTION, "endpoint": self.endpoint })
    }

    fn input(&self) -> Value {
        json!({ "consumer_group": GROUP })
    }

    /// Through the management interface, as Azure has it.
    fn make(&self, stream: &str) -> Result<(), String> {
        let address = self.server.control.trim_start_matches("http://");
        let body = json!({ "properties": { "partitionCount": PARTITIONS } }).to_string();
        let ask = || -> std::io::Result<String> {
            let mut server = TcpStream::connect(address)?;
            write!(
                server,
                "PUT /subscriptions/s/resourceGroups/g/providers/Microsoft.EventHub/namespaces/n/eventhubs/{stream}\
                 ?api-version=2024-01-01 HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
                 Authorization: Bearer e30.e30.e30\r\nContent-Length: {}\r\n\r\n{body}",
                body.len(),
            )?;
            let mut answer = String::new();
            server.read_to_string(&mut answer)?;
            Ok(answer)
        };
        let answer = ask().map_err(cannot("make a hub"))?;
        if answer.starts_with("HTTP/1.1 201") { Ok(()) } else { Err(format!("cannot make a hub: {answer}")) }
    }

    fn fill(&self, stream: &str, records: u64) -> Result<(), String> {
        wait_for(async {
            let refused = Arc::new(AtomicBool::new(false));
            let reported = Arc::clone(&refused);
            let builder = BufferedProducerClient::builder().with_custom_endpoint(self.endpoint.clone());
            let builder = builder.with_max_buffered_event_count_per_partition(WAITING);
            let builder = builder.with_on_send_failed(move |_| {
                reported.store(true, Ordering::SeqCst);
                std::future::ready(())
            });
            let writer = builder.open_with_connection_string(CONNECTION, Some(stream)).await;
            let writer = writer.map_err(cannot("open a producer"))?;
            for id in 0..records {
                let (key, payload) = load::record(id);
                let options = EnqueueEventOptions { partition_key: Some(key), ..Default::default() };
                writer.enqueue_event(payload, Some(options)).await.map_err(cannot("write"))?;
            }
            writer.close().await.map_err(cannot("write"))?;
            if refused.load(Ordering::SeqCst) { Err("the peer has not taken all records".to_owned()) } else { Ok(()) }
        })
    }

    fn copy(&self, from: &str, to: &str, _records: u64, _until: &Until) -> Result<(), String> {
        wait_for(async {
            let copies: FuturesUnordered<_> =
                (0..PARTITIONS).map(|partition| self.copy_partition(from, to, partition.to_string())).collect();
            copies.try_collect().await
        })
    }

    /// Asks for the last number of each partition, which costs the peer next to nothing.
    fn look(&self, stream: &str, records: u64, until: &Until) -> Result<f64, String> {
        wait_for(async {
            let mut onlooker = self.writer(stream).await?;
            let (mut tries, mut first) = (0, None::<(Instant, u64)>);
            loop {
                let seen = match count(&onlooker).await {
                    Ok(seen) => seen,
                    Err(error) if tries == TRIES => return Err(error),
                    Err(_) => {
                        tries += 1;
                        onlooker = self.writer(stream).await?;
                        continue;
                    }
                };
                let now = Instant::now();
                if seen >= records {
                    let (since, before) = first.ok_or("all records came between two looks; give more `--records`")?;
                    onlooker.close().await.map_err(cannot("close"))?;
                    return Ok((seen - before) as f64 / (now - since).as_secs_f64());
                }
                if seen > 0 {
                    first.get_or_insert((now, seen));
                }
                until.check_seen(seen, records)?;
                tokio::time::sleep(LOOK).await;
            }
        })
    }
}

/// How many events a hub has.
async fn count(onlooker: &ProducerClient) -> Result<u64, String> {
    let mut seen = 0;
    for partition in 0..PARTITIONS {
        let known = onlooker.get_partition_properties(&partition.to_string()).await;
        let last = known.map_err(cannot("look at the output"))?.last_enqueued_sequence_number;
        seen += u64::try_from(last + 1).unwrap_or(0);
    }
    Ok(seen)
}

async fn batch<'a>(
    writer: &'a ProducerClient,
    partition: &str,
) -> Result<azure_messaging_eventhubs::EventDataBatch<'a>, String> {
    let options = EventDataBatchOptions { partition_id: Some(partition.to_owned()), ..Default::default() };
    writer.create_batch(Some(options)).await.map_err(cannot("begin a batch"))
}

//! Kafka, and a plain client as somebody who knows librdkafka would write it: large queues, no pauses, and the settings
//! that pipectl has.
//!
//! The input of a run is written in a transaction that is committed when whoever reads it has joined its group: before that
//! it is there and nobody sees it. pipectl has a consumer for each partition, and consumers that join one after the other
//! exchange partitions for some seconds.

use std::{
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use pipectl_peers::{Kafka, Peer, Skip};
use rdkafka::{
    ClientConfig, Message as _,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer},
    types::RDKafkaErrorCode as Code,
};
use serde_json::{Value, json};

use super::{PARTITIONS, cannot, load, race::Until, wait_for};

/// How long an answer or a record may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often the onlooker looks.
const LOOK: Duration = Duration::from_millis(10);
/// How long to wait for room in a full queue at a time.
const ROOM: Duration = Duration::from_millis(10);
/// A group whose members have had all partitions for so long has settled.
const SETTLED: Duration = Duration::from_secs(1);
/// How long the input may stay unseen.
const HIDDEN: Duration = Duration::from_mins(10);

type Writer = ThreadedProducer<DefaultProducerContext>;

pub(super) struct Lab {
    broker: Peer<Kafka>,
    /// Who has written the input that nobody sees yet.
    hidden: Mutex<Option<Writer>>,
}

impl Lab {
    /// Starts a broker of its own.
    pub(super) fn open() -> Result<Self, Skip> {
        Ok(Self { broker: Kafka::start()?, hidden: Mutex::default() })
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.broker.endpoint()).set("socket.nagle.disable", "true");
        config
    }

    fn writing(&self) -> ClientConfig {
        let mut config = self.config();
        config.set("enable.idempotence", "true").set("partitioner", "murmur2_random").set("compression.type", "lz4");
        config.set("linger.ms", "5").set("batch.size", "1048576").set("batch.num.messages", "100000");
        // By default 100,000 records fill the queue, which is a tenth of a second.
        config.set("queue.buffering.max.messages", "0").set("queue.buffering.max.kbytes", "131072");
        config
    }

    fn reading(&self, group: &str) -> ClientConfig {
        let mut config = self.config();
        config.set("group.id", group).set("auto.offset.reset", "earliest");
        config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
        config.set("fetch.wait.max.ms", "100").set("fetch.max.bytes", "16777216");
        // By default a partition that has enough records waiting is asked again after a second: that alone made this client
        // six times slower.
        config.set("fetch.queue.backoff.ms", "5");
        config
    }

    /// Whether the members of the group of a run have all partitions. A broker that does not know yet has not given them out.
    fn is_assigned(client: &BaseConsumer, run: &str) -> bool {
        let Ok(groups) = client.fetch_group_list(None, PATIENCE) else { return false };
        let group = groups.groups().iter().find(|group| group.name().contains(run) && group.state() == "Stable");
        let members = group.into_iter().flat_map(rdkafka::groups::GroupInfo::members);
        let assigned: i32 = members.filter_map(|member| partitions(member.assignment()?)).sum();
        assigned == PARTITIONS as i32
    }
}

impl super::Lab for Lab {
    fn peer(&self) -> &'static str {
        "Apache Kafka 4.3.1, one broker"
    }

    fn backend(&self) -> Value {
        json!({ "brokers": [self.broker.endpoint()] })
    }

    fn make(&self, stream: &str) -> Result<(), String> {
        let admin: AdminClient<DefaultClientContext> = self.config().create().map_err(cannot("open a client"))?;
        let topic = NewTopic::new(stream, PARTITIONS as i32, TopicReplication::Fixed(1));
        wait_for(async {
            let made = admin.create_topics([&topic], &AdminOptions::new()).await.map_err(cannot("make a topic"))?;
            made.into_iter().try_for_each(|topic| topic.map(drop).map_err(|(_, code)| format!("{stream}: {code}")))
        })
    }

    fn can_hide(&self) -> bool {
        true
    }

    fn fill(&self, stream: &str, records: u64) -> Result<(), String> {
        let mut config = self.writing();
        config.set("transactional.id", stream).set("transaction.timeout.ms", HIDDEN.as_millis().to_string());
        let writer: Writer = config.create().map_err(cannot("open a producer"))?;
        writer.init_transactions(PATIENCE).map_err(cannot("prepare a transaction"))?;
        writer.begin_transaction().map_err(cannot("begin a transaction"))?;
        for id in 0..records {
            let (key, payload) = load::record(id);
            send(&writer, BaseRecord::to(stream).key(key.as_bytes()).payload(payload.as_bytes()))?;
        }
        writer.flush(PATIENCE).map_err(cannot("deliver records"))?;
        *self.hidden.lock().unwrap_or_else(PoisonError::into_inner) = Some(writer);
        Ok(())
    }

    fn show(&self, run: &str, until: &Until) -> Result<(), String> {
        let client: BaseConsumer = self.config().create().map_err(cannot("open a consumer"))?;
        let mut since = Instant::now();
        while since.elapsed() < SETTLED {
            if !Self::is_assigned(&client, run) {
                since = Instant::now();
            }
            until.check("the readers have not joined their group")?;
            thread::sleep(LOOK);
        }
        let writer = self.hidden.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or("nothing is hidden")?;
        writer.commit_transaction(PATIENCE).map_err(cannot("commit a transaction"))
    }

    fn copy(&self, from: &str, to: &str, records: u64, until: &Until) -> Result<(), String> {
        let reader: BaseConsumer = self.reading(to).create().map_err(cannot("open a consumer"))?;
        let writer: Writer = self.writing().create().map_err(cannot("open a producer"))?;
        reader.subscribe(&[from]).map_err(cannot("read the input"))?;
        for _ in 0..records {
            let message = loop {
                // To wait means to ask for the time, which costs a tenth; mostly there is something.
                if let Some(message) = reader.poll(Duration::ZERO).or_else(|| reader.poll(ROOM)) {
                    break message.map_err(cannot("read"))?;
                }
                if until.is_over() {
                    return Err("the plain client got nothing more".to_owned());
                }
            };
            let mut record = BaseRecord::<[u8], [u8]>::to(to);
            (record.key, record.payload) = (message.key(), message.payload());
            send(&writer, record)?;
        }
        writer.flush(PATIENCE).map_err(cannot("deliver records"))
    }

    /// Asks for the ends of the partitions, which costs the broker next to nothing.
    fn look(&self, stream: &str, records: u64, until: &Until) -> Result<f64, String> {
        let onlooker: BaseConsumer = self.config().create().map_err(cannot("open a consumer"))?;
        let mut first: Option<(Instant, u64)> = None;
        loop {
            let mut seen = 0;
            for partition in 0..PARTITIONS {
                let ends = onlooker.fetch_watermarks(stream, partition as i32, PATIENCE);
                let (low, high) = ends.map_err(cannot("look at the output"))?;
                seen += u64::try_from(high - low).unwrap_or(0);
            }
            let now = Instant::now();
            if seen >= records {
                let (since, before) = first.ok_or("all records came between two looks; give more `--records`")?;
                return Ok((seen - before) as f64 / (now - since).as_secs_f64());
            }
            if seen > 0 {
                first.get_or_insert((now, seen));
            }
            until.check_seen(seen, records)?;
            thread::sleep(LOOK);
        }
    }
}

fn send(writer: &Writer, mut record: BaseRecord<'_, [u8], [u8]>) -> Result<(), String> {
    loop {
        record = match writer.send(record) {
            Ok(()) => return Ok(()),
            Err((error, back)) if error.rdkafka_error_code() == Some(Code::QueueFull) => back,
            Err((error, _)) => return Err(cannot("send a record")(error)),
        };
        writer.poll(ROOM);
    }
}

/// How many partitions a member of a group has: a version, a count of topics, and for each its name and a list of numbers.
fn partitions(assignment: &[u8]) -> Option<i32> {
    let (_version, rest) = assignment.split_at_checked(2)?;
    let (topics, mut rest) = number(rest)?;
    let mut all = 0;
    for _ in 0..topics {
        let (length, name) = rest.split_at_checked(2)?;
        let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
        let (count, numbers) = number(name.get(length..)?)?;
        rest = numbers.get(4 * usize::try_from(count).ok()?..)?;
        all += count;
    }
    Some(all)
}

fn number(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let (number, rest) = bytes.split_at_checked(4)?;
    Some((i32::from_be_bytes(number.try_into().ok()?), rest))
}

#[cfg(test)]
mod tests {
    use super::partitions;

    #[test]
    fn the_partitions_of_a_member() {
        let one = b"\0\0\0\0\0\x01\0\x02in\0\0\0\x02\0\0\0\x01\0\0\0\x03\xff\xff\xff\xff";
        assert_eq!(partitions(one), Some(2));
        assert_eq!(partitions(b"\0\0\0\0\0\0\xff\xff\xff\xff"), Some(0));
        assert_eq!(partitions(b""), None, "a member that waits for its share");
    }
}

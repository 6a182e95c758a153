//! Kafka to Kafka: `pipectl apply` beside a plain client of the same library that does nothing but consume and produce.
//!
//! Both read the same topic of a broker of their own, in turn, and write to a topic each. What is measured is what an
//! onlooker sees: how fast records appear in the topic that is written, from the first of them to the last. So neither
//! start-up nor joining a group counts.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use pipectl_peers::Kafka;
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer},
};

const PARTITIONS: i32 = 4;
const PATIENCE: Duration = Duration::from_mins(3);
/// How often the onlooker looks.
const LOOK: Duration = Duration::from_millis(10);

const SPEC: &str = "apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: passthrough }
spec:
  streams:
    in: { key: user, partitions: 4, schema: { id: int64, user: string } }
    out: { partitions: 4 }
  sinks:
    copy: { from: in, stream: out }
---
apiVersion: pipectl/v1
kind: Environment
metadata: { name: bench }
spec:
  backends: { default: { kafka: { brokers: [BROKERS] } } }
  streams: { in: { name: IN, existing: true }, out: { name: OUT, existing: true } }
";

/// Measures in turn and prints the medians and their ratio.
pub(crate) fn run(binary: &Path, folder: &Path, records: u64, runs: usize) -> Result<(), String> {
    let broker = Kafka::start().map_err(|skip| skip.to_string())?;
    let brokers = broker.endpoint();
    let lab = Lab { brokers, folder, binary, records };
    lab.make("in")?;
    lab.fill("in")?;
    let (mut plain, mut ours) = (Vec::new(), Vec::new());
    for run in 0..runs {
        plain.push(lab.plain(&format!("plain-{run}"))?);
        ours.push(lab.pipectl(&format!("pipectl-{run}"))?);
        eprintln!("run {run}: plain {:.0}/s, pipectl {:.0}/s", plain[run], ours[run]);
    }
    let ratios: Vec<f64> = ours.iter().zip(&plain).map(|(ours, plain)| ours / plain).collect();
    println!("| Kafka to Kafka, {records} records | records / s, median | fastest to slowest |\n|---|---:|---:|");
    for (name, rates) in [("plain client", &plain), ("pipectl", &ours)] {
        let (least, most) = bounds(rates);
        println!("| {name} | {:.0} | {most:.0} to {least:.0} |", median(rates));
    }
    let (least, most) = bounds(&ratios);
    println!(
        "\npipectl at {:.2} of the plain client (median of {runs} pairs; {least:.2} to {most:.2})",
        median(&ratios)
    );
    Ok(())
}

struct Lab<'a> {
    brokers: &'a str,
    folder: &'a Path,
    binary: &'a Path,
    records: u64,
}

impl Lab<'_> {
    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.brokers);
        config
    }

    /// What pipectl asks of the library too.
    fn producer(&self) -> Result<ThreadedProducer<DefaultProducerContext>, String> {
        let mut config = self.config();
        config.set("enable.idempotence", "true").set("compression.type", "lz4").set("linger.ms", "5");
        config.set("batch.size", "1048576").set("batch.num.messages", "100000");
        config.create().map_err(|error| error.to_string())
    }

    fn make(&self, topic: &str) -> Result<(), String> {
        let admin: AdminClient<DefaultClientContext> = self.config().create().map_err(|error| error.to_string())?;
        let topic = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1));
        let made = pipectl_host::run(Some(1), async {
            admin.create_topics([&topic], &AdminOptions::new()).await.map_err(|error| error.to_string())
        });
        made.map_err(|error| error.to_string())?.map(drop)
    }

    fn fill(&self, topic: &str) -> Result<(), String> {
        let producer = self.producer()?;
        for id in 0..self.records {
            let user = format!("u{}", id % 997);
            let amount = id % 1000;
            let payload = format!(
                r#"{{"id":{id},"user":"{user}","amount":{amount}.5,"ts":1700000000000,"note":"lorem ipsum dolor sit amet"}}"#
            );
            send(&producer, topic, user.as_bytes(), payload.as_bytes());
        }
        producer.flush(PATIENCE).map_err(|error| error.to_string())
    }

    fn plain(&self, topic: &str) -> Result<f64, String> {
        self.make(topic)?;
        std::thread::scope(|scope| {
            let looks = scope.spawn(|| self.look(topic));
            let producer = self.producer()?;
            let mut config = self.config();
            config.set("group.id", "plain").set("enable.auto.commit", "false");
            let consumer: BaseConsumer = config.create().map_err(|error| error.to_string())?;
            let mut all = TopicPartitionList::new();
            for partition in 0..PARTITIONS {
                all.add_partition_offset("in", partition, Offset::Beginning).map_err(|error| error.to_string())?;
            }
            consumer.assign(&all).map_err(|error| error.to_string())?;
            for _ in 0..self.records {
                let message = consumer.poll(PATIENCE).ok_or("the plain client got nothing")?;
                let message = message.map_err(|error| error.to_string())?;
                send(&producer, topic, message.key().unwrap_or_default(), message.payload().unwrap_or_default());
            }
            producer.flush(PATIENCE).map_err(|error| error.to_string())?;
            looks.join().map_err(|_| "the onlooker panicked".to_owned())?
        })
    }

    fn pipectl(&self, topic: &str) -> Result<f64, String> {
        self.make(topic)?;
        let name = |text: &str| {
            text.replace("BROKERS", self.brokers).replace("IN,", "in,").replace("OUT,", &format!("{topic},"))
        };
        let spec = self.folder.join("passthrough.yaml");
        // A name of its own, and so a group that begins at the beginning.
        let text = name(SPEC).replace("name: passthrough", &format!("name: {topic}"));
        std::fs::write(&spec, text).map_err(|error| error.to_string())?;
        let state = self.folder.join("passthrough-state");
        let mut worker = Command::new(self.binary)
            .arg("apply")
            .arg(&spec)
            .arg("--state")
            .arg(&state)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let rate = self.look(topic);
        worker.kill().map_err(|error| error.to_string())?;
        worker.wait().map_err(|error| error.to_string())?;
        rate
    }

    /// How fast a topic fills, from the first look that finds something in it to the last record.
    fn look(&self, topic: &str) -> Result<f64, String> {
        let onlooker: BaseConsumer = self.config().create().map_err(|error| error.to_string())?;
        let began = Instant::now();
        let mut first: Option<(Instant, u64)> = None;
        loop {
            let mut count = 0;
            for partition in 0..PARTITIONS {
                let (low, high) =
                    onlooker.fetch_watermarks(topic, partition, PATIENCE).map_err(|error| error.to_string())?;
                count += u64::try_from(high - low).unwrap_or(0);
            }
            let now = Instant::now();
            if count >= self.records {
                let (since, before) = first.ok_or("too few records to measure")?;
                return Ok((count - before) as f64 / (now - since).as_secs_f64());
            }
            if count > 0 && first.is_none() {
                first = Some((now, count));
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("{count} of {} records came within {PATIENCE:?}", self.records));
            }
            std::thread::sleep(LOOK);
        }
    }
}

fn send(producer: &ThreadedProducer<DefaultProducerContext>, topic: &str, key: &[u8], payload: &[u8]) {
    let mut record = BaseRecord::to(topic).key(key).payload(payload);
    while let Err((_, back)) = producer.send(record) {
        std::thread::sleep(Duration::from_millis(1));
        record = back;
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn bounds(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(*value), most.max(*value)))
}

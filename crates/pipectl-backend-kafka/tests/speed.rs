//! How fast, beside a plain client of the same library that only produces and consumes. Ignored: it measures, it does not
//! judge; `cargo test -p pipectl-backend-kafka --release speed -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use pipectl_contract::{Ownership, StreamTarget};
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer},
};

use crate::lab::{batch, close, consuming, producing, with_kafka};

const RECORDS: usize = 400_000;
const PARTITIONS: u32 = 4;
const BATCH: usize = 2_000;

fn payload(number: usize) -> String {
    format!(
        r#"{{"id":{number},"user":"u{}","amount":{}.5,"ts":17000000{number:05},"note":"lorem ipsum dolor sit amet"}}"#,
        number % 97,
        number % 1_000
    )
}

fn rate(label: &str, began: Instant) -> f64 {
    let rate = RECORDS as f64 / began.elapsed().as_secs_f64();
    println!("{label}: {rate:.0} records/s");
    rate
}

fn plain_produce(brokers: &str, topic: &str) -> f64 {
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("enable.idempotence", "true")
        .set("linger.ms", "5")
        .set("batch.size", "1048576")
        .set("batch.num.messages", "100000")
        .set("compression.type", "lz4")
        .create()
        .unwrap();
    let records: Vec<_> = (0..RECORDS).map(|number| (format!("k{}", number % 997), payload(number))).collect();
    let began = Instant::now();
    for (key, payload) in &records {
        let mut record = BaseRecord::to(topic).key(key).payload(payload);
        while let Err((_, back)) = producer.send(record) {
            std::thread::sleep(Duration::from_millis(1));
            record = back;
        }
    }
    producer.flush(Duration::from_mins(1)).unwrap();
    rate("plain client, produce", began)
}

fn plain_consume(brokers: &str, topic: &str) -> f64 {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "plain")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(topic, partition as i32, Offset::Beginning).unwrap();
    }
    let began = Instant::now();
    consumer.assign(&list).unwrap();
    let (mut records, mut bytes) = (0, 0);
    while records < RECORDS {
        let message = consumer.poll(Duration::from_secs(10)).unwrap().unwrap();
        records += 1;
        bytes += message.payload().unwrap().len();
    }
    assert!(bytes > RECORDS * 50);
    rate("plain client, consume", began)
}

#[test]
#[ignore = "measures for half a minute"]
fn beside_a_plain_client() {
    with_kafka(async |lab| {
        let mut ratios = Vec::new();
        for round in 0..3 {
            let plain = lab.stream("plain", PARTITIONS).await;
            let produced = tokio::task::block_in_place(|| plain_produce(&lab.brokers, &plain.name));
            let consumed = tokio::task::block_in_place(|| plain_consume(&lab.brokers, &plain.name));
            let ours = lab.stream("ours", PARTITIONS).await;
            let our_produced = produce(&lab, &ours).await;
            for subtasks in [1, PARTITIONS] {
                let our_consumed = consume(&lab, &ours, subtasks).await;
                println!(
                    "round {round}: consume with {subtasks} subtasks at {:.2} of the plain client",
                    our_consumed / consumed
                );
            }
            println!("round {round}: produce at {:.2} of the plain client", our_produced / produced);
            ratios.push(our_produced / produced);
        }
        assert_eq!(ratios.len(), 3);
    });
}

async fn produce(lab: &crate::lab::Lab, target: &StreamTarget) -> f64 {
    let records: Vec<_> = (0..RECORDS).map(|number| (format!("k{}", number % 997), payload(number))).collect();
    let batches: Vec<_> = records
        .chunks(BATCH)
        .map(|part| batch(&part.iter().map(|(key, payload)| (key.as_str(), payload.clone())).collect::<Vec<_>>()))
        .collect();
    let mut producer = lab.connection.producer(target, producing(64 << 20)).await.unwrap();
    let began = Instant::now();
    for batch in &batches {
        assert!(producer.write(batch).await.unwrap().is_empty());
    }
    producer.checkpoint().await.unwrap();
    rate("pipectl, produce", began)
}

async fn consume(lab: &crate::lab::Lab, target: &StreamTarget, subtasks: u32) -> f64 {
    let mut context = consuming(&target.name, subtasks, Ownership::Look);
    context.memory = 64 << 20;
    let readers = lab.readers(target, context).await;
    let began = Instant::now();
    let subtasks: Vec<_> = readers
        .into_iter()
        .map(|mut reader| {
            tokio::spawn(async move {
                reader.writers_finished().await.unwrap();
                let mut records = 0;
                loop {
                    match reader.next().await.unwrap() {
                        pipectl_contract::Read::Records(batch) => records += batch.len(),
                        pipectl_contract::Read::End => break,
                        _ => {}
                    }
                }
                (records, reader)
            })
        })
        .collect();
    let count = subtasks.len();
    let (mut records, mut readers) = (0, Vec::new());
    for subtask in subtasks {
        let (read, reader) = subtask.await.unwrap();
        records += read;
        readers.push(reader);
    }
    assert_eq!(records, RECORDS);
    let rate = rate(&format!("pipectl, consume with {count} subtasks"), began);
    close(readers).await;
    rate
}

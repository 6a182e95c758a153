//! A record that the service refuses among others of its key: the others arrive, in their order.

use arrow_array::{BinaryViewArray, Int64Array};
use pipectl_contract::{ConnectContext, Connection as _, ConsumerContext, Ownership, Read, StartAt, StreamTarget};
use pipectl_data::PayloadFormat;
use pipectl_host::Host;

use super::*;
use crate::{PubSub, PubSubOptions};

/// `count` records of one key, or of none, with their number as payload.
fn batch(from: usize, count: usize, key: &[u8]) -> Arc<Batch> {
    let texts: Vec<String> = (from..from + count).map(|number| number.to_string()).collect();
    let offsets = Int64Array::from_iter_values(0..count as i64);
    let payload = BinaryViewArray::from_iter_values(texts.iter());
    let mut batch = Batch::raw(0, offsets.clone(), offsets, payload, PayloadFormat::Json);
    batch.keys = Some(BinaryViewArray::from_iter_values(std::iter::repeat_n(key, count)));
    Arc::new(batch)
}

async fn refused_among_others(key: &str, target: StreamTarget, options: PubSubOptions) {
    let host = Host::real();
    let context = ConnectContext::new(host.clone(), "p", "e");
    let connection = PubSub::open(options.clone(), context.clone()).await.unwrap();
    connection.create(&target).await.unwrap();
    let clients = Clients::build(&options, &context).await.unwrap();
    let stream = Stream::new(&clients.project, &options, &target).unwrap();
    let context = ProducerContext::new("out", 1 << 20);
    let mut producer = Producer::new(&clients, stream, &context);
    let batch_of_20 = batch(0, 20, key.as_bytes());
    for row in 0..20 {
        let mut message = message::of_row(&batch_of_20, row, true).unwrap();
        if row == 7 || row == 8 {
            // The service refuses a message that says nothing at all; `message::of_row` makes none.
            message.data.clear();
            message.attributes.clear();
        }
        producer.send(&batch_of_20, row, message);
    }
    producer.checkpoint().await.unwrap();
    let refused = producer.refused();
    let rows: Vec<&[u8]> = refused.iter().map(|refused| refused.batch.payload.as_ref().unwrap().value(0)).collect();
    assert_eq!(rows, [b"7", b"8"]);
    assert!(refused[0].reason.contains("Some messages are empty"), "{}", refused[0].reason);
    assert!(producer.refused().is_empty(), "each is reported once");
    // The key goes on.
    assert_eq!(producer.write(&batch(20, 10, key.as_bytes())).await.unwrap(), []);
    producer.checkpoint().await.unwrap();
    assert_eq!(producer.unconfirmed, 0);

    let context = ConsumerContext {
        node: "in".into(),
        group: target.name.clone(),
        subtasks: 1,
        ownership: Ownership::Look,
        start: StartAt::Earliest,
        memory: 1 << 20,
        checkpoint_every: Duration::from_secs(1),
    };
    let mut readers = connection.consumer(&target, context).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 28 {
        if let Read::Records(batch) = readers[0].next().await.unwrap() {
            let payload = batch.payload.as_ref().unwrap();
            seen.extend((0..batch.len()).map(|row| String::from_utf8(payload.value(row).to_vec()).unwrap()));
        }
    }
    if key.is_empty() {
        seen.sort_unstable_by_key(|number| number.parse::<u32>().unwrap());
    }
    let expected: Vec<String> =
        (0..30).filter(|number| ![7, 8].contains(number)).map(|number| number.to_string()).collect();
    assert_eq!(seen, expected);
    readers[0].close().await.unwrap();
}

#[test]
fn the_others_arrive_in_order_and_the_refused_are_reported() {
    let server = pipectl_peers::need!(pipectl_peers::PubSub::shared());
    if !server.is_emulator {
        eprintln!("skipped: Google's fake for tests (pstest) cannot be administered: it speaks no REST");
        return;
    }
    let endpoint = Some(format!("http://{}", server.endpoint()));
    pipectl_host::run(Some(2), async {
        for (key, name) in [("k", "refused-keyed"), ("", "refused-without")] {
            let options = PubSubOptions { endpoint: endpoint.clone(), ..PubSubOptions::default() };
            let target = StreamTarget { existing: false, ..StreamTarget::existing(name) };
            let test = refused_among_others(key, target, options);
            let ended = tokio::time::timeout(Duration::from_mins(1), test).await;
            assert!(ended.is_ok(), "{name}: not ended in time");
        }
    })
    .unwrap();
}

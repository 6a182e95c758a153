//! What lies between two checkpoints is one transaction.

use pipectl_contract::{Connection, ErrorKind, ProducerContext, SinkWriter, StreamTarget};
use serde_json::json;

use crate::lab::{Lab, batch, borrowed, numbered, with_kafka};

async fn stream(lab: &Lab) -> StreamTarget {
    lab.stream_with("tx", 2, json!({ "transactional": true, "transaction_timeout": "30s" })).await
}

#[test]
fn an_interval_becomes_visible_at_its_checkpoint_and_an_aborted_one_never() {
    with_kafka(async |lab| {
        let target = stream(&lab).await;
        let mut producer = lab.producer(&target).await;
        producer.write(&batch(&borrowed(&numbered(0..100, 7)))).await.unwrap();
        assert!(lab.all(&target).await.records.is_empty(), "nothing is visible before the checkpoint");
        producer.checkpoint().await.unwrap();
        assert_eq!(lab.all(&target).await.numbers(), (0..100).collect::<Vec<_>>());
        // An interval without records is no transaction.
        producer.checkpoint().await.unwrap();
        // A crash: these were sent and never committed.
        producer.write(&batch(&borrowed(&numbered(100..200, 7)))).await.unwrap();
        drop(producer);
        let mut producer = lab.producer(&target).await;
        producer.write(&batch(&borrowed(&numbered(200..300, 7)))).await.unwrap();
        producer.finish().await.unwrap();
        let numbers = lab.all(&target).await.numbers();
        assert_eq!(numbers, (0..100).chain(200..300).collect::<Vec<_>>());
    });
}

#[test]
fn a_second_process_takes_over_and_the_first_is_reported() {
    with_kafka(async |lab| {
        let target = stream(&lab).await;
        let mut former = lab.producer(&target).await;
        former.write(&batch(&borrowed(&numbered(0..10, 7)))).await.unwrap();
        // Another connection with the same names is what the pipeline is when it runs twice.
        let other = crate::lab::connect(json!({ "brokers": [lab.brokers] })).await.unwrap();
        let mut latter = other.producer(&target, crate::lab::producing(1 << 20)).await.unwrap();
        latter.write(&batch(&borrowed(&numbered(10..20, 7)))).await.unwrap();
        latter.checkpoint().await.unwrap();
        let fenced = tokio::time::timeout(crate::lab::PATIENCE, former.checkpoint()).await.unwrap().unwrap_err();
        assert_eq!(fenced.kind, ErrorKind::Conflict, "{fenced}");
        assert!(fenced.message.contains("do two processes run"), "{fenced}");
        assert_eq!(lab.all(&target).await.numbers(), (10..20).collect::<Vec<_>>());
    });
}

/// How a region writes whose checkpoints are kept.
fn deciding() -> ProducerContext {
    ProducerContext { region: Some("orders".into()), ..crate::lab::producing(1 << 20) }
}

/// A producer of a process of its own.
async fn region(connection: &dyn Connection, target: &StreamTarget) -> Box<dyn SinkWriter> {
    connection.producer(target, deciding()).await.unwrap()
}

async fn process(lab: &Lab) -> std::sync::Arc<dyn Connection> {
    crate::lab::connect(json!({ "brokers": [lab.brokers] })).await.unwrap()
}

#[test]
fn a_checkpoint_counts_once_its_transaction_is_committed() {
    with_kafka(async |lab| {
        let target = stream(&lab).await;
        let first = process(&lab).await;
        let mut producer = region(&*first, &target).await;
        assert!(producer.is_two_phase());
        producer.write(&batch(&borrowed(&numbered(0..100, 7)))).await.unwrap();
        let one = producer.checkpoint().await.unwrap();
        assert!(lab.all(&target).await.records.is_empty(), "nothing is visible before the checkpoint counts");
        producer.committed().await.unwrap();
        assert_eq!(lab.all(&target).await.numbers(), (0..100).collect::<Vec<_>>());
        // An interval without records has nothing to decide.
        let idle = producer.checkpoint().await.unwrap();
        assert_eq!(idle, b"");
        producer.committed().await.unwrap();
        // What was committed twice, as after a crash in between, is committed once.
        producer.committed().await.unwrap();
        producer.write(&batch(&borrowed(&numbered(100..200, 7)))).await.unwrap();
        let two = producer.checkpoint().await.unwrap();
        // A crash before the transaction ends; the one who comes next asks.
        let second = process(&lab).await;
        assert_eq!(second.is_committed(&target, deciding(), &one).await.unwrap(), Some(true));
        assert_eq!(second.is_committed(&target, deciding(), &two).await.unwrap(), Some(false));
        assert_eq!(second.is_committed(&target, deciding(), &idle).await.unwrap(), Some(true));
        // The one that was not dead after all can no longer make it count.
        let late = producer.committed().await.unwrap_err();
        assert_eq!(late.kind, ErrorKind::Conflict, "{late}");
        let mut producer = region(&*second, &target).await;
        producer.write(&batch(&borrowed(&numbered(200..300, 7)))).await.unwrap();
        producer.finish().await.unwrap();
        let three = producer.checkpoint().await.unwrap();
        producer.committed().await.unwrap();
        assert_eq!(lab.all(&target).await.numbers(), (0..100).chain(200..300).collect::<Vec<_>>());
        let third = process(&lab).await;
        assert_eq!(third.is_committed(&target, deciding(), &three).await.unwrap(), Some(true));
        assert_eq!(third.is_committed(&target, deciding(), &one).await.unwrap(), Some(false));
    });
}

#[test]
fn a_commit_that_failed_is_not_taken_for_done() {
    let broker = pipectl_peers::need!(pipectl_peers::Kafka::start());
    crate::lab::on(broker.endpoint(), async |lab| {
        let target = stream(&lab).await;
        let impatient = json!({ "brokers": [lab.brokers], "retry_for": "2s", "request_timeout": "1s" });
        let first = crate::lab::connect(impatient).await.unwrap();
        let mut producer = region(&*first, &target).await;
        // One that is committed, so that there is a mark whatever becomes of the next.
        producer.write(&batch(&borrowed(&numbered(0..100, 7)))).await.unwrap();
        producer.checkpoint().await.unwrap();
        producer.committed().await.unwrap();
        producer.write(&batch(&borrowed(&numbered(100..200, 7)))).await.unwrap();
        let token = producer.checkpoint().await.unwrap();
        tokio::task::block_in_place(|| broker.stop());
        let failed = producer.committed().await.unwrap_err();
        assert!(failed.is_retryable(), "{failed}");
        tokio::task::block_in_place(|| broker.resume());
        // Whether a second call still can or not: what it answers is what the next owner finds.
        let committed = producer.committed().await.is_ok();
        let second = process(&lab).await;
        assert_eq!(second.is_committed(&target, deciding(), &token).await.unwrap(), Some(committed));
        assert_eq!(lab.all(&target).await.records.len(), if committed { 200 } else { 100 });
    });
}

#[test]
fn nobody_knows_of_a_transaction_that_never_was() {
    with_kafka(async |lab| {
        let target = stream(&lab).await;
        let connection = process(&lab).await;
        assert_eq!(connection.is_committed(&target, deciding(), b"some token").await.unwrap(), None);
    });
}

#[test]
fn all_topics_of_a_region_become_visible_together() {
    with_kafka(async |lab| {
        let (left, right) = (stream(&lab).await, stream(&lab).await);
        let connection = process(&lab).await;
        let (mut a, mut b) = (region(&*connection, &left).await, region(&*connection, &right).await);
        a.write(&batch(&borrowed(&numbered(0..50, 7)))).await.unwrap();
        b.write(&batch(&borrowed(&numbered(50..100, 7)))).await.unwrap();
        let (one, other) = (a.checkpoint().await.unwrap(), b.checkpoint().await.unwrap());
        assert_eq!(one, other);
        a.committed().await.unwrap();
        assert_eq!(lab.all(&left).await.numbers(), (0..50).collect::<Vec<_>>());
        assert_eq!(lab.all(&right).await.numbers(), (50..100).collect::<Vec<_>>());
        // The next transaction is under way when the second one is reported the first.
        a.write(&batch(&borrowed(&numbered(100..150, 7)))).await.unwrap();
        b.committed().await.unwrap();
        assert_eq!(lab.all(&left).await.numbers(), (0..50).collect::<Vec<_>>());
        assert_eq!(connection.is_committed(&right, deciding(), &one).await.unwrap(), Some(true));
        drop((a, b));
        let other = json!({ "transactional": true, "transaction_timeout": "30s", "compression": "zstd" });
        let third = lab.stream_with("tx", 2, other).await;
        let _left = region(&*connection, &left).await;
        let refused = connection.producer(&third, deciding()).await.map(drop).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Invalid);
        assert!(refused.message.contains("the same `compression`"), "{refused}");
    });
}

#[test]
fn a_topic_that_got_nothing_has_no_say_in_whether_a_checkpoint_counts() {
    with_kafka(async |lab| {
        let (left, right) = (stream(&lab).await, stream(&lab).await);
        let connection = process(&lab).await;
        let (mut a, mut b) = (region(&*connection, &left).await, region(&*connection, &right).await);
        a.write(&batch(&borrowed(&numbered(0..50, 7)))).await.unwrap();
        b.write(&batch(&borrowed(&numbered(50..100, 7)))).await.unwrap();
        for producer in [&mut a, &mut b] {
            producer.checkpoint().await.unwrap();
        }
        for producer in [&mut a, &mut b] {
            producer.committed().await.unwrap();
        }
        // An interval in which only one of them gets records, and a crash behind its commit.
        a.write(&batch(&borrowed(&numbered(100..150, 7)))).await.unwrap();
        let (written, silent) = (a.checkpoint().await.unwrap(), b.checkpoint().await.unwrap());
        a.committed().await.unwrap();
        b.committed().await.unwrap();
        let next = process(&lab).await;
        for (target, state) in [(&left, written), (&right, silent)] {
            assert_eq!(
                next.is_committed(target, deciding(), &state).await.unwrap(),
                Some(true),
                "topic {}",
                target.name
            );
        }
    });
}

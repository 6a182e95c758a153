//! What lies between two checkpoints is one transaction.

use pipectl_contract::{ErrorKind, StreamTarget};
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
fn a_second_process_takes_over_and_the_first_is_told() {
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
        assert!(fenced.message.contains("running twice"), "{fenced}");
        assert_eq!(lab.all(&target).await.numbers(), (10..20).collect::<Vec<_>>());
    });
}

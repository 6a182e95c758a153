//! Writing: what comes back is what went in, keys in order, and what cannot be written is reported.

use pipectl_contract::{Ownership, StartAt};
use serde_json::json;

use crate::{
    bench::{Bench, assert_complete, batch, drain, numbered, refs, run},
    peers,
};

#[test]
fn records_come_back_with_keys_in_order() {
    let (kinesis, dynamo) = peers!();
    run(async {
        let bench = Bench::new(kinesis.endpoint(), dynamo.endpoint(), 2, json!({})).await;
        let records = numbered(1_000, 50);
        bench.put(&refs(&records)).await;
        bench.put(&[(None, "keyless")]).await;
        let mut seen = drain(&mut bench.consumer(1, Ownership::Look, StartAt::Earliest).await[0]).await;
        let keyless = seen.rows.iter().position(|row| row.key.is_none()).unwrap();
        assert_eq!(seen.rows.remove(keyless).value, "keyless");
        assert_complete(&seen, 1_000, 50);
        assert!(seen.rows.iter().all(|row| row.arrival > 1_600_000_000_000_000));
        // One entry of a key in a request: 20 of each key are 20 requests at least, and hardly more.
        let calls = bench.connection.calls().of("PutRecords");
        assert!((20..=60).contains(&calls), "{calls} requests");
    });
}

#[test]
fn unordered_records_fill_requests() {
    let (kinesis, dynamo) = peers!();
    run(async {
        let mut bench = Bench::new(kinesis.endpoint(), dynamo.endpoint(), 2, json!({})).await;
        bench.stream.ordered = false;
        bench.put(&refs(&numbered(1_500, 3))).await;
        assert_eq!(bench.connection.calls().of("PutRecords"), 3);
        let seen = drain(&mut bench.consumer(1, Ownership::Look, StartAt::Earliest).await[0]).await;
        assert_eq!(seen.rows.len(), 1_500);
    });
}

#[test]
fn what_kinesis_never_takes_is_reported_and_the_rest_goes() {
    let (kinesis, dynamo) = peers!();
    run(async {
        let bench = Bench::new(kinesis.endpoint(), dynamo.endpoint(), 1, json!({})).await;
        let (long_key, large) = ("k".repeat(257), "x".repeat(1 << 20));
        let records = [
            (Some("a"), "1"),
            (Some(long_key.as_str()), "2"),
            (Some("a"), large.as_str()),
            (Some(""), "3"),
            (Some("b"), "4"),
        ];
        let mut producer = bench.producer().await;
        let rejected = producer.write(&batch(&records)).await.unwrap();
        let reported: Vec<_> = rejected.iter().map(|rejection| (rejection.row, rejection.reason.as_str())).collect();
        assert_eq!(
            reported,
            [
                (1, "its key has 257 characters; Kinesis accepts at most 256"),
                (2, "it has 1048577 bytes with its key; the stream accepts at most 1048576 (`max_record`)"),
                (3, "its key is empty; Kinesis requires at least one character"),
            ]
        );
        producer.checkpoint().await.unwrap();
        let seen = drain(&mut bench.consumer(1, Ownership::Look, StartAt::Earliest).await[0]).await;
        assert_eq!(seen.rows.iter().map(|row| row.value.as_str()).collect::<Vec<_>>(), ["1", "4"]);
    });
}

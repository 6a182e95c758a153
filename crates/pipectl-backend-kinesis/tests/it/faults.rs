//! What happens when the service takes only some records, is too busy, or answers get lost.

use pipectl_contract::{Connection, ErrorKind, Ownership, ProducerContext, StartAt};
use serde_json::json;

use crate::{
    bench::{Bench, Seen, assert_complete, batch, connect, drain, numbered, options, read_until, refs, run},
    peers,
    proxy::Proxy,
};

#[test]
fn only_failed_entries_are_sent_again_and_keys_keep_their_order() {
    let (kinesis, dynamo) = peers!();
    let proxy = Proxy::start(kinesis.endpoint());
    run(async {
        for aggregate in [false, true] {
            let bench = Bench::new(
                &proxy.endpoint(),
                dynamo.endpoint(),
                2,
                json!({ "aggregate": aggregate, "max_buffer": "5ms" }),
            )
            .await;
            let before = proxy.done();
            proxy.fail_some_records(true);
            let records = numbered(400, 20);
            let mut producer = bench.producer().await;
            for part in records.chunks(100) {
                producer.write(&batch(&refs(part))).await.unwrap();
                producer.checkpoint().await.unwrap();
            }
            proxy.fail_some_records(false);
            assert!(proxy.done() > before);
            assert!(bench.connection.calls().retries() > 0);
            let seen = drain(&mut bench.consumer(1, Ownership::Look, StartAt::Earliest).await[0]).await;
            assert_complete(&seen, 400, 20);
        }
    });
}

#[test]
fn lost_answers_make_duplicates_and_never_disorder() {
    let (kinesis, dynamo) = peers!();
    let proxy = Proxy::start(kinesis.endpoint());
    run(async {
        let bench = Bench::new(&proxy.endpoint(), dynamo.endpoint(), 2, json!({})).await;
        proxy.lose_answers(true);
        bench.put(&refs(&numbered(200, 20))).await;
        proxy.lose_answers(false);
        let seen = drain(&mut bench.consumer(1, Ownership::Look, StartAt::Earliest).await[0]).await;
        assert!(seen.rows.len() > 200, "no answer was lost");
        for (key, mut numbers) in seen.by_key() {
            assert!(numbers.is_sorted(), "key {key}: {numbers:?}");
            numbers.dedup();
            assert_eq!(numbers, (0..10).collect::<Vec<_>>(), "key {key}");
        }
    });
}

#[test]
fn cut_connections_throttled_reads_and_expired_iterators_lose_and_repeat_nothing() {
    let (kinesis, dynamo) = peers!();
    let proxy = Proxy::start(kinesis.endpoint());
    run(async {
        let bench = Bench::new(&proxy.endpoint(), dynamo.endpoint(), 2, json!({})).await;
        let records = numbered(300, 30);
        let mut subtasks = bench.consumer(1, Ownership::Owned { positions: vec![] }, StartAt::Earliest).await;
        let mut seen = Seen::default();
        let faults: [fn(&Proxy, bool); 3] = [Proxy::expire, Proxy::throttle, Proxy::cut];
        for (part, fault) in records.chunks(100).zip(faults) {
            bench.put(&refs(part)).await;
            let (before, wanted) = (proxy.done(), seen.rows.len() + 100);
            fault(&proxy, true);
            read_until(&mut subtasks[0], &mut seen, |seen| seen.rows.len() >= wanted && proxy.done() > before + 1)
                .await;
            fault(&proxy, false);
        }
        subtasks[0].writers_finished().await.unwrap();
        read_until(&mut subtasks[0], &mut seen, |seen| seen.has("end")).await;
        assert_complete(&seen, 300, 30);
    });
}

#[test]
fn a_record_that_the_service_refuses_is_reported_and_the_others_of_its_call_go() {
    let (kinesis, dynamo) = peers!();
    let proxy = Proxy::start(kinesis.endpoint());
    run(async {
        let bench = Bench::new(&proxy.endpoint(), dynamo.endpoint(), 1, json!({})).await;
        proxy.refuse_large(true);
        let large = "x".repeat(2_000);
        let mut producer = bench.producer().await;
        let records = [(Some("a"), "1"), (Some("b"), large.as_str()), (Some("c"), "3"), (Some("b"), "4")];
        assert_eq!(producer.write(&batch(&records)).await.unwrap(), []);
        producer.finish().await.unwrap();
        let refused = producer.refused();
        assert_eq!(refused.len(), 1);
        assert_eq!(refused[0].batch.payload.as_ref().unwrap().value(0), large.as_bytes());
        assert!(refused[0].reason.contains("InvalidArgumentException"), "{}", refused[0].reason);
        let seen = drain(&mut bench.consumer(1, Ownership::Look, StartAt::Earliest).await[0]).await;
        let mut values: Vec<_> = seen.rows.iter().map(|row| row.value.as_str()).collect();
        values.sort_unstable();
        assert_eq!(values, ["1", "3", "4"]);
    });
}

#[test]
fn a_service_out_of_reach_is_given_up_within_the_bound_and_no_secret_is_reported() {
    let (kinesis, dynamo) = peers!();
    run(async {
        let bench = Bench::new(kinesis.endpoint(), dynamo.endpoint(), 1, json!({})).await;
        // A port that was free a moment ago, and that nobody listens on.
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut options = options(&format!("http://{nobody}"), dynamo.endpoint());
        options.retry_for = pipectl_data::units::Duration::from_millis(300);
        let connection = connect(options).await;
        let context = ProducerContext::new("s", 1 << 20);
        let error = connection.producer(&bench.stream, context).await.err().unwrap();
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(!error.message.contains('\n') && error.message.contains(&bench.stream.name), "{}", error.message);
        assert!(!format!("{error:?} {connection:?}").contains(crate::bench::SECRET));
        assert!(connection.calls().retries() > 0);
        let findings = connection.preflight(std::slice::from_ref(&bench.stream)).await;
        assert_eq!(findings[0].outcome, pipectl_contract::FindingOutcome::Bad);
    });
}

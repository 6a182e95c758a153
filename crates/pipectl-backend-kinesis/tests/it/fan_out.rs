//! Subscriptions of enhanced fan-out that end, break and fail. On AWS each ends after five minutes at the latest.

use std::{cell::Cell, time::Duration};

use pipectl_contract::{ErrorKind, Ownership, StartAt};
use pipectl_peers::proxy::Tcp;
use serde_json::json;

use crate::{
    bench::{Bench, Seen, assert_complete, batch, connect, numbered, options, read_until, refs, run},
    peers,
    proxy::{Proxy, Subscription},
};

/// A subscription may follow another one of the same consumer and shard after this; a little less, since a clock of the
/// other side measures it.
const APART: Duration = Duration::from_millis(4_900);

/// How often the connections are cut under a reader.
const CUTS: u64 = 4;

fn owned() -> Ownership {
    Ownership::Owned { positions: vec![] }
}

#[test]
fn connections_cut_in_mid_run_lose_and_repeat_nothing_and_keep_the_order() {
    let (kinesis, dynamo) = peers!();
    let way = pipectl_peers::need!(Tcp::start(kinesis.endpoint()));
    run(async {
        let direct = Bench::new(kinesis.endpoint(), dynamo.endpoint(), 2, json!({ "fan_out": true })).await;
        let endpoint = format!("http://{}", way.endpoint());
        let cut =
            Bench { connection: connect(options(&endpoint, dynamo.endpoint())).await, stream: direct.stream.clone() };
        let mut subtasks = cut.consumer(1, owned(), StartAt::Earliest).await;
        let records = numbered(2_000, 20);
        let (mut seen, cuts) = (Seen::default(), Cell::new(0));
        let writing = async {
            let mut producer = direct.producer().await;
            let parts: Vec<_> = records.chunks(20).collect();
            let (last, most) = parts.split_last().unwrap();
            for part in most {
                producer.write(&batch(&refs(part))).await.unwrap();
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            while cuts.get() < CUTS {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            producer.write(&batch(&refs(last))).await.unwrap();
            producer.finish().await.unwrap();
        };
        let subscriptions = || cut.connection.calls().of("SubscribeToShard");
        let mut cut_at = None;
        let reading = read_until(&mut subtasks[0], &mut seen, |seen| {
            // Each time with records since the last cut, and with both shards subscribed to anew: each of them may
            // follow its last subscription only after some seconds.
            let flows = !seen.rows.is_empty() && (cut_at != Some(seen.rows.len()) || seen.rows.len() == 1_980);
            if cuts.get() < CUTS && flows && subscriptions() >= 2 + 2 * cuts.get() {
                way.cut();
                cuts.set(cuts.get() + 1);
                cut_at = Some(seen.rows.len());
            }
            seen.rows.len() >= 2_000
        });
        futures::future::join(writing, reading).await;
        subtasks[0].writers_finished().await.unwrap();
        read_until(&mut subtasks[0], &mut seen, |seen| seen.has("end")).await;
        assert_complete(&seen, 2_000, 20);
        let polls = cut.connection.calls().of("GetRecords");
        assert!(subscriptions() > 2 * CUTS, "{} subscriptions", subscriptions());
        assert!(polls < 20, "{polls} polls: it was subscribed to until the end");
    });
}

#[test]
fn subscriptions_that_end_before_their_first_record_are_made_anew_in_their_own_time() {
    let (kinesis, dynamo) = peers!();
    let proxy = Proxy::start(kinesis.endpoint());
    run(async {
        let bench = Bench::new(&proxy.endpoint(), dynamo.endpoint(), 1, json!({ "fan_out": true })).await;
        bench.put(&refs(&numbered(100, 10))).await;
        let ends = [Subscription::Break, Subscription::End, Subscription::Error("InternalFailureException")];
        proxy.spoil_subscriptions(ends);
        let mut subtasks = bench.consumer(1, owned(), StartAt::Earliest).await;
        let mut seen = Seen::default();
        read_until(&mut subtasks[0], &mut seen, |seen| seen.rows.len() >= 100).await;
        assert_complete(&seen, 100, 10);
        let asked = proxy.subscribed();
        assert_eq!(asked.len(), 4);
        let pauses: Vec<Duration> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(pauses.iter().all(|pause| *pause >= APART), "{pauses:?}");
        assert!(bench.connection.calls().retries() >= 3);
    });
}

#[test]
fn an_error_inside_a_subscription_that_nothing_mends_stops_the_reader() {
    let (kinesis, dynamo) = peers!();
    let proxy = Proxy::start(kinesis.endpoint());
    run(async {
        let bench = Bench::new(&proxy.endpoint(), dynamo.endpoint(), 1, json!({ "fan_out": true })).await;
        for code in ["KMSAccessDeniedException", "KMSDisabledException"] {
            proxy.spoil_subscriptions([Subscription::Error(code); 50]);
            let mut subtasks = bench.consumer(1, owned(), StartAt::Earliest).await;
            let error = until_error(&mut subtasks[0], Duration::from_secs(10)).await;
            assert_eq!(error.kind, ErrorKind::Denied);
            assert!(error.message.contains(code) && error.message.contains("shard 0"), "{}", error.message);
        }
    });
}

#[test]
fn subscriptions_that_never_bring_anything_are_given_up_within_the_bound() {
    let (kinesis, dynamo) = peers!();
    let proxy = Proxy::start(kinesis.endpoint());
    run(async {
        let direct = Bench::new(kinesis.endpoint(), dynamo.endpoint(), 1, json!({ "fan_out": true })).await;
        let mut options = options(&proxy.endpoint(), dynamo.endpoint());
        options.retry_for = pipectl_data::units::Duration::from_secs(6);
        let bench = Bench { connection: connect(options).await, ..direct };
        for how in [Subscription::Error("InternalFailureException"), Subscription::End] {
            proxy.spoil_subscriptions([how; 50]);
            let mut subtasks = bench.consumer(1, owned(), StartAt::Earliest).await;
            let error = until_error(&mut subtasks[0], Duration::from_secs(25)).await;
            assert_eq!(error.kind, ErrorKind::Unavailable);
            assert!(error.message.contains("gave up after 6s"), "{}", error.message);
        }
    });
}

async fn until_error(
    reader: &mut Box<dyn pipectl_contract::SourceReader>,
    within: Duration,
) -> pipectl_contract::ConnectorError {
    let reading = async {
        loop {
            if let Err(error) = reader.next().await {
                return error;
            }
        }
    };
    tokio::time::timeout(within, reading).await.expect("it goes on as if nothing were wrong")
}

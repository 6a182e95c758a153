//! Where a group of workers begins: the same place for all shards, whoever of them fell at the start, and what a split
//! or a shard that is gone does to it.

use pipectl_contract::{ErrorKind, Ownership, SourceReader, StartAt, StreamTarget};
use pipectl_peers::proxy::{Http, Then, When};
use serde_json::json;

use crate::{
    bench::{Bench, Seen, assert_complete, connect, numbered, options, read_until, refs, run},
    peers,
    proxy::Proxy,
    sharding::reshard,
};

fn caught_up(seen: &Seen) -> usize {
    let reported = seen.reported.iter().filter(|reported| reported.starts_with("caught up"));
    reported.collect::<std::collections::BTreeSet<_>>().len()
}

async fn commit(reader: &mut Box<dyn SourceReader>) {
    let position = reader.position();
    reader.committed(&position).await.unwrap();
}

/// Reads with a checkpoint whenever one is wanted.
async fn work_until(reader: &mut Box<dyn SourceReader>, seen: &mut Seen, mut enough: impl FnMut(&Seen) -> bool) {
    while !enough(seen) {
        read_until(reader, seen, {
            let mut first = true;
            move |_| !std::mem::take(&mut first)
        })
        .await;
        if reader.wants_checkpoint() {
            commit(reader).await;
        }
    }
}

#[test]
fn a_beginning_that_broke_off_is_the_beginning_of_the_others_too() {
    let (kinesis, dynamo) = peers!();
    let way = pipectl_peers::need!(Http::start(dynamo.endpoint()));
    run(async {
        let bench = Bench::new(kinesis.endpoint(), dynamo.endpoint(), 4, json!({})).await;
        let old: Vec<_> = (0..100).map(|n| (format!("k{}", n % 20), "old:0".to_owned())).collect();
        bench.put(&refs(&old)).await;
        // The first worker falls after the first row that it writes down.
        let falls = way.on(When::target("PutItem").after(1), Then::aws_error("AccessDeniedException", "no more"));
        let fallen = Bench {
            connection: connect(options(kinesis.endpoint(), &way.endpoint())).await,
            stream: bench.stream.clone(),
        };
        let mut first = fallen.consumer(1, Ownership::Shared, StartAt::Latest).await;
        let error = loop {
            if let Err(error) = first[0].next().await {
                break error;
            }
        };
        assert_eq!((error.kind, falls.count()), (ErrorKind::Denied, 1));
        drop(first);
        // What came since the group began is its own; what was there before is not.
        bench.put(&refs(&numbered(200, 20))).await;
        let mut second = bench.consumer(1, Ownership::Shared, StartAt::Latest).await;
        let mut seen = Seen::default();
        read_until(&mut second[0], &mut seen, |seen| caught_up(seen) == 4).await;
        assert_complete(&seen, 200, 20);
        second[0].close().await.unwrap();
    });
}

#[test]
fn what_a_dead_first_worker_had_not_written_down_is_read_by_the_next() {
    let (kinesis, dynamo) = peers!();
    run(async {
        let bench = Bench::new(kinesis.endpoint(), dynamo.endpoint(), 2, json!({})).await;
        let mut first = bench.consumer(1, Ownership::Shared, StartAt::Latest).await;
        read_until(&mut first[0], &mut Seen::default(), |seen| caught_up(seen) == 2).await;
        bench.put(&refs(&numbered(100, 10))).await;
        let mut seen = Seen::default();
        read_until(&mut first[0], &mut seen, |seen| seen.rows.len() == 100).await;
        drop(first);
        let mut second = bench.consumer(1, Ownership::Shared, StartAt::Latest).await;
        let mut seen = Seen::default();
        read_until(&mut second[0], &mut seen, |seen| caught_up(seen) == 2).await;
        assert_complete(&seen, 100, 10);
        second[0].close().await.unwrap();
    });
}

#[test]
fn shards_that_came_while_the_group_was_away_are_read_from_their_first_record() {
    let (kinesis, dynamo) = peers!();
    let proxy = Proxy::start(kinesis.endpoint());
    run(async {
        let bench = Bench::new(&proxy.endpoint(), dynamo.endpoint(), 1, json!({ "on_data_loss": "continue" })).await;
        let mut first = bench.consumer(1, Ownership::Shared, StartAt::Latest).await;
        read_until(&mut first[0], &mut Seen::default(), |seen| caught_up(seen) == 1).await;
        let records = numbered(400, 20);
        bench.put(&refs(&records[..100])).await;
        let mut seen = Seen::default();
        read_until(&mut first[0], &mut seen, |seen| seen.rows.len() == 100).await;
        commit(&mut first[0]).await;
        first[0].close().await.unwrap();
        drop(first);
        reshard(&bench, 2).await;
        bench.put(&refs(&records[100..200])).await;
        reshard(&bench, 4).await;
        bench.put(&refs(&records[200..])).await;
        let mut second = bench.consumer(1, Ownership::Shared, StartAt::Latest).await;
        work_until(&mut second[0], &mut seen, |seen| seen.rows.len() >= 400).await;
        assert_complete(&seen, 400, 20);
        second[0].close().await.unwrap();
        drop(second);

        // A group that has a row of the first shard only, and whose shards of the middle are gone from the listing.
        let mut first = bench.consumer_of("other", 1, Ownership::Shared, StartAt::Latest).await;
        read_until(&mut first[0], &mut Seen::default(), |seen| caught_up(seen) == 4).await;
        commit(&mut first[0]).await;
        first[0].close().await.unwrap();
        drop(first);
        reshard(&bench, 8).await;
        bench.put(&refs(&records[..100])).await;
        reshard(&bench, 16).await;
        bench.put(&refs(&records[100..])).await;
        // 0, then 1 and 2, 3 to 6, 7 to 14, 15 to 30.
        proxy.hide_shards(7..15);
        let mut second = bench.consumer_of("other", 1, Ownership::Shared, StartAt::Latest).await;
        let mut seen = Seen::default();
        work_until(&mut second[0], &mut seen, |seen| seen.rows.len() >= 300).await;
        let mut numbers = seen.by_key();
        assert!(numbers.values_mut().all(|numbers| *numbers == (5..20).collect::<Vec<_>>()), "{numbers:?}");
        second[0].close().await.unwrap();
        proxy.hide_shards(0..0);
    });
}

#[test]
fn a_shard_that_is_gone_before_the_group_has_read_it_is_a_gap() {
    let (kinesis, dynamo) = peers!();
    let proxy = Proxy::start(kinesis.endpoint());
    run(async {
        let bench = Bench::new(&proxy.endpoint(), dynamo.endpoint(), 1, json!({})).await;
        let records = numbered(200, 10);
        bench.put(&refs(&records[..100])).await;
        let mut first = bench.consumer(1, Ownership::Shared, StartAt::Earliest).await;
        read_until(&mut first[0], &mut Seen::default(), |seen| seen.rows.len() == 100).await;
        commit(&mut first[0]).await;
        let at = first[0].position()["shards"]["0"]["at"].as_str().unwrap().to_owned();
        first[0].close().await.unwrap();
        drop(first);
        reshard(&bench, 2).await;
        bench.put(&refs(&records[100..])).await;
        proxy.hide_shards(0..1);

        let mut second = bench.consumer(1, Ownership::Shared, StartAt::Latest).await;
        let error = loop {
            match second[0].next().await {
                Err(error) => break error,
                Ok(read) => assert!(!matches!(read, pipectl_contract::Read::Records(_)), "read across the gap"),
            }
        };
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert_eq!(
            error.message,
            format!(
                "shard 0 of stream `s` cannot be read further from `{at}`: the stream no longer has this shard. \
                 Records may be lost; set `on_data_loss: continue` to continue with the available records"
            )
        );
        second[0].close().await.unwrap();
        drop(second);

        // On request it goes on, with all that the children have.
        let stream = StreamTarget { options: Some(json!({ "on_data_loss": "continue" })), ..bench.stream.clone() };
        let bench = Bench { stream, ..bench };
        for rows in [100, 0] {
            let mut third = bench.consumer(1, Ownership::Shared, StartAt::Latest).await;
            let mut seen = Seen::default();
            work_until(&mut third[0], &mut seen, |seen| caught_up(seen) == 2).await;
            assert_eq!(seen.rows.len(), rows);
            commit(&mut third[0]).await;
            third[0].close().await.unwrap();
        }
        proxy.hide_shards(0..0);
    });
}

//! Shards that split and merge while they are read.

use std::time::Duration;

use pipectl_contract::{Connection, ErrorKind, Ownership, PartitionState, StartAt, StreamTarget};
use serde_json::json;

use crate::{
    bench::{Bench, Seen, assert_complete, batch, drain, numbered, read_until, refs, run},
    peers,
};

pub(crate) async fn reshard(bench: &Bench, partitions: u32) {
    bench.connection.update(&StreamTarget { partitions: Some(partitions), ..bench.stream.clone() }).await.unwrap();
}

async fn shards(bench: &Bench) -> Vec<PartitionState> {
    bench.connection.describe(&bench.stream, None).await.unwrap().unwrap().partitions
}

#[test]
fn children_wait_for_the_checkpoint_of_their_parents_and_closed_shards_stay_closed() {
    let (kinesis, dynamo) = peers!();
    run(async {
        let bench = Bench::new(kinesis.endpoint(), dynamo.endpoint(), 1, json!({})).await;
        let records = numbered(300, 10);
        bench.put(&refs(&records[..100])).await;
        reshard(&bench, 2).await;
        bench.put(&refs(&records[100..200])).await;

        let owned = |positions| Ownership::Owned { positions };
        let mut subtasks = bench.consumer(1, owned(vec![]), StartAt::Earliest).await;
        let mut seen = Seen::default();
        read_until(&mut subtasks[0], &mut seen, |seen| seen.has("closed 0")).await;
        assert_eq!(seen.rows.len(), 100);
        let children: Vec<u32> = shards(&bench).await.iter().filter(|s| s.parents == [0]).map(|s| s.number).collect();
        assert_eq!(children.len(), 2);
        let closed = seen.reported.iter().position(|reported| reported == "closed 0").unwrap();
        for child in &children {
            let opened = seen.reported.iter().position(|reported| *reported == format!("opened {child}")).unwrap();
            assert!(opened < closed, "a watermark would run ahead: {:?}", seen.reported);
        }
        // Without a checkpoint that holds the parent's end, nothing comes of the children.
        assert!(subtasks[0].wants_checkpoint());
        for _ in 0..3 {
            let read = tokio::time::timeout(Duration::from_secs(3), subtasks[0].next()).await;
            if let Ok(read) = read {
                seen.add(read.unwrap());
            }
        }
        assert_eq!(seen.rows.len(), 100);
        let position = subtasks[0].position();
        assert_eq!(position["shards"]["0"]["at"], "end");
        subtasks[0].committed(&position).await.unwrap();
        assert!(!subtasks[0].wants_checkpoint());
        read_until(&mut subtasks[0], &mut seen, |seen| seen.rows.len() == 200).await;
        let position = subtasks[0].position();
        drop(subtasks);

        // Merged while nobody reads; what is closed in the checkpoint stays so.
        reshard(&bench, 1).await;
        bench.put(&refs(&records[200..])).await;
        let mut subtasks = bench.consumer(1, owned(vec![position]), StartAt::Latest).await;
        let mut after = Seen::default();
        for child in &children {
            read_until(&mut subtasks[0], &mut after, |seen| seen.has(&format!("closed {child}"))).await;
        }
        let position = subtasks[0].position();
        subtasks[0].committed(&position).await.unwrap();
        subtasks[0].writers_finished().await.unwrap();
        read_until(&mut subtasks[0], &mut after, |seen| seen.has("end")).await;
        assert_eq!(after.rows.len(), 100);
        seen.rows.extend(after.rows);
        assert_complete(&seen, 300, 10);
    });
}

#[test]
fn enhanced_fan_out_follows_a_split() {
    let (kinesis, dynamo) = peers!();
    run(async {
        let bench = Bench::new(kinesis.endpoint(), dynamo.endpoint(), 1, json!({ "fan_out": true })).await;
        let records = numbered(200, 10);
        bench.put(&refs(&records[..100])).await;
        let mut subtasks = bench.consumer(1, Ownership::Owned { positions: vec![] }, StartAt::Earliest).await;
        let mut seen = Seen::default();
        read_until(&mut subtasks[0], &mut seen, |seen| seen.rows.len() == 100).await;
        reshard(&bench, 2).await;
        bench.put(&refs(&records[100..])).await;
        read_until(&mut subtasks[0], &mut seen, |seen| seen.has("closed 0")).await;
        let position = subtasks[0].position();
        subtasks[0].committed(&position).await.unwrap();
        read_until(&mut subtasks[0], &mut seen, |seen| seen.rows.len() == 200).await;
        assert_complete(&seen, 200, 10);
        // This peer's subscriptions do not tell of a shard's end, so it is asked for; records come by subscription.
        let (polls, subscriptions) =
            (bench.connection.calls().of("GetRecords"), bench.connection.calls().of("SubscribeToShard"));
        assert!(polls <= 2 && subscriptions == 3, "{polls} polls, {subscriptions} subscriptions");
    });
}

#[test]
fn a_look_follows_splits_over_several_subtasks() {
    let (kinesis, dynamo) = peers!();
    run(async {
        let bench = Bench::new(kinesis.endpoint(), dynamo.endpoint(), 2, json!({})).await;
        let records = numbered(400, 20);
        bench.put(&refs(&records[..200])).await;
        reshard(&bench, 4).await;
        bench.put(&refs(&records[200..])).await;
        let subtasks = bench.consumer(3, Ownership::Look, StartAt::Earliest).await;
        let drained =
            futures::future::join_all(subtasks.into_iter().map(|mut subtask| async move { drain(&mut subtask).await }))
                .await;
        let mut rows: Vec<_> = drained.into_iter().flat_map(|seen| seen.rows).collect();
        // Subtasks run side by side; parents have smaller numbers than children, so this is the order of each key.
        rows.sort_by_key(|row| (row.shard, row.offset));
        let seen = Seen { rows, reported: vec![] };
        assert_complete(&seen, 400, 20);
    });
}

#[test]
fn a_shard_that_is_gone_is_a_gap_and_not_the_end() {
    let (kinesis, dynamo) = peers!();
    run(async {
        let mut bench = Bench::new(kinesis.endpoint(), dynamo.endpoint(), 1, json!({})).await;
        bench.put(&[(Some("a"), "1")]).await;
        let position = json!({ "shards": {
            "0": { "at": "start", "count": 0 }, "77": { "at": "after:495", "count": 3 }, "78": { "at": "end", "count": 9 },
        } });
        let owned = || Ownership::Owned { positions: vec![position.clone()] };
        let context = |ownership| pipectl_contract::ConsumerContext {
            node: "orders".into(),
            group: "g".into(),
            subtasks: 1,
            ownership,
            start: StartAt::Earliest,
            memory: 1 << 20,
            checkpoint_every: Duration::from_secs(1),
        };
        let failed = bench.connection.consumer(&bench.stream, context(owned())).await;
        let error = failed.err().unwrap();
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert_eq!(
            error.message,
            "shard 77 of stream `orders` cannot be read further from `after:495`: the stream no longer has this shard. \
             Records may be lost; set `on_data_loss: continue` to continue with the available records"
        );
        bench.stream.options = Some(json!({ "on_data_loss": "continue" }));
        let mut subtasks = bench.consumer(1, owned(), StartAt::Earliest).await;
        let seen = drain(&mut subtasks[0]).await;
        assert_eq!(seen.rows.len(), 1);
        assert_eq!(subtasks[0].position()["shards"].as_object().unwrap().len(), 1);
    });
}

/// Options that say nothing of misrouted: what pipectl has written aggregated is read as often as it was written.
#[test]
fn aggregates_follow_a_split_in_mid_run() {
    let (kinesis, dynamo) = peers!();
    run(async {
        let bench = Bench::new(kinesis.endpoint(), dynamo.endpoint(), 1, json!({ "aggregate": true })).await;
        let records = numbered(3_000, 30);
        let writing = async {
            let mut producer = bench.producer().await;
            for part in records.chunks(60) {
                producer.write(&batch(&refs(part))).await.unwrap();
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
            producer.finish().await.unwrap();
        };
        let splitting = async {
            for shards in [2, 4, 3] {
                tokio::time::sleep(Duration::from_millis(450)).await;
                reshard(&bench, shards).await;
            }
        };
        futures::future::join(writing, splitting).await;
        let mut seen = drain(&mut bench.consumer(1, Ownership::Look, StartAt::Earliest).await[0]).await;
        seen.rows.sort_by_key(|row| (row.shard, row.offset));
        assert_complete(&seen, 3_000, 30);
        // Who says nothing of aggregation keeps all, since others may not send misrouted again. Here they are there twice.
        let plain = StreamTarget { options: Some(json!({})), ..bench.stream.clone() };
        let bench = Bench { stream: plain, ..bench };
        let all = drain(&mut bench.consumer(1, Ownership::Look, StartAt::Earliest).await[0]).await;
        assert!(all.rows.len() > 3_000, "no aggregate met a split");
    });
}

//! Workers that share a stream by leases.

use std::time::Duration;

use pipectl_contract::{Connection, Ownership, Read, SourceReader, StartAt};
use serde_json::json;

use crate::{
    bench::{Bench, Seen, assert_complete, connect, numbered, options, read_until, refs, run},
    peers,
};

/// Drives some workers in turn, with a checkpoint whenever one wants it, until `enough`.
async fn share(workers: &mut [(&mut Box<dyn SourceReader>, &mut Seen)], mut enough: impl FnMut(&[&Seen]) -> bool) {
    let until = std::time::Instant::now() + Duration::from_mins(1);
    loop {
        for (reader, seen) in workers.iter_mut() {
            if let Ok(read) = tokio::time::timeout(Duration::from_millis(50), reader.next()).await {
                seen.add(read.unwrap());
            }
            if reader.wants_checkpoint() {
                let position = reader.position();
                reader.committed(&position).await.unwrap();
            }
        }
        if enough(&workers.iter().map(|(_, seen)| &**seen).collect::<Vec<_>>()) {
            return;
        }
        let reported: Vec<_> = workers.iter().map(|(_, seen)| (&seen.reported, seen.rows.len())).collect();
        assert!(std::time::Instant::now() < until, "{reported:?}");
    }
}

#[test]
fn a_second_worker_gets_its_share_without_a_record_twice_and_a_dead_ones_too() {
    let (kinesis, dynamo) = peers!();
    run(async {
        let first = Bench::new(kinesis.endpoint(), dynamo.endpoint(), 4, json!({})).await;
        let second = Bench {
            connection: connect(options(kinesis.endpoint(), dynamo.endpoint())).await,
            stream: first.stream.clone(),
        };
        let records = numbered(600, 40);
        first.put(&refs(&records[..200])).await;
        let mut one = first.consumer(1, Ownership::Shared, StartAt::Earliest).await;
        let mut seen_one = Seen::default();
        read_until(&mut one[0], &mut seen_one, |seen| seen.rows.len() == 200).await;
        let held = |reader: &dyn SourceReader| reader.position()["shards"].as_object().unwrap().len();
        assert_eq!(held(one[0].as_ref()), 4);

        let mut two = second.consumer(1, Ownership::Shared, StartAt::Earliest).await;
        let mut seen_two = Seen::default();
        let lost = |seen: &Seen| seen.reported.iter().filter(|reported| reported.starts_with("lost")).count();
        let opened = |seen: &Seen| seen.reported.iter().filter(|reported| reported.starts_with("opened")).count();
        share(&mut [(&mut one[0], &mut seen_one), (&mut two[0], &mut seen_two)], |seen| {
            lost(seen[0]) == 2 && opened(seen[1]) == 2
        })
        .await;
        assert_eq!((held(one[0].as_ref()), held(two[0].as_ref())), (2, 2));
        first.put(&refs(&records[200..400])).await;
        share(&mut [(&mut one[0], &mut seen_one), (&mut two[0], &mut seen_two)], |seen| {
            seen[0].rows.len() + seen[1].rows.len() == 400
        })
        .await;
        // Both have written down where they are; then the second dies without a word.
        for reader in [&mut one[0], &mut two[0]] {
            let position = reader.position();
            reader.committed(&position).await.unwrap();
        }
        let died = two[0].position();
        drop(two);
        first.put(&refs(&records[400..])).await;
        read_until(&mut one[0], &mut seen_one, |seen| seen.rows.len() + seen_two.rows.len() >= 600).await;
        assert_eq!(held(one[0].as_ref()), 4);

        // What it would still write is fenced off: a new worker goes on behind all that was read.
        let position = one[0].position();
        one[0].committed(&position).await.unwrap();
        assert_ne!(died, position);
        let mut all = Seen { rows: seen_one.rows.clone(), reported: vec![] };
        all.rows.extend(seen_two.rows.clone());
        all.rows.sort_by_key(|row| (row.shard, row.offset));
        assert_complete(&all, 600, 40);
        one[0].close().await.unwrap();
        drop(one);
        let mut three = second.consumer(1, Ownership::Shared, StartAt::Earliest).await;
        let mut seen_three = Seen::default();
        read_until(&mut three[0], &mut seen_three, |seen| {
            seen.reported.iter().filter(|reported| reported.starts_with("caught up")).count() >= 4
        })
        .await;
        assert_eq!(seen_three.rows, []);
        three[0].close().await.unwrap();
    });
}

#[test]
fn whoever_lost_a_shard_cannot_move_its_position() {
    let (kinesis, dynamo) = peers!();
    run(async {
        let bench = Bench::new(kinesis.endpoint(), dynamo.endpoint(), 1, json!({})).await;
        let other = Bench {
            connection: connect(options(kinesis.endpoint(), dynamo.endpoint())).await,
            stream: bench.stream.clone(),
        };
        bench.put(&refs(&numbered(50, 5))).await;
        // The first worker stands still: its keeper is on another runtime, which nobody drives after it has read.
        let (stalled, mut old, position) = tokio::task::block_in_place(|| {
            let stalled = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let (old, position) = stalled.block_on(async {
                let mut subtasks = bench.consumer(1, Ownership::Shared, StartAt::Earliest).await;
                read_until(&mut subtasks[0], &mut Seen::default(), |seen| seen.rows.len() == 50).await;
                let position = subtasks[0].position();
                (subtasks.remove(0), position)
            });
            (stalled, old, position)
        });
        let mut new = other.consumer(1, Ownership::Shared, StartAt::Earliest).await;
        let mut seen = Seen::default();
        read_until(&mut new[0], &mut seen, |seen| seen.rows.len() == 50).await;
        // It wakes, and would like to say that all is done.
        tokio::task::block_in_place(|| {
            stalled.block_on(async {
                old.committed(&position).await.unwrap();
                let reported = loop {
                    match old.next().await.unwrap() {
                        Read::Lost(shard) => break shard,
                        Read::Records(batch) => panic!("read {} records of another worker's shard", batch.len()),
                        _ => {}
                    }
                };
                assert_eq!(reported, 0);
            });
            drop(old);
            drop(stalled);
        });
        new[0].close().await.unwrap();
        drop(new);
        let mut third = other.consumer(1, Ownership::Shared, StartAt::Earliest).await;
        let mut seen = Seen::default();
        read_until(&mut third[0], &mut seen, |seen| seen.rows.len() == 50).await;
        third[0].close().await.unwrap();
        assert!(bench.connection.delete(&bench.stream).await.unwrap());
    });
}

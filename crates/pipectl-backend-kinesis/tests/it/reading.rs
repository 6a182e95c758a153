//! Reading: positions, starts, enhanced fan-out, and reads that are given up.

use std::{collections::BTreeMap, time::Duration};

use pipectl_contract::{Connection, Ownership, StartAt};
use serde_json::json;

use crate::{
    bench::{Bench, Seen, assert_complete, batch, drain, numbered, read_until, refs, run},
    peers,
};

#[test]
fn a_restart_goes_on_inside_an_aggregated_record() {
    let (kinesis, dynamo) = peers!();
    run(async {
        let bench = Bench::new(kinesis.endpoint(), dynamo.endpoint(), 1, json!({ "aggregate": true })).await;
        // Larger together than one batch of a reader, in records of 50 KiB at most.
        let records: Vec<(String, String)> =
            (0..300).map(|n| ("k".to_owned(), format!("k:{n}{}", " ".repeat(8_000)))).collect();
        bench.put(&refs(&records)).await;
        assert!(bench.connection.calls().of("PutRecords") < 60, "{:?}", bench.connection.calls());
        let mut subtasks = bench.consumer(1, Ownership::Owned { positions: vec![] }, StartAt::Earliest).await;
        let mut seen = Seen::default();
        read_until(&mut subtasks[0], &mut seen, |seen| !seen.rows.is_empty()).await;
        let position = subtasks[0].position();
        assert!(seen.rows.len() < 300, "one batch has all");
        let last = seen.rows.last().unwrap();
        let marked = position["shards"]["0"]["at"].as_str().unwrap();
        assert!(marked == format!("after:{}", last.position) || last.position.starts_with(&marked["after:".len()..]));
        drop(subtasks);
        let mut subtasks = bench.consumer(1, Ownership::Owned { positions: vec![position] }, StartAt::Earliest).await;
        let rest = drain(&mut subtasks[0]).await;
        seen.rows.extend(rest.rows);
        let numbers: Vec<i64> = seen.rows.iter().map(|row| row.offset).collect();
        assert_eq!(numbers, (0..300).collect::<Vec<_>>(), "records keep their numbers across restarts");
        let values: Vec<&str> = seen.rows.iter().map(|row| row.value.trim_end()).collect();
        assert_eq!(values, (0..300).map(|n| format!("k:{n}")).collect::<Vec<_>>());
    });
}

#[test]
fn reading_starts_at_positions_of_parts() {
    let (kinesis, dynamo) = peers!();
    run(async {
        let bench = Bench::new(kinesis.endpoint(), dynamo.endpoint(), 1, json!({ "aggregate": true })).await;
        bench.put(&refs(&numbered(20, 1))).await;
        let all = drain(&mut bench.consumer(1, Ownership::Look, StartAt::Earliest).await[0]).await;
        let fifth = &all.rows[5];
        assert!(fifth.position.ends_with(":5"), "{}", fifth.position);
        let start = StartAt::Positions(BTreeMap::from([(0, fifth.position.clone())]));
        let from = drain(&mut bench.consumer(1, Ownership::Look, start).await[0]).await;
        let values = |seen: &Seen| seen.rows.iter().map(|row| row.value.clone()).collect::<Vec<_>>();
        assert_eq!(values(&from), values(&all)[5..]);
        let earliest =
            bench.connection.describe(&bench.stream, None).await.unwrap().unwrap().partitions[0].earliest.clone();
        let start = StartAt::Positions(BTreeMap::from([(0, earliest.unwrap())]));
        assert_eq!(drain(&mut bench.consumer(1, Ownership::Look, start).await[0]).await.rows, all.rows);
    });
}

#[test]
fn enhanced_fan_out_reads_all_and_goes_on_where_it_was() {
    let (kinesis, dynamo) = peers!();
    run(async {
        let bench = Bench::new(kinesis.endpoint(), dynamo.endpoint(), 2, json!({ "fan_out": true })).await;
        let records = numbered(400, 20);
        bench.put(&refs(&records[..200])).await;
        let mut subtasks = bench.consumer(1, Ownership::Owned { positions: vec![] }, StartAt::Earliest).await;
        let mut seen = Seen::default();
        read_until(&mut subtasks[0], &mut seen, |seen| seen.rows.len() == 200).await;
        let (polls, subscriptions) =
            (bench.connection.calls().of("GetRecords"), bench.connection.calls().of("SubscribeToShard"));
        assert_eq!(polls, 0, "it was subscribed to");
        assert_eq!(subscriptions, 2);
        let position = subtasks[0].position();
        drop(subtasks);
        bench.put(&refs(&records[200..])).await;
        let mut subtasks = bench.consumer(1, Ownership::Owned { positions: vec![position] }, StartAt::Earliest).await;
        let rest = drain(&mut subtasks[0]).await;
        seen.rows.extend(rest.rows);
        assert_complete(&seen, 400, 20);
        // The consumer is part of the stream and goes with it.
        let state = bench.connection.describe(&bench.stream, None).await.unwrap().unwrap();
        assert_eq!(state.settings["fan-out consumers"], "1");
        assert!(bench.connection.delete(&bench.stream).await.unwrap());
    });
}

#[test]
fn one_shard_is_read_at_most_five_times_a_second_by_all_readers_together() {
    let (kinesis, dynamo) = peers!();
    run(async {
        let bench = Bench::new(kinesis.endpoint(), dynamo.endpoint(), 1, json!({})).await;
        let mut producer = bench.producer().await;
        let before = std::time::Instant::now();
        let mut readers = Vec::new();
        for _ in 0..3 {
            readers.extend(bench.consumer(1, Ownership::Look, StartAt::Earliest).await);
        }
        let reading = async {
            futures::future::join_all(readers.iter_mut().map(|reader| async move {
                let mut seen = Seen::default();
                read_until(reader, &mut seen, |seen| seen.rows.len() == 60).await;
            }))
            .await;
        };
        let writing = async {
            for (key, value) in numbered(60, 4) {
                producer.write(&batch(&[(Some(key.as_str()), value.as_str())])).await.unwrap();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            producer.finish().await.unwrap();
        };
        futures::future::join(reading, writing).await;
        let (reads, seconds) = (bench.connection.calls().of("GetRecords"), before.elapsed().as_secs_f64());
        assert!(reads as f64 <= 5.0 * seconds + 1.0, "{reads} reads in {seconds:.1} s");
        assert!(reads >= 6, "{reads} reads");
    });
}

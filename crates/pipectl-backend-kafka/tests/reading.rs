//! Reading by position: where it begins, where it goes on, and what it tells on the way.

use std::collections::BTreeMap;

use pipectl_contract::{ErrorKind, Ownership, StartAt};
use serde_json::json;

use crate::lab::{Seen, batch, borrowed, close, consuming, drive, numbered, until_end, with_kafka};

#[test]
fn order_of_keys_survives_subtask_and_a_resume_goes_on_where_it_stopped() {
    with_kafka(async |lab| {
        let target = lab.stream("resume", 4).await;
        lab.write(&target, &borrowed(&numbered(0..5_000, 17))).await;
        let owned = |positions| consuming(&target.name, 3, Ownership::Owned { positions });
        let mut first = lab.readers(&target, owned(Vec::new())).await;
        let mut seen = Seen::default();
        drive(&mut first, &mut seen, |seen| !seen.records.is_empty()).await;
        let positions: Vec<_> = first.iter().map(|reader| reader.position()).collect();
        // What comes after the positions were taken is not part of the checkpoint.
        let mut dropped = Seen::default();
        for reader in &mut first {
            dropped.take(&reader.next().await.unwrap());
        }
        close(first).await;

        let mut second = lab.readers(&target, owned(positions)).await;
        for reader in &mut second {
            reader.writers_finished().await.unwrap();
        }
        until_end(&mut second, &mut seen).await;
        close(second).await;
        assert_eq!(seen.numbers(), (0..5_000).collect::<Vec<_>>());
        for (key, payloads) in seen.by_key() {
            let numbers: Vec<u32> = payloads.iter().map(|payload| payload.parse().unwrap()).collect();
            assert!(numbers.is_sorted(), "key {key} is out of order");
        }
    });
}

#[test]
fn a_batch_holds_about_a_mebibyte_of_one_partition() {
    with_kafka(async |lab| {
        let target = lab.stream("batches", 1).await;
        let payload = "x".repeat(1_000);
        let records: Vec<_> = (0..6_000).map(|_| ("k", payload.clone())).collect();
        lab.write(&target, &records).await;
        let seen = lab.all(&target).await;
        assert_eq!(seen.records.len(), 6_000);
        let largest = seen.batches.iter().map(pipectl_data::Batch::byte_size).max().unwrap();
        assert!(largest > 512 << 10, "no large batch: {largest} bytes at most in {} batches", seen.batches.len());
        assert!(largest < 1_200 << 10, "a batch of {largest} bytes");
    });
}

#[test]
fn reading_begins_where_it_is_reported_to() {
    with_kafka(async |lab| {
        let target = lab.stream("start", 1).await;
        lab.write(&target, &borrowed(&numbered(0..10, 3))).await;
        let from = async |start: StartAt| {
            let mut context = consuming(&target.name, 1, Ownership::Look);
            context.start = start;
            let mut readers = lab.readers(&target, context).await;
            readers[0].writers_finished().await.unwrap();
            let mut seen = Seen::default();
            until_end(&mut readers, &mut seen).await;
            close(readers).await;
            seen.numbers()
        };
        assert_eq!(from(StartAt::Earliest).await, (0..10).collect::<Vec<_>>());
        assert!(from(StartAt::Latest).await.is_empty());
        assert_eq!(from(StartAt::Positions(BTreeMap::from([(0, "7".into())]))).await, [7, 8, 9]);
        let times = lab.all(&target).await.batches;
        let last = times.last().unwrap().arrival.values().last().copied().unwrap();
        assert!(from(StartAt::Time(last + 60_000_000)).await.is_empty());
        let from_last = from(StartAt::Time(last)).await;
        assert!(from_last.contains(&9) && !from_last.is_empty(), "{from_last:?}");
        assert_eq!(from(StartAt::Time(0)).await.len(), 10);

        let mut context = consuming(&target.name, 1, Ownership::Look);
        context.start = StartAt::Positions(BTreeMap::from([(0, "shard-7".into())]));
        let refused = lab.connection.consumer(&target, context).await.err().unwrap();
        assert_eq!(refused.kind, ErrorKind::Invalid);
        let mut context = consuming(&target.name, 1, Ownership::Look);
        context.start = StartAt::Positions(BTreeMap::from([(0, "99".into())]));
        let refused = lab.connection.consumer(&target, context).await.err().unwrap();
        assert_eq!(refused.kind, ErrorKind::Invalid);
        assert!(refused.message.ends_with("has no 99: it holds 0 to 9"), "{refused}");
    });
}

#[test]
fn latest_sees_what_is_written_from_now_on() {
    with_kafka(async |lab| {
        let target = lab.stream("latest", 2).await;
        lab.write(&target, &borrowed(&numbered(0..10, 5))).await;
        let mut context = consuming(&target.name, 1, Ownership::Owned { positions: Vec::new() });
        context.start = StartAt::Latest;
        let mut readers = lab.readers(&target, context).await;
        lab.write(&target, &borrowed(&numbered(10..20, 5))).await;
        let mut seen = Seen::default();
        drive(&mut readers, &mut seen, |seen| seen.records.len() >= 10).await;
        close(readers).await;
        assert_eq!(seen.numbers(), (10..20).collect::<Vec<_>>());
    });
}

#[test]
fn partitions_that_are_added_are_found_and_read_from_their_beginning() {
    with_kafka(async |lab| {
        let mut target = lab.stream("grow", 1).await;
        let mut context = consuming(&target.name, 2, Ownership::Owned { positions: Vec::new() });
        context.start = StartAt::Latest;
        let mut readers = lab.readers(&target, context).await;
        let mut seen = Seen::default();
        drive(&mut readers, &mut seen, |seen| seen.opened == [0] && seen.caught_up.contains(&0)).await;
        target.partitions = Some(4);
        lab.connection.update(&target).await.unwrap();
        lab.write(&target, &borrowed(&numbered(0..200, 50))).await;
        drive(&mut readers, &mut seen, |seen| seen.records.len() >= 200).await;
        let mut opened = seen.opened.clone();
        opened.sort_unstable();
        assert_eq!(opened, [0, 1, 2, 3]);
        assert_eq!(seen.numbers(), (0..200).collect::<Vec<_>>());
        let subtasks: Vec<_> = readers.iter().map(|reader| reader.position()).collect();
        for (subtask, position) in subtasks.iter().enumerate() {
            for number in position["partitions"].as_object().unwrap().keys() {
                assert_eq!(number.parse::<usize>().unwrap() % 2, subtask, "{subtasks:?}");
            }
        }
        close(readers).await;
    });
}

#[test]
fn caught_up_is_reported_again_and_again_and_a_look_leaves_no_trace() {
    with_kafka(async |lab| {
        let target = lab.stream("idle", 2).await;
        let mut readers = lab.readers(&target, consuming(&target.name, 1, Ownership::Look)).await;
        let mut seen = Seen::default();
        drive(&mut readers, &mut seen, |seen| seen.caught_up.len() >= 6).await;
        let position = readers[0].position();
        readers[0].committed(&position).await.unwrap();
        close(readers).await;
        let admin: rdkafka::consumer::BaseConsumer =
            rdkafka::ClientConfig::new().set("bootstrap.servers", &lab.brokers).create().unwrap();
        let groups = rdkafka::consumer::Consumer::fetch_group_list(&admin, None, crate::lab::PATIENCE).unwrap();
        assert!(groups.groups().iter().all(|group| group.name() != target.name));
    });
}

#[test]
fn records_that_are_gone_are_an_error_or_a_warning_as_the_stream_wishes() {
    with_kafka(async |lab| {
        let target = lab.stream("gap", 1).await;
        lab.write(&target, &borrowed(&numbered(0..100, 3))).await;
        forget(&lab.brokers, &target.name, 40).await;
        let positions = vec![json!({ "partitions": { "0": 25 } })];
        let context = || consuming(&target.name, 1, Ownership::Owned { positions: positions.clone() });
        let refused = lab.connection.consumer(&target, context()).await.err().unwrap();
        assert_eq!(refused.kind, ErrorKind::Conflict);
        assert!(refused.message.contains("15 records of partition 0"), "{refused}");
        assert!(refused.message.contains("on_data_loss: continue"), "{refused}");

        let mut lenient = target.clone();
        lenient.options = Some(json!({ "on_data_loss": "continue" }));
        let mut readers = lab.readers(&lenient, context()).await;
        readers[0].writers_finished().await.unwrap();
        let mut seen = Seen::default();
        until_end(&mut readers, &mut seen).await;
        close(readers).await;
        assert_eq!(seen.numbers(), (40..100).collect::<Vec<_>>());

        // A topic that was deleted and made anew ends before the position.
        let beyond = vec![json!({ "partitions": { "0": 1_000 } })];
        let context = consuming(&target.name, 1, Ownership::Owned { positions: beyond });
        let refused = lab.connection.consumer(&target, context).await.err().unwrap();
        assert!(refused.message.contains("created again"), "{refused}");
    });
}

/// Makes the broker drop the records before a place.
async fn forget(brokers: &str, topic: &str, before: i64) {
    let admin: rdkafka::admin::AdminClient<rdkafka::client::DefaultClientContext> =
        rdkafka::ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    let mut list = rdkafka::TopicPartitionList::new();
    list.add_partition_offset(topic, 0, rdkafka::Offset::Offset(before)).unwrap();
    let options = rdkafka::admin::AdminOptions::new();
    admin.delete_records(&list, &options).await.unwrap();
}

#[test]
fn the_end_is_known_behind_marks_of_transactions_and_with_records_in_between() {
    with_kafka(async |lab| {
        let target = lab.stream_with("marks", 1, json!({ "transactional": true })).await;
        let mut producer = lab.producer(&target).await;
        producer.write(&batch(&borrowed(&numbered(0..5, 2)))).await.unwrap();
        producer.checkpoint().await.unwrap();
        let mut readers = lab.readers(&target, consuming(&target.name, 1, Ownership::Look)).await;
        let mut seen = Seen::default();
        // Caught up first; the mark behind the last record must not make the end unreachable.
        drive(&mut readers, &mut seen, |seen| !seen.caught_up.is_empty()).await;
        readers[0].writers_finished().await.unwrap();
        until_end(&mut readers, &mut seen).await;
        assert_eq!(seen.numbers(), [0, 1, 2, 3, 4]);
        close(readers).await;

        // Caught up, then more is written, and only then it is known that nobody writes: all of it is read.
        let mut readers = lab.readers(&target, consuming(&target.name, 1, Ownership::Look)).await;
        let mut seen = Seen::default();
        drive(&mut readers, &mut seen, |seen| !seen.caught_up.is_empty()).await;
        producer.write(&batch(&borrowed(&numbered(5..9, 2)))).await.unwrap();
        producer.finish().await.unwrap();
        readers[0].writers_finished().await.unwrap();
        until_end(&mut readers, &mut seen).await;
        assert_eq!(seen.numbers(), (0..9).collect::<Vec<_>>());
        close(readers).await;
    });
}

//! Several workers that share a topic: partitions go over with what was read of them, and never back in time.

use std::collections::BTreeSet;

use pipectl_contract::{Ownership, Read, SourceReader};

use crate::lab::{Lab, PATIENCE, Seen, borrowed, close, consuming, drive, numbered, with_kafka};

async fn worker(lab: &Lab, topic: &pipectl_contract::StreamTarget) -> Vec<Box<dyn SourceReader>> {
    lab.readers(topic, consuming(&topic.name, 1, Ownership::Shared)).await
}

/// Partitions that a reader has.
fn held(reader: &dyn SourceReader) -> BTreeSet<u32> {
    reader.position()["partitions"].as_object().unwrap().keys().map(|number| number.parse().unwrap()).collect()
}

#[test]
fn a_second_worker_takes_over_its_share_and_nothing_is_read_twice() {
    with_kafka(async |lab| {
        let target = lab.stream("share", 4).await;
        lab.write(&target, &borrowed(&numbered(0..1_000, 40))).await;
        let mut workers = worker(&lab, &target).await;
        let mut seen = Seen::default();
        drive(&mut workers, &mut seen, |seen| seen.records.len() == 1_000).await;
        assert_eq!(held(workers[0].as_ref()).len(), 4);
        workers.append(&mut worker(&lab, &target).await);
        // Records were read and not committed: the first worker asks for a checkpoint before it lets partitions go.
        drive_with(&mut workers, &mut seen, |workers, _| workers[0].wants_checkpoint()).await;
        assert!(seen.lost.is_empty());
        let position = workers[0].position();
        workers[0].committed(&position).await.unwrap();
        drive_with(&mut workers, &mut seen, |workers, _| workers.iter().all(|worker| held(worker.as_ref()).len() == 2))
            .await;
        assert_eq!(seen.lost.len(), 2);
        assert!(!workers[0].wants_checkpoint());
        assert!(held(workers[0].as_ref()).is_disjoint(&held(workers[1].as_ref())));

        lab.write(&target, &borrowed(&numbered(1_000..2_000, 40))).await;
        drive(&mut workers, &mut seen, |seen| seen.records.len() >= 2_000).await;
        assert_eq!(seen.numbers(), (0..2_000).collect::<Vec<_>>());
        commit_all(&mut workers).await;

        // One leaves: the other has everything, from where it was committed.
        let gone = workers.remove(0);
        close(vec![gone]).await;
        lab.write(&target, &borrowed(&numbered(2_000..3_000, 40))).await;
        drive(&mut workers, &mut seen, |seen| seen.records.len() >= 3_000).await;
        assert_eq!(seen.numbers(), (0..3_000).collect::<Vec<_>>());
        close(workers).await;
    });
}

#[test]
fn a_worker_that_leaves_while_it_hands_over_leaves_at_once() {
    with_kafka(async |lab| {
        let target = lab.stream("leaves", 4).await;
        lab.write(&target, &borrowed(&numbered(0..400, 40))).await;
        let mut workers = worker(&lab, &target).await;
        let mut seen = Seen::default();
        drive(&mut workers, &mut seen, |seen| seen.records.len() == 400).await;
        workers.append(&mut worker(&lab, &target).await);
        drive_with(&mut workers, &mut seen, |workers, _| workers[0].wants_checkpoint()).await;
        // The group waits for partitions that this one has not let go, and the client for the group's goodbye.
        let gone = workers.remove(0);
        let began = std::time::Instant::now();
        close(vec![gone]).await;
        assert!(began.elapsed() < std::time::Duration::from_secs(8), "{:?}", began.elapsed());
        let mut rest = Seen::default();
        drive(&mut workers, &mut rest, |rest| rest.records.len() >= 400).await;
        assert_eq!(rest.numbers(), (0..400).collect::<Vec<_>>(), "nothing was committed");
        close(workers).await;
    });
}

#[test]
fn a_worker_may_leave_at_any_moment_of_its_coming() {
    let proxy = pipectl_peers::need!(pipectl_peers::proxy::Tcp::listen());
    let broker = pipectl_peers::need!(pipectl_peers::Kafka::start_behind(&proxy));
    crate::lab::on(broker.endpoint(), async |lab| {
        let target = lab.stream("comes", 4).await;
        lab.write(&target, &borrowed(&numbered(0..400, 40))).await;
        let slowly = crate::lab::connect(serde_json::json!({ "brokers": [proxy.endpoint()] })).await.unwrap();
        // Everything that is asked takes its time, so that each of these ends falls into another step.
        proxy.delay(std::time::Duration::from_millis(60));
        for steps in 0..7 {
            let context = consuming(&target.name, 1, Ownership::Shared);
            let mut workers = slowly.consumer(&target, context).await.unwrap();
            let until = std::time::Instant::now() + std::time::Duration::from_millis(300) * steps;
            while let Some(left) = until.checked_duration_since(std::time::Instant::now()) {
                if let Ok(read) = tokio::time::timeout(left, workers[0].next()).await {
                    read.unwrap();
                }
            }
            let began = std::time::Instant::now();
            close(workers).await;
            assert!(began.elapsed() < std::time::Duration::from_secs(8), "after {steps} steps: {:?}", began.elapsed());
        }
    });
}

#[test]
fn a_worker_that_hangs_is_replaced_and_cannot_commit_when_it_wakes() {
    with_kafka(async |lab| {
        let target = lab.stream("dies", 4).await;
        let mut context = consuming(&target.name, 1, Ownership::Shared);
        context.group = format!("{}-workers", target.name);
        let connection = crate::lab::connect(serde_json::json!({
            "brokers": [lab.brokers],
            "settings": { "session.timeout.ms": "2000", "heartbeat.interval.ms": "300", "max.poll.interval.ms": "2500" },
        }))
        .await
        .unwrap();
        let mut workers = connection.consumer(&target, context.clone()).await.unwrap();
        let mut seen = Seen::default();
        drive(&mut workers, &mut seen, |seen| seen.opened.len() == 4).await;
        workers.append(&mut connection.consumer(&target, context).await.unwrap());
        drive_with(&mut workers, &mut seen, |workers, _| workers.iter().all(|worker| held(worker.as_ref()).len() == 2))
            .await;
        lab.write(&target, &borrowed(&numbered(0..400, 40))).await;
        drive(&mut workers, &mut seen, |seen| seen.records.len() == 400).await;
        commit_all(&mut workers).await;
        let mut first = Seen::default();
        lab.write(&target, &borrowed(&numbered(400..800, 40))).await;
        drive(&mut workers, &mut first, |seen| seen.records.len() == 400).await;
        // The first worker hangs; what it read since its last commit comes again.
        let mut silent = workers.remove(0);
        let stale = silent.position();
        let theirs = held(silent.as_ref());
        let uncommitted = first.records.iter().filter(|record| theirs.contains(&record.0)).count();
        assert!(uncommitted > 0);
        let position = workers[0].position();
        workers[0].committed(&position).await.unwrap();
        let mut after = Seen::default();
        drive(&mut workers, &mut after, |seen| seen.records.len() >= uncommitted).await;
        lab.write(&target, &borrowed(&numbered(800..900, 40))).await;
        drive(&mut workers, &mut after, |seen| seen.numbers().iter().filter(|number| **number >= 800).count() == 100)
            .await;
        let all: BTreeSet<u32> = seen.numbers().into_iter().chain(first.numbers()).chain(after.numbers()).collect();
        assert_eq!(all.len(), 900, "nothing is lost");
        assert_eq!(after.records.len(), uncommitted + 100, "only what was not committed comes again");
        // It wakes: nothing that it commits counts, and it is told what it has lost.
        let lag = async || {
            let group = format!("{}-workers", target.name);
            let state = connection.describe(&target, Some(&group)).await.unwrap().unwrap();
            state.partitions.iter().map(|partition| partition.lag.unwrap()).collect::<Vec<_>>()
        };
        let before = lag().await;
        silent.committed(&stale).await.unwrap();
        assert_eq!(lag().await, before);
        let mut woken = vec![silent];
        let mut reported = Seen::default();
        drive(&mut woken, &mut reported, |seen| seen.lost.len() == theirs.len()).await;
        assert_eq!(reported.lost.iter().copied().collect::<BTreeSet<_>>(), theirs);
        close(woken).await;
        close(workers).await;
    });
}

#[test]
fn a_position_from_before_is_not_committed_over_a_later_one() {
    with_kafka(async |lab| {
        let target = lab.stream("stale", 1).await;
        lab.write(&target, &borrowed(&numbered(0..10, 1))).await;
        let mut workers = worker(&lab, &target).await;
        let mut seen = Seen::default();
        drive(&mut workers, &mut seen, |seen| seen.records.len() == 10).await;
        workers[0].committed(&serde_json::json!({ "partitions": { "0": 10 } })).await.unwrap();
        workers[0].committed(&serde_json::json!({ "partitions": { "0": 4 } })).await.unwrap();
        // Nor what this reader has not read, nor a partition that is not its own.
        workers[0].committed(&serde_json::json!({ "partitions": { "0": 99, "7": 1 } })).await.unwrap();
        let state = lab.connection.describe(&target, Some(&target.name)).await.unwrap().unwrap();
        assert_eq!(state.partitions[0].lag, Some(0));
        close(workers).await;
        let mut again = worker(&lab, &target).await;
        let mut seen = Seen::default();
        drive(&mut again, &mut seen, |seen| !seen.caught_up.is_empty()).await;
        assert!(seen.records.is_empty(), "{:?}", seen.records);
        close(again).await;
    });
}

#[test]
fn what_comes_between_the_first_owner_and_the_second_is_not_lost_where_reading_begins_at_the_end() {
    with_kafka(async |lab| {
        let target = lab.stream("pinned", 1).await;
        lab.write(&target, &borrowed(&numbered(0..10, 3))).await;
        let mut context = consuming(&target.name, 1, Ownership::Shared);
        context.start = pipectl_contract::StartAt::Latest;
        let mut first = lab.readers(&target, context.clone()).await;
        let mut seen = Seen::default();
        drive(&mut first, &mut seen, |seen| !seen.caught_up.is_empty()).await;
        assert!(seen.records.is_empty());
        // It goes before its first checkpoint, and records come while nobody reads.
        close(first).await;
        lab.write(&target, &borrowed(&numbered(10..20, 3))).await;
        let mut second = lab.readers(&target, context).await;
        drive(&mut second, &mut seen, |seen| seen.records.len() >= 10).await;
        assert_eq!(seen.numbers(), (10..20).collect::<Vec<_>>());
        close(second).await;
    });
}

#[test]
fn more_subtask_than_partitions_all_come_to_their_end() {
    with_kafka(async |lab| {
        let target = lab.stream("subtasks", 2).await;
        lab.write(&target, &borrowed(&numbered(0..100, 9))).await;
        let mut readers = lab.readers(&target, consuming(&target.name, 3, Ownership::Shared)).await;
        let mut seen = Seen::default();
        drive(&mut readers, &mut seen, |seen| seen.records.len() >= 100).await;
        for reader in &mut readers {
            reader.writers_finished().await.unwrap();
        }
        let mut ended = BTreeSet::new();
        let began = std::time::Instant::now();
        while ended.len() < 3 {
            for (subtask, reader) in
                readers.iter_mut().enumerate().filter(|(subtask, _)| !ended.contains(subtask)).collect::<Vec<_>>()
            {
                if reader.wants_checkpoint() {
                    let position = reader.position();
                    reader.committed(&position).await.unwrap();
                }
                let read = reader.next().await.unwrap();
                seen.take(&read);
                if matches!(read, Read::End) {
                    ended.insert(subtask);
                }
            }
            assert!(began.elapsed() < PATIENCE, "only {ended:?} ended");
        }
        assert_eq!(seen.numbers().into_iter().collect::<BTreeSet<_>>().len(), 100);
        close(readers).await;
    });
}

async fn commit_all(workers: &mut [Box<dyn SourceReader>]) {
    for worker in workers {
        let position = worker.position();
        worker.committed(&position).await.unwrap();
    }
}

async fn drive_with(
    workers: &mut [Box<dyn SourceReader>],
    seen: &mut Seen,
    done: impl Fn(&[Box<dyn SourceReader>], &Seen) -> bool,
) {
    let began = std::time::Instant::now();
    while !done(workers, seen) {
        for worker in workers.iter_mut() {
            let read = worker.next().await.unwrap();
            seen.take(&read);
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain; lost {:?}, opened {:?}", seen.lost, seen.opened);
    }
}

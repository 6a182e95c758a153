//! Several workers share a stream through Blob storage.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use pipectl_contract::{Ownership, Read, SourceReader, StartAt};
use pipectl_peers::{Azurite, EventHubs as Service, make_container, need};
use serde_json::json;

use crate::{
    read::{keyed, rows},
    support::{CONTAINER, Got, LONG, connect, context, hub, options, put, records, run, subtasks, with_checkpoints},
};

/// A worker of the test: its subtask, and what it has read.
struct Worker {
    subtask: Box<dyn SourceReader>,
    got: Vec<Got>,
    held: BTreeSet<u32>,
}

impl Worker {
    fn new(subtask: Box<dyn SourceReader>) -> Self {
        Self { subtask, got: Vec::new(), held: BTreeSet::new() }
    }

    async fn step(&mut self) {
        match self.subtask.next().await.unwrap() {
            Read::Records(batch) => self.got.extend(records(&batch)),
            Read::Opened(partition) => drop(self.held.insert(partition)),
            Read::Lost(partition) => drop(self.held.remove(&partition)),
            _ => {}
        }
    }

    async fn commit(&mut self) {
        let position = self.subtask.position();
        self.subtask.committed(&position).await.unwrap();
    }
}

#[test]
fn two_workers_share_one_dies_and_the_other_goes_on_behind_its_checkpoint() {
    let service = need!(Service::start());
    let blobs = need!(Azurite::shared());
    make_container(blobs, CONTAINER).unwrap();
    run(async {
        let options = with_checkpoints(options(&service), blobs, "2s");
        let connection = connect(&options).await;
        let target = hub(&connection, "share", 4).await;
        put(&connection, &target, &rows(&keyed(0, 100))).await;
        let open = || async {
            let mut subtasks = subtasks(&connection, &target, context(Ownership::Shared, 1, StartAt::Earliest)).await;
            Worker::new(subtasks.remove(0))
        };
        let mut one = open().await;
        while one.got.len() < 100 {
            one.step().await;
        }
        one.commit().await;
        let mut two = open().await;
        let until = Instant::now() + LONG;
        while one.held.len() != 2 || two.held.len() != 2 {
            assert!(Instant::now() < until, "{:?} {:?}", one.held, two.held);
            futures::join!(one.step(), two.step());
        }
        assert!(one.held.is_disjoint(&two.held));
        assert_eq!(two.got, [], "it begins behind the checkpoint");

        put(&connection, &target, &rows(&keyed(100, 200))).await;
        let until = Instant::now() + LONG;
        while one.got.len() + two.got.len() < 200 {
            assert!(Instant::now() < until, "{} {}", one.got.len(), two.got.len());
            futures::join!(one.step(), two.step());
        }
        // The one commits, the other dies before it has: its records come again, and only those.
        two.commit().await;
        let uncommitted: Vec<String> = one.got[100..].iter().map(|got| got.payload.clone()).collect();
        drop(one);
        put(&connection, &target, &rows(&keyed(200, 220))).await;
        let before = two.got.len();
        let until = Instant::now() + LONG;
        while two.got.len() < before + uncommitted.len() + 20 {
            assert!(Instant::now() < until, "{} of {}", two.got.len() - before, uncommitted.len() + 20);
            two.step().await;
        }
        assert_eq!(two.held.len(), 4);
        let mut again: Vec<u32> = two.got[before..].iter().map(|got| got.payload.parse().unwrap()).collect();
        let mut wanted: Vec<u32> = uncommitted.iter().map(|text| text.parse().unwrap()).chain(200..220).collect();
        again.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(again, wanted);

        two.commit().await;
        let state = connection.describe(&target, Some("test.peers.stream")).await.unwrap().unwrap();
        assert!(state.partitions.iter().all(|one| one.lag == Some(0)), "{state:?}");
        two.subtask.close().await.unwrap();
        put(&connection, &target, &rows(&keyed(220, 223))).await;
        let state = connection.describe(&target, Some("test.peers.stream")).await.unwrap().unwrap();
        assert_eq!(state.partitions.iter().map(|one| one.lag.unwrap()).sum::<u64>(), 3);
        // What was given up is free at once: no lease has to run out, and this worker's is longer than its test may take.
        let connection = connect(&with_checkpoints(options, blobs, "1h")).await;
        let mut subtasks = subtasks(&connection, &target, context(Ownership::Shared, 1, StartAt::Earliest)).await;
        let mut three = Worker::new(subtasks.remove(0));
        let until = Instant::now() + LONG;
        while three.got.len() < 3 {
            assert!(Instant::now() < until, "{}", three.got.len());
            three.step().await;
        }
    });
}

#[test]
fn a_former_owner_cannot_commit() {
    let service = need!(Service::start());
    let blobs = need!(Azurite::shared());
    make_container(blobs, CONTAINER).unwrap();
    run(async {
        let options = with_checkpoints(options(&service), blobs, "1s");
        let connection = connect(&options).await;
        let target = hub(&connection, "fenced", 1).await;
        put(&connection, &target, &rows(&keyed(0, 10))).await;
        let open = || async {
            let mut subtasks = subtasks(&connection, &target, context(Ownership::Shared, 1, StartAt::Earliest)).await;
            Worker::new(subtasks.remove(0))
        };
        let mut former = open().await;
        while former.got.len() < 10 {
            former.step().await;
        }
        let position = former.subtask.position();
        // It gives the partition up, but wants to commit all the same, as one that was paused would.
        former.subtask.close().await.unwrap();
        let mut later = open().await;
        let until = Instant::now() + LONG;
        while later.got.len() < 10 {
            assert!(Instant::now() < until);
            later.step().await;
        }
        former.subtask.committed(&position).await.unwrap();
        let state = connection.describe(&target, Some("test.peers.stream")).await.unwrap().unwrap();
        assert_eq!(state.partitions[0].lag, Some(10), "nothing was committed");
        later.commit().await;
        let state = connection.describe(&target, Some("test.peers.stream")).await.unwrap().unwrap();
        assert_eq!(state.partitions[0].lag, Some(0));
        let counted: BTreeMap<u32, usize> = later.got.iter().fold(BTreeMap::new(), |mut sum, got| {
            *sum.entry(got.partition).or_default() += 1;
            sum
        });
        assert_eq!(counted, BTreeMap::from([(0, 10)]));
        // Its checkpoints go with the hub.
        connection.delete(&target).await.unwrap();
        connection.create(&target).await.unwrap();
        put(&connection, &target, &rows(&keyed(0, 4))).await;
        let state = connection.describe(&target, Some("test.peers.stream")).await.unwrap().unwrap();
        assert_eq!(state.partitions[0].lag, Some(4));
    });
}

#[test]
fn a_group_is_forgotten_under_the_name_that_it_has_at_the_service() {
    let service = need!(Service::start());
    let blobs = need!(Azurite::shared());
    make_container(blobs, CONTAINER).unwrap();
    run(async {
        let long = format!("test.peers.{}", "a-stream-with-a-long-name".repeat(3));
        let (basic, standard) = (json!("basic"), json!("standard"));
        for (tier, chosen, group) in [
            (&standard, None, "short.name"),
            (&standard, None, long.as_str()),
            (&standard, None, "named with spaces"),
            (&standard, Some("$Default"), "short.name"),
            (&basic, None, "short.name"),
        ] {
            let mut options = with_checkpoints(options(&service), blobs, "1s");
            options["tier"] = tier.clone();
            let connection = connect(&options).await;
            let mut target = hub(&connection, "forget", 2).await;
            target.options = chosen.map(|chosen| json!({ "consumer_group": chosen }));
            put(&connection, &target, &rows(&keyed(0, 10))).await;
            let mut context = context(Ownership::Shared, 1, StartAt::Earliest);
            context.group = group.to_owned();
            let mut worker = Worker::new(subtasks(&connection, &target, context.clone()).await.remove(0));
            while worker.got.len() < 10 {
                worker.step().await;
            }
            worker.commit().await;
            worker.subtask.close().await.unwrap();
            let lag = || async {
                let state = connection.describe(&target, Some(group)).await.unwrap().unwrap();
                state.partitions.iter().map(|one| one.lag.unwrap()).sum::<u64>()
            };
            assert_eq!(lag().await, 0, "{tier} {chosen:?} {group}");
            connection.forget(&target, group).await.unwrap();
            assert_eq!(lag().await, 10, "{tier} {chosen:?} {group}");
            let mut worker = Worker::new(subtasks(&connection, &target, context).await.remove(0));
            let until = Instant::now() + LONG;
            while worker.got.len() < 10 {
                assert!(Instant::now() < until, "{tier} {chosen:?} {group}: {}", worker.got.len());
                worker.step().await;
            }
            worker.subtask.close().await.unwrap();
        }
    });
}

//! Leases: what is acknowledged when, what comes again, and that nothing is handed on twice.

use std::time::Duration;

use pipectl_contract::{Ownership, StartAt};
use serde_json::json;

use crate::world::{Subtasks, assert_in_order, numbered, on_topic};

/// Longer than the emulator needs to bring a record again that was given back.
const A_WHILE: Duration = Duration::from_secs(2);

#[test]
fn what_is_committed_never_comes_again_and_the_rest_does() {
    on_topic(
        json!({}),
        |_| {},
        async |world| {
            let mut subtasks = world.readers(2, Ownership::Shared, StartAt::Earliest).await;
            world.write(&numbered(40, 4)).await;
            let first = subtasks.take(40).await;
            assert_in_order(&first);
            subtasks.commit().await;
            world.write(&numbered(40, 4)).await;
            let second = subtasks.take(40).await;
            assert_in_order(&second);
            subtasks.close().await;

            let mut subtasks = world.readers(2, Ownership::Shared, StartAt::Earliest).await;
            let again = subtasks.take(40).await;
            assert_in_order(&again);
            let ids = |seen: &[crate::world::Seen]| {
                let mut ids: Vec<String> = seen.iter().map(|record| record.id.clone()).collect();
                ids.sort_unstable();
                ids
            };
            assert_eq!(ids(&again), ids(&second));
            subtasks.commit().await;
            subtasks.close().await;

            let mut subtasks = world.readers(2, Ownership::Shared, StartAt::Earliest).await;
            subtasks.nothing_comes(A_WHILE).await;
            subtasks.close().await;
        },
    );
}

#[test]
fn a_position_before_the_barrier_acknowledges_no_more_than_that() {
    on_topic(
        json!({}),
        |_| {},
        async |world| {
            let mut subtasks = world.readers(1, Ownership::Shared, StartAt::Earliest).await;
            world.write(&numbered(10, 1)).await;
            let first = subtasks.take(10).await;
            let barrier = subtasks.positions();
            world.write(&numbered(5, 5)).await;
            subtasks.take(5).await;
            subtasks.readers[0].committed(&barrier[0]).await.unwrap();
            subtasks.close().await;
            let mut subtasks = world.readers(1, Ownership::Shared, StartAt::Earliest).await;
            let again = subtasks.take(5).await;
            assert!(again.iter().all(|record| !first.contains(record)), "{again:?}");
            subtasks.close().await;
        },
    );
}

#[test]
fn a_restart_drops_what_its_checkpoint_holds_and_acknowledges_it() {
    on_topic(
        json!({}),
        |_| {},
        async |world| {
            let owned = |positions| Ownership::Owned { positions };
            let mut subtasks = world.readers(3, owned(Vec::new()), StartAt::Earliest).await;
            world.write(&numbered(60, 6)).await;
            subtasks.take(60).await;
            // The checkpoint is durable, and the process ends before it acknowledges anything.
            let positions = subtasks.positions();
            subtasks.close().await;

            let mut subtasks = world.readers(3, owned(positions), StartAt::Earliest).await;
            subtasks.nothing_comes(A_WHILE).await;
            world.write(&numbered(6, 6)).await;
            let new = subtasks.take(6).await;
            assert_in_order(&new);
            let positions = subtasks.commit().await;
            subtasks.close().await;

            // Acknowledged for good: nobody else gets them either.
            let mut subtasks = world.readers(3, Ownership::Shared, StartAt::Earliest).await;
            subtasks.nothing_comes(A_WHILE).await;
            subtasks.close().await;
            // And numbers go on where they were.
            let total: i64 = positions.iter().map(|position| position["next"].as_i64().unwrap()).sum();
            assert_eq!(total, 66);
        },
    );
}

#[test]
fn a_lease_that_ends_brings_a_record_again_and_it_is_dropped() {
    let short = |options: &mut pipectl_backend_pubsub::PubSubOptions| {
        options.ack_deadline = pipectl_data::units::Duration::from_secs(10);
        options.max_lease = pipectl_data::units::Duration::from_secs(10);
    };
    on_topic(json!({}), short, async |world| {
        let mut subtasks = world.readers(1, Ownership::Shared, StartAt::Earliest).await;
        world.write(&numbered(5, 1)).await;
        subtasks.take(5).await;
        subtasks.nothing_comes(Duration::from_secs(25)).await;
        subtasks.commit().await;
        subtasks.close().await;
        let mut subtasks = world.readers(1, Ownership::Shared, StartAt::Earliest).await;
        subtasks.nothing_comes(A_WHILE).await;
        subtasks.close().await;
    });
}

#[test]
fn exactly_once_confirms_acknowledgements() {
    on_topic(
        json!({ "subscription": "exactly-once", "exactly_once": true }),
        |_| {},
        async |world| {
            assert_eq!(world.settings().await["subscription.exactly_once"], "true");
            let owned = |positions| Ownership::Owned { positions };
            let mut subtasks = world.readers(2, owned(Vec::new()), StartAt::Earliest).await;
            world.write(&numbered(30, 3)).await;
            assert_in_order(&subtasks.take(30).await);
            let size = |subtasks: &Subtasks, what: &str| -> usize {
                subtasks.positions().iter().map(|position| position[what].to_string().len()).sum()
            };
            let (open, done) = (size(&subtasks, "open"), size(&subtasks, "done"));
            subtasks.commit().await;
            // What is confirmed is open no more, and its id stays for its time.
            assert!(size(&subtasks, "open") < open && size(&subtasks, "done") > done, "{:?}", subtasks.positions());
            subtasks.close().await;
            let mut subtasks = world.readers(2, Ownership::Shared, StartAt::Earliest).await;
            subtasks.nothing_comes(A_WHILE).await;
            subtasks.close().await;
        },
    );
}

#[test]
fn what_is_outstanding_is_bounded_and_asks_for_a_checkpoint_at_half() {
    let few = |options: &mut pipectl_backend_pubsub::PubSubOptions| options.max_outstanding_messages = 100;
    on_topic(json!({}), few, async |world| {
        let mut subtasks = world.readers(1, Ownership::Shared, StartAt::Earliest).await;
        world.write(&numbered(400, 40)).await;
        let mut seen = Vec::new();
        while seen.len() < 400 {
            let before = seen.len();
            while seen.len() - before < 50 && seen.len() < 400 {
                assert!(!subtasks.readers[0].wants_checkpoint(), "{}", seen.len() - before);
                seen.extend(subtasks.until(|more| !more.is_empty()).await);
            }
            assert!(seen.len() == 400 || subtasks.readers[0].wants_checkpoint());
            // More comes up to the limit, and then nothing until something is acknowledged.
            seen.extend(subtasks.during(Duration::from_millis(300)).await);
            assert!(seen.len() - before <= 100, "{}", seen.len() - before);
            subtasks.commit().await;
        }
        assert_in_order(&seen);
        assert!(!subtasks.readers[0].wants_checkpoint());
        subtasks.close().await;
    });
}

#[test]
fn two_workers_share_and_one_takes_over() {
    on_topic(
        json!({}),
        |_| {},
        async |world| {
            let mut one = world.readers(2, Ownership::Shared, StartAt::Earliest).await;
            let mut two = world.readers(2, Ownership::Shared, StartAt::Earliest).await;
            world.write(&numbered(200, 20)).await;
            let mut seen = one.until(|seen| !seen.is_empty()).await;
            one.commit().await;
            // One goes and gives back what it has not handed on; the other gets it.
            one.close().await;
            while seen.len() < 200 {
                seen.extend(two.until(|seen| !seen.is_empty()).await);
                two.commit().await;
            }
            let mut payloads: Vec<_> = seen.iter().map(|record| record.payload.clone()).collect();
            payloads.sort_unstable();
            payloads.dedup();
            assert_eq!((payloads.len(), seen.len()), (200, 200));
            two.close().await;
        },
    );
}

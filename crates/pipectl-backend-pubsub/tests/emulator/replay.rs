//! Reading again: the oldest records, a moment, a snapshot, a look.

use std::time::Duration;

use pipectl_contract::{Connection as _, ErrorKind, Ownership, StartAt};
use serde_json::json;

use crate::world::{Seen, World, assert_in_order, numbered, on_topic};

/// Writes records, reads them as one who shares, and says that they are done.
async fn handled(world: &World, count: usize) -> Vec<Seen> {
    let mut subtasks = world.readers(1, Ownership::Shared, StartAt::Earliest).await;
    world.write(&numbered(count, 1)).await;
    let read = subtasks.take(count).await;
    subtasks.commit().await;
    subtasks.close().await;
    read
}

#[test]
fn a_reader_who_comes_late_gets_the_oldest_the_newest_or_what_came_since() {
    on_topic(
        json!({}),
        |_| {},
        async |world| {
            world.write(&numbered(30, 3)).await;
            let mut oldest = world.readers(2, Ownership::Look, StartAt::Earliest).await;
            let first = oldest.take(30).await;
            assert_in_order(&first);
            oldest.close().await;

            // Later than the first records by the clock that counts.
            let last = first.iter().map(|record| record.arrival).max().unwrap();
            world.host.sleep_until(last + 10_000).await;
            world.write(&numbered(30, 3)).await;
            let mut since = world.readers(1, Ownership::Look, StartAt::Time(last + 1)).await;
            let seen = since.take(30).await;
            assert!(seen.iter().all(|record| record.arrival > last), "{seen:?}");
            since.close().await;

            let mut newest = world.readers(1, Ownership::Look, StartAt::Latest).await;
            newest.nothing_comes(Duration::from_secs(1)).await;
            world.write(&numbered(3, 3)).await;
            newest.take(3).await;
            newest.close().await;
        },
    );
}

#[test]
fn a_look_leaves_no_trace_and_takes_nothing_from_others() {
    on_topic(
        json!({ "subscription": "the-others" }),
        |_| {},
        async |world| {
            world.write(&numbered(10, 2)).await;
            let mut look = world.readers(1, Ownership::Look, StartAt::Earliest).await;
            look.take(10).await;
            let during = world.settings().await["subscriptions"].clone();
            assert!(during.contains("pipectl-look-"), "{during}");
            look.close().await;
            assert_eq!(world.settings().await["subscriptions"], "the-others");
            let mut others = world.readers(1, Ownership::Shared, StartAt::Earliest).await;
            others.take(10).await;
            others.close().await;
        },
    );
}

#[test]
fn a_first_reader_begins_where_it_was_told_also_after_the_writers() {
    on_topic(
        json!({}),
        |_| {},
        async |world| {
            world.write(&numbered(12, 3)).await;
            let owned = |positions| Ownership::Owned { positions };
            let mut subtasks = world.readers(2, owned(Vec::new()), StartAt::Earliest).await;
            assert_in_order(&subtasks.take(12).await);
            let positions = subtasks.commit().await;
            subtasks.close().await;
            // With a checkpoint it goes on from there, whatever the beginning was.
            let mut subtasks = world.readers(2, owned(positions), StartAt::Earliest).await;
            subtasks.nothing_comes(Duration::from_secs(2)).await;
            subtasks.close().await;
        },
    );
}

#[test]
fn an_owner_without_a_checkpoint_reads_everything_again() {
    on_topic(
        json!({}),
        |_| {},
        async |world| {
            world.write(&numbered(12, 3)).await;
            for _ in 0..2 {
                let none = Ownership::Owned { positions: Vec::new() };
                let mut subtasks = world.readers(2, none, StartAt::Earliest).await;
                assert_in_order(&subtasks.take(12).await);
                subtasks.commit().await;
                subtasks.close().await;
            }
            // Those who share go on where the group stands.
            let mut subtasks = world.readers(2, Ownership::Shared, StartAt::Earliest).await;
            subtasks.nothing_comes(Duration::from_secs(2)).await;
            subtasks.close().await;
        },
    );
}

#[test]
fn reading_begins_with_a_snapshot_if_the_stream_names_one() {
    on_topic(
        json!({}),
        |_| {},
        async |mut world| {
            let group = world.context(1, Ownership::Shared, StartAt::Earliest).group;
            handled(&world, 5).await;
            let snapshot = format!("read-{}", world.target.name);
            world.connection.create_snapshot(&world.target, &group, &snapshot).await.unwrap();
            let read = handled(&world, 7).await;
            // Of the same subscription: what a new one takes over from a snapshot, the emulator does not know.
            world.target.options = Some(json!({ "snapshot": snapshot }));
            let owned = |positions| Ownership::Owned { positions };
            let mut subtasks = world.readers(1, owned(Vec::new()), StartAt::Latest).await;
            assert_eq!(subtasks.take(7).await, read, "what was read after the snapshot, and not what was before it");
            let positions = subtasks.commit().await;
            subtasks.close().await;
            // It is where reading begins, not where it goes on.
            let mut subtasks = world.readers(1, owned(positions), StartAt::Latest).await;
            subtasks.nothing_comes(Duration::from_secs(2)).await;
            subtasks.close().await;
        },
    );
}

#[test]
fn a_snapshot_brings_back_what_was_read_after_it() {
    on_topic(
        json!({}),
        |_| {},
        async |world| {
            let group = world.context(1, Ownership::Shared, StartAt::Earliest).group;
            handled(&world, 5).await;
            let snapshot = format!("before-{}", world.target.name);
            world.connection.create_snapshot(&world.target, &group, &snapshot).await.unwrap();
            world.connection.create_snapshot(&world.target, &group, &snapshot).await.unwrap();

            let read = handled(&world, 7).await;

            world.connection.seek_to_snapshot(&world.target, &group, &snapshot).await.unwrap();
            let mut subtasks = world.readers(1, Ownership::Shared, StartAt::Earliest).await;
            let again = subtasks.take(7).await;
            assert_eq!(again, read);
            subtasks.close().await;
            assert!(world.connection.delete_snapshot(&snapshot).await.unwrap());
            assert!(!world.connection.delete_snapshot(&snapshot).await.unwrap());
        },
    );
}

#[test]
fn what_cannot_be_begun_at_is_refused() {
    on_topic(
        json!({}),
        |_| {},
        async |world| {
            let start = StartAt::Positions([(0, "17".to_owned())].into());
            let context = world.context(1, Ownership::Look, start);
            let refused = world.connection.consumer(&world.target, context).await.map(drop).unwrap_err();
            assert_eq!(refused.kind, ErrorKind::Invalid);
            let subtasks = Ownership::Owned { positions: vec![json!({})] };
            let context = world.context(2, subtasks, StartAt::Earliest);
            let refused = world.connection.consumer(&world.target, context).await.map(drop).unwrap_err();
            assert_eq!(refused.kind, ErrorKind::Conflict);
            // A subscription for a look is not left behind.
            world.connection.delete(&world.target).await.unwrap();
        },
    );
}

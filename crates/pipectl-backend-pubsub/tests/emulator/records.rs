//! Records there and back: nothing of them changes, and each key keeps its order.

use pipectl_contract::{Ownership, Read, StartAt};
use serde_json::json;

use crate::world::{Pair, assert_in_order, batch, numbered, on_topic, with_headers};

#[test]
fn records_come_back_as_they_were_written() {
    on_topic(
        json!({}),
        |_| {},
        async |world| {
            let mut subtasks = world.readers(1, Ownership::Shared, StartAt::Earliest).await;
            let before = world.host.now();
            let headers: [(&str, Option<&[u8]>); 4] =
                [("z", Some(b"1")), ("bytes", Some(&[0xff, 0])), ("z", Some(b"2")), ("none", None)];
            let records: [Pair<'_>; 5] = [
                (Some(b"k"), Some(b"{\"a\":1}")),
                (Some(b"k"), Some(b"")),
                (Some(b"k"), None),
                (Some(b""), Some(b"x")),
                (None, Some(b"y")),
            ];
            world.write(&with_headers(batch(&records[..2]), &headers)).await;
            world.write(&batch(&records[2..])).await;
            // In the order of the three keys; that of the records within the first one is promised.
            let mut seen = subtasks.take(5).await;
            seen.sort_by_key(|record| record.key.as_ref().map_or(2, |key| usize::from(key.is_empty())));
            for (record, (key, payload)) in seen.iter().zip(records) {
                assert_eq!(record.key.as_deref().map(str::as_bytes), key);
                assert_eq!(record.payload.as_deref().map(str::as_bytes), payload);
                assert!((before - 1_000_000..=world.host.now() + 1_000_000).contains(&record.arrival));
            }
            let expected: Vec<_> =
                headers.iter().map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec))).collect();
            assert!(seen[..2].iter().all(|record| record.headers == expected), "{seen:?}");
            assert!(seen[2..].iter().all(|record| record.headers.is_empty()), "{seen:?}");
            subtasks.close().await;
        },
    );
}

#[test]
fn each_key_keeps_its_order_and_its_subtask() {
    on_topic(
        json!({}),
        |_| {},
        async |world| {
            let mut subtasks = world.readers(3, Ownership::Shared, StartAt::Earliest).await;
            let mut producer = world.producer().await;
            let all = numbered(3_000, 17);
            for start in (0..3_000).step_by(250) {
                assert_eq!(producer.write(&all.slice(start, 250).unwrap()).await.unwrap(), []);
            }
            producer.finish().await.unwrap();
            let mut seen = Vec::new();
            while seen.len() < 3_000 {
                let before = seen.len();
                seen.extend(subtasks.until(|more| before + more.len() >= 3_000 || !more.is_empty()).await);
                subtasks.commit().await;
            }
            assert_in_order(&seen);
            assert!((0..3).all(|subtask| seen.iter().any(|record| record.subtask == subtask)), "a subtask got nothing");
            subtasks.close().await;
        },
    );
}

#[test]
fn what_can_never_be_written_is_answered_and_the_rest_goes() {
    on_topic(
        json!({}),
        |_| {},
        async |world| {
            let mut subtasks = world.readers(1, Ownership::Shared, StartAt::Earliest).await;
            let long = vec![b'k'; 1_025];
            let large = vec![b'x'; 10_000_001];
            let records: [Pair<'_>; 4] = [
                (Some(b"k"), Some(b"1")),
                (Some(&long), Some(b"2")),
                (Some(b"k"), Some(&large)),
                (Some(b"k"), Some(b"4")),
            ];
            let mut producer = world.producer().await;
            let rejected = producer.write(&batch(&records)).await.unwrap();
            assert_eq!(rejected.iter().map(|rejection| rejection.row).collect::<Vec<_>>(), [1, 2]);
            producer.checkpoint().await.unwrap();
            let seen = subtasks.take(2).await;
            assert_eq!(seen.iter().map(|record| record.payload.as_deref().unwrap()).collect::<Vec<_>>(), ["1", "4"]);
            subtasks.close().await;
        },
    );
}

#[test]
fn a_topic_that_is_gone_is_an_error_that_names_it() {
    on_topic(
        json!({}),
        |options| options.retry_for = pipectl_data::units::Duration::from_secs(1),
        async |world| {
            use pipectl_contract::Connection as _;
            let mut producer = world.producer().await;
            world.connection.delete(&world.target).await.unwrap();
            producer.write(&numbered(3, 1)).await.unwrap();
            let error = producer.checkpoint().await.unwrap_err();
            assert_eq!(error.kind, pipectl_contract::ErrorKind::NotFound);
            assert!(error.message.contains(&world.target.name), "{error}");
        },
    );
}

#[test]
fn the_end_is_reported_when_nothing_comes_and_nothing_waits() {
    on_topic(
        json!({}),
        |_| {},
        async |world| {
            let mut subtasks = world.readers(1, Ownership::Shared, StartAt::Earliest).await;
            world.write(&numbered(20, 2)).await;
            subtasks.take(20).await;
            let reader = &mut subtasks.readers[0];
            reader.writers_finished().await.unwrap();
            assert!(reader.wants_checkpoint(), "the end waits for it");
            for _ in 0..5 {
                assert!(!matches!(reader.next().await.unwrap(), Read::End), "records wait for their checkpoint");
            }
            let position = reader.position();
            reader.committed(&position).await.unwrap();
            let from = world.host.now();
            while !matches!(reader.next().await.unwrap(), Read::End) {}
            let waited = world.host.now() - from;
            assert!((900_000..10_000_000).contains(&waited), "{waited}");
            subtasks.close().await;
        },
    );
}

//! Reading alone: where it begins, what it says, what breaks, and who is cut off.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use pipectl_contract::{ErrorKind, Ownership, Read, StartAt};
use pipectl_host::Host;
use pipectl_peers::{EventHubs as Service, need};
use serde_json::json;

use crate::support::{
    LONG, all, by_partition, connect, context, first_owner, hub, options, order, put, read_until, run, subtasks,
};

pub(crate) fn keyed(from: u32, to: u32) -> Vec<(String, String)> {
    (from..to).map(|number| (format!("k{}", number % 7), number.to_string())).collect()
}

pub(crate) fn rows(records: &[(String, String)]) -> Vec<(Option<&str>, &str)> {
    records.iter().map(|(key, payload)| (Some(key.as_str()), payload.as_str())).collect()
}

pub(crate) fn payloads(got: &[crate::support::Got]) -> Vec<u32> {
    let mut numbers: Vec<u32> = got.iter().map(|one| one.payload.parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn a_restart_goes_on_where_the_checkpoint_was() {
    let service = need!(Service::start());
    run(async {
        let connection = connect(&options(&service)).await;
        let target = hub(&connection, "resume", 4).await;
        put(&connection, &target, &rows(&keyed(0, 100))).await;
        let mut first = subtasks(&connection, &target, context(first_owner(), 2, StartAt::Earliest)).await;
        assert_eq!(first.len(), 2);
        let mut seen = Vec::new();
        for subtask in &mut first {
            subtask.writers_finished().await.unwrap();
            seen.extend(read_until(subtask, |_, read| matches!(read, Read::End)).await.unwrap());
        }
        assert_eq!(payloads(&seen), (0..100).collect::<Vec<_>>());
        let positions = first.iter().map(|subtask| subtask.position()).collect::<Vec<_>>();
        for subtask in &mut first {
            subtask.close().await.unwrap();
        }
        put(&connection, &target, &rows(&keyed(100, 150))).await;
        let ownership = Ownership::Owned { positions };
        let mut second = subtasks(&connection, &target, context(ownership, 2, StartAt::Earliest)).await;
        let mut seen = Vec::new();
        for subtask in &mut second {
            subtask.writers_finished().await.unwrap();
            seen.extend(read_until(subtask, |_, read| matches!(read, Read::End)).await.unwrap());
            subtask.close().await.unwrap();
        }
        assert_eq!(payloads(&seen), (100..150).collect::<Vec<_>>());
        let subtask_of = |got: &crate::support::Got| got.partition % 2;
        assert!(seen.iter().any(|got| subtask_of(got) == 0) && seen.iter().any(|got| subtask_of(got) == 1));
    });
}

#[test]
fn each_way_to_begin_begins_there() {
    let service = need!(Service::start());
    run(async {
        let connection = connect(&options(&service)).await;
        let target = hub(&connection, "begin", 1).await;
        put(&connection, &target, &rows(&keyed(0, 10))).await;
        let host = Host::real();
        let middle = host.now();
        host.sleep_until(middle + 5_000).await;
        // The service's clock has milliseconds.
        let time = StartAt::Time(middle + 2_000);
        host.sleep_until(middle + 10_000).await;
        put(&connection, &target, &rows(&keyed(10, 20))).await;
        let positions = |at: &str| StartAt::Positions([(0, at.to_owned())].into());
        let nothing = Vec::new();
        for (start, wanted) in [
            (StartAt::Earliest, (0..20).collect()),
            (time, (10..20).collect()),
            (StartAt::Time(host.now() + 60_000_000), nothing.clone()),
            (positions("0"), (0..20).collect()),
            (positions("13"), (13..20).collect()),
            (positions("20"), nothing.clone()),
            (StartAt::Latest, nothing),
        ] {
            let mut subtasks = subtasks(&connection, &target, context(Ownership::Look, 1, start.clone())).await;
            subtasks[0].writers_finished().await.unwrap();
            let got = read_until(&mut subtasks[0], |_, read| matches!(read, Read::End)).await.unwrap();
            assert_eq!(payloads(&got), wanted, "{start:?}");
            subtasks[0].close().await.unwrap();
        }
    });
}

#[test]
fn a_partition_without_a_record_yet_keeps_its_moment_over_a_restart() {
    let service = need!(Service::start());
    run(async {
        let connection = connect(&options(&service)).await;
        let target = hub(&connection, "moment", 2).await;
        put(&connection, &target, &rows(&keyed(0, 20))).await;
        let host = Host::real();
        host.sleep_until(host.now() + 10_000).await;
        let start = StartAt::Time(host.now());
        host.sleep_until(host.now() + 10_000).await;
        put(&connection, &target, &rows(&keyed(21, 22))).await;
        let mut first = subtasks(&connection, &target, context(first_owner(), 1, start.clone())).await;
        read_until(&mut first[0], |got, _| got.len() == 1).await.unwrap();
        let positions = vec![first[0].position()];
        first[0].close().await.unwrap();
        let mut again = subtasks(&connection, &target, context(Ownership::Owned { positions }, 1, start)).await;
        again[0].writers_finished().await.unwrap();
        let got = read_until(&mut again[0], |_, read| matches!(read, Read::End)).await.unwrap();
        assert_eq!(payloads(&got), Vec::<u32>::new());
    });
}

#[test]
fn a_position_by_hand_is_a_sequence_number_or_an_offset_and_nothing_else() {
    let service = need!(Service::start());
    run(async {
        let connection = connect(&options(&service)).await;
        let target = hub(&connection, "by-hand", 1).await;
        put(&connection, &target, &rows(&keyed(0, 10))).await;
        let at = |text: &str| StartAt::Positions([(0, text.to_owned())].into());
        let mut subtasks = subtasks(&connection, &target, context(first_owner(), 1, StartAt::Earliest)).await;
        read_until(&mut subtasks[0], |got, _| got.len() == 10).await.unwrap();
        let last = subtasks[0].position()["partitions"]["0"]["offset"].as_str().unwrap().to_owned();
        subtasks[0].close().await.unwrap();
        for (text, wanted) in
            [("7", vec![7, 8, 9]), ("offset:0", (0..10).collect()), (&format!("offset:{last}"), vec![9])]
        {
            let mut subtasks =
                crate::support::subtasks(&connection, &target, context(Ownership::Look, 1, at(text))).await;
            subtasks[0].writers_finished().await.unwrap();
            let got = read_until(&mut subtasks[0], |_, read| matches!(read, Read::End)).await.unwrap();
            assert_eq!(payloads(&got), wanted, "{text}");
            subtasks[0].close().await.unwrap();
        }
        for text in ["abc", "", "-1", "+3", "1.5", "offset:", "offset:x", "offset:-1", "99999999999999999999"] {
            let error = connection.consumer(&target, context(Ownership::Look, 1, at(text))).await.err().unwrap();
            assert_eq!(error.kind, ErrorKind::Invalid, "{text}: {error}");
            let says = |what: &str| error.message.contains(what);
            assert!(says(&format!("`{text}` is not a position in partition 0")) && says("`offset:N`"), "{error}");
        }
    });
}

#[test]
fn a_look_beside_a_pipeline_with_the_default_group_is_reported_what_to_do() {
    let service = need!(Service::start());
    run(async {
        let connection = connect(&options(&service)).await;
        let mut target = hub(&connection, "busy-group", 1).await;
        target.options = Some(json!({ "consumer_group": "$Default" }));
        put(&connection, &target, &rows(&keyed(0, 3))).await;
        let mut pipeline = subtasks(&connection, &target, context(first_owner(), 1, StartAt::Earliest)).await;
        read_until(&mut pipeline[0], |got, _| got.len() == 3).await.unwrap();
        let mut look = subtasks(&connection, &target, context(Ownership::Look, 1, StartAt::Earliest)).await;
        let error = read_until(&mut look[0], |_, _| false).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Conflict);
        assert!(error.message.contains("`consumer_group`") && error.message.contains("Basic"), "{error}");
        pipeline[0].close().await.unwrap();
        assert_eq!(all(&connection, &target).await.len(), 3);
    });
}

#[test]
fn latest_is_the_moment_of_opening_and_survives_a_restart_without_a_record() {
    let service = need!(Service::start());
    run(async {
        let connection = connect(&options(&service)).await;
        let target = hub(&connection, "latest", 2).await;
        put(&connection, &target, &rows(&keyed(0, 10))).await;
        let opened = subtasks(&connection, &target, context(first_owner(), 1, StartAt::Latest)).await;
        let positions = vec![opened[0].position()];
        drop(opened);
        put(&connection, &target, &rows(&keyed(10, 20))).await;
        let ownership = Ownership::Owned { positions };
        let mut again = subtasks(&connection, &target, context(ownership, 1, StartAt::Latest)).await;
        let got = read_until(&mut again[0], |got, _| got.len() == 10).await.unwrap();
        assert_eq!(payloads(&got), (10..20).collect::<Vec<_>>());
    });
}

#[test]
fn partitions_open_and_are_caught_up_again_and_again_and_the_subtask_is_quiet() {
    let service = need!(Service::start());
    run(async {
        let connection = connect(&options(&service)).await;
        let target = hub(&connection, "quiet", 2).await;
        put(&connection, &target, &rows(&keyed(0, 3))).await;
        let mut subtasks = subtasks(&connection, &target, context(first_owner(), 1, StartAt::Earliest)).await;
        let (mut opened, mut caught, mut quiet) = (Vec::new(), [0, 0], 0);
        let got = read_until(&mut subtasks[0], |_, read| {
            match read {
                Read::Opened(partition) => opened.push(*partition),
                Read::CaughtUp(partition) => caught[*partition as usize] += 1,
                Read::Quiet => quiet += 1,
                _ => {}
            }
            caught.iter().all(|times| *times >= 2) && quiet >= 2
        });
        assert_eq!(got.await.unwrap().len(), 3);
        assert_eq!(opened, [0, 1]);
    });
}

#[test]
fn the_end_counts_partitions_that_were_added_a_moment_ago() {
    let service = need!(Service::start());
    order(&service, "/peer/faults", &json!({ "growable": true }));
    run(async {
        let mut options = options(&service);
        options["tier"] = json!("premium");
        let connection = connect(&options).await;
        let mut target = hub(&connection, "grown", 1).await;
        put(&connection, &target, &rows(&keyed(0, 5))).await;
        let mut subtasks = subtasks(&connection, &target, context(first_owner(), 2, StartAt::Earliest)).await;
        let mut got = read_until(&mut subtasks[0], |got, _| got.len() == 5).await.unwrap();
        target.partitions = Some(4);
        connection.update(&target).await.unwrap();
        put(&connection, &target, &rows(&keyed(5, 40))).await;
        // Nobody has asked for the number of partitions yet.
        for subtask in &mut subtasks {
            subtask.writers_finished().await.unwrap();
            got.extend(read_until(subtask, |_, read| matches!(read, Read::End)).await.unwrap());
        }
        assert_eq!(payloads(&got), (0..40).collect::<Vec<_>>());
        assert!(by_partition(&got).len() > 2, "{:?}", by_partition(&got));
    });
}

#[test]
fn broken_connections_and_tokens_lose_and_repeat_nothing() {
    let service = need!(Service::start());
    run(async {
        let connection = connect(&options(&service)).await;
        let target = hub(&connection, "broken", 2).await;
        let mut subtasks = subtasks(&connection, &target, context(first_owner(), 1, StartAt::Latest)).await;
        let mut seen = Vec::new();
        for round in 0..4 {
            put(&connection, &target, &rows(&keyed(round * 50, round * 50 + 50))).await;
            seen.extend(read_until(&mut subtasks[0], |got, _| got.len() == 50).await.unwrap());
            let path = if round % 2 == 0 { "/peer/disconnect" } else { "/peer/expire-tokens" };
            order(&service, path, &json!({}));
        }
        put(&connection, &target, &rows(&keyed(200, 210))).await;
        seen.extend(read_until(&mut subtasks[0], |got, _| got.len() == 10).await.unwrap());
        let order: Vec<_> = seen.iter().map(|one| (one.partition, one.offset)).collect();
        assert_eq!(payloads(&seen), (0..210).collect::<Vec<_>>());
        for partition in 0..2 {
            let offsets: Vec<_> = order.iter().filter(|one| one.0 == partition).map(|one| one.1).collect();
            assert!(offsets.windows(2).all(|two| two[0] + 1 == two[1]), "{offsets:?}");
        }
    });
}

#[test]
fn giving_up_a_wait_loses_nothing() {
    let service = need!(Service::start());
    run(async {
        let connection = connect(&options(&service)).await;
        let target = hub(&connection, "cancel", 1).await;
        let mut subtasks = subtasks(&connection, &target, context(first_owner(), 1, StartAt::Earliest)).await;
        let records = keyed(0, 2_000);
        let writing = async {
            for part in records.chunks(40) {
                put(&connection, &target, &rows(part)).await;
            }
        };
        let reading = async {
            let (mut seen, mut given_up) = (Vec::new(), 0);
            let until = Instant::now() + LONG;
            while seen.len() < 2_000 {
                assert!(Instant::now() < until, "{} records after {given_up} given up waits", seen.len());
                // As the runtime does at each checkpoint, only far more often.
                match tokio::time::timeout(Duration::from_micros(300), subtasks[0].next()).await {
                    Ok(Ok(Read::Records(batch))) => seen.extend(crate::support::records(&batch)),
                    Ok(read) => drop(read.unwrap()),
                    Err(_) => given_up += 1,
                }
            }
            (seen, given_up)
        };
        let ((), (seen, given_up)) = futures::join!(writing, reading);
        assert_eq!(seen.iter().map(|one| one.offset).collect::<Vec<_>>(), (0..2_000).collect::<Vec<_>>());
        assert!(given_up > 10, "{given_up}");
    });
}

#[test]
fn a_later_owner_cuts_the_former_one_off_and_stays() {
    let service = need!(Service::start());
    run(async {
        let connection = connect(&options(&service)).await;
        let target = hub(&connection, "owner", 1).await;
        put(&connection, &target, &rows(&keyed(0, 5))).await;
        let mut former = subtasks(&connection, &target, context(first_owner(), 1, StartAt::Earliest)).await;
        read_until(&mut former[0], |got, _| got.len() == 5).await.unwrap();
        let mut later = subtasks(&connection, &target, context(first_owner(), 1, StartAt::Earliest)).await;
        read_until(&mut later[0], |got, _| got.len() == 5).await.unwrap();
        let error = read_until(&mut former[0], |_, _| false).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Conflict);
        assert!(error.message.contains("epoch") && error.message.contains("stream `stream`"), "{error}");
        put(&connection, &target, &rows(&keyed(5, 9))).await;
        let got = read_until(&mut later[0], |got, _| got.len() == 4).await.unwrap();
        assert_eq!(payloads(&got), [5, 6, 7, 8]);
        // Somebody who looks disturbs nobody.
        assert_eq!(all(&connection, &target).await.len(), 9);
    });
}

#[test]
fn an_owner_whose_clock_is_behind_still_takes_over() {
    let service = need!(Service::start());
    run(async {
        let connection = connect(&options(&service)).await;
        let target = hub(&connection, "clock", 1).await;
        put(&connection, &target, &rows(&keyed(0, 5))).await;
        let mut own = subtasks(&connection, &target, context(first_owner(), 1, StartAt::Earliest)).await;
        // An owner of another program (or from the future), which reads until it is cut off.
        let text = options(&service)["connection_string"].as_str().unwrap().to_owned();
        let mut tries = 0;
        let _reading = loop {
            let client = azure_messaging_eventhubs::ConsumerClient::builder()
                .with_custom_endpoint(format!("amqp://{}", service.endpoint()))
                .with_consumer_group("test.peers.stream".into());
            let client = client.open_with_connection_string(&text, Some(&target.name)).await.unwrap();
            let future = azure_messaging_eventhubs::OpenReceiverOptions {
                owner_level: Some(Host::real().now() / 1000 + 3_600_000),
                start_position: Some(azure_messaging_eventhubs::StartPosition {
                    location: azure_messaging_eventhubs::StartLocation::Earliest,
                    inclusive: false,
                }),
                ..Default::default()
            };
            let receiver = client.open_receiver_on_partition("0".into(), Some(future)).await.unwrap();
            let first = std::pin::pin!(receiver.stream_events()).next().await.unwrap();
            match first {
                Ok(_) => break (client, receiver),
                // Its session breaks now and then as it attaches. Our own readers try again then, and so does it.
                Err(error) => assert!(error.to_string().contains("session state"), "{error}"),
            }
            tries += 1;
            assert!(tries < 5, "it never got to read");
        };
        let got = read_until(&mut own[0], |got, _| got.len() == 5).await.unwrap();
        assert_eq!(payloads(&got), [0, 1, 2, 3, 4]);
    });
}

#[test]
fn more_readers_than_allowed_are_reported_so() {
    let service = need!(Service::start());
    run(async {
        let connection = connect(&options(&service)).await;
        let target = hub(&connection, "five", 1).await;
        put(&connection, &target, &rows(&keyed(0, 2))).await;
        let mut open = Vec::new();
        for _ in 0..5 {
            let mut subtasks = subtasks(&connection, &target, context(Ownership::Look, 1, StartAt::Earliest)).await;
            read_until(&mut subtasks[0], |got, _| got.len() == 2).await.unwrap();
            open.push(subtasks);
        }
        let mut sixth = subtasks(&connection, &target, context(Ownership::Look, 1, StartAt::Earliest)).await;
        let error = read_until(&mut sixth[0], |_, _| false).await.unwrap_err();
        assert!(error.kind == ErrorKind::Conflict && error.message.contains("which is 5"), "{error}");
    });
}

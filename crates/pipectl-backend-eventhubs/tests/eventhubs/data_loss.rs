//! Records that are gone before they were read: told, and then an error or a warning, as the stream's options say.

use std::sync::Arc;

use pipectl_contract::{Connection, ConnectorError, ErrorKind, Ownership, Read, StartAt, StreamTarget};
use pipectl_host::Host;
use pipectl_peers::{Azurite, EventHubs as Service, Peer, Warnings, make_container, need};
use serde_json::{Value, json};

use crate::{
    read::{keyed, payloads, rows},
    support::{
        CONTAINER, Got, connect, context, first_owner, forget, hub, options, order, put, read_until, run, subtasks,
        with_checkpoints,
    },
};

/// The service forgets everything that a hub holds now.
async fn age_out(service: &Peer<Service>, target: &StreamTarget) {
    let host = Host::real();
    host.sleep_until(host.now() + 30_000).await;
    forget(service, target);
}

/// Removes the hub and makes it again, as another one.
async fn make_anew(connection: &Arc<dyn Connection>, target: &StreamTarget) {
    connection.delete(target).await.unwrap();
    connection.create(target).await.unwrap();
}

/// Reads all there is and answers where reading then stands.
async fn from(
    connection: &Arc<dyn Connection>,
    target: &StreamTarget,
    positions: Vec<Value>,
) -> Result<(Vec<Got>, Value), ConnectorError> {
    let ownership = Ownership::Owned { positions };
    let mut subtasks = subtasks(connection, target, context(ownership, 1, StartAt::Earliest)).await;
    subtasks[0].writers_finished().await?;
    let got = read_until(&mut subtasks[0], |_, read| matches!(read, Read::End)).await;
    let position = subtasks[0].position();
    subtasks[0].close().await?;
    Ok((got?, position))
}

fn going_on(target: &StreamTarget) -> StreamTarget {
    StreamTarget { options: Some(json!({ "on_data_loss": "continue" })), ..target.clone() }
}

#[test]
fn what_retention_removed_stops_the_run_or_is_skipped_with_a_warning() {
    let warnings = Warnings::of_process();
    let service = need!(Service::start());
    run(async {
        let connection = connect(&options(&service)).await;
        let target = hub(&connection, "gap", 1).await;
        put(&connection, &target, &rows(&keyed(0, 10))).await;
        from(&connection, &target, Vec::new()).await.unwrap();
        let position = json!({ "partitions": { "0": { "sequence": 3 } } });
        age_out(&service, &target).await;
        // While nothing is left, too.
        let error = from(&connection, &target, vec![position.clone()]).await.unwrap_err();
        assert!(error.kind == ErrorKind::Conflict && error.message.contains("6 records of partition 0"), "{error}");
        put(&connection, &target, &rows(&keyed(10, 12))).await;
        let state = connection.describe(&target, None).await.unwrap().unwrap();
        assert_eq!(state.partitions[0].earliest.as_deref(), Some("10"));
        assert_eq!(state.partitions[0].end.as_deref(), Some("12"));

        let error = from(&connection, &target, vec![position.clone()]).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Conflict, "{error}");
        for part in
            ["6 records of partition 0", "read position is 4", "available record is 10", "`on_data_loss: continue`"]
        {
            assert!(error.message.contains(part), "{part}: {error}");
        }
        assert_eq!(warnings.about(&target.name), Vec::<String>::new());
        let (got, _) = from(&connection, &going_on(&target), vec![position]).await.unwrap();
        assert_eq!(payloads(&got), [10, 11]);
        let reported = warnings.about(&target.name);
        assert!(reported.len() == 1 && reported[0].contains("6 records of partition 0"), "{reported:?}");
    });
}

#[test]
fn a_reader_that_is_slower_than_retention_is_reported_too() {
    let warnings = Warnings::of_process();
    let service = need!(Service::start());
    run(async {
        let connection = connect(&options(&service)).await;
        for goes_on in [false, true] {
            let made = hub(&connection, "slow", 1).await;
            let target = if goes_on { going_on(&made) } else { made };
            put(&connection, &target, &rows(&keyed(0, 3))).await;
            let mut slow = subtasks(&connection, &target, context(first_owner(), 1, StartAt::Earliest)).await;
            read_until(&mut slow[0], |got, _| got.len() == 3).await.unwrap();
            // The link stays, and what comes meanwhile is gone before it goes out.
            order(&service, "/peer/faults", &json!({ "mute": 1 }));
            put(&connection, &target, &rows(&keyed(3, 7))).await;
            age_out(&service, &target).await;
            order(&service, "/peer/faults", &json!({ "mute": 0 }));
            put(&connection, &target, &rows(&keyed(7, 9))).await;
            let read = read_until(&mut slow[0], |got, _| got.len() == 2).await;
            if goes_on {
                assert_eq!(payloads(&read.unwrap()), [7, 8]);
                let reported = warnings.about(&target.name);
                assert!(reported.len() == 1 && reported[0].contains("4 records of partition 0"), "{reported:?}");
            } else {
                let error = read.unwrap_err();
                assert!(
                    error.kind == ErrorKind::Conflict && error.message.contains("available record is 7"),
                    "{error}"
                );
            }
        }
    });
}

#[test]
fn a_hub_that_was_made_anew_loses_nothing_in_silence() {
    let warnings = Warnings::of_process();
    let service = need!(Service::start());
    run(async {
        let connection = connect(&options(&service)).await;
        let target = hub(&connection, "anew", 1).await;
        put(&connection, &target, &rows(&keyed(0, 10))).await;
        let (_, position) = from(&connection, &target, Vec::new()).await.unwrap();
        let mut old = position.clone();
        // A position of a release that did not tell the hub.
        assert!(old["partitions"]["0"].as_object_mut().unwrap().remove("created").is_some(), "{position}");
        assert_eq!(from(&connection, &target, vec![old.clone()]).await.unwrap().0, [], "nothing has happened yet");

        // The new one is empty, holds less than was read, holds more.
        make_anew(&connection, &target).await;
        for (to, tells_by_end) in [(0, true), (3, true), (15, false)] {
            let have = connection.describe(&target, None).await.unwrap().unwrap().partitions[0].end.clone();
            let have: u32 = have.unwrap().parse().unwrap();
            if have < to {
                put(&connection, &target, &rows(&keyed(100 + have, 100 + to))).await;
            }
            let wanted: Vec<u32> = (100..100 + to).collect();
            for position in [&position, &old].into_iter().take(if tells_by_end { 2 } else { 1 }) {
                let error = from(&connection, &target, vec![position.clone()]).await.unwrap_err();
                assert_eq!(error.kind, ErrorKind::Conflict, "{error}");
                for part in ["created again", "`on_data_loss: continue`", "`apply --fresh`"] {
                    assert!(error.message.contains(part), "{part}: {error}");
                }
                let before = warnings.about(&target.name).len();
                let (got, after) = from(&connection, &going_on(&target), vec![position.clone()]).await.unwrap();
                assert_eq!(payloads(&got), wanted);
                assert_eq!(warnings.about(&target.name).len(), before + 1);
                // From there it is the new hub's position, also before its first record: `start` would be another place.
                assert_eq!(after["partitions"]["0"]["sequence"], i64::from(to) - 1);
                assert_ne!(after["partitions"]["0"]["created"], position["partitions"]["0"]["created"]);
                assert_eq!(
                    from(&connection, &target, vec![after]).await.map(|(got, _)| payloads(&got)).unwrap(),
                    if to == 0 { wanted.clone() } else { Vec::new() }
                );
            }
        }
    });
}

#[test]
fn a_position_that_the_service_does_not_know_is_reported_with_advice() {
    let service = need!(Service::start());
    run(async {
        let connection = connect(&options(&service)).await;
        let target = hub(&connection, "unknown", 1).await;
        put(&connection, &target, &rows(&keyed(0, 10))).await;
        let (_, mut position) = from(&connection, &target, Vec::new()).await.unwrap();
        position["partitions"]["0"]["offset"] = json!("999999");
        position["partitions"]["0"]["sequence"] = json!(5000);
        let error = from(&connection, &target, vec![position.clone()]).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Conflict, "{error}");
        assert!(error.message.contains("'999999'") && error.message.contains("`on_data_loss: continue`"), "{error}");
        let (got, _) = from(&connection, &going_on(&target), vec![position]).await.unwrap();
        assert_eq!(payloads(&got), (0..10).collect::<Vec<_>>());
    });
}

#[test]
fn a_hub_that_is_made_anew_in_mid_run_is_noticed_when_the_connection_comes_back() {
    let service = need!(Service::start());
    run(async {
        let connection = connect(&options(&service)).await;
        for goes_on in [false, true] {
            let made = hub(&connection, "mid-run", 1).await;
            let on_data_loss = if goes_on { "continue" } else { "fail" };
            // A group that the new hub has, too.
            let options = Some(json!({ "consumer_group": "$Default", "on_data_loss": on_data_loss }));
            let target = StreamTarget { options, ..made };
            put(&connection, &target, &rows(&keyed(0, 10))).await;
            let mut reading = subtasks(&connection, &target, context(first_owner(), 1, StartAt::Earliest)).await;
            read_until(&mut reading[0], |got, _| got.len() == 10).await.unwrap();
            // Readers come back only when all of it has happened.
            order(&service, "/peer/faults", &json!({ "management": 1_000_000 }));
            order(&service, "/peer/disconnect", &json!({}));
            let change = async {
                let host = Host::real();
                host.sleep_until(host.now() + 500_000).await;
                let name = &target.name;
                let path = format!(
                    "/subscriptions/s/resourceGroups/g/providers/Microsoft.EventHub/namespaces/test/eventhubs/{name}?api-version=2024-01-01"
                );
                let login = [("authorization", "Bearer x"), ("content-type", "application/json")];
                for (method, body) in [("DELETE", ""), ("PUT", r#"{"properties":{"partitionCount":1}}"#)] {
                    let (status, answer) = crate::support::http(method, &service.control, &path, &login, body);
                    assert!(status < 300, "{answer}");
                }
                order(&service, "/peer/faults", &json!({ "management": 0 }));
                put(&connection, &target, &rows(&keyed(100, 105))).await;
            };
            let read = read_until(&mut reading[0], |got, _| got.len() == 5);
            let (got, ()) = futures::join!(read, change);
            if goes_on {
                assert_eq!(payloads(&got.unwrap()), (100..105).collect::<Vec<_>>());
            } else {
                let error = got.unwrap_err();
                assert!(error.kind == ErrorKind::Conflict && error.message.contains("created again"), "{error}");
            }
        }
    });
}

#[test]
fn workers_that_share_find_the_checkpoints_of_a_former_hub_out() {
    let service = need!(Service::start());
    let blobs = need!(Azurite::shared());
    make_container(blobs, CONTAINER).unwrap();
    run(async {
        let options = with_checkpoints(options(&service), blobs, "1s");
        let connection = connect(&options).await;
        let target = hub(&connection, "shared-anew", 1).await;
        put(&connection, &target, &rows(&keyed(0, 5))).await;
        let group = "test.peers.stream";
        let open = |target: StreamTarget| {
            let connection = Arc::clone(&connection);
            async move { subtasks(&connection, &target, context(Ownership::Shared, 1, StartAt::Earliest)).await.remove(0) }
        };
        let mut subtask = open(target.clone()).await;
        read_until(&mut subtask, |got, _| got.len() == 5).await.unwrap();
        subtask.committed(&subtask.position()).await.unwrap();
        subtask.close().await.unwrap();
        // By somebody who knows nothing of the checkpoints.
        let mut other = options.clone();
        other.as_object_mut().unwrap().remove("checkpoints");
        make_anew(&connect(&other).await, &target).await;
        put(&connection, &target, &rows(&keyed(100, 103))).await;
        let state = connection.describe(&target, Some(group)).await.unwrap().unwrap();
        assert_eq!(state.partitions[0].lag, Some(3), "what was committed was of the former hub");
        let mut subtask = open(target.clone()).await;
        let error = read_until(&mut subtask, |_, _| false).await.unwrap_err();
        assert!(error.kind == ErrorKind::Conflict && error.message.contains("created again"), "{error}");
        subtask.close().await.unwrap();
        let mut subtask = open(going_on(&target)).await;
        let got = read_until(&mut subtask, |got, _| got.len() == 3).await.unwrap();
        assert_eq!(payloads(&got), [100, 101, 102]);
        subtask.committed(&subtask.position()).await.unwrap();
        subtask.close().await.unwrap();
        let state = connection.describe(&target, Some(group)).await.unwrap().unwrap();
        assert_eq!(state.partitions[0].lag, Some(0), "the smaller number of the new hub was committed");
        put(&connection, &target, &rows(&keyed(103, 104))).await;
        let mut subtask = open(target.clone()).await;
        let got = read_until(&mut subtask, |got, _| got.len() == 1).await.unwrap();
        assert_eq!(payloads(&got), [103]);
    });
}

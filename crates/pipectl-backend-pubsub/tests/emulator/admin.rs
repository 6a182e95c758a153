//! Topics and subscriptions: made, looked at, changed and removed, each as often as one likes.

use std::time::Duration;

use pipectl_contract::{Connection as _, ErrorKind, FindingOutcome, Ownership, StartAt, StreamTarget};
use serde_json::json;

use crate::world::on_topic;

#[test]
fn topics_are_made_looked_at_and_removed_idempotently() {
    on_topic(
        json!({ "subscription": "its-readers" }),
        |_| {},
        async |world| {
            let (connection, target) = (&world.connection, &world.target);
            connection.create(target).await.unwrap();
            assert!(connection.list().await.unwrap().contains(&target.name));
            let state = connection.describe(target, None).await.unwrap().unwrap();
            assert_eq!(state.retention, Some(Duration::from_hours(24)));
            assert_eq!(state.settings["subscription.name"], "its-readers");
            assert_eq!(state.settings["subscription.ordered"], "true");
            assert!(connection.delete(target).await.unwrap());
            assert!(!connection.delete(target).await.unwrap());
            assert_eq!(connection.describe(target, None).await.unwrap(), None);
            assert!(!connection.list().await.unwrap().contains(&target.name));
            // A new one of the same name gets a subscription of its own again.
            connection.create(target).await.unwrap();
            assert_eq!(world.settings().await["subscription.name"], "its-readers");
            connection.delete(target).await.unwrap();
        },
    );
}

#[test]
fn options_reach_the_service_and_can_be_changed_where_it_allows() {
    let first = json!({
        "subscription": "with-options",
        "filter": "attributes.region = \"eu\"",
        "retry_policy": { "min": "20s", "max": "40s" },
        "message_retention": "2h",
        "expiration": "2d",
    });
    on_topic(
        first,
        |_| {},
        async |mut world| {
            let dead = StreamTarget { name: "dead-letters".into(), options: None, ..world.target.clone() };
            world.connection.create(&dead).await.unwrap();
            let settings = world.settings().await;
            assert_eq!(settings["subscription.filter"], "attributes.region = \"eu\"");
            assert_eq!(settings["subscription.redelivery_after"], "20s to 40s");
            assert_eq!(settings["subscription.retention"], "2h");
            assert_eq!(settings["subscription.expires_after"], "2d");

            let change = json!({
                "subscription": "with-options",
                "filter": "attributes.region = \"eu\"",
                "dead_letter": { "topic": "dead-letters", "max_attempts": 7 },
                "message_retention": "3h",
                // The emulator cannot change it.
                "expiration": "2d",
            });
            assert_eq!(world.connection.differences(&world.target).await.unwrap(), []);
            world.target.options = Some(change.clone());
            let differences = world.connection.differences(&world.target).await.unwrap();
            let differences: Vec<_> = differences
                .iter()
                .map(|found| (found.setting.as_str(), found.is.as_str(), found.wanted.as_str(), found.blocking))
                .collect();
            assert_eq!(
                differences,
                [
                    ("retention", "2h", "3h", false),
                    ("subscription.dead_letter of with-options", "none", "dead-letters after 7 deliveries", false),
                    ("subscription.redelivery_after of with-options", "20s to 40s", "none", false),
                    ("subscription.retention of with-options", "2h", "3h", false),
                ]
            );
            world.connection.update(&world.target).await.unwrap();
            let state = world.connection.describe(&world.target, None).await.unwrap().unwrap();
            assert_eq!(state.retention, Some(Duration::from_hours(3)));
            assert_eq!(state.settings["subscription.dead_letter"], "dead-letters after 7 deliveries");
            assert_eq!(state.settings["subscription.retention"], "3h");
            assert_eq!(state.settings["subscription.expires_after"], "2d");
            assert!(!state.settings.contains_key("subscription.redelivery_after"));
            world.connection.update(&world.target).await.unwrap();
            assert_eq!(world.connection.differences(&world.target).await.unwrap(), []);

            let mut other = change;
            other["filter"] = json!("attributes.region = \"us\"");
            world.target.options = Some(other);
            let refused = world.connection.update(&world.target).await.unwrap_err();
            assert_eq!(refused.kind, ErrorKind::Conflict);
            assert!(refused.message.contains("filter of subscription `with-options`"), "{refused}");
            world.connection.delete(&dead).await.unwrap();
        },
    );
}

#[test]
fn what_is_somebody_else_s_is_left_alone() {
    on_topic(
        json!({}),
        |_| {},
        async |world| {
            let mut theirs = StreamTarget::existing(world.target.name.clone());
            for refused in [
                world.connection.create(&theirs).await.unwrap_err(),
                world.connection.update(&theirs).await.unwrap_err(),
                world.connection.delete(&theirs).await.map(drop).unwrap_err(),
            ] {
                assert_eq!(refused.kind, ErrorKind::Conflict);
            }
            theirs.options = Some(json!({ "subscription": "not-there" }));
            let context = world.context(1, Ownership::Shared, StartAt::Earliest);
            let missing = world.connection.consumer(&theirs, context).await.map(drop).unwrap_err();
            assert_eq!(missing.kind, ErrorKind::NotFound);
            assert!(missing.message.contains("not-there"), "{missing}");
        },
    );
}

#[test]
fn an_examination_tells_what_is_missing() {
    on_topic(
        json!({ "dead_letter": { "topic": "nobody-s" } }),
        |_| {},
        async |world| {
            let absent = StreamTarget::existing("no-such-topic");
            let found = world.connection.preflight(&[world.target.clone(), absent]).await;
            let of = |what: &str| found.iter().find(|finding| finding.what.contains(what)).unwrap();
            assert_eq!(of("reach http").outcome, FindingOutcome::Good);
            assert_eq!(of(&format!("topic {}", world.target.name)).outcome, FindingOutcome::Good);
            assert_eq!(of("no-such-topic").outcome, FindingOutcome::Bad);
            assert_eq!(of("dead-letter topic").outcome, FindingOutcome::Bad);
        },
    );
}

#[test]
fn an_address_where_nobody_answers_is_reported_within_the_bound() {
    on_topic(
        json!({}),
        |_| {},
        async |world| {
            // A port that was free a moment ago.
            let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let options = pipectl_backend_pubsub::PubSubOptions {
                endpoint: Some(format!("http://127.0.0.1:{port}")),
                retry_for: pipectl_data::units::Duration::from_secs(1),
                ..Default::default()
            };
            let context = pipectl_contract::ConnectContext::new(world.host.clone(), "p", "e");
            let connection = pipectl_backend_pubsub::PubSub::open(options, context).await.unwrap();
            let started = world.host.now();
            let error = connection.list().await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
            assert!(error.message.contains("check `endpoint`"), "{error}");
            assert!(world.host.now() - started < 30_000_000);
            let found = connection.preflight(&[]).await;
            assert_eq!(found[0].outcome, FindingOutcome::Bad);
        },
    );
}

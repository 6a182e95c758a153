//! Every limit, from both sides.

use super::*;
use pipectl_data::units;
use serde_json::json;

fn needs() -> StreamNeeds<'static> {
    StreamNeeds {
        name: "orders",
        target: "orders",
        existing: false,
        partitions: None,
        retention: None,
        keys: &[],
        ordered: true,
        schema: None,
        checkpoint_every: Duration::from_secs(10),
    }
}

/// The titles of what is wrong.
fn faults(options: &PubSubOptions, own: serde_json::Value, needs: StreamNeeds<'_>) -> Vec<String> {
    let own: PubSubStreamOptions = serde_json::from_value(own).unwrap();
    let checked = stream(options, &own, needs);
    assert_eq!(checked.facts.is_some(), checked.diagnostics.is_empty());
    checked.diagnostics.iter().map(|problem| problem.title.clone()).collect()
}

fn of_stream(own: serde_json::Value) -> Vec<String> {
    faults(&PubSubOptions::default(), own, needs())
}

#[test]
fn the_defaults_are_fine_and_subtask_are_what_was_asked_for() {
    let subtasks = |partitions| {
        let needs = StreamNeeds { partitions, ..needs() };
        stream(&PubSubOptions::default(), &PubSubStreamOptions::default(), needs).facts.unwrap()
    };
    assert_eq!(subtasks(None), StreamFacts::durable(4));
    assert_eq!(subtasks(Some(7)).partitions, 7);
}

#[test]
fn checkpoints_must_be_three_times_as_frequent_as_leases_end() {
    let every = |seconds| {
        let needs = StreamNeeds { checkpoint_every: Duration::from_secs(seconds), ..needs() };
        faults(
            &PubSubOptions { max_lease: units::Duration::from_secs(60), ..PubSubOptions::default() },
            json!({}),
            needs,
        )
    };
    assert_eq!(every(20), Vec::<String>::new());
    assert_eq!(
        every(21),
        [
            "checkpoints every 21s are too infrequent for `orders`: Pub/Sub delivers a record again when its lease of 1m ends"
        ]
    );
}

#[test]
fn retention_is_from_ten_minutes_to_thirty_one_days() {
    for good in ["10m", "31d"] {
        assert!(of_stream(json!({ "message_retention": good })).is_empty(), "{good}");
    }
    for bad in ["9m", "31d1s"] {
        assert_eq!(of_stream(json!({ "message_retention": bad })).len(), 1, "{bad}");
    }
    let asked = StreamNeeds { retention: Some(Duration::from_mins(1)), ..needs() };
    assert_eq!(faults(&PubSubOptions::default(), json!({}), asked).len(), 1);
    let asked = StreamNeeds { retention: Some(Duration::from_hours(48)), ..needs() };
    assert_eq!(faults(&PubSubOptions::default(), json!({ "message_retention": "1d" }), asked).len(), 1);
}

#[test]
fn what_the_service_would_refuse_is_reported_before() {
    for bad in [
        json!({ "subscription": "1st" }),
        json!({ "filter": "region = 'eu'" }),
        json!({ "filter": format!("attributes:{}", "a".repeat(250)) }),
        json!({ "dead_letter": { "topic": "dead", "max_attempts": 4 } }),
        json!({ "dead_letter": { "topic": "dead", "max_attempts": 101 } }),
        json!({ "dead_letter": { "topic": "x" } }),
        json!({ "retry_policy": { "min": "20s", "max": "10s" } }),
        json!({ "retry_policy": { "max": "11m" } }),
        json!({ "expiration": "23h" }),
        json!({ "expiration": "2d", "message_retention": "3d" }),
        json!({ "dedup_for": "19s" }),
    ] {
        assert_eq!(of_stream(bad.clone()).len(), 1, "{bad}");
    }
    for good in [
        json!({ "subscription": "projects/other/subscriptions/x", "filter": "attributes:region" }),
        json!({ "dead_letter": { "topic": "dead" }, "retry_policy": { "min": "0s" }, "expiration": "1d" }),
        json!({ "dedup_for": "20s", "exactly_once": true }),
    ] {
        assert_eq!(of_stream(good.clone()), Vec::<String>::new(), "{good}");
    }
    let named = StreamNeeds { target: "a stream", ..needs() };
    assert_eq!(faults(&PubSubOptions::default(), json!({}), named).len(), 1);
}

#[test]
fn options_that_would_change_what_exists_are_reported() {
    let there = StreamNeeds { existing: true, ..needs() };
    let check = |own| faults(&PubSubOptions::default(), own, there);
    assert_eq!(check(json!({ "region": "europe-west3" })).len(), 1);
    assert_eq!(check(json!({ "subscription": "theirs", "exactly_once": true })).len(), 1);
    // A subscription of our own on somebody's topic may be as we like.
    assert_eq!(check(json!({ "exactly_once": true, "filter": "attributes:a" })), Vec::<String>::new());
}

#[test]
fn the_backend_s_own_options_are_looked_at() {
    let check = |change: fn(&mut PubSubOptions)| {
        let mut options = PubSubOptions::default();
        change(&mut options);
        faults(&options, json!({}), needs()).len()
    };
    assert_eq!(check(|options| options.endpoint = Some("127.0.0.1:8085".into())), 1);
    assert_eq!(check(|options| options.endpoint = Some("https://pubsub.googleapis.com".into())), 0);
    let secret = || Some(pipectl_data::Secret::new("{}".to_owned()));
    assert_eq!(
        check_with_secret(&PubSubOptions {
            endpoint: Some("http://127.0.0.1:1".into()),
            credentials: secret(),
            ..PubSubOptions::default()
        }),
        1
    );
    assert_eq!(check(|options| options.max_outstanding_messages = 1), 1);
    assert_eq!(check(|options| options.ack_deadline = units::Duration::from_secs(9)), 1);
}

fn check_with_secret(options: &PubSubOptions) -> usize {
    faults(options, json!({}), needs()).len()
}

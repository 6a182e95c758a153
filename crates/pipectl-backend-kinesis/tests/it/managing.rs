//! Making, changing and removing streams, and what can be said about them without asking the service.

use std::time::Duration;

use pipectl_backend_kinesis::{Kinesis, KinesisOptions, KinesisStreamOptions};
use pipectl_contract::{Backend, Connection, ErrorKind, FindingOutcome, StreamNeeds, StreamTarget};
use pipectl_peers::proxy::{Http, Then, When};
use serde_json::json;

use crate::{
    bench::{Bench, connect, options, run, stream},
    peers,
};

#[test]
fn a_stream_becomes_what_its_target_says() {
    let (kinesis, dynamo) = peers!();
    run(async {
        let connection = connect(options(kinesis.endpoint(), dynamo.endpoint())).await;
        let mut target = stream(2, json!({ "kms_key": "alias/aws/kinesis" }));
        target.retention = Some(Duration::from_hours(30));
        let missing = connection.preflight(std::slice::from_ref(&target)).await;
        assert!(missing.iter().all(|finding| finding.outcome == FindingOutcome::Good), "{missing:?}");
        connection.create(&target).await.unwrap();
        let state = connection.describe(&target, None).await.unwrap().unwrap();
        assert_eq!(state.retention, Some(Duration::from_hours(30)));
        assert_eq!(state.encryption.as_deref(), Some("KMS alias/aws/kinesis"));
        assert_eq!(
            state.partitions.iter().map(|shard| shard.name.as_str()).collect::<Vec<_>>(),
            ["shardId-000000000000", "shardId-000000000001"]
        );
        assert_eq!(state.settings["mode"], "provisioned");
        assert!(state.created.is_some_and(|created| created > 1_600_000_000_000_000));

        // Five from two takes two steps: no call may more than double.
        target.partitions = Some(5);
        target.retention = Some(Duration::from_hours(24));
        connection.update(&target).await.unwrap();
        assert_eq!(connection.calls().of("UpdateShardCount"), 2);
        let state = connection.describe(&target, None).await.unwrap().unwrap();
        assert_eq!(state.partitions.iter().filter(|shard| shard.open).count(), 5);
        assert!(state.partitions.iter().any(|shard| !shard.open));
        assert_eq!(state.retention, Some(Duration::from_hours(24)));

        target.options = Some(json!({ "mode": "on_demand" }));
        connection.update(&target).await.unwrap();
        let state = connection.describe(&target, None).await.unwrap().unwrap();
        assert_eq!(state.settings["mode"], "on_demand");
        assert!(connection.list().await.unwrap().contains(&target.name));
        assert!(connection.delete(&target).await.unwrap());
        assert!(!connection.delete(&target).await.unwrap());
    });
}

#[test]
fn an_existing_stream_is_left_alone() {
    let (kinesis, dynamo) = peers!();
    run(async {
        let bench = Bench::new(kinesis.endpoint(), dynamo.endpoint(), 1, json!({ "mode": "on_demand" })).await;
        let state = bench.connection.describe(&bench.stream, None).await.unwrap().unwrap();
        assert_eq!((state.settings["mode"].as_str(), state.partitions.len()), ("on_demand", 4));
        let existing = StreamTarget::existing(bench.stream.name.clone());
        bench.connection.create(&existing).await.unwrap();
        for refused in [bench.connection.update(&existing).await.err(), bench.connection.delete(&existing).await.err()]
        {
            let error = refused.unwrap();
            assert_eq!(error.kind, ErrorKind::Conflict);
            assert!(error.message.contains("marked `existing`"), "{}", error.message);
        }
        let none = StreamTarget::existing("nobody-made-this");
        assert_eq!(bench.connection.create(&none).await.unwrap_err().kind, ErrorKind::NotFound);
        let findings = bench.connection.preflight(&[none]).await;
        assert!(findings.iter().any(|finding| finding.outcome == FindingOutcome::Bad), "{findings:?}");
    });
}

#[test]
fn a_creation_that_broke_off_is_finished_by_the_next_one_and_nothing_else_is_touched() {
    let (kinesis, dynamo) = peers!();
    let way = pipectl_peers::need!(Http::start(kinesis.endpoint()));
    run(async {
        let connection = connect(options(&way.endpoint(), dynamo.endpoint())).await;
        let encrypted = || json!({ "kms_key": "alias/aws/kinesis" });
        let mut target = stream(2, encrypted());
        target.retention = Some(Duration::from_hours(48));
        for broken in ["IncreaseStreamRetentionPeriod", "StartStreamEncryption"] {
            way.on(When::target(broken).times(1), Then::aws_error("AccessDeniedException", "not you"));
            assert_eq!(connection.create(&target).await.unwrap_err().kind, ErrorKind::Denied);
            let state = connection.describe(&target, None).await.unwrap().unwrap();
            assert_eq!(state.encryption, None);
        }
        let blocking = connection.differences(&target).await.unwrap().into_iter().filter(|differs| differs.blocking);
        assert_eq!(
            blocking.map(|differs| (differs.setting, differs.is)).collect::<Vec<_>>(),
            [("kms_key".into(), "none".into())]
        );
        connection.create(&target).await.unwrap();
        assert_eq!(connection.differences(&target).await.unwrap(), []);
        let state = connection.describe(&target, None).await.unwrap().unwrap();
        assert_eq!(state.encryption.as_deref(), Some("KMS alias/aws/kinesis"));
        assert_eq!(state.retention, Some(Duration::from_hours(48)));

        // What does not look as a creation of this target leaves it is somebody's own.
        let plain = stream(2, json!({}));
        connection.create(&plain).await.unwrap();
        connection.update(&StreamTarget { partitions: Some(3), ..plain.clone() }).await.unwrap();
        connection.create(&StreamTarget { options: Some(encrypted()), ..plain.clone() }).await.unwrap();
        assert_eq!(connection.describe(&plain, None).await.unwrap().unwrap().encryption, None);
        let existing = StreamTarget { existing: true, options: Some(encrypted()), ..stream(2, json!({})) };
        connection.create(&StreamTarget { existing: false, options: None, ..existing.clone() }).await.unwrap();
        connection.create(&existing).await.unwrap();
        assert_eq!(connection.describe(&existing, None).await.unwrap().unwrap().encryption, None);
    });
}

#[test]
fn several_that_make_a_stream_at_once_all_find_it_made() {
    let (kinesis, dynamo) = peers!();
    run(async {
        let mut target = stream(1, json!({ "kms_key": "alias/aws/kinesis" }));
        target.retention = Some(Duration::from_hours(48));
        let (target, kinesis, dynamo) = (&target, kinesis.endpoint(), dynamo.endpoint());
        let makers = (0..6).map(|n| async move {
            tokio::time::sleep(Duration::from_millis(n * 15)).await;
            let connection = connect(options(kinesis, dynamo)).await;
            // As `apply` does: whoever comes later finds it made, or waits until it is.
            if connection.describe(target, None).await.unwrap().is_none() {
                connection.create(target).await.unwrap();
            }
            assert_eq!(connection.differences(target).await.unwrap(), []);
            let state = connection.describe(target, None).await.unwrap().unwrap();
            assert_eq!(state.encryption.as_deref(), Some("KMS alias/aws/kinesis"));
            assert_eq!(state.retention, Some(Duration::from_hours(48)));
        });
        futures::future::join_all(makers).await;
    });
}

#[test]
fn what_kinesis_cannot_do_is_reported_before_it_is_asked() {
    let needs = StreamNeeds {
        name: "orders",
        target: "orders",
        existing: false,
        partitions: None,
        retention: None,
        keys: &[],
        ordered: true,
        schema: None,
        checkpoint_every: Duration::from_secs(10),
    };
    let check = |options: serde_json::Value, needs: StreamNeeds<'_>| {
        let options: KinesisStreamOptions = serde_json::from_value(options).unwrap();
        Kinesis.check(&KinesisOptions::default(), &options, needs)
    };
    assert_eq!(check(json!({}), needs).facts.unwrap().partitions, 4);
    assert!(check(json!({}), needs).facts.unwrap().durable);
    for wrong in [
        StreamNeeds { target: "orders/eu", ..needs },
        StreamNeeds { partitions: Some(10_001), ..needs },
        StreamNeeds { retention: Some(Duration::from_hours(1)), ..needs },
    ] {
        assert!(check(json!({}), wrong).facts.is_none(), "{wrong:?}");
    }
    assert!(check(json!({ "max_record": "11MiB" }), needs).facts.is_none());
    let typo = serde_json::from_value::<KinesisStreamOptions>(json!({ "fanout": true }));
    assert!(typo.is_err());
}

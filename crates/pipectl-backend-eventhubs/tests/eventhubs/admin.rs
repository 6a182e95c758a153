//! Hubs are made, described, changed and removed through the management interface.

use std::time::Duration;

use pipectl_contract::{
    ErrorKind,
    FindingOutcome::{Bad, Doubtful, Good},
    StreamTarget,
};
use pipectl_peers::{EventHubs as Service, need};
use serde_json::json;

use crate::support::{batch, connect, counters, fresh, options, order, producer, put, run, target};

#[test]
fn a_hub_is_made_once_changed_and_removed_twice() {
    let service = need!(Service::start());
    run(async {
        let connection = connect(&options(&service)).await;
        let mut target = target(&fresh("admin"), 3);
        assert_eq!(connection.describe(&target, None).await.unwrap(), None);
        target.retention = Some(Duration::from_hours(48));
        order(&service, "/peer/faults", &json!({ "refusals": 2 }));
        connection.create(&target).await.unwrap();
        put(&connection, &target, &[(Some("a"), "1"), (Some("b"), "2")]).await;
        connection.create(&target).await.unwrap();
        let state = connection.describe(&target, Some("g")).await.unwrap().unwrap();
        assert_eq!((state.partitions.len(), state.retention), (3, Some(Duration::from_hours(48))));
        let records: i64 = state.partitions.iter().map(|one| one.end.as_ref().unwrap().parse::<i64>().unwrap()).sum();
        assert_eq!(records, 2, "making it again has kept what was in it: {state:?}");
        assert!(connection.list().await.unwrap().contains(&target.name));

        target.retention = Some(Duration::from_hours(24));
        connection.update(&target).await.unwrap();
        assert_eq!(
            connection.describe(&target, None).await.unwrap().unwrap().retention,
            Some(Duration::from_hours(24))
        );
        for wanted in [2, 5] {
            let other = StreamTarget { partitions: Some(wanted), ..target.clone() };
            let error = connection.update(&other).await.unwrap_err();
            assert!(error.kind == ErrorKind::Conflict && error.message.contains("new hub"), "{error}");
        }
        let mut premium = options(&service);
        premium["tier"] = json!("premium");
        order(&service, "/peer/faults", &json!({ "growable": true }));
        let grown = StreamTarget { partitions: Some(5), ..target.clone() };
        let connection = connect(&premium).await;
        connection.update(&grown).await.unwrap();
        assert_eq!(connection.describe(&target, None).await.unwrap().unwrap().partitions.len(), 5);

        assert!(connection.delete(&target).await.unwrap());
        assert!(!connection.delete(&target).await.unwrap());
        assert_eq!(connection.describe(&target, None).await.unwrap(), None);
    });
}

#[test]
fn without_management_what_is_there_is_used_and_the_rest_says_what_is_missing() {
    let service = need!(Service::start());
    run(async {
        let name = fresh("bare");
        connect(&options(&service)).await.create(&target(&name, 2)).await.unwrap();
        let mut bare = options(&service);
        bare.as_object_mut().unwrap().remove("management");
        let connection = connect(&bare).await;
        connection.create(&target(&name, 2)).await.unwrap();
        let mut writer = producer(&connection, &StreamTarget::existing(&name)).await;
        writer.write(&batch(&[(None, "{}")])).await.unwrap();
        writer.finish().await.unwrap();
        let error = connection.create(&target("other", 2)).await.unwrap_err();
        assert!(error.kind == ErrorKind::Invalid && error.message.contains("`management`"), "{error}");
        assert!(connection.list().await.is_err() && connection.delete(&target(&name, 2)).await.is_err());
    });
}

#[test]
fn an_examination_finds_what_is_wrong_without_changing_anything() {
    let service = need!(Service::start());
    run(async {
        let mut options = options(&service);
        let connection = connect(&options).await;
        let there = target(&fresh("there"), 1);
        connection.create(&there).await.unwrap();
        let findings = connection.preflight(&[there, target("to-come", 1), StreamTarget::existing("absent")]).await;
        let outcomes: Vec<_> = findings.iter().map(|finding| finding.outcome).collect();
        // Three hubs, management and its clock, no checkpoints.
        assert_eq!(outcomes, [Good, Good, Bad, Good, Good, Doubtful], "{findings:#?}");
        assert!(findings.iter().filter(|finding| finding.outcome != Good).all(|finding| finding.help.is_some()));
        assert_eq!(connection.list().await.unwrap().len(), 1);
        let findings = connection.preflight(&[]).await;
        assert!(findings[2].detail.ends_with("has 1 partition"), "{findings:#?}");
        let mut wrong = options.clone();
        let key = wrong["connection_string"].as_str().unwrap().replace("SharedAccessKey=", "SharedAccessKey=x");
        wrong["connection_string"] = json!(key);
        let findings = connect(&wrong).await.preflight(&[]).await;
        assert_eq!(findings[2].outcome, Bad, "{findings:#?}");
        assert!(findings[2].help.as_ref().unwrap().contains("SharedAccessKey"), "{findings:#?}");
        options["endpoint"] = json!("amqp://127.0.0.1:1");
        options["retry"] = json!({ "for": "300ms" });
        let findings = connect(&options).await.preflight(&[target("x", 1)]).await;
        assert_eq!(findings[0].outcome, Bad, "{findings:#?}");
        // Nothing is named: management answers, and records go elsewhere.
        let findings = connect(&options).await.preflight(&[]).await;
        let outcomes: Vec<_> = findings.iter().map(|finding| finding.outcome).collect();
        assert_eq!(outcomes, [Good, Good, Bad, Doubtful], "{findings:#?}");
    });
}

#[test]
fn reading_runtime_information_stays_below_the_services_limit() {
    let service = need!(Service::start());
    run(async {
        let connection = connect(&options(&service)).await;
        let target = target(&fresh("paced"), 32);
        connection.create(&target).await.unwrap();
        for _ in 0..3 {
            assert_eq!(connection.describe(&target, None).await.unwrap().unwrap().partitions.len(), 32);
        }
        assert!(counters(&service)["managementCalls"].as_u64().unwrap() >= 96);
    });
}

#[test]
fn questions_about_a_hub_are_asked_again_and_their_refusal_is_reported() {
    let service = need!(Service::start());
    run(async {
        let mut options = options(&service);
        let connection = connect(&options).await;
        let target = target(&fresh("asked"), 2);
        connection.create(&target).await.unwrap();
        order(&service, "/peer/faults", &json!({ "management": 3 }));
        assert_eq!(connection.describe(&target, None).await.unwrap().unwrap().partitions.len(), 2);
        put(&connection, &target, &[(Some("a"), "1")]).await;
        options["retry"] = json!({ "first": "10ms", "longest": "50ms", "for": "500ms" });
        let connection = connect(&options).await;
        order(&service, "/peer/faults", &json!({ "management": 1_000_000 }));
        let error = connection.describe(&target, None).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Throttled, "{error}");
        assert!(error.message.contains(&target.name) && error.message.contains("calls a second"), "{error}");
        let error =
            connection.producer(&target, pipectl_contract::ProducerContext::new("s", 1 << 20)).await.err().unwrap();
        assert_eq!(error.kind, ErrorKind::Throttled, "{error}");
        order(&service, "/peer/faults", &json!({ "management": 0 }));
        assert_eq!(crate::support::all(&connection, &target).await.len(), 1);
    });
}

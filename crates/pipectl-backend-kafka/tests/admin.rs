//! Topics made, grown, changed, looked at and removed.

use std::time::Duration;

use pipectl_contract::{ErrorKind, FindingOutcome, Ownership, StreamTarget};
use serde_json::json;

use crate::lab::{Seen, close, consuming, drive, with_kafka};

#[test]
fn a_topic_lives_from_create_to_delete() {
    with_kafka(async |lab| {
        let connection = &lab.connection;
        let mut target = lab.target("life", 2);
        target.options = Some(json!({ "config": { "max.message.bytes": "2000000" } }));
        assert_eq!(connection.describe(&target, None).await.unwrap(), None);
        connection.create(&target).await.unwrap();
        connection.create(&target).await.unwrap();
        let state = connection.describe(&target, None).await.unwrap().unwrap();
        assert_eq!(state.partitions.len(), 2);
        assert_eq!(state.partitions[1].earliest.as_deref(), Some("0"));
        assert_eq!(state.partitions[1].end.as_deref(), Some("0"));
        assert_eq!(state.settings["max.message.bytes"], "2000000");
        assert!(connection.list().await.unwrap().contains(&target.name));

        // More partitions and another retention; what was set before stays.
        target.partitions = Some(5);
        target.retention = Some(Duration::from_hours(48));
        target.options = Some(json!({ "replication_factor": 1, "config": { "cleanup.policy": "compact" } }));
        let differences = connection.differences(&target).await.unwrap();
        let differences: Vec<_> = differences
            .iter()
            .map(|found| (found.setting.as_str(), found.is.as_str(), found.wanted.as_str()))
            .collect();
        assert_eq!(
            differences,
            [
                ("partitions", "2", "5"),
                ("config.cleanup.policy", "delete", "compact"),
                ("config.retention.ms", "604800000", "172800000"),
            ]
        );
        target.options = None;
        connection.update(&target).await.unwrap();
        assert_eq!(connection.differences(&target).await.unwrap(), []);
        connection.update(&target).await.unwrap();
        let state = connection.describe(&target, None).await.unwrap().unwrap();
        assert_eq!(state.partitions.len(), 5);
        assert_eq!(state.retention, Some(Duration::from_hours(48)));
        assert_eq!(state.settings["max.message.bytes"], "2000000");

        target.partitions = Some(3);
        let refused = connection.update(&target).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Conflict);
        assert!(refused.message.contains("has 5 partitions and cannot have fewer"), "{refused}");

        let existing = StreamTarget::existing(&target.name);
        assert_eq!(connection.delete(&existing).await.unwrap_err().kind, ErrorKind::Conflict);
        assert!(connection.delete(&target).await.unwrap());
        assert!(!connection.delete(&target).await.unwrap());
        assert_eq!(connection.describe(&target, None).await.unwrap(), None);
        assert_eq!(connection.create(&existing).await.unwrap_err().kind, ErrorKind::NotFound);
    });
}

#[test]
fn settings_that_brokers_refuse_are_reported_with_the_topic() {
    with_kafka(async |lab| {
        let mut target = lab.target("odd", 1);
        target.options = Some(json!({ "config": { "cleanup.policy": "sometimes" } }));
        let refused = lab.connection.create(&target).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Invalid);
        assert!(refused.message.contains(&target.name), "{refused}");
        target.options = Some(json!({ "replication_factor": 3 }));
        let refused = lab.connection.create(&target).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Invalid);
        assert!(refused.message.contains("replication_factor"), "{refused}");
    });
}

#[test]
fn lag_is_what_the_group_has_not_committed() {
    with_kafka(async |lab| {
        let target = lab.stream("lag", 1).await;
        let records: Vec<_> = (0..10).map(|number| ("k", number.to_string())).collect();
        lab.write(&target, &records).await;
        let lag = async |group: &str| {
            let state = lab.connection.describe(&target, Some(group)).await.unwrap().unwrap();
            state.partitions[0].lag
        };
        assert_eq!(lag(&target.name).await, Some(10));
        let mut readers = lab.readers(&target, consuming(&target.name, 1, Ownership::Shared)).await;
        let mut seen = Seen::default();
        drive(&mut readers, &mut seen, |seen| seen.records.len() == 10).await;
        let position = readers[0].position();
        readers[0].committed(&position).await.unwrap();
        assert_eq!(lag(&target.name).await, Some(0));
        close(readers).await;
    });
}

#[test]
fn an_examination_finds_out_and_changes_nothing() {
    with_kafka(async |lab| {
        let good = lab.stream("checked", 2).await;
        let absent = lab.target("absent", 2);
        let findings =
            lab.connection.preflight(&[good.clone(), absent.clone(), StreamTarget::existing("nobody-made-it")]).await;
        let outcome = |what: &str| {
            let found = findings.iter().find(|finding| finding.what == what);
            found.unwrap_or_else(|| panic!("{what} among {findings:#?}")).outcome
        };
        assert_eq!(outcome(&format!("reach {}", lab.brokers)), FindingOutcome::Good);
        assert_eq!(outcome(&format!("topic {}", good.name)), FindingOutcome::Good);
        assert_eq!(outcome(&format!("clock against topic {}", good.name)), FindingOutcome::Good);
        assert_eq!(outcome(&format!("create topic {}", absent.name)), FindingOutcome::Good);
        assert_eq!(outcome("topic nobody-made-it"), FindingOutcome::Bad);
        assert!(!lab.connection.list().await.unwrap().contains(&absent.name));
    });
}

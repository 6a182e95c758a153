//! Writing: keys, order, sizes, throttling, what gets lost on the way.

use std::{collections::BTreeMap, time::Duration};

use pipectl_contract::{ErrorKind, ProducerContext};
use pipectl_data::Batch;
use pipectl_peers::{EventHubs as Service, need};
use serde_json::json;

use crate::support::{
    all, batch, by_partition, connect, counters, hub, options, order, producer, put, run, with_headers,
};

fn numbered(count: u32, keys: u32) -> Vec<(String, String)> {
    (0..count).map(|number| (format!("key-{}", number % keys), format!("{{\"n\":{number}}}"))).collect()
}

fn rows(numbered: &[(String, String)]) -> Batch {
    let rows: Vec<_> = numbered.iter().map(|(key, payload)| (Some(key.as_str()), payload.as_str())).collect();
    batch(&rows)
}

/// Asserts that each key is in one partition and in order.
fn ordered(got: &[crate::support::Got]) {
    let mut last: BTreeMap<String, (u32, i64)> = BTreeMap::new();
    for one in got {
        let number: i64 = one.payload.trim_start_matches("{\"n\":").trim_end_matches('}').parse().unwrap();
        let key = one.key.clone().unwrap();
        if let Some((partition, before)) = last.insert(key.clone(), (one.partition, number)) {
            assert_eq!(partition, one.partition, "{key} is in two partitions");
            assert!(before < number, "{key}: {number} comes after {before}");
        }
    }
}

#[test]
fn both_ways_of_finding_the_partition_agree_and_keep_headers() {
    let service = need!(Service::start());
    run(async {
        let connection = connect(&options(&service)).await;
        let mut ours = hub(&connection, "ours", 4).await;
        let mut theirs = hub(&connection, "theirs", 4).await;
        ours.options = Some(json!({ "partition_by": "partition" }));
        theirs.options = Some(json!({ "partition_by": "key" }));
        let records = numbered(200, 23);
        let batch = with_headers(rows(&records), &[("trace", Some(b"a-1")), ("raw", Some(&[0xff, 0])), ("none", None)]);
        for target in [&ours, &theirs] {
            let mut writer = producer(&connection, target).await;
            assert_eq!(writer.write(&batch).await.unwrap(), []);
            assert!(writer.deadline().is_some(), "what waits must be asked for");
            writer.checkpoint().await.unwrap();
            assert_eq!(writer.deadline(), None);
        }
        let (ours, theirs) = (all(&connection, &ours).await, all(&connection, &theirs).await);
        assert_eq!(ours.len(), 200);
        ordered(&ours);
        ordered(&theirs);
        let place = |got: &[crate::support::Got]| -> BTreeMap<String, u32> {
            got.iter().map(|one| (one.key.clone().unwrap(), one.partition)).collect()
        };
        assert_eq!(place(&ours), place(&theirs), "the service hashes as we do");
        assert!(by_partition(&ours).len() == 4, "all partitions are used");
        let headers = &theirs[7].headers;
        assert_eq!(
            headers,
            &[("trace".into(), Some(b"a-1".to_vec())), ("raw".into(), Some(vec![0xff, 0])), ("none".into(), None)]
        );
    });
}

#[test]
fn large_records_go_and_too_large_ones_are_rejected() {
    let service = need!(Service::start());
    run(async {
        let connection = connect(&options(&service)).await;
        let target = hub(&connection, "large", 1).await;
        let sizes = [700_000, 1_048_000, 1_049_000, 300, 1_047_000];
        let payloads: Vec<String> = sizes.iter().map(|size| "x".repeat(*size)).collect();
        let rows: Vec<_> = payloads.iter().map(|payload| (Some("k"), payload.as_str())).collect();
        let mut writer = producer(&connection, &target).await;
        let rejected = writer.write(&batch(&rows)).await.unwrap();
        assert_eq!(rejected.len(), 1, "{rejected:?}");
        assert!(rejected[0].row == 2 && rejected[0].reason.contains("1049001"), "{rejected:?}");
        writer.finish().await.unwrap();
        assert!(writer.refused().is_empty());
        let lengths: Vec<usize> = all(&connection, &target).await.iter().map(|one| one.payload.len()).collect();
        assert_eq!(lengths, [700_000, 1_048_000, 300, 1_047_000]);
        // Keys that partition keys cannot be.
        let long = "k".repeat(129);
        let mut odd = batch(&[(Some(long.as_str()), "{}"), (None, "{}")]);
        odd.keys = Some([Some(long.as_bytes()), Some(&[0xff_u8][..])].into_iter().collect());
        let rejected = writer.write(&odd).await.unwrap();
        assert!(rejected[0].reason.contains("129") && rejected[1].reason.contains("UTF-8"), "{rejected:?}");
    });
}

#[test]
fn a_record_without_payload_is_an_empty_one() {
    let service = need!(Service::start());
    run(async {
        let connection = connect(&options(&service)).await;
        let target = hub(&connection, "empty", 1).await;
        let mut batch = batch(&[(Some("k"), ""), (Some("k"), "")]);
        batch.payload = Some([None, Some(&b""[..])].into_iter().collect());
        let mut writer = producer(&connection, &target).await;
        writer.write(&batch).await.unwrap();
        writer.finish().await.unwrap();
        let got = all(&connection, &target).await;
        assert_eq!(got.iter().map(|one| one.payload.as_str()).collect::<Vec<_>>(), ["", ""]);
    });
}

#[test]
fn throttling_is_waited_out_in_order_and_without_duplicates() {
    let service = need!(Service::start());
    run(async {
        let connection = connect(&options(&service)).await;
        let target = hub(&connection, "busy", 2).await;
        let mut writer = producer(&connection, &target).await;
        let records = numbered(300, 5);
        order(&service, "/peer/faults", &json!({ "sends": 2 }));
        for part in records.chunks(100) {
            writer.write(&rows(part)).await.unwrap();
            writer.on_time().await.unwrap();
        }
        writer.finish().await.unwrap();
        assert_eq!(counters(&service)["refusedSends"], 2);
        let got = all(&connection, &target).await;
        assert_eq!(got.len(), 300);
        ordered(&got);
    });
}

#[test]
fn throttling_without_end_is_an_error_that_says_so() {
    let service = need!(Service::start());
    run(async {
        let mut options = options(&service);
        options["retry"] = json!({ "first": "10ms", "longest": "50ms", "for": "500ms" });
        let connection = connect(&options).await;
        let target = hub(&connection, "full", 1).await;
        let mut writer = producer(&connection, &target).await;
        order(&service, "/peer/faults", &json!({ "sends": 1_000_000 }));
        writer.write(&batch(&[(Some("k"), "{}")])).await.unwrap();
        let error = writer.finish().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Throttled);
        assert!(error.message.contains("stream `stream`") && error.message.contains("throughput units"), "{error}");
        assert!(!error.message.contains('\n') && !error.message.contains(crate::support::SECRET), "{error}");
    });
}

#[test]
fn a_producer_that_has_failed_stays_failed() {
    let service = need!(Service::start());
    run(async {
        let mut options = options(&service);
        options["retry"] = json!({ "first": "10ms", "longest": "50ms", "for": "500ms" });
        let connection = connect(&options).await;
        let target = hub(&connection, "failed", 1).await;
        let mut writer = producer(&connection, &target).await;
        order(&service, "/peer/faults", &json!({ "sends": 1_000_000 }));
        writer.write(&batch(&[(Some("k"), "{}")])).await.unwrap();
        let first = writer.checkpoint().await.unwrap_err();
        // The service has recovered, and the record is lost all the same.
        order(&service, "/peer/faults", &json!({ "sends": 0 }));
        for again in [
            writer.checkpoint().await.err(),
            writer.write(&batch(&[(Some("k"), "{}")])).await.err(),
            writer.on_time().await.err(),
            writer.finish().await.err(),
        ] {
            let again = again.expect("a second call succeeds");
            assert_eq!((again.kind, &again.message), (first.kind, &first.message));
        }
        assert_eq!(all(&connection, &target).await, []);

        // The same where somebody gives the wait up.
        let mut writer = producer(&connection, &target).await;
        order(&service, "/peer/faults", &json!({ "sends": 1_000_000 }));
        writer.write(&batch(&[(Some("k"), "{}")])).await.unwrap();
        tokio::time::timeout(Duration::from_millis(100), writer.checkpoint()).await.unwrap_err();
        order(&service, "/peer/faults", &json!({ "sends": 0 }));
        let error = writer.checkpoint().await.unwrap_err();
        assert!(error.message.contains("canceled"), "{error}");
    });
}

#[test]
fn throughput_units_that_are_used_up_slow_writing_down_and_lose_nothing() {
    let service = need!(Service::start());
    run(async {
        let connection = connect(&options(&service)).await;
        for limit in [json!({ "eventsPerSecond": 60 }), json!({ "bytesPerSecond": 8_000 })] {
            let target = hub(&connection, "units", 4).await;
            let mut writer = producer(&connection, &target).await;
            let before = counters(&service)["refusedSends"].as_u64().unwrap();
            order(&service, "/peer/faults", &limit);
            let records = numbered(200, 11);
            writer.write(&rows(&records)).await.unwrap();
            writer.finish().await.unwrap();
            order(&service, "/peer/faults", &json!({ "eventsPerSecond": 0, "bytesPerSecond": 0 }));
            assert!(counters(&service)["refusedSends"].as_u64().unwrap() > before, "{limit}: nothing was refused");
            let got = all(&connection, &target).await;
            assert_eq!(got.len(), 200, "{limit}");
            ordered(&got);
        }
    });
}

#[test]
fn the_basic_tier_takes_a_quarter() {
    let service = need!(Service::start());
    order(&service, "/peer/faults", &json!({ "tier": "basic" }));
    run(async {
        let mut options = options(&service);
        options["tier"] = json!("basic");
        let connection = connect(&options).await;
        let target = hub(&connection, "basic", 1).await;
        let sizes = [261_000, 262_200, 200_000, 100_000, 90_000];
        let payloads: Vec<String> = sizes.iter().map(|size| "x".repeat(*size)).collect();
        let rows: Vec<_> = payloads.iter().map(|payload| (Some("k"), payload.as_str())).collect();
        let mut writer = producer(&connection, &target).await;
        let rejected = writer.write(&batch(&rows)).await.unwrap();
        assert!(rejected.len() == 1 && rejected[0].row == 1, "{rejected:?}");
        assert!(rejected[0].reason.contains("262144"), "{rejected:?}");
        writer.finish().await.unwrap();
        assert!(writer.refused().is_empty());
        let lengths: Vec<usize> = all(&connection, &target).await.iter().map(|one| one.payload.len()).collect();
        assert_eq!(lengths, [261_000, 200_000, 100_000, 90_000]);
        assert_eq!(counters(&service)["refusedSends"], 0, "no request was larger than the tier allows");
    });
}

#[test]
fn a_lost_answer_and_a_broken_connection_lose_nothing_and_keep_order() {
    let service = need!(Service::start());
    run(async {
        let connection = connect(&options(&service)).await;
        let target = hub(&connection, "lost", 1).await;
        let mut writer = producer(&connection, &target).await;
        let records = numbered(50, 1);
        for (number, part) in records.chunks(10).enumerate() {
            match number {
                1 => order(&service, "/peer/faults", &json!({ "answers": 1 })),
                3 => order(&service, "/peer/disconnect", &json!({})),
                4 => order(&service, "/peer/expire-tokens", &json!({})),
                _ => {}
            }
            writer.write(&rows(part)).await.unwrap();
            writer.checkpoint().await.unwrap();
        }
        let mut got: Vec<String> = all(&connection, &target).await.into_iter().map(|one| one.payload).collect();
        assert_eq!(got.len(), 60, "the request whose answer was lost is there twice, nothing else is");
        got.drain(20..30);
        let wanted: Vec<String> = records.into_iter().map(|(_, payload)| payload).collect();
        assert_eq!(got, wanted);
    });
}

#[test]
fn a_write_waits_while_its_memory_is_in_use() {
    let service = need!(Service::start());
    run(async {
        let connection = connect(&options(&service)).await;
        let target = hub(&connection, "memory", 2).await;
        let context = ProducerContext::new("stream", 200_000);
        let mut writer = connection.producer(&target, context).await.unwrap();
        let payload = "y".repeat(30_000);
        order(&service, "/peer/faults", &json!({ "sends": 1_000_000 }));
        let mut written = 0;
        let blocked = tokio::time::timeout(Duration::from_secs(2), async {
            loop {
                writer.write(&batch(&[(None, payload.as_str())])).await.unwrap();
                written += 1;
            }
        });
        blocked.await.unwrap_err();
        assert!((1..7).contains(&written), "{written} records of 30 kB in 200 kB");
    });
}

#[test]
fn a_hub_that_is_not_there_and_a_wrong_key_say_what_to_do() {
    let service = need!(Service::start());
    run(async {
        let good = options(&service);
        let connection = connect(&good).await;
        let context = || ProducerContext::new("stream", 1 << 20);
        let missing = pipectl_contract::StreamTarget::existing("nowhere");
        let error = connection.producer(&missing, context()).await.err().unwrap();
        assert!(error.kind == ErrorKind::NotFound && error.message.contains("hub `nowhere`"), "{error}");
        let target = hub(&connection, "denied", 1).await;
        put(&connection, &target, &[(Some("k"), "{}")]).await;
        let mut wrong = good.clone();
        wrong["connection_string"] =
            json!(good["connection_string"].as_str().unwrap().replace(crate::support::SECRET, "canary-secret"));
        let error = connect(&wrong).await.producer(&target, context()).await.err().unwrap();
        assert!(error.kind == ErrorKind::Denied && error.message.contains("credentials"), "{error:?}");
        assert!(!format!("{error:?}").contains("canary-secret"));
    });
}

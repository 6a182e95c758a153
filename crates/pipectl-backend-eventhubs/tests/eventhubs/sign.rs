//! Signing in with a token instead of a connection string, and tokens that run out.

use std::collections::BTreeSet;

use pipectl_contract::{ErrorKind, ProducerContext, Read, StartAt};
use pipectl_peers::{EventHubs as Service, Peer, need};
use serde_json::{Value, json};

use crate::{
    read::{keyed, payloads, rows},
    support::{Got, all, connect, context, counters, first_owner, hub, options, order, put, read_until, run, subtasks},
};

/// `{"exp":4102444800}`, the year 2100; the emulator checks no signatures.
const GOOD: &str = "e30.eyJleHAiOjQxMDI0NDQ4MDB9.e30";
/// `{"exp":1}`.
const OLD: &str = "e30.eyJleHAiOjF9.e30";

/// Options with a namespace and a token, without a connection string.
fn with_token(service: &Peer<Service>, token: &str) -> Value {
    let mut options = options(service);
    options.as_object_mut().unwrap().remove("connection_string");
    options["namespace"] = json!("test.servicebus.windows.net");
    options["credentials"] = json!({ "token": token });
    options
}

#[test]
fn a_token_is_enough_to_make_write_and_read_a_hub() {
    let service = need!(Service::start());
    run(async {
        let connection = connect(&with_token(&service, GOOD)).await;
        let target = hub(&connection, "token", 2).await;
        let before = counters(&service)["tokens"].as_u64().unwrap();
        put(&connection, &target, &rows(&keyed(0, 20))).await;
        assert_eq!(payloads(&all(&connection, &target).await), (0..20).collect::<Vec<_>>());
        assert!(counters(&service)["tokens"].as_u64().unwrap() > before);
    });
}

#[test]
fn a_token_that_has_run_out_is_refused_and_told() {
    let service = need!(Service::start());
    run(async {
        let target = hub(&connect(&options(&service)).await, "old-token", 1).await;
        let mut options = with_token(&service, OLD);
        options["retry"] = json!({ "first": "10ms", "longest": "50ms", "for": "300ms" });
        let context = ProducerContext::new("stream", 1 << 20);
        let error = connect(&options).await.producer(&target, context).await.err().unwrap();
        assert!(matches!(error.kind, ErrorKind::Denied | ErrorKind::Unavailable), "{error:?}");
        assert!(error.message.contains("ExpiredToken") && !error.message.contains(OLD), "{error}");
    });
}

#[test]
fn a_token_that_runs_out_in_mid_run_is_renewed() {
    let service = need!(Service::start());
    run(async {
        let connection = connect(&with_token(&service, GOOD)).await;
        let target = hub(&connection, "renewed", 1).await;
        // The service takes none for longer than this.
        order(&service, "/peer/faults", &json!({ "tokenLifetime": 700 }));
        let mut subtasks = subtasks(&connection, &target, context(first_owner(), 1, StartAt::Earliest)).await;
        let records = keyed(0, 60);
        let writing = async {
            let mut writer = crate::support::producer(&connection, &target).await;
            for part in records.chunks(10) {
                writer.write(&crate::support::batch(&rows(part))).await.unwrap();
                writer.checkpoint().await.unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            }
            writer.finish().await.unwrap();
        };
        // What was on its way when its link was closed is sent again, so some may be there twice.
        let different = |got: &[Got]| payloads(got).into_iter().collect::<BTreeSet<_>>();
        let reading = read_until(&mut subtasks[0], |got, _| different(got).len() >= 60);
        let ((), got) = futures::join!(writing, reading);
        assert_eq!(different(&got.unwrap()), (0..60).collect());
        let tokens = counters(&service)["tokens"].as_u64().unwrap();
        assert!(tokens > 6, "{tokens}: none has run out");
        subtasks[0].writers_finished().await.unwrap();
        read_until(&mut subtasks[0], |_, read| matches!(read, Read::End)).await.unwrap();
    });
}

//! TLS, certificates of our own, and passwords: what is right gets through, what is wrong is denied at once and in words
//! that hold no secret.

use std::{path::Path, time::Instant};

use pipectl_contract::{ConnectorError, ErrorKind, FindingOutcome};
use pipectl_peers::{KAFKA_PASSWORD, KAFKA_USER, Kafka};
use serde_json::{Value, json};

use crate::lab::{Lab, borrowed, connect, numbered};

fn with(endpoint: &str, more: &Value) -> Value {
    let mut options = json!({ "brokers": [endpoint], "retry_for": "20s", "request_timeout": "5s" });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    options
}

/// Writes and reads a stream over this listener.
async fn passes(endpoint: &str, more: Value) {
    let connection = connect(with(endpoint, &more)).await.unwrap_or_else(|error| panic!("{endpoint}: {error}"));
    let lab = Lab { connection, brokers: endpoint.to_owned() };
    let target = lab.stream("secured", 1).await;
    lab.write(&target, &borrowed(&numbered(0..10, 3))).await;
    assert_eq!(lab.all(&target).await.numbers().len(), 10);
    let findings = lab.connection.preflight(&[]).await;
    assert!(findings.iter().all(|finding| finding.outcome == FindingOutcome::Good), "{findings:#?}");
}

async fn fails(endpoint: &str, more: Value) -> ConnectorError {
    let began = Instant::now();
    let problem = connect(with(endpoint, &more)).await.err().expect("refused");
    assert!(began.elapsed().as_secs() < 15, "a refusal is reported at once, not after all retries: {problem}");
    problem
}

#[test]
fn each_way_in_opens_to_the_right_key_only() {
    let kafka = pipectl_peers::need!(Kafka::start_secured());
    let secured = kafka.secured();
    let text = |path: &Path| path.display().to_string();
    let tls = json!({ "ca": text(&secured.authority) });
    let login = |password: &str| json!({ "username": KAFKA_USER, "password": password });
    pipectl_host::run(Some(2), async {
        passes(&secured.tls, json!({ "tls": tls })).await;
        let pem = std::fs::read_to_string(&secured.authority).unwrap();
        passes(&secured.tls, json!({ "tls": { "ca": pem } })).await;
        let certificate = json!({
            "ca": text(&secured.authority),
            "certificate": text(&secured.client_certificate),
            "key": text(&secured.client_key),
        });
        passes(&secured.mutual_tls, json!({ "tls": certificate })).await;
        passes(&secured.plain, json!({ "sasl": { "plain": login(KAFKA_PASSWORD) } })).await;
        passes(&secured.plain_tls, json!({ "tls": tls, "sasl": { "plain": login(KAFKA_PASSWORD) } })).await;
        passes(&secured.scram_tls, json!({ "tls": tls, "sasl": { "scram_sha256": login(KAFKA_PASSWORD) } })).await;
        passes(&secured.scram_tls, json!({ "tls": tls, "sasl": { "scram_sha512": login(KAFKA_PASSWORD) } })).await;

        let stranger = json!({ "tls": { "ca": text(&secured.stranger) } });
        let problem = fails(&secured.tls, stranger).await;
        assert_eq!(problem.kind, ErrorKind::Denied, "{problem}");
        assert!(problem.message.contains("`tls`"), "{problem}");
        for sasl in ["plain", "scram_sha512"] {
            let endpoint = if sasl == "plain" { &secured.plain_tls } else { &secured.scram_tls };
            let problem = fails(endpoint, json!({ "tls": tls, "sasl": { sasl: login("wrong-canary") } })).await;
            assert_eq!(problem.kind, ErrorKind::Denied, "{problem}");
            assert!(problem.message.contains("`sasl`"), "{problem}");
            assert!(!problem.message.contains("canary"), "{problem}");
        }
    })
    .unwrap();
}

#[test]
fn options_show_no_secret() {
    let options: pipectl_backend_kafka::KafkaOptions = serde_json::from_value(json!({
        "tls": { "certificate": "c", "key": "canary-1", "key_password": "canary-2" },
        "sasl": { "plain": { "username": "u", "password": "canary-3" } },
    }))
    .unwrap();
    assert!(!format!("{options:?}").contains("canary"));
}

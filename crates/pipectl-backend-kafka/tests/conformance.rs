//! The suite that every backend must pass, on a broker of its own, since the suite restarts it.

use std::sync::Arc;

use async_trait::async_trait;
use pipectl_backend_kafka::{Kafka, KafkaOptions};
use pipectl_conformance::{Harness, Lever, prove};
use pipectl_contract::{Backend as _, Capabilities, Connection, ConnectorError};
use pipectl_peers::{KAFKA_PASSWORD, KAFKA_USER, Peer};
use serde_json::json;

struct RealKafka {
    peer: Arc<Peer<pipectl_peers::Kafka>>,
}

impl RealKafka {
    async fn log_in(&self, password: &str) -> Result<Arc<dyn Connection>, ConnectorError> {
        crate::lab::connect(json!({
            "brokers": [self.peer.secured().plain],
            "sasl": { "plain": { "username": KAFKA_USER, "password": password } },
            "discover_every": "1s",
            "settings": { "session.timeout.ms": "6000", "heartbeat.interval.ms": "500" },
        }))
        .await
    }
}

#[async_trait]
impl Harness for RealKafka {
    fn backend(&self) -> &'static str {
        "kafka"
    }

    fn peer(&self) -> String {
        "Apache Kafka 4.3.1".into()
    }

    fn capabilities(&self) -> Capabilities {
        Kafka.capabilities(&KafkaOptions::default())
    }

    async fn connect(&self) -> Result<Arc<dyn Connection>, ConnectorError> {
        self.log_in(KAFKA_PASSWORD).await
    }

    fn secrets(&self) -> Vec<String> {
        vec![KAFKA_PASSWORD.into(), "wrong-canary".into()]
    }

    async fn connect_denied(&self) -> Option<ConnectorError> {
        self.log_in("wrong-canary").await.err()
    }

    async fn restart_peer(&self) -> Lever {
        let peer = Arc::clone(&self.peer);
        pipectl_host::Host::real().blocking(move || peer.restart()).await;
        Lever::Done
    }
}

#[test]
fn the_suite() {
    let peer = Arc::new(pipectl_peers::need!(pipectl_peers::Kafka::start_secured()));
    prove(Arc::new(RealKafka { peer }));
}

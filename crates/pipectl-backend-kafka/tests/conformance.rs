//! The suite that every backend must pass, on a broker of its own, since the suite restarts it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use pipectl_backend_kafka::{Kafka, KafkaOptions};
use pipectl_conformance::{Harness, Lever, prove};
use pipectl_contract::{Backend as _, Capabilities, Connection, ConnectorError, StreamTarget};
use pipectl_peers::{KAFKA_PASSWORD, KAFKA_USER, Peer, proxy};
use serde_json::json;

/// Bytes a second that a throttled writer may write, measured over two seconds; a case writes about ten times as much.
const SLOW: u32 = 2_000;

struct RealKafka {
    peer: Arc<Peer<pipectl_peers::Kafka>>,
    proxy: Arc<proxy::Kafka>,
    /// What the proxy had counted when a fault began.
    before: AtomicU64,
}

impl RealKafka {
    /// A fault begins, or it ends and must have struck.
    fn fault(&self, on: bool, count: u64, what: &str) {
        if on {
            self.before.store(count, Ordering::Relaxed);
        } else {
            assert!(count > self.before.load(Ordering::Relaxed), "{what}: it never struck");
        }
    }

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

    async fn throttle(&self, on: bool) -> Lever {
        let peer = Arc::clone(&self.peer);
        let limit = on.then_some(SLOW);
        pipectl_host::Host::real().blocking(move || peer.limit_writes(limit)).await;
        self.fault(on, self.proxy.throttled(), "a quota for writes");
        Lever::Done
    }

    async fn lose_writes(&self, on: bool) -> Lever {
        if on {
            self.proxy.lose_writes();
        } else {
            self.proxy.pass();
        }
        self.fault(on, self.proxy.spoiled(), "losing writes");
        Lever::Done
    }

    async fn fail_some_records(&self, on: bool) -> Lever {
        if on {
            self.proxy.fail_writes();
        } else {
            self.proxy.pass();
        }
        self.fault(on, self.proxy.spoiled(), "failing writes");
        Lever::Done
    }

    async fn age_out(&self, _: &dyn Connection, stream: &StreamTarget) -> Result<Lever, ConnectorError> {
        let admin: rdkafka::admin::AdminClient<rdkafka::client::DefaultClientContext> =
            rdkafka::ClientConfig::new().set("bootstrap.servers", self.peer.endpoint()).create().unwrap();
        let mut list = rdkafka::TopicPartitionList::new();
        for partition in 0..stream.partitions.unwrap() {
            list.add_partition_offset(&stream.name, partition as i32, rdkafka::Offset::End).unwrap();
        }
        admin.delete_records(&list, &rdkafka::admin::AdminOptions::new()).await.unwrap();
        Ok(Lever::Done)
    }

    async fn restart_peer(&self) -> Lever {
        let peer = Arc::clone(&self.peer);
        pipectl_host::Host::real().blocking(move || peer.restart()).await;
        Lever::Done
    }
}

#[test]
fn the_suite() {
    let proxy = Arc::new(pipectl_peers::need!(proxy::Kafka::listen()));
    let peer = Arc::new(pipectl_peers::need!(pipectl_peers::Kafka::start_secured_behind(&proxy)));
    prove(Arc::new(RealKafka { peer, proxy, before: AtomicU64::new(0) }));
}

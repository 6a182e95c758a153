//! The suite that every backend passes, against our emulator of Event Hubs in the Premium tier (whose partitions grow)
//! and Microsoft's emulator of Blob storage.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests: the peers live in real time, and what cannot be is a failure"
)]

#[path = "eventhubs/support.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the other tests")]
mod support;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use pipectl_backend_eventhubs::EventHubs;
use pipectl_conformance::{Budget, Harness, Lever, prove};
use pipectl_contract::{Backend, Capabilities, Connection, ConnectorError, ProducerContext, StreamTarget};
use pipectl_peers::{AZURITE_KEY, Azurite, EventHubs as Service, Peer, make_container, need};
use serde_json::{Value, json};

struct Peers {
    service: &'static Peer<Service>,
    options: Value,
}

#[async_trait]
impl Harness for Peers {
    fn backend(&self) -> &'static str {
        EventHubs::KIND
    }

    fn peer(&self) -> String {
        "our emulator of Event Hubs, with azurite 3.37.0".into()
    }

    fn capabilities(&self) -> Capabilities {
        EventHubs.capabilities(&serde_json::from_value(self.options.clone()).unwrap())
    }

    async fn connect(&self) -> Result<Arc<dyn Connection>, ConnectorError> {
        Ok(support::connect(&self.options).await)
    }

    fn budget(&self) -> Budget {
        Budget { pause: Duration::from_millis(50), ..Budget::default() }
    }

    fn secrets(&self) -> Vec<String> {
        vec![support::SECRET.into(), AZURITE_KEY.into(), "canary-of-a-wrong-key".into()]
    }

    async fn connect_denied(&self) -> Option<ConnectorError> {
        let mut wrong = self.options.clone();
        let text = wrong["connection_string"].as_str().unwrap().replace(support::SECRET, "canary-of-a-wrong-key");
        wrong["connection_string"] = json!(text);
        let there = support::target("denied", 1);
        support::connect(&self.options).await.create(&there).await.unwrap();
        let context = ProducerContext::new("denied", 1 << 20);
        support::connect(&wrong).await.producer(&StreamTarget::existing("denied"), context).await.err()
    }

    async fn restart_peer(&self) -> Lever {
        let service = self.service;
        pipectl_host::Host::real().blocking(move || service.restart()).await;
        Lever::Done
    }

    async fn throttle(&self, on: bool) -> Lever {
        support::order(self.service, "/peer/faults", &json!({ "sends": if on { 2 } else { 0 } }));
        Lever::Done
    }

    async fn age_out(&self, _: &dyn Connection, stream: &StreamTarget) -> Result<Lever, ConnectorError> {
        support::forget(self.service, stream);
        Ok(Lever::Done)
    }

    async fn fail_some_records(&self, _on: bool) -> Lever {
        Lever::unheard("the service accepts or rejects a batch as a whole")
    }
}

#[test]
fn the_suite_holds() {
    let service = need!(Service::shared());
    let blobs = need!(Azurite::shared());
    make_container(blobs, support::CONTAINER).unwrap();
    support::order(service, "/peer/faults", &json!({ "growable": true }));
    let mut options = support::with_checkpoints(support::options(service), blobs, "3s");
    options["tier"] = json!("premium");
    prove(Arc::new(Peers { service, options }));
}

//! A memory broker for the conformance suite, whole or behind a wrapper that breaks it on purpose.

use std::sync::Arc;

use async_trait::async_trait;
use pipectl_backend_memory::{Broker, Memory, MemoryOptions};
use pipectl_conformance::{Harness, Lever, Report};
use pipectl_contract::{Backend, Capabilities, Connection, ConnectorError};
use pipectl_data::units::Size;
use pipectl_host::Host;

/// Puts itself between the suite and the broker.
pub(crate) type Wrap = fn(Arc<dyn Connection>) -> Arc<dyn Connection>;

/// Stands for what a real service would be told.
pub(crate) const SECRET: &str = "s3cr3t-of-the-memory-broker";

pub(crate) struct MemoryHarness {
    broker: Broker,
    host: Host,
    options: MemoryOptions,
    wrap: Wrap,
}

impl MemoryHarness {
    /// A broker of its own, on the clock of `host`.
    pub(crate) fn new(host: Host, wrap: Wrap) -> Self {
        let options = MemoryOptions { broker: Some("conformance".into()), max_record: Some(Size(1 << 20)) };
        Self { broker: Broker::new(), host, options, wrap }
    }
}

#[async_trait]
impl Harness for MemoryHarness {
    fn backend(&self) -> &'static str {
        "memory"
    }

    fn peer(&self) -> String {
        "a broker in the process".into()
    }

    fn host(&self) -> Host {
        self.host.clone()
    }

    fn capabilities(&self) -> Capabilities {
        Backend::capabilities(&Memory, &self.options)
    }

    async fn connect(&self) -> Result<Arc<dyn Connection>, ConnectorError> {
        Ok((self.wrap)(self.broker.connect(&self.options, self.host.clone())))
    }

    fn secrets(&self) -> Vec<String> {
        vec![SECRET.into()]
    }

    async fn restart_peer(&self) -> Lever {
        self.broker.set_down(true);
        let (broker, host) = (self.broker.clone(), self.host.clone());
        drop(self.host.spawn(async move {
            host.sleep(std::time::Duration::from_secs(2)).await;
            broker.set_down(false);
        }));
        Lever::Done
    }

    async fn throttle(&self, on: bool) -> Lever {
        self.broker.throttle(7, if on { 20 } else { 0 });
        Lever::Done
    }

    async fn fail_some_records(&self, on: bool) -> Lever {
        self.broker.throttle(3, if on { 30 } else { 0 });
        Lever::Done
    }
}

/// The whole suite in virtual time.
pub(crate) fn report(wrap: Wrap) -> (Report, Host) {
    pipectl_host::simulate(async move {
        let host = Host::simulated(7, 1_800_000_000_000_000);
        (pipectl_conformance::suite(Arc::new(MemoryHarness::new(host.clone(), wrap))).await, host)
    })
    .unwrap()
}

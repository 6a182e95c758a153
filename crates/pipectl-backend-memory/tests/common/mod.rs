//! A memory broker for the conformance suite, whole or behind something that breaks it on purpose.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use pipectl_backend_memory::{Broker, Memory, MemoryOptions};
use pipectl_conformance::{Harness, Lever};
use pipectl_contract::{Backend, Capabilities, Connection, ConnectorError, ProducerContext, StreamTarget};
use pipectl_data::units::Size;
use pipectl_host::Host;

/// Puts itself between the suite and the broker.
pub(crate) type Wrap = Box<dyn Fn(Arc<dyn Connection>, &Broker) -> Arc<dyn Connection> + Send + Sync>;

pub(crate) struct MemoryHarness {
    broker: Broker,
    host: Host,
    options: MemoryOptions,
    secret: String,
    wrap: Wrap,
}

impl MemoryHarness {
    /// A broker of its own, on the clock of `host`. The secret stands for what a real service would be reported.
    pub(crate) fn new(host: Host, secret: &str, wrap: Wrap) -> Self {
        let options = MemoryOptions { broker: Some("conformance".into()), max_record: Some(Size(1 << 20)) };
        Self { broker: Broker::new(), host, options, secret: secret.to_owned(), wrap }
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
        Ok((self.wrap)(self.broker.connect(&self.options, self.host.clone()), &self.broker))
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.secret.clone()]
    }

    async fn connect_denied(&self) -> Option<ConnectorError> {
        // The broker denies nobody; what it says of a stream that it does not have stands for it.
        let context = ProducerContext::new("nowhere", 1);
        self.connect().await.ok()?.producer(&StreamTarget::existing("nowhere"), context).await.err()
    }

    async fn restart_peer(&self) -> Lever {
        self.broker.set_down(true);
        let (broker, host) = (self.broker.clone(), self.host.clone());
        drop(self.host.spawn(async move {
            host.sleep(Duration::from_secs(2)).await;
            broker.set_down(false);
        }));
        Lever::Done
    }

    async fn age_out(&self, connection: &dyn Connection, stream: &StreamTarget) -> Result<Lever, ConnectorError> {
        let short = StreamTarget { retention: Some(Duration::from_millis(1)), ..stream.clone() };
        connection.update(&short).await?;
        connection.update(stream).await?;
        Ok(Lever::Done)
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

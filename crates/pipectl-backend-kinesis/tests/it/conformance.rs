//! The suite that every backend must pass.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use pipectl_backend_kinesis::Kinesis;
use pipectl_conformance::{Budget, Harness, Lever};
use pipectl_contract::{Backend, Capabilities, ConnectContext, Connection, ConnectorError};
use pipectl_peers::proxy::Tcp;

use crate::{bench, peers, proxy::Proxy};

struct Mock {
    /// The peer keeps nothing when it is restarted, so what a client sees of a restart is shown by this: all connections
    /// break, and for a while nobody answers.
    way: Arc<Tcp>,
    proxy: Proxy,
    endpoint: String,
    dynamo: String,
}

#[async_trait]
impl Harness for Mock {
    fn backend(&self) -> &'static str {
        "kinesis"
    }

    fn peer(&self) -> String {
        "kinesis-mock 0.6.2 and dynalite 4.0.0".to_owned()
    }

    fn capabilities(&self) -> Capabilities {
        Kinesis.capabilities(&bench::options(&self.endpoint, &self.dynamo))
    }

    async fn connect(&self) -> Result<Arc<dyn Connection>, ConnectorError> {
        let context = ConnectContext::new(self.host(), "p", "e");
        Backend::connect(&Kinesis, bench::options(&self.endpoint, &self.dynamo), context).await
    }

    fn budget(&self) -> Budget {
        Budget { records: 400, ..Budget::default() }
    }

    async fn throttle(&self, on: bool) -> Lever {
        self.proxy.throttle(on);
        Lever::Done
    }

    async fn fail_some_records(&self, on: bool) -> Lever {
        self.proxy.fail_some_records(on);
        Lever::Done
    }

    async fn restart_peer(&self) -> Lever {
        self.way.refuse();
        let (host, way) = (self.host(), Arc::clone(&self.way));
        self.host().spawn(async move {
            host.sleep(Duration::from_secs(2)).await;
            way.pass();
        });
        Lever::Done
    }

    fn secrets(&self) -> Vec<String> {
        vec![bench::SECRET.to_owned()]
    }
}

#[test]
fn the_suite() {
    let (kinesis, dynamo) = peers!();
    let proxy = Proxy::start(kinesis.endpoint());
    let way = Arc::new(pipectl_peers::need!(Tcp::start(&proxy.endpoint())));
    let endpoint = format!("http://{}", way.endpoint());
    let harness = Mock { way, proxy, endpoint, dynamo: dynamo.endpoint().to_owned() };
    let report = pipectl_conformance::prove(Arc::new(harness));
    assert!(report.failures().is_empty());
}

//! The suite that every backend must pass.

use std::sync::Arc;

use async_trait::async_trait;
use pipectl_backend_kinesis::Kinesis;
use pipectl_conformance::{Budget, Harness};
use pipectl_contract::{Backend, Capabilities, ConnectContext, Connection, ConnectorError};

use crate::{bench, peers};

struct Mock {
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
        let context = ConnectContext { host: self.host(), pipeline: "p".into(), environment: "e".into() };
        Backend::connect(&Kinesis, bench::options(&self.endpoint, &self.dynamo), context).await
    }

    fn budget(&self) -> Budget {
        Budget { records: 400, ..Budget::default() }
    }

    fn secrets(&self) -> Vec<String> {
        vec![bench::SECRET.to_owned()]
    }
}

#[test]
fn the_suite() {
    let (kinesis, dynamo) = peers!();
    let harness = Mock { endpoint: kinesis.endpoint().to_owned(), dynamo: dynamo.endpoint().to_owned() };
    let report = pipectl_conformance::prove(Arc::new(harness));
    assert!(report.failures().is_empty());
}

//! Backends that this build was made without: a spec may name them, and the message says how to get them.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use pipectl_contract::{
    Capabilities, Checked, ConnectContext, Connection, ConnectorError, Consumption, DynBackend, ErrorKind, Order,
    Partitions, Registry, StreamFacts, StreamNeeds,
};
use pipectl_diag::{Diagnostic, Path, codes};
use serde_json::{Value, json};

/// A backend by its kind, which is also the name of its cargo feature.
struct Absent(&'static str);

/// Adds those that are left out.
pub(crate) fn fill(mut registry: Registry) -> Registry {
    for kind in ["kafka", "kinesis", "pubsub", "eventhubs"] {
        if registry.find_backend(kind).is_none() {
            registry = registry.backend(Absent(kind));
        }
    }
    registry
}

impl Absent {
    fn message(&self) -> String {
        format!("this pipectl was built without the backend `{}`", self.0)
    }

    fn help(&self) -> String {
        format!(
            "build it with `cargo build -p pipectl --features {kind}`, or use a release, which includes all backends",
            kind = self.0
        )
    }
}

#[async_trait]
impl DynBackend for Absent {
    fn kind(&self) -> &'static str {
        self.0
    }

    fn options_schema(&self) -> Value {
        json!({ "type": "object", "description": "A backend that this build was made without." })
    }

    fn stream_options_schema(&self) -> Value {
        json!({ "type": "object", "properties": {}, "description": "Options of a backend that this build was made without." })
    }

    fn capabilities(&self, _options: Option<&Value>) -> Capabilities {
        Capabilities {
            order: Order::None,
            partitions: Partitions::None,
            consumption: Consumption::Position,
            max_record: 0,
            max_key: 0,
            retention: (Duration::ZERO, None),
            headers: false,
            tombstones: false,
            binary_keys: false,
            replay_from_time: false,
            replay_from_position: false,
            sharing: false,
            end_is_known: false,
            transactions: false,
        }
    }

    fn check(
        &self,
        _options: Option<&Value>,
        _stream_options: Option<&Value>,
        stream: StreamNeeds<'_>,
    ) -> Checked<StreamFacts> {
        let title = format!("stream `{}` is carried by `{}`: {}", stream.name, self.0, self.message());
        let problem = Diagnostic::error(codes::environment::BACKEND_NOT_BUILT, title).at_key(&Path::here(), "");
        Checked { facts: None, diagnostics: problem.help(self.help()).into() }
    }

    async fn connect(
        &self,
        _options: Option<&Value>,
        _context: ConnectContext,
    ) -> Result<Arc<dyn Connection>, ConnectorError> {
        Err(ConnectorError::new(ErrorKind::Invalid, format!("{}: {}", self.message(), self.help())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_that_is_left_out_names_its_feature() {
        let registry = fill(Registry::new());
        let backend = registry.find_backend("kafka").unwrap();
        let needs = StreamNeeds {
            name: "orders",
            target: "orders",
            existing: false,
            partitions: None,
            retention: None,
            keys: &[],
            ordered: false,
            schema: None,
            checkpoint_every: Duration::from_secs(10),
        };
        let checked = backend.check(Some(&json!({ "brokers": ["h:1"] })), None, needs);
        let problem = checked.diagnostics.iter().next().unwrap();
        assert_eq!(problem.code, codes::environment::BACKEND_NOT_BUILT);
        assert!(problem.help.iter().any(|help| help.contains("--features kafka")), "{problem:?}");
    }
}

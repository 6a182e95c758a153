//! The face to the compiler, and the way to a broker.

use std::sync::Arc;

use async_trait::async_trait;
use pipectl_contract::{
    Backend, Capabilities, Checked, ConnectContext, Connection, ConnectorError, ErrorKind, StreamFacts, StreamNeeds,
};

use crate::{Broker, DEFAULT_PARTITIONS, MemoryOptions, MemoryStreamOptions};

/// The backend.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory;

#[async_trait]
impl Backend for Memory {
    type Options = MemoryOptions;
    type StreamOptions = MemoryStreamOptions;
    const KIND: &'static str = "memory";

    fn capabilities(&self, options: &MemoryOptions) -> Capabilities {
        options.capabilities()
    }

    fn check(
        &self,
        options: &MemoryOptions,
        _stream_options: &MemoryStreamOptions,
        stream: StreamNeeds<'_>,
    ) -> Checked<StreamFacts> {
        let partitions = stream.partitions.unwrap_or(DEFAULT_PARTITIONS);
        Checked::ok(StreamFacts { durable: options.broker.is_some(), ..StreamFacts::durable(partitions) })
    }

    async fn connect(
        &self,
        options: MemoryOptions,
        context: ConnectContext,
    ) -> Result<Arc<dyn Connection>, ConnectorError> {
        match &options.broker {
            Some(name) => Ok(Broker::named(name).connect(&options, context.host)),
            None => Err(ConnectorError::new(
                ErrorKind::NotFound,
                "memory streams exist only in the pipeline that runs them; there is nothing to connect to",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_stream_gets_the_partitions_it_asks_for_and_is_durable_in_a_broker() {
        let stream = StreamNeeds {
            name: "s",
            target: "s",
            existing: false,
            partitions: None,
            retention: None,
            keys: &[],
            ordered: false,
            schema: None,
            checkpoint_every: Duration::from_secs(10),
        };
        let plain = MemoryOptions::default();
        let broker = MemoryOptions { broker: Some("lab".into()), ..MemoryOptions::default() };
        let facts = |options: &MemoryOptions, stream| {
            Backend::check(&Memory, options, &MemoryStreamOptions::default(), stream).facts.unwrap()
        };
        assert_eq!(facts(&plain, stream), StreamFacts { durable: false, ..StreamFacts::durable(DEFAULT_PARTITIONS) });
        let seven = StreamNeeds { partitions: Some(7), ..stream };
        assert_eq!(facts(&broker, seven), StreamFacts::durable(7));
    }
}

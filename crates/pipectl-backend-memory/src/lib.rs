//! The in-memory backend: streams that live inside the running pipeline.
//!
//! A memory stream has partitions and sends equal keys to the same one by pipectl's own versioned hash. It is not
//! durable, so it does not cut a pipeline into regions: its records are in the checkpoint of the pipeline that holds it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use pipectl_contract::{
    Backend, Capabilities, Checked, ConnectContext, Connection, ConnectorError, Consumption, ErrorKind, Order,
    Partitions, StreamFacts, StreamNeeds,
};

/// Partitions of a stream that does not say how many it wants. Enough to spread work over the cores of a laptop; fixed,
/// so that the same spec gives the same files on every machine.
pub const DEFAULT_PARTITIONS: u32 = 4;

/// Carries streams within the process. Nothing outlives the run but what its checkpoints hold.
#[derive(Debug, Clone, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryOptions {}

/// A memory stream has no options of its own.
#[derive(Debug, Clone, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryStreamOptions {}

/// The backend.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory;

#[async_trait]
impl Backend for Memory {
    type Options = MemoryOptions;
    type StreamOptions = MemoryStreamOptions;
    const KIND: &'static str = "memory";

    fn capabilities(&self, _options: &MemoryOptions) -> Capabilities {
        Capabilities {
            order: Order::Partition,
            partitions: Partitions::Fixed,
            consumption: Consumption::Position,
            max_record: u64::MAX,
            max_key: u64::MAX,
            retention: (Duration::ZERO, None),
            headers: true,
            tombstones: true,
            binary_keys: true,
            replay_from_time: true,
            replay_from_position: true,
            sharing: true,
            end_is_known: true,
            transactions: false,
        }
    }

    fn check(
        &self,
        _options: &MemoryOptions,
        _stream_options: &MemoryStreamOptions,
        stream: StreamNeeds<'_>,
    ) -> Checked<StreamFacts> {
        let partitions = stream.partitions.unwrap_or(DEFAULT_PARTITIONS);
        Checked::ok(StreamFacts { partitions, durable: false })
    }

    async fn connect(
        &self,
        _options: MemoryOptions,
        _context: ConnectContext,
    ) -> Result<Arc<dyn Connection>, ConnectorError> {
        Err(ConnectorError::new(
            ErrorKind::NotFound,
            "memory streams live inside the pipeline that runs them; there is nothing to connect to",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_gets_the_partitions_it_asks_for() {
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
        let facts = |stream| Backend::check(&Memory, &MemoryOptions {}, &MemoryStreamOptions {}, stream).facts.unwrap();
        assert_eq!(facts(stream).partitions, DEFAULT_PARTITIONS);
        assert_eq!(facts(StreamNeeds { partitions: Some(7), ..stream }).partitions, 7);
    }
}

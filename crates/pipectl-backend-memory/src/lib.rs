//! The in-memory backend: streams that live inside the running pipeline.
//!
//! A memory stream has partitions and sends equal keys to the same one by pipectl's own versioned hash. It is not
//! durable, so it does not cut a pipeline into regions: its records are in the checkpoint of the pipeline that holds it.

use pipectl_contract::{Backend, Checked, StreamFacts, StreamNeeds};

/// Partitions of a stream that does not say how many it wants. Enough to spread work over the cores of a laptop; fixed,
/// so that the same spec gives the same files on every machine.
pub const DEFAULT_PARTITIONS: u32 = 4;

/// Carries streams within the process. Nothing outlives the run but what its checkpoints hold.
#[derive(Debug, Clone, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryOptions {}

/// The backend.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory;

impl Backend for Memory {
    type Options = MemoryOptions;
    const KIND: &'static str = "memory";

    fn check(&self, _options: &MemoryOptions, stream: StreamNeeds<'_>) -> Checked<StreamFacts> {
        let partitions = stream.partitions.unwrap_or(DEFAULT_PARTITIONS);
        Checked::ok(StreamFacts { partitions, durable: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_gets_the_partitions_it_asks_for() {
        let stream = StreamNeeds { name: "s", partitions: None, retention: None, keys: &[], schema: None };
        let facts = |stream| Backend::check(&Memory, &MemoryOptions {}, stream).facts.unwrap();
        assert_eq!(facts(stream).partitions, DEFAULT_PARTITIONS);
        assert_eq!(facts(StreamNeeds { partitions: Some(7), ..stream }).partitions, 7);
    }
}

//! What can be set of a memory backend and of its streams.

use std::time::Duration;

use pipectl_contract::{Capabilities, Consumption, Order, Partitions};
use pipectl_data::units::Size;

/// Partitions of a stream that does not say how many it wants. Enough to spread work over the cores of a laptop; fixed,
/// so that the same spec gives the same files on every machine.
pub const DEFAULT_PARTITIONS: u32 = 4;

/// Keeps streams in the memory of the process. After the run, only the data in its checkpoints remains.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryOptions {
    /// The name of a broker within this process. Its streams exist until the process ends, and all pipelines that name
    /// the same broker share its streams. Without a name, the streams belong to the pipeline that runs them.
    #[serde(default)]
    #[schemars(extend("examples" = ["lab"]))]
    pub broker: Option<String>,
    /// The largest record that the stream accepts, including its key and headers. Default: no limit.
    #[serde(default)]
    #[schemars(extend("examples" = ["1MiB"]))]
    pub max_record: Option<Size>,
}

impl MemoryOptions {
    /// What it can do, set up like this.
    pub(crate) fn capabilities(&self) -> Capabilities {
        Capabilities {
            order: Order::Partition,
            // A stream inside the pipeline is as wide as the plan says; one of a broker can be split and merged.
            partitions: if self.broker.is_some() { Partitions::Resharding } else { Partitions::Fixed },
            consumption: Consumption::Position,
            max_record: self.max_record.map_or(u64::MAX, Size::bytes),
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
}

/// Options of a stream on a memory broker.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryStreamOptions {
    /// The maximum size of each partition. When it is exceeded, the oldest records are removed.
    #[serde(default)]
    #[schemars(extend("examples" = ["64MiB"]))]
    pub keep: Option<Size>,
}

//! What a backend can do, as data: checks, conformance and documents read it instead of asking for a backend's name.

use std::time::Duration;

/// In what scope records keep the order in which they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Records of one partition (and so of one key).
    Partition,
    /// Records of one key only; there are no partitions to see.
    Key,
    /// None.
    None,
}

/// How the partitions of a stream behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Partitions {
    /// There are none to see.
    None,
    /// Their number never changes.
    Fixed,
    /// Their number can grow; equal keys then go elsewhere.
    Growing,
    /// They split and merge, and know their parents.
    Resharding,
}

/// How a consumer says what it is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consumption {
    /// By a position in each partition: everything before it is done.
    Position,
    /// By a lease on each record, and an acknowledgement of each.
    Lease,
}

/// What a backend can do. Sizes are bytes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Capabilities {
    /// The order that it keeps.
    pub order: Order,
    /// Its partitions.
    pub partitions: Partitions,
    /// How records are consumed.
    pub consumption: Consumption,
    /// The largest record, with its key and whatever else the service counts.
    pub max_record: u64,
    /// The largest key.
    pub max_key: u64,
    /// How long records can stay, at the least and at the most; `None` where the service sets no bound.
    pub retention: (Duration, Option<Duration>),
    /// Whether headers are carried.
    pub headers: bool,
    /// Whether a record without payload is another one than a record with an empty payload.
    pub tombstones: bool,
    /// Whether keys are any bytes; otherwise they must be UTF-8.
    pub binary_keys: bool,
    /// Whether reading can start at a moment in time.
    pub replay_from_time: bool,
    /// Whether reading can start at a given position of each partition.
    pub replay_from_position: bool,
    /// Whether several workers can share the reading of one stream.
    pub sharing: bool,
    /// Whether a reader can report that it has read all there is.
    pub end_is_known: bool,
    /// Whether records of several writes become visible together or not at all.
    pub transactions: bool,
}

//! The steps that belong to the engine itself: what happens between a source and the first processor.

mod columns;
mod decode;
mod event_time;
mod key;
mod partition;
mod together;

pub(crate) use columns::Columns;
pub(crate) use decode::Decode;
pub(crate) use event_time::{EventTimeStep, PartitionChange, Timed, merge_event_times};
pub(crate) use key::{Key, keys};
pub(crate) use partition::{DropPayload, Partition, Pass, furthest_position};
pub(crate) use together::{AllTogether, Together};

use pipectl_contract::OperatorError;

/// A fault of a columnar kernel: a bug or a broken batch, never bad input.
pub(crate) fn broken(error: impl std::fmt::Display) -> OperatorError {
    OperatorError(error.to_string())
}

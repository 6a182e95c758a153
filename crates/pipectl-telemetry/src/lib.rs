//! Metrics of a run: declared once in [`METRICS`], read from a [`Snapshot`], exposed in Prometheus' text format.
//!
//! The engine counts for itself, since its counts are part of checkpoints. Nothing is counted a second time here: at each
//! scrape, every metric reads its value from the same numbers that the live view and the report show.

mod catalog;
mod expose;
mod page;
mod server;
mod snapshot;
#[cfg(test)]
mod tests;

pub use catalog::{Kind, METRICS, Metric};
pub use expose::{CONTENT_TYPE, expose};
pub use page::metrics_page;
pub use server::{Server, ServerError};
pub use snapshot::{LISTED_PARTITIONS, OTHER_PARTITIONS, PipelineSnapshot, Snapshot, bounded};

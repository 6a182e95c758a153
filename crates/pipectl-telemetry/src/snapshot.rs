//! What there is to expose at one moment.

use pipectl_data::Micros;
use pipectl_ir::{
    metrics::{PartitionLag, RegionMetrics},
    report::{Counts, NodeReport},
};

/// How many partitions of a stream have a time series of their own; the others share one.
pub const LISTED_PARTITIONS: u32 = 64;

/// The label value that stands for all partitions beyond [`LISTED_PARTITIONS`].
pub const OTHER_PARTITIONS: &str = "other";

/// Everything that a process exposes.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The version of the program.
    pub version: String,
    /// When it was taken, in microseconds since 1970.
    pub now: Micros,
    /// The pipelines that have started.
    pub pipelines: Vec<PipelineSnapshot>,
}

/// One pipeline.
#[derive(Debug, Clone, Default)]
pub struct PipelineSnapshot {
    /// `metadata.name`.
    pub pipeline: String,
    /// Whether it waits for another process to end.
    pub standby: bool,
    /// Its nodes.
    pub nodes: Vec<NodeReport>,
    /// Its regions.
    pub regions: Vec<RegionMetrics>,
    /// How far its consumer groups are behind.
    pub lags: Vec<PartitionLag>,
    /// How often a service did not answer how far they are behind.
    pub lag_failures: u64,
}

/// What a node has counted in this run. Counts of a report go on from a checkpoint, and an older checkpoint would make
/// them fall: what reads metrics takes that for a new beginning and counts everything again.
pub(crate) fn of_this_run(node: &NodeReport) -> Counts {
    let (now, before) = (&node.counts, &node.before);
    Counts {
        input: now.input.saturating_sub(before.input),
        // What is refused later is taken back from the output; a counter cannot go down.
        output: (now.output + node.metrics.refused).saturating_sub(before.output),
        filtered: now.filtered.saturating_sub(before.filtered),
        dead_lettered: now.dead_lettered.saturating_sub(before.dead_lettered),
        absorbed: now.absorbed.saturating_sub(before.absorbed),
        dropped_late: now.dropped_late.saturating_sub(before.dropped_late),
        late: now.late.saturating_sub(before.late),
        released: now.released.saturating_sub(before.released),
        dead_results: now.dead_results.saturating_sub(before.dead_results),
        extra: now.extra.saturating_sub(before.extra),
    }
}

/// The lags of a stream's partitions with a bounded number of label values: those with the lowest numbers are listed,
/// the others are one, whose records add up and whose time is the longest.
pub fn bounded(
    node: &str,
    partitions: impl IntoIterator<Item = (u32, Option<u64>, Option<Micros>)>,
) -> Vec<PartitionLag> {
    let mut partitions: Vec<_> = partitions.into_iter().collect();
    partitions.sort_unstable_by_key(|(number, ..)| *number);
    let lag = |partition: String, records, time_us| PartitionLag { node: node.to_owned(), partition, records, time_us };
    let rest = partitions.split_off(partitions.len().min(LISTED_PARTITIONS as usize));
    let mut lags: Vec<_> =
        partitions.into_iter().map(|(number, records, time)| lag(number.to_string(), records, time)).collect();
    if !rest.is_empty() {
        let records = rest.iter().filter_map(|(_, records, _)| *records).reduce(u64::saturating_add);
        let time = rest.iter().filter_map(|(.., time)| *time).max();
        lags.push(lag(OTHER_PARTITIONS.to_owned(), records, time));
    }
    lags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_beyond_the_bound_share_a_series() {
        let lags = bounded("s", (0..100).rev().map(|number| (number, Some(2), Some(i64::from(number)))));
        assert_eq!(lags.len(), LISTED_PARTITIONS as usize + 1);
        assert_eq!((lags[0].partition.as_str(), lags[63].partition.as_str()), ("0", "63"));
        let last = &lags[64];
        assert_eq!((last.partition.as_str(), last.records, last.time_us), (OTHER_PARTITIONS, Some(72), Some(99)));
        assert_eq!(bounded("s", [(7, None, None)]).len(), 1);
    }

    #[test]
    fn counters_start_at_zero_in_each_run_and_never_fall() {
        let counts = |input, output, dead_lettered| Counts { input, output, dead_lettered, ..Counts::default() };
        let mut node = NodeReport {
            name: "n".to_owned(),
            role: "sink".to_owned(),
            kind: "file".to_owned(),
            place: None,
            stateful: false,
            counts: counts(10, 10, 0),
            before: counts(10, 10, 0),
            reasons: std::collections::BTreeMap::new(),
            reasons_before: std::collections::BTreeMap::new(),
            metrics: pipectl_ir::metrics::NodeMetrics::default(),
        };
        assert!(of_this_run(&node).is_zero());
        // Two that an earlier run had written are refused in this one.
        node.counts = counts(10, 8, 2);
        node.metrics.refused = 2;
        assert_eq!(of_this_run(&node), counts(0, 0, 2));
    }
}

//! Every metric: its name, what it means, and where its value comes from.

use std::collections::BTreeMap;

use pipectl_data::Micros;
use pipectl_ir::{
    metrics::{CheckpointMetrics, Durations, PartitionLag, RegionMetrics},
    report::{Counts, NodeReport},
};

use crate::{PipelineSnapshot, Snapshot, snapshot::of_this_run};

/// A metric as it is exposed.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name on the page that Prometheus reads.
    pub name: &'static str,
    /// What it means, in one or two sentences.
    pub help: &'static str,
    /// How its values are read.
    pub(crate) read: Read,
}

/// What kind of metric it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows while the process runs.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It counts how many values are at most as large as each of some bounds.
    Histogram,
}

/// A node with what it counted in this run.
pub(crate) struct NodeView<'a> {
    pub(crate) node: &'a NodeReport,
    pub(crate) run: Counts,
    pub(crate) now: Micros,
}

/// Where values come from. The labels follow from it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Read {
    /// One constant for the process, with its version.
    Version,
    /// One constant for each node, with its role and kind.
    NodeKind,
    PipelineCount(fn(&PipelineSnapshot) -> u64),
    PipelineGauge(fn(&PipelineSnapshot) -> f64),
    NodeCount(fn(&NodeView<'_>) -> Option<u64>),
    NodeTime(fn(&NodeView<'_>) -> Micros),
    NodeGauge(fn(&NodeView<'_>) -> Option<f64>),
    NodeDurations(fn(&NodeReport) -> Option<&Durations>),
    Reasons(fn(&NodeReport) -> &BTreeMap<String, u64>),
    RegionCount(fn(&CheckpointMetrics) -> u64),
    RegionGauge(fn(&RegionMetrics, Micros) -> Option<f64>),
    RegionDurations(fn(&CheckpointMetrics) -> &Durations),
    Lag(fn(&PartitionLag) -> Option<f64>),
}

impl Metric {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self.read {
            Read::PipelineCount(_)
            | Read::NodeCount(_)
            | Read::NodeTime(_)
            | Read::Reasons(_)
            | Read::RegionCount(_) => Kind::Counter,
            Read::NodeDurations(_) | Read::RegionDurations(_) => Kind::Histogram,
            _ => Kind::Gauge,
        }
    }

    /// The names of its labels.
    pub fn labels(&self) -> &'static [&'static str] {
        match self.read {
            Read::Version => &["version"],
            Read::NodeKind => &["pipeline", "node", "role", "kind"],
            Read::PipelineCount(_) | Read::PipelineGauge(_) => &["pipeline"],
            Read::NodeCount(_) | Read::NodeTime(_) | Read::NodeGauge(_) | Read::NodeDurations(_) => {
                &["pipeline", "node"]
            }
            Read::Reasons(_) => &["pipeline", "node", "reason"],
            Read::RegionCount(_) | Read::RegionGauge(_) | Read::RegionDurations(_) => &["pipeline", "region"],
            Read::Lag(_) => &["pipeline", "node", "partition"],
        }
    }

    /// The unit of its values, as its name says; a number of things where it says none.
    pub fn unit(&self) -> &'static str {
        let name = self.name.strip_suffix("_total").unwrap_or(self.name);
        let units = ["seconds", "bytes", "ratio", "records"];
        units.into_iter().find(|unit| name.ends_with(unit) || name.contains(&format!("_{unit}_"))).unwrap_or("")
    }
}

/// What is left of the other numbers of the same page, so that they add up at every moment.
fn in_flight(view: &NodeView<'_>) -> u64 {
    let (run, metrics) = (&view.run, &view.node.metrics);
    let kept = if view.node.stateful { run.absorbed } else { run.output.saturating_sub(metrics.refused) };
    let dead: u64 = metrics.dead_letters.values().sum();
    let came = run.input + view.node.before.in_flight(view.node.stateful) + run.dead_results + run.extra;
    came.saturating_sub(kept + run.filtered + run.dropped_late + dead)
}

fn seconds(micros: Micros) -> f64 {
    micros as f64 / 1e6
}

fn age(since: Micros, now: Micros) -> f64 {
    seconds(now.saturating_sub(since).max(0))
}

const fn metric(name: &'static str, read: Read, help: &'static str) -> Metric {
    Metric { name, help, read }
}

/// All metrics, in the order of the page.
pub const METRICS: &[Metric] = &[
    metric("pipectl_build_info", Read::Version, "Always 1; the label gives the version of pipectl."),
    metric("pipectl_node_info", Read::NodeKind, "Always 1; the labels give the role and the kind of each node."),
    metric(
        "pipectl_pipeline_standby",
        Read::PipelineGauge(|pipeline| f64::from(u8::from(pipeline.standby))),
        "1 while this process waits for the owner of the pipeline to end, otherwise 0.",
    ),
    metric(
        "pipectl_pipeline_running_regions",
        Read::PipelineGauge(|pipeline| pipeline.regions.iter().filter(|region| !region.ended).count() as f64),
        "Regions of the pipeline that this process runs.",
    ),
    metric(
        "pipectl_node_records_in_total",
        Read::NodeCount(|view| Some(view.run.input)),
        "Records that the node has taken.",
    ),
    metric(
        "pipectl_node_records_out_total",
        Read::NodeCount(|view| Some(view.run.output)),
        "Records that the node has passed on, each once however many nodes read it; for a sink, records written.",
    ),
    metric(
        "pipectl_node_records_extra_total",
        Read::NodeCount(|view| (view.node.role == "processor" && !view.node.stateful).then_some(view.run.extra)),
        "Of the records passed on, those beyond the first that a record gave.",
    ),
    metric(
        "pipectl_node_records_filtered_total",
        Read::NodeCount(|view| Some(view.run.filtered)),
        "Records that a condition left out.",
    ),
    metric(
        "pipectl_node_records_aggregated_total",
        Read::NodeCount(|view| view.node.stateful.then_some(view.run.absorbed)),
        "Records that went into windows or groups, for nodes that have them.",
    ),
    metric(
        "pipectl_node_records_refused_total",
        Read::NodeCount(|view| view.node.metrics.bytes_out.map(|_| view.node.metrics.refused)),
        "Records counted as written that the service refused afterwards; they are dead letters.",
    ),
    metric(
        "pipectl_node_records_late_total",
        Read::NodeCount(|view| Some(view.run.late)),
        "Records that came after their window had closed: dead letters, or dropped where the node says so.",
    ),
    metric(
        "pipectl_node_records_dropped_late_total",
        Read::NodeCount(|view| Some(view.run.dropped_late)),
        "Late records that were dropped because the node says so.",
    ),
    metric(
        "pipectl_node_records_partly_late_total",
        Read::NodeCount(|view| Some(view.node.metrics.partly_late)),
        "Records that came too late for some of their windows and count in the others.",
    ),
    metric(
        "pipectl_node_dead_letters_total",
        Read::Reasons(|node| &node.metrics.dead_letters),
        "Records and results of windows sent to the dead letters, by the class of their reason.",
    ),
    metric(
        "pipectl_node_dead_results_total",
        Read::NodeCount(|view| view.node.stateful.then_some(view.run.dead_results)),
        "Of the dead letters, results of windows; the others are input records.",
    ),
    metric(
        "pipectl_node_records_in_flight",
        Read::NodeGauge(|view| Some(in_flight(view) as f64)),
        "Records taken that are neither passed on nor accounted for otherwise yet.",
    ),
    metric(
        "pipectl_node_records_held",
        Read::NodeGauge(|view| view.node.stateful.then(|| view.node.counts.held() as f64)),
        "Records in windows that are open.",
    ),
    metric(
        "pipectl_node_bytes_in_total",
        Read::NodeCount(|view| view.node.metrics.bytes_in),
        "Payload bytes that the readers of a source or of a stream on a backend have read.",
    ),
    metric(
        "pipectl_node_bytes_out_total",
        Read::NodeCount(|view| view.node.metrics.bytes_out),
        "Bytes in memory of the batches that the writers of a sink or of a stream on a backend have taken.",
    ),
    metric(
        "pipectl_node_watermark_seconds",
        Read::NodeGauge(|view| view.node.metrics.watermark_us.map(seconds)),
        "The watermark as seconds since 1970: the least of the node's tasks. Absent while there is none.",
    ),
    metric(
        "pipectl_node_watermark_lag_seconds",
        Read::NodeGauge(|view| view.node.metrics.watermark_us.map(|watermark| age(watermark, view.now))),
        "How far the watermark is behind the clock.",
    ),
    metric(
        "pipectl_node_state_bytes",
        Read::NodeGauge(|view| view.node.stateful.then_some(view.node.metrics.state_bytes as f64)),
        "Bytes of operator state in memory, for nodes that have state.",
    ),
    metric(
        "pipectl_node_queue_bytes",
        Read::NodeGauge(|view| view.node.metrics.queues.map(|queues| queues.bytes as f64)),
        "Bytes that wait in the queues that lead to the node's tasks.",
    ),
    metric(
        "pipectl_node_queue_capacity_bytes",
        Read::NodeGauge(|view| view.node.metrics.queues.map(|queues| queues.capacity as f64)),
        "Bytes that these queues may hold.",
    ),
    metric(
        "pipectl_node_queue_fill_ratio",
        Read::NodeGauge(|view| view.node.metrics.queues.map(|queues| f64::from(queues.fullest_ppm) / 1e6)),
        "The fill of the fullest of these queues, from 0 to 1.",
    ),
    metric(
        "pipectl_node_backpressure_seconds_total",
        Read::NodeTime(|view| view.node.metrics.backpressure_us as Micros),
        "Time that tasks which begin with the node have waited for space in the queues behind them, summed over tasks.",
    ),
    metric(
        "pipectl_node_write_duration_seconds",
        Read::NodeDurations(|node| node.metrics.writes.as_ref()),
        "Time that the writers of a sink or of a stream on a backend took for a batch, with all attempts; the count is the \
         number of batches.",
    ),
    metric(
        "pipectl_node_write_retries_total",
        Read::NodeCount(|view| view.node.metrics.writes.as_ref().map(|_| view.node.metrics.retries)),
        "Failed calls of writers that were made again.",
    ),
    metric(
        "pipectl_stream_consumer_lag_records",
        Read::Lag(|lag| lag.records.map(|records| records as f64)),
        "Records of a stream on a backend that the consumer group has not committed, as the service counts them.",
    ),
    metric(
        "pipectl_stream_consumer_lag_seconds",
        Read::Lag(|lag| lag.time_us.map(seconds)),
        "How long the oldest record that the consumer group has not committed has waited, where the service reports time \
         instead of records.",
    ),
    metric(
        "pipectl_pipeline_consumer_lag_failures_total",
        Read::PipelineCount(|pipeline| pipeline.lag_failures),
        "Questions for the consumer lag that a service did not answer; the lag is absent until it does.",
    ),
    metric(
        "pipectl_checkpoint_duration_seconds",
        Read::RegionDurations(|checkpoints| &checkpoints.durations),
        "Time from the first barrier of a checkpoint until it was durable; the count is the number of checkpoints.",
    ),
    metric(
        "pipectl_checkpoint_failures_total",
        Read::RegionCount(|checkpoints| checkpoints.failed),
        "Checkpoints that could not be written.",
    ),
    metric(
        "pipectl_checkpoint_last_duration_seconds",
        Read::RegionGauge(|region, _| region.checkpoints.as_ref()?.last_duration_us.map(seconds)),
        "How long the last checkpoint of this run took.",
    ),
    metric(
        "pipectl_checkpoint_last_size_bytes",
        Read::RegionGauge(|region, _| region.checkpoints.as_ref()?.last_bytes.map(|bytes| bytes as f64)),
        "Bytes of state in the last checkpoint of this run.",
    ),
    metric(
        "pipectl_checkpoint_age_seconds",
        Read::RegionGauge(|region, now| {
            let checkpoints = region.checkpoints.as_ref().filter(|_| !region.ended)?;
            Some(age(checkpoints.since_us, now))
        }),
        "Time since the last checkpoint became durable; since the start of the run if there is none. Absent once the region \
         has ended.",
    ),
    metric(
        "pipectl_memory_budget_bytes",
        Read::RegionGauge(|region, _| Some(region.memory_budget as f64)),
        "The option `memory` of the pipeline, for each region.",
    ),
    metric(
        "pipectl_memory_used_bytes",
        Read::RegionGauge(|region, _| Some(region.memory_used as f64)),
        "Bytes in queues and operator state. Buffers of clients and writers, and batches that are being processed, are not \
         counted.",
    ),
];

/// What a node shows at this time.
pub(crate) fn view<'a>(node: &'a NodeReport, snapshot: &Snapshot) -> NodeView<'a> {
    NodeView { node, run: of_this_run(node), now: snapshot.now }
}

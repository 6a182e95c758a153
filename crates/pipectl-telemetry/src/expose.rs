//! The page that Prometheus reads. Names, escapes and number formats are the client library's.

use std::fmt;

use pipectl_ir::metrics::{BOUNDS, Durations};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _, MetricEncoder, NoLabelSet, prometheus_text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use crate::{
    Kind, METRICS, Metric, Snapshot,
    catalog::{Read, view},
};

/// The media type of the page.
pub const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// Writes a snapshot in Prometheus' text format, version 0.0.4.
///
/// # Errors
/// If the library cannot write it, which a text in memory gives no reason for.
pub fn expose(snapshot: Snapshot) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Page(snapshot)));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Page(Snapshot);

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        METRICS.iter().try_for_each(|metric| write(metric, &self.0, &mut encoder))
    }
}

/// A value of a metric.
enum Value<'a> {
    Count(u64),
    /// A counter of seconds.
    Seconds(f64),
    Gauge(f64),
    Durations(&'a Durations),
}

impl Value<'_> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => ConstCounter::new(*count).encode(encoder),
            Self::Seconds(seconds) => ConstCounter::new(*seconds).encode(encoder),
            Self::Gauge(value) => ConstGauge::new(*value).encode(encoder),
            Self::Durations(durations) => {
                let bounds = BOUNDS.iter().map(|bound| *bound as f64 / 1e6).chain([f64::INFINITY]);
                let buckets: Vec<_> = bounds.zip(durations.buckets).collect();
                let sum = durations.sum_us as f64 / 1e6;
                encoder.encode_histogram::<NoLabelSet>(sum, durations.count(), &buckets, None)
            }
        }
    }
}

/// Writes one metric with all its values; nothing, not even its description, where it has none.
fn write(metric: &Metric, snapshot: &Snapshot, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let kind = match metric.kind() {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
    };
    let values = values(metric, snapshot);
    if values.is_empty() {
        return Ok(());
    }
    // The library adds `_total` to counters.
    let name = metric.name.strip_suffix("_total").unwrap_or(metric.name);
    let mut family = encoder.encode_descriptor(name, metric.help, None, kind)?;
    for (labels, value) in values {
        let labels: Vec<(&str, &str)> = metric.labels().iter().copied().zip(labels).collect();
        value.encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// The values of a metric, each with its label values.
fn values<'a>(metric: &Metric, snapshot: &'a Snapshot) -> Vec<(Vec<&'a str>, Value<'a>)> {
    let mut found = Vec::new();
    if let Read::Version = metric.read {
        found.push((vec![snapshot.version.as_str()], Value::Gauge(1.0)));
    }
    for pipeline in &snapshot.pipelines {
        let name = pipeline.pipeline.as_str();
        match metric.read {
            Read::Version => {}
            Read::PipelineCount(read) => found.push((vec![name], Value::Count(read(pipeline)))),
            Read::PipelineGauge(read) => found.push((vec![name], Value::Gauge(read(pipeline)))),
            Read::Lag(read) => {
                for lag in &pipeline.lags {
                    let value = read(lag).map(|value| (vec![name, &lag.node, &lag.partition], Value::Gauge(value)));
                    found.extend(value);
                }
            }
            Read::RegionGauge(read) => {
                for region in &pipeline.regions {
                    let value = read(region, snapshot.now);
                    found.extend(value.map(|value| (vec![name, region.region.as_str()], Value::Gauge(value))));
                }
            }
            Read::RegionCount(_) | Read::RegionDurations(_) => {
                for region in &pipeline.regions {
                    let Some(checkpoints) = &region.checkpoints else { continue };
                    let value = match metric.read {
                        Read::RegionCount(read) => Value::Count(read(checkpoints)),
                        Read::RegionDurations(read) => Value::Durations(read(checkpoints)),
                        _ => continue,
                    };
                    found.push((vec![name, &region.region], value));
                }
            }
            _ => {
                for node in &pipeline.nodes {
                    of_node(metric, node, name, snapshot, &mut found);
                }
            }
        }
    }
    found
}

fn of_node<'a>(
    metric: &Metric,
    node: &'a pipectl_ir::report::NodeReport,
    pipeline: &'a str,
    snapshot: &Snapshot,
    found: &mut Vec<(Vec<&'a str>, Value<'a>)>,
) {
    let view = view(node, snapshot);
    let labels = vec![pipeline, node.name.as_str()];
    let value = match metric.read {
        Read::NodeKind => {
            found.push((vec![pipeline, &node.name, &node.role, &node.kind], Value::Gauge(1.0)));
            None
        }
        Read::NodeCount(read) => read(&view).map(Value::Count),
        Read::NodeTime(read) => Some(Value::Seconds(read(&view) as f64 / 1e6)),
        Read::NodeGauge(read) => read(&view).map(Value::Gauge),
        Read::NodeDurations(read) => read(node).map(Value::Durations),
        Read::Reasons(read) => {
            let reasons = read(node).iter();
            found.extend(reasons.map(|(reason, count)| (vec![pipeline, &node.name, reason], Value::Count(*count))));
            None
        }
        _ => None,
    };
    found.extend(value.map(|value| (labels, value)));
}

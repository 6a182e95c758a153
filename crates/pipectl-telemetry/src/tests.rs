//! The page against the table of metrics: nothing more, nothing less, and well-formed whatever names are.

use std::collections::{BTreeMap, BTreeSet};

use pipectl_ir::{
    metrics::{CheckpointMetrics, Durations, NodeMetrics, Queues, RegionMetrics},
    report::{Counts, NodeReport},
};

use crate::{Kind, METRICS, PipelineSnapshot, Snapshot, bounded, expose};

/// Names that a page must not break on; specs allow less, and a backend may name a region after a stream.
const ODD: &str = "a \"quoted\" \\ name\nwith a line break, {braces} and ünïcödé";

fn node(name: &str) -> NodeReport {
    let mut writes = Durations::default();
    writes.observe(3_000);
    writes.observe(2_000_000_000);
    NodeReport {
        name: name.to_owned(),
        role: "processor".to_owned(),
        kind: "sql".to_owned(),
        place: None,
        stateful: true,
        counts: Counts { input: 10, absorbed: 7, released: 3, dead_lettered: 1, ..Counts::default() },
        before: Counts { input: 4, ..Counts::default() },
        reasons: BTreeMap::new(),
        reasons_before: BTreeMap::new(),
        metrics: NodeMetrics {
            bytes_in: Some(1 << 60),
            bytes_out: Some(6),
            dead_letters: BTreeMap::from([("decode".to_owned(), 1)]),
            watermark_us: Some(-1_500_000),
            queues: Some(Queues { bytes: 5, capacity: 10, fullest_ppm: 500_000 }),
            backpressure_us: 1_250_000,
            writes: Some(writes),
            ..NodeMetrics::default()
        },
    }
}

/// A processor without state that passes on more than one record for some.
fn without_state(name: &str) -> NodeReport {
    let counts = Counts { input: 10, output: 9, extra: 3, dead_lettered: 1, ..Counts::default() };
    NodeReport { stateful: false, counts, before: Counts::default(), ..node(name) }
}

fn snapshot(node_name: &str) -> Snapshot {
    let checkpoints = CheckpointMetrics {
        last_duration_us: Some(5_000),
        last_bytes: Some(77),
        since_us: 4_000_000,
        ..CheckpointMetrics::default()
    };
    let region = RegionMetrics { checkpoints: Some(checkpoints), memory_budget: 100, ..RegionMetrics::default() };
    let pipeline = PipelineSnapshot {
        pipeline: "shop".to_owned(),
        standby: false,
        nodes: vec![node(node_name)],
        regions: vec![region],
        lags: bounded(node_name, [(0, Some(12), Some(3_000_000))]),
        lag_failures: 2,
    };
    Snapshot { version: "1.2.3".to_owned(), now: 10_000_000, pipelines: vec![pipeline] }
}

fn page(node_name: &str) -> String {
    expose(snapshot(node_name)).unwrap()
}

#[test]
fn everything_that_is_declared_is_exposed_and_nothing_else() {
    // A count that only nodes with state have, or only those without, needs one of each.
    let mut both = snapshot("n");
    both.pipelines[0].nodes.push(without_state("m"));
    let text = expose(both).unwrap();
    let types: Vec<(&str, &str)> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let declared: Vec<(&str, &str)> = METRICS
        .iter()
        .map(|metric| {
            let kind = match metric.kind() {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
            };
            (metric.name, kind)
        })
        .collect();
    assert_eq!(types, declared);
}

#[test]
fn what_a_record_gave_beyond_the_first_adds_up() {
    let mut flat = snapshot("n");
    flat.pipelines[0].nodes = vec![without_state("m")];
    let text = expose(flat).unwrap();
    let of_node = "pipectl_node_records_{}{pipeline=\"shop\",node=\"m\"}";
    // Of ten records one is dead, six passed on nine, and three are under way.
    for (count, value) in [("in_total", 10), ("out_total", 9), ("extra_total", 3), ("in_flight", 3)] {
        let line = format!("{} {value}", of_node.replace("{}", count));
        assert!(text.lines().any(|found| found.trim_end_matches(".0") == line), "{line} is not in\n{text}");
    }
}

#[test]
fn values_are_in_base_units() {
    let text = page("n");
    let of_node = "pipeline=\"shop\",node=\"n\"";
    for line in [
        "pipectl_build_info{version=\"1.2.3\"} 1".to_owned(),
        format!("pipectl_node_records_in_total{{{of_node}}} 6"),
        format!("pipectl_node_records_in_flight{{{of_node}}} 2"),
        format!("pipectl_node_bytes_in_total{{{of_node}}} 1152921504606846976"),
        format!("pipectl_node_dead_letters_total{{{of_node},reason=\"decode\"}} 1"),
        format!("pipectl_node_watermark_seconds{{{of_node}}} -1.5"),
        format!("pipectl_node_watermark_lag_seconds{{{of_node}}} 11.5"),
        format!("pipectl_node_queue_fill_ratio{{{of_node}}} 0.5"),
        format!("pipectl_node_backpressure_seconds_total{{{of_node}}} 1.25"),
        format!("pipectl_node_write_duration_seconds_bucket{{{of_node},le=\"0.001\"}} 0"),
        format!("pipectl_node_write_duration_seconds_bucket{{{of_node},le=\"0.005\"}} 1"),
        format!("pipectl_node_write_duration_seconds_bucket{{{of_node},le=\"60\"}} 1"),
        format!("pipectl_node_write_duration_seconds_bucket{{{of_node},le=\"+Inf\"}} 2"),
        format!("pipectl_node_write_duration_seconds_sum{{{of_node}}} 2000.003"),
        format!("pipectl_stream_consumer_lag_records{{{of_node},partition=\"0\"}} 12"),
        "pipectl_checkpoint_age_seconds{pipeline=\"shop\",region=\"\"} 6".to_owned(),
    ] {
        let plain = |line: &str| line.strip_suffix(".0").unwrap_or(line).to_owned();
        assert!(text.lines().any(|found| plain(found) == line), "{line} is not in\n{text}");
    }
}

#[test]
fn odd_names_are_escaped() {
    let text = page(ODD);
    let escaped = r#"node="a \"quoted\" \\ name\nwith a line break, {braces} and ünïcödé""#;
    let of_node = text.lines().filter(|line| line.contains("node=")).count();
    assert!(of_node > 20 && text.lines().filter(|line| line.contains(escaped)).count() == of_node, "{text}");
    let broken: Vec<_> = text.lines().filter(|line| !line.starts_with("# ") && !line.starts_with("pipectl_")).collect();
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn what_is_not_there_has_no_series() {
    let text = expose(Snapshot { version: "1".to_owned(), ..Snapshot::default() }).unwrap();
    assert_eq!(text.lines().filter(|line| !line.starts_with('#')).count(), 1, "{text}");
    let mut snapshot = snapshot("n");
    let pipeline = &mut snapshot.pipelines[0];
    pipeline.regions[0].ended = true;
    (pipeline.nodes[0].stateful, pipeline.nodes[0].metrics) = (false, NodeMetrics::default());
    pipeline.lags.clear();
    let text = expose(snapshot).unwrap();
    for absent in
        ["checkpoint_age", "watermark", "bytes_in", "queue", "held", "write_", "dead_letters", "consumer_lag_r"]
    {
        assert!(!text.contains(&format!("_{absent}")), "{absent} is in\n{text}");
    }
}

#[test]
fn names_follow_the_conventions_of_prometheus() {
    let names: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), METRICS.len());
    for metric in METRICS {
        let name = metric.name;
        assert!(
            name.starts_with("pipectl_") && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            "{name}"
        );
        assert_eq!(name.ends_with("_total"), metric.kind() == Kind::Counter, "{name}");
        assert!(metric.help.ends_with('.') && !metric.help.contains('|'), "{name}: {}", metric.help);
    }
}

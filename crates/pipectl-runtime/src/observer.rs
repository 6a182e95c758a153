//! Watches the regions of a pipeline while they run: one reading for the live view, the report and `--metrics`.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use pipectl_data::Micros;
use pipectl_host::Host;
use pipectl_ir::{
    metrics::RegionMetrics,
    report::{Counts, NodeReport},
};

use crate::counters::Counters;

/// Reads what a pipeline is doing. Cheap to clone, and independent of who waits for the pipeline.
#[derive(Debug, Clone)]
pub struct Observer {
    pipeline: Arc<str>,
    host: Host,
    standby: Arc<AtomicBool>,
    regions: Arc<Mutex<Vec<Observed>>>,
}

/// The durable streams that tie a region to others.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    pub(crate) reads: Vec<String>,
    pub(crate) writes: Vec<String>,
}

/// A region in its place.
#[derive(Debug)]
struct Observed {
    order: usize,
    links: Links,
    region: ObservedRegion,
}

/// What there is to read of a region.
#[derive(Debug, Clone)]
pub(crate) struct ObservedRegion {
    pub(crate) name: String,
    pub(crate) memory: u64,
    /// The nodes as the run found them, with what earlier runs had counted.
    pub(crate) nodes: Arc<[NodeReport]>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) ended: Arc<AtomicBool>,
    pub(crate) host: Host,
}

impl ObservedRegion {
    /// The nodes with their counts as they stand.
    pub(crate) fn nodes(&self) -> Vec<NodeReport> {
        let now = self.host.now();
        let mut nodes = self.nodes.to_vec();
        for (number, node) in nodes.iter_mut().enumerate() {
            // What became of records is read before how many came in, so that nothing is seen to come from nowhere.
            // What the run began with came from a checkpoint.
            let before = std::mem::replace(&mut node.metrics, self.counters.metrics(number, now));
            node.reasons = self.counters.reasons(number);
            node.counts = self.counters.without(number, node.metrics.refused);
            node.metrics.partly_late = node.metrics.partly_late.saturating_sub(before.partly_late);
            for (reason, count) in &mut node.metrics.dead_letters {
                *count = count.saturating_sub(before.dead_letters.get(reason).copied().unwrap_or(0));
            }
        }
        nodes
    }

    /// What is measured of the region.
    pub(crate) fn metrics(&self) -> RegionMetrics {
        let nodes = (0..self.nodes.len()).map(|node| self.counters.metrics(node, self.host.now()));
        RegionMetrics {
            region: self.name.clone(),
            ended: self.has_ended(),
            checkpoints: self.counters.meters.of_checkpoints(),
            memory_budget: self.memory,
            memory_used: nodes.map(|node| node.state_bytes + node.queues.map_or(0, |queues| queues.bytes)).sum(),
        }
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

impl Observer {
    /// Of a pipeline without regions yet.
    pub(crate) fn new(pipeline: &str, host: &Host) -> Self {
        Self { pipeline: pipeline.into(), host: host.clone(), standby: Arc::default(), regions: Arc::default() }
    }

    pub(crate) fn set_standby(&self, standby: bool) {
        self.standby.store(standby, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, order: usize, links: Links, region: ObservedRegion) {
        let mut regions = self.lock();
        regions.push(Observed { order, links, region });
        regions.sort_by_key(|observed| observed.order);
    }

    /// Name of the pipeline.
    pub fn pipeline(&self) -> &str {
        &self.pipeline
    }

    /// Whether regions wait for another process to end.
    pub fn is_standby(&self) -> bool {
        self.standby.load(Ordering::Relaxed)
    }

    /// The clock of the run.
    pub fn now(&self) -> Micros {
        self.host.now()
    }

    /// The nodes with their counts as they stand, a node of several regions once.
    pub fn nodes(&self) -> Vec<NodeReport> {
        let regions = self.lock();
        let nodes: Vec<_> = regions.iter().map(|observed| (&observed.links, observed.region.nodes())).collect();
        merge(&nodes)
    }

    /// What is measured of each region, in the order of the flow.
    pub fn regions(&self) -> Vec<RegionMetrics> {
        self.lock().iter().map(|observed| observed.region.metrics()).collect()
    }

    /// How far event time has come in all regions that know it and have not ended.
    pub fn watermark(&self) -> Option<Micros> {
        let regions = self.lock();
        let running = regions.iter().map(|observed| &observed.region).filter(|region| !region.has_ended());
        running.filter_map(|region| region.counters.watermark()).min()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Observed>> {
        self.regions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The nodes of all regions in the order of the flow, the dead letters last. A durable stream takes what its writers
/// write and passes on what its readers read; where none reads here, everything.
fn merge(regions: &[(&Links, Vec<NodeReport>)]) -> Vec<NodeReport> {
    let mut merged: Vec<NodeReport> = Vec::new();
    let mut last: Option<NodeReport> = None;
    let read: BTreeSet<&String> = regions.iter().flat_map(|(links, _)| &links.reads).collect();
    for (region, nodes) in regions {
        let mut nodes = nodes.clone();
        if let (Some(mut dead), before) = (nodes.pop(), last.take()) {
            if let Some(before) = before {
                dead.counts.add(&before.counts);
                dead.before.add(&before.before);
                dead.metrics.add(&before.metrics);
                dead.place =
                    Some([before.place.clone(), dead.place].into_iter().flatten().collect::<Vec<_>>().join(", "));
                add_reasons(&mut dead, before);
            }
            last = Some(dead);
        }
        for mut node in nodes {
            for counts in [&mut node.counts, &mut node.before] {
                if region.writes.contains(&node.name) {
                    // What was written is on its way until it is read.
                    let Counts { input, output, dead_lettered, .. } = *counts;
                    let output = if read.contains(&node.name) { 0 } else { output };
                    *counts = Counts { input, output, dead_lettered, ..Counts::default() };
                } else if region.reads.contains(&node.name) {
                    counts.input = 0;
                }
            }
            match merged.iter_mut().find(|known| known.name == node.name) {
                Some(known) => {
                    known.counts.add(&node.counts);
                    known.before.add(&node.before);
                    known.metrics.add(&node.metrics);
                    add_reasons(known, node);
                }
                None => merged.push(node),
            }
        }
    }
    for node in merged.iter_mut().filter(|node| node.role == "stream") {
        // Others may write to it as well.
        for counts in [&mut node.counts, &mut node.before] {
            counts.input = counts.input.max(counts.output + counts.dead_lettered);
        }
    }
    merged.extend(last);
    merged
}

fn add_reasons(node: &mut NodeReport, other: NodeReport) {
    for (sum, others) in [(&mut node.reasons, other.reasons), (&mut node.reasons_before, other.reasons_before)] {
        for (code, count) in others {
            *sum.entry(code).or_default() += count;
        }
    }
}

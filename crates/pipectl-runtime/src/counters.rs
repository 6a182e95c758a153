//! The counts of all nodes, shared by the tasks and read by views while the pipeline runs.

use std::sync::atomic::{AtomicU64, Ordering};

use pipectl_ir::report::Counts;

/// Counts by the plan's node number.
#[derive(Debug)]
pub struct Counters {
    nodes: Vec<[AtomicU64; 7]>,
}

impl Counters {
    /// Zeroes for this many nodes.
    pub fn new(nodes: usize) -> Self {
        Self { nodes: (0..nodes).map(|_| std::array::from_fn(|_| AtomicU64::new(0))).collect() }
    }

    /// The counts of a node; all zero for a number that does not exist.
    pub fn of(&self, node: usize) -> Counts {
        let at = |index: usize| self.nodes.get(node).map_or(0, |counts| counts[index].load(Ordering::Relaxed));
        Counts {
            input: at(0),
            output: at(1),
            filtered: at(2),
            dead_lettered: at(3),
            absorbed: at(4),
            dropped_late: at(5),
            late: at(6),
        }
    }

    fn add(&self, node: usize, counts: &Counts) {
        let Some(slots) = self.nodes.get(node) else { return };
        let values = [
            counts.input,
            counts.output,
            counts.filtered,
            counts.dead_lettered,
            counts.absorbed,
            counts.dropped_late,
            counts.late,
        ];
        for (slot, value) in slots.iter().zip(values) {
            if value > 0 {
                slot.fetch_add(value, Ordering::Relaxed);
            }
        }
    }
}

/// One task's share of the counts. It is part of the task's state, so that a run's totals go on after a restart.
#[derive(Debug)]
pub(crate) struct TaskCounts {
    shared: std::sync::Arc<Counters>,
    total: std::collections::BTreeMap<usize, Counts>,
    fresh: std::collections::BTreeMap<usize, Counts>,
}

impl TaskCounts {
    /// Goes on from these counts, as a checkpoint holds them.
    pub(crate) fn new(shared: std::sync::Arc<Counters>, restored: &[(usize, Counts)]) -> Self {
        for (node, counts) in restored {
            shared.add(*node, counts);
        }
        Self { shared, total: restored.iter().copied().collect(), fresh: std::collections::BTreeMap::new() }
    }

    /// The counts of a node since they were last published, to add to.
    pub(crate) fn node(&mut self, node: usize) -> &mut Counts {
        self.fresh.entry(node).or_default()
    }

    /// Makes what was counted visible to others.
    pub(crate) fn publish(&mut self) {
        while let Some((node, counts)) = self.fresh.pop_first() {
            self.shared.add(node, &counts);
            self.total.entry(node).or_default().add(&counts);
        }
    }

    /// All counts so far, for a checkpoint.
    pub(crate) fn totals(&mut self) -> Vec<(usize, Counts)> {
        self.publish();
        self.total.iter().map(|(node, counts)| (*node, *counts)).collect()
    }
}

//! The counts of all nodes, shared by the tasks and read by views while the pipeline runs.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use pipectl_data::{END_OF_TIME, Micros, START_OF_TIME};
use pipectl_ir::{
    metrics::NodeMetrics,
    report::{Counts, PARTLY_LATE},
};

use crate::meters::Meters;

/// How many numbers [`Counts`] has.
const SLOTS: usize = 10;

/// The code of late records, whether they became dead letters or were dropped.
const LATE: &str = "late";

/// The code under which late records are kept that were dropped; reports show it as [`LATE`].
pub(crate) const DROPPED_LATE: &str = "dropped_late";

/// Counts by the plan's node number.
#[derive(Debug)]
pub struct Counters {
    nodes: Vec<[AtomicU64; SLOTS]>,
    /// Dead letters and dropped late records by node and code. They are rare, so a lock will do.
    reasons: Mutex<BTreeMap<(usize, String), u64>>,
    /// How far event time has come in each task and node that keep one.
    watermarks: Mutex<Vec<Watermark>>,
    /// What is measured beside the counts.
    pub(crate) meters: Meters,
}

/// How far event time has come in a node of a task.
#[derive(Debug, Clone, Copy)]
struct Watermark {
    node: usize,
    at: Micros,
    /// Whether the input has ended, so that it holds no other one back.
    ended: bool,
}

impl Counters {
    /// Zeroes for this many nodes.
    pub fn new(nodes: usize) -> Self {
        let zeroes = || std::array::from_fn(|_| AtomicU64::new(0));
        Self {
            nodes: (0..nodes).map(|_| zeroes()).collect(),
            reasons: Mutex::default(),
            watermarks: Mutex::default(),
            meters: Meters::new(nodes),
        }
    }

    /// The counts of a node; all zero for a number that does not exist.
    pub fn of(&self, node: usize) -> Counts {
        self.without(node, self.meters.refused_by(node))
    }

    /// The same, where this many records of the output are known to have been refused.
    pub(crate) fn without(&self, node: usize, refused: u64) -> Counts {
        let at = |index: usize| self.nodes.get(node).map_or(0, |counts| counts[index].load(Ordering::Acquire));
        // Tasks write what came in first, and it is read last: no record is seen to go out that is not seen to come in.
        let (extra, dead_results, released, late, dropped_late) = (at(9), at(8), at(7), at(6), at(5));
        let (absorbed, dead_lettered, filtered) = (at(4), at(3), at(2));
        let output = at(1).saturating_sub(refused);
        let input = at(0);
        Counts { input, output, filtered, dead_lettered, absorbed, dropped_late, late, released, dead_results, extra }
    }

    /// The dead letters and dropped late records of a node by the code of their reason.
    pub fn reasons(&self, node: usize) -> BTreeMap<String, u64> {
        let mut all = self.kept_reasons(node);
        if let Some(dropped) = all.remove(DROPPED_LATE) {
            *all.entry(LATE.to_owned()).or_default() += dropped;
        }
        all
    }

    /// The same, with what was dropped apart from the dead letters.
    fn kept_reasons(&self, node: usize) -> BTreeMap<String, u64> {
        let reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        let of_node = reasons.iter().filter(|((number, _), _)| *number == node);
        of_node.map(|((_, code), count)| (code.clone(), *count)).collect()
    }

    /// How far event time has come in all tasks that know it: the least watermark of those whose input goes on.
    pub fn watermark(&self) -> Option<Micros> {
        self.least_watermark(|_| true)
    }

    /// What was measured of a node beside its counts, as it stands at this time.
    pub(crate) fn metrics(&self, node: usize, now: Micros) -> NodeMetrics {
        let mut dead_letters = self.kept_reasons(node);
        dead_letters.remove(DROPPED_LATE);
        NodeMetrics {
            partly_late: dead_letters.remove(PARTLY_LATE).unwrap_or(0),
            dead_letters,
            watermark_us: self.least_watermark(|watermark| watermark.node == node),
            ..self.meters.of(node, now)
        }
    }

    fn least_watermark(&self, which: impl Fn(&Watermark) -> bool) -> Option<Micros> {
        let watermarks = self.watermarks.lock().unwrap_or_else(PoisonError::into_inner);
        let known = || watermarks.iter().filter(|watermark| watermark.at > START_OF_TIME && which(watermark));
        let open = known().filter(|watermark| !watermark.ended).map(|watermark| watermark.at).min();
        // When all have ended, it is as far as the last of them came.
        open.or_else(|| known().map(|watermark| watermark.at).max())
    }

    /// Notes the watermark of a task's node under its number in the list; without one, it gets one.
    fn set_watermark(&self, slot: Option<usize>, watermark: Watermark) -> usize {
        let mut watermarks = self.watermarks.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slot.unwrap_or(watermarks.len());
        if slot == watermarks.len() {
            watermarks.push(watermark);
        } else if let Some(known) = watermarks.get_mut(slot) {
            *known = watermark;
        }
        slot
    }

    fn add(&self, node: usize, counts: &Counts) {
        let Some(slots) = self.nodes.get(node) else { return };
        let values: [u64; SLOTS] = [
            counts.input,
            counts.output,
            counts.filtered,
            counts.dead_lettered,
            counts.absorbed,
            counts.dropped_late,
            counts.late,
            counts.released,
            counts.dead_results,
            counts.extra,
        ];
        for (slot, value) in slots.iter().zip(values) {
            if value > 0 {
                slot.fetch_add(value, Ordering::AcqRel);
            }
        }
    }

    fn add_reasons(&self, node: usize, code: &str, count: u64) {
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        *reasons.entry((node, code.to_owned())).or_default() += count;
    }
}

/// One task's share of the counts. It is part of the task's state, so that a run's totals go on after a restart.
#[derive(Debug)]
pub(crate) struct TaskCounts {
    shared: Arc<Counters>,
    total: BTreeMap<usize, Counts>,
    fresh: BTreeMap<usize, Counts>,
    reasons: BTreeMap<(usize, String), u64>,
    /// Reasons that were not published yet.
    fresh_reasons: Vec<(usize, String, u64)>,
    /// The newest watermark of each node, and where it is among those of all; few, so that a list will do.
    watermarks: Vec<TaskWatermark>,
}

/// The watermark of a node of this task.
#[derive(Debug)]
struct TaskWatermark {
    now: Watermark,
    /// Whether it was not published yet.
    fresh: bool,
    slot: Option<usize>,
}

/// What a checkpoint holds of a task's counts.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct SavedCounts {
    /// Counts by node.
    pub(crate) counts: Vec<(usize, Counts)>,
    /// Dead letters and dropped late records by node and code.
    #[serde(default)]
    pub(crate) reasons: Vec<(usize, String, u64)>,
}

impl SavedCounts {
    /// Adds other counts, whose nodes have other numbers now, or none.
    pub(crate) fn add(&mut self, other: &Self, number: impl Fn(usize) -> Option<usize>) {
        for (node, counts) in &other.counts {
            let Some(node) = number(*node) else { continue };
            match self.counts.iter_mut().find(|(known, _)| *known == node) {
                Some((_, known)) => known.add(counts),
                None => self.counts.push((node, *counts)),
            }
        }
        for (node, code, count) in &other.reasons {
            let Some(node) = number(*node) else { continue };
            match self.reasons.iter_mut().find(|(known, name, _)| *known == node && name == code) {
                Some((_, _, known)) => *known += count,
                None => self.reasons.push((node, code.clone(), *count)),
            }
        }
    }
}

impl TaskCounts {
    /// Goes on from these counts, as a checkpoint holds them.
    pub(crate) fn new(shared: Arc<Counters>, restored: Option<&SavedCounts>) -> Self {
        let mut task = Self {
            shared,
            total: BTreeMap::new(),
            fresh: BTreeMap::new(),
            reasons: BTreeMap::new(),
            fresh_reasons: Vec::new(),
            watermarks: Vec::new(),
        };
        if let Some(restored) = restored {
            task.fresh = restored.counts.iter().copied().collect();
            task.publish();
            for (node, code, count) in &restored.reasons {
                task.add_reason(*node, code, *count);
            }
            task.publish();
        }
        task
    }

    /// The counts of a node since they were last published, to add to.
    pub(crate) fn node(&mut self, node: usize) -> &mut Counts {
        self.fresh.entry(node).or_default()
    }

    /// What is measured beside the counts.
    pub(crate) fn meters(&self) -> &Meters {
        &self.shared.meters
    }

    /// Event time has come so far in a node. Its end is no time that a person wants to see.
    pub(crate) fn watermark(&mut self, node: usize, at: Micros) {
        if at == END_OF_TIME {
            return;
        }
        let now = Watermark { node, at, ended: false };
        match self.watermarks.iter_mut().find(|known| known.now.node == node) {
            Some(known) => (known.now, known.fresh) = (now, true),
            None => self.watermarks.push(TaskWatermark { now, fresh: true, slot: None }),
        }
    }

    /// The input has ended: the task's watermarks hold no other one back.
    pub(crate) fn end_watermarks(&mut self) {
        for known in &mut self.watermarks {
            (known.now.ended, known.fresh) = (true, true);
        }
        self.publish();
    }

    /// Counts dead letters, or late records that were dropped, by the code of their reason.
    pub(crate) fn add_reason(&mut self, node: usize, code: &str, count: u64) {
        if count > 0 {
            *self.reasons.entry((node, code.to_owned())).or_default() += count;
            self.fresh_reasons.push((node, code.to_owned(), count));
        }
    }

    /// Records that a sink had counted as written, in this run or an earlier one, are dead letters after all.
    pub(crate) fn take_back_output(&mut self, node: usize, count: u64) {
        self.publish();
        self.shared.meters.refused(node, count);
        let total = self.total.entry(node).or_default();
        total.output = total.output.saturating_sub(count);
        self.node(node).dead_lettered += count;
        self.publish();
    }

    /// Makes what was counted visible to others.
    pub(crate) fn publish(&mut self) {
        for known in self.watermarks.iter_mut().filter(|known| known.fresh) {
            known.slot = Some(self.shared.set_watermark(known.slot, known.now));
            known.fresh = false;
        }
        while let Some((node, counts)) = self.fresh.pop_first() {
            self.shared.add(node, &counts);
            self.total.entry(node).or_default().add(&counts);
        }
        // After the counts, so that no dead letter is seen before its record.
        for (node, code, count) in self.fresh_reasons.drain(..) {
            self.shared.add_reasons(node, &code, count);
        }
    }

    /// All counts so far, for a checkpoint.
    pub(crate) fn totals(&mut self) -> SavedCounts {
        self.publish();
        SavedCounts {
            counts: self.total.iter().map(|(node, counts)| (*node, *counts)).collect(),
            reasons: self.reasons.iter().map(|((node, code), count)| (*node, code.clone(), *count)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_that_is_taken_back_never_goes_below_zero() {
        let shared = Arc::new(Counters::new(1));
        let saved = SavedCounts {
            counts: vec![(0, Counts { input: 3, output: 3, ..Counts::default() })],
            reasons: vec![(0, "late".to_owned(), 2)],
        };
        let mut counts = TaskCounts::new(Arc::clone(&shared), Some(&saved));
        counts.take_back_output(0, 2);
        counts.add_reason(0, "sink_rejected", 2);
        counts.publish();
        let expected = Counts { input: 3, output: 1, dead_lettered: 2, ..Counts::default() };
        assert_eq!(shared.of(0), expected);
        assert_eq!(counts.totals().counts, [(0, expected)]);
        assert!(expected.balances(false));
        let reasons: Vec<_> = shared.reasons(0).into_iter().collect();
        assert_eq!(reasons, [("late".to_owned(), 2), ("sink_rejected".to_owned(), 2)]);
        assert_eq!(TaskCounts::new(Arc::new(Counters::new(1)), Some(&counts.totals())).totals(), counts.totals());
        assert_eq!(shared.metrics(0, 0).refused, 2);
    }

    #[test]
    fn reports_count_dropped_records_as_late_and_metrics_keep_them_apart() {
        let shared = Arc::new(Counters::new(1));
        let mut counts = TaskCounts::new(Arc::clone(&shared), None);
        counts.add_reason(0, LATE, 2);
        counts.add_reason(0, DROPPED_LATE, 3);
        counts.add_reason(0, PARTLY_LATE, 4);
        counts.publish();
        let reasons: Vec<_> = shared.reasons(0).into_iter().collect();
        assert_eq!(reasons, [("late".to_owned(), 5), (PARTLY_LATE.to_owned(), 4)]);
        let metrics = shared.metrics(0, 0);
        assert_eq!((metrics.dead_letters, metrics.partly_late), (BTreeMap::from([("late".to_owned(), 2)]), 4));
    }

    #[test]
    fn a_task_that_has_ended_holds_back_no_watermark_while_others_go_on() {
        let shared = Arc::new(Counters::new(2));
        let [mut first, mut second] = [(); 2].map(|()| TaskCounts::new(Arc::clone(&shared), None));
        first.watermark(0, 10);
        first.watermark(1, 5);
        first.publish();
        second.watermark(0, 30);
        second.watermark(0, END_OF_TIME);
        second.publish();
        assert_eq!((shared.watermark(), shared.metrics(0, 0).watermark_us), (Some(5), Some(10)));
        first.end_watermarks();
        assert_eq!((shared.watermark(), shared.metrics(0, 0).watermark_us), (Some(30), Some(30)));
        assert_eq!(shared.metrics(1, 0).watermark_us, Some(5));
        second.end_watermarks();
        assert_eq!(shared.watermark(), Some(30));
    }
}

//! What the windows of a run hold, against its memory budget.
//!
//! Where a watermark closes windows, their number follows from the spec and the data, and the budget is not enforced yet.
//! Where they stay open until the input ends because the spec gives no lateness, the state grows with the input: such a run
//! fails before the operating system ends it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use pipectl_data::units::Size;
use pipectl_ir::{
    dag::Lateness,
    physical::{Operation, PhysicalPlan},
};

use crate::RunError;

/// The state of all tasks of a region.
#[derive(Debug)]
pub(crate) struct StateMemory {
    held: AtomicU64,
    limit: u64,
    /// The streams whose windows stay open until the input ends.
    open_to_the_end: Vec<String>,
}

impl StateMemory {
    /// For a plan.
    pub(crate) fn of(plan: &PhysicalPlan) -> Arc<Self> {
        let steps = plan.stages.iter().flat_map(|stage| &stage.steps);
        let open = steps.filter(
            |step| matches!(&step.operation, Operation::EventTime(time) if time.lateness == Lateness::UntilTheEnd),
        );
        let mut open_to_the_end: Vec<String> =
            open.filter_map(|step| Some(plan.nodes.get(step.node)?.name.clone())).collect();
        open_to_the_end.dedup();
        Arc::new(Self { held: AtomicU64::new(0), limit: plan.memory, open_to_the_end })
    }

    /// An operator of `node` holds `now` bytes, and held `before`.
    ///
    /// # Errors
    /// If all windows together hold more than the budget and none closes before the input ends.
    pub(crate) fn changed(&self, node: &str, before: usize, now: usize) -> Result<(), RunError> {
        let (before, now) = (before as u64, now as u64);
        let held = if now >= before {
            self.held.fetch_add(now - before, Ordering::Relaxed) + (now - before)
        } else {
            self.held.fetch_sub(before - now, Ordering::Relaxed).saturating_sub(before - now)
        };
        if held <= self.limit || self.open_to_the_end.is_empty() {
            return Ok(());
        }
        let streams = self.open_to_the_end.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        Err(RunError::failed(format!(
            "the open windows of `{node}` hold more than `memory: {}`, and none closes before the input ends",
            Size(self.limit)
        ))
        .help(format!(
            "give stream {streams} a `lateness` in its `time`, as in `lateness: 1h`: windows then close as time goes on, \
             and records that are older than that are late"
        ))
        .help("or raise `memory`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_beyond_the_budget_fails_only_where_windows_stay_open_to_the_end() {
        let memory = |open: &[&str]| StateMemory {
            held: AtomicU64::new(0),
            limit: 1 << 20,
            open_to_the_end: open.iter().map(|name| (*name).to_owned()).collect(),
        };
        let closing = memory(&[]);
        closing.changed("w", 0, 2 << 20).unwrap();
        let open = memory(&["s"]);
        open.changed("w", 0, 1 << 20).unwrap();
        open.changed("w", 1 << 20, 1 << 19).unwrap();
        let error = open.changed("v", 0, 1 << 20).unwrap_err();
        assert!(error.message.contains("`v` hold more than `memory: 1MiB`"), "{error}");
        assert!(error.help[0].contains("`s`") && error.help[0].contains("lateness"), "{:?}", error.help);
    }
}

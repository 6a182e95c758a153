//! What the windows and other processors of a run hold, against its memory budget.
//!
//! Where a watermark closes windows, their number follows from the spec and the data, and the budget is not enforced yet.
//! Where they stay open until the input ends because the spec gives no lateness, the state grows with the input: such a run
//! fails before the operating system ends it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use pipectl_data::units::Size;
use pipectl_ir::{
    dag::Lateness,
    physical::{Operation, PhysicalPlan, Target},
};

use crate::RunError;

/// What the windows of a region hold that stay open until the input ends, in all its tasks.
#[derive(Debug)]
pub(crate) struct StateMemory {
    held: AtomicU64,
    limit: u64,
    /// The nodes with such windows, and what has no watermark before the end; nothing where a query has no window.
    open_to_the_end: BTreeMap<usize, Option<String>>,
    /// Those of them that hold records and no windows.
    records: BTreeSet<usize>,
}

impl StateMemory {
    /// For a plan.
    pub(crate) fn of(plan: &PhysicalPlan) -> Arc<Self> {
        let steps = plan.stages.iter().flat_map(|stage| &stage.steps);
        let others = steps.filter(|step| matches!(step.operation, Operation::Other { .. }));
        Arc::new(Self {
            held: AtomicU64::new(0),
            limit: plan.memory,
            open_to_the_end: open_to_the_end(plan),
            records: others.map(|step| step.node).collect(),
        })
    }

    /// An operator of the node with this number and name holds `now` bytes, and held `before`.
    ///
    /// # Errors
    /// If all windows that do not close before the input ends hold more than the budget together.
    pub(crate) fn changed(&self, node: usize, name: &str, before: usize, now: usize) -> Result<(), RunError> {
        let Some(stream) = self.open_to_the_end.get(&node) else { return Ok(()) };
        let (before, now) = (before as u64, now as u64);
        let held = if now >= before {
            self.held.fetch_add(now - before, Ordering::Relaxed) + (now - before)
        } else {
            self.held.fetch_sub(before - now, Ordering::Relaxed).saturating_sub(before - now)
        };
        if held <= self.limit {
            return Ok(());
        }
        let limit = Size(self.limit);
        let Some(stream) = stream else {
            return Err(RunError::failed(format!("the groups of `{name}` hold more than `memory: {limit}`"))
                .help("group by a window, which frees its groups when it closes")
                .help("or raise `memory`"));
        };
        let (held, none, then) = if self.records.contains(&node) {
            ("records that wait in", "none is processed", "records are then processed")
        } else {
            ("open windows of", "none closes", "windows then close")
        };
        Err(RunError::failed(format!(
            "the {held} `{name}` hold more than `memory: {limit}`, and {none} before the input ends"
        ))
        .help(format!(
            "give `{stream}` a `lateness` in its `time`, as in `lateness: 1h`: {then} as time goes on, and records that \
             are older than that are late"
        ))
        .help("or raise `memory`"))
    }
}

/// The nodes whose windows stay open until the input ends, with the node whose event time has no watermark before that;
/// nothing in its place where a query has no window.
fn open_to_the_end(plan: &PhysicalPlan) -> BTreeMap<usize, Option<String>> {
    let name = |node: usize| plan.nodes.get(node).map(|node| node.name.clone());
    let is_stateful = |node: usize| plan.nodes.get(node).is_some_and(|node| node.stateful);
    let mut found = BTreeMap::new();
    // The stream without a watermark whose records travel there.
    let mut routes: Vec<Option<usize>> = vec![None; plan.routes.len()];
    for (number, stage) in plan.stages.iter().enumerate() {
        let mut steps: Vec<Option<usize>> = vec![None; stage.steps.len()];
        let mut comes_in = plan.routes.iter().zip(&routes).filter(|(route, _)| route.to == number);
        let comes_in = comes_in.find_map(|(_, stream)| *stream);
        let mut pass = |targets: &[Target], stream: Option<usize>, steps: &mut [Option<usize>]| {
            for target in targets {
                let (list, index) = match target {
                    Target::Step(step) => (&mut *steps, *step),
                    Target::Route(route) => (routes.as_mut_slice(), *route),
                };
                if let Some(place) = list.get_mut(index) {
                    *place = stream.or(*place);
                }
            }
        };
        pass(&stage.roots, comes_in, &mut steps);
        for (index, step) in stage.steps.iter().enumerate() {
            let mut stream = steps.get(index).copied().flatten();
            match &step.operation {
                Operation::EventTime(time) => {
                    stream = (time.lateness == Lateness::UntilTheEnd).then_some(step.node);
                }
                Operation::Window { query, .. } if query.window().is_some_and(|one| one.window.is_whole()) => {
                    found.insert(step.node, None);
                }
                // What other kinds keep waits for a watermark too.
                Operation::Window { .. } | Operation::Other { .. } if is_stateful(step.node) => {
                    found.extend(stream.and_then(name).map(|stream| (step.node, Some(stream))));
                }
                _ => {}
            }
            pass(&step.next, stream, &mut steps);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_beyond_the_budget_fails_only_where_windows_stay_open_to_the_end() {
        let open_to_the_end = BTreeMap::from([2, 3, 4].map(|node| (node, Some("s".to_owned()))));
        let records = BTreeSet::from([4]);
        let memory = StateMemory { held: AtomicU64::new(0), limit: 1 << 20, open_to_the_end, records };
        memory.changed(1, "closing", 0, 2 << 20).unwrap();
        memory.changed(2, "w", 0, 1 << 20).unwrap();
        memory.changed(2, "w", 1 << 20, 1 << 19).unwrap();
        let error = memory.changed(3, "v", 0, 1 << 20).unwrap_err();
        assert!(error.message.contains("`v` hold more than `memory: 1MiB`"), "{error}");
        assert!(error.help[0].contains("`s`") && error.help[0].contains("lateness"), "{:?}", error.help);
        let error = memory.changed(4, "a", 0, 1 << 20).unwrap_err();
        assert!(error.message.contains("the records that wait in `a` hold more than"), "{error}");
    }
}

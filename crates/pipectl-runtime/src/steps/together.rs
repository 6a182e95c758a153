//! The event time of results of windows, in all subtasks together.
//!
//! Subtasks have the results of different keys. One without results has no event time of its own, and would hold back the
//! watermark of what comes after all of them. But when a subtask has passed an input watermark, it has emitted all results
//! of windows that closed by it; what the others have emitted for the same input watermark can make none of its later results
//! late that would not be late behind its own. So each reports the newest event time that it has reached at an input
//! watermark, and takes over what others have reached at that one or an earlier one.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use pipectl_data::{Micros, START_OF_TIME};
use pipectl_ir::physical::{Operation, PhysicalPlan, Stage, Target};

/// Input watermarks that are remembered; beyond that, the oldest are taken together.
const REMEMBERED: usize = 1024;

/// What the subtasks of one step have reached.
#[derive(Debug, Default)]
pub(crate) struct Together(Mutex<BTreeMap<Micros, Micros>>);

impl Together {
    /// A subtask has reached `newest` with all results of windows that close by `input`; answers what all have.
    pub(crate) fn reach(&self, input: Micros, newest: Micros) -> Micros {
        let mut reached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if newest > START_OF_TIME {
            let known = reached.entry(input).or_insert(newest);
            *known = newest.max(*known);
        }
        if reached.len() > REMEMBERED
            && let Some((_, oldest)) = reached.pop_first()
            && let Some(mut next) = reached.first_entry()
        {
            // Later than it was reached, which holds nobody's results to be late.
            *next.get_mut() = oldest.max(*next.get());
        }
        reached.range(..=input).map(|(_, newest)| *newest).max().unwrap_or(START_OF_TIME)
    }
}

/// The steps of a plan that need it, by stage and number: those that take event times from results of windows.
#[derive(Debug, Default)]
pub(crate) struct AllTogether(BTreeMap<(String, usize), Arc<Together>>);

impl AllTogether {
    /// For a plan.
    pub(crate) fn of(plan: &PhysicalPlan) -> Arc<Self> {
        let steps = plan.stages.iter().flat_map(|stage| {
            behind_windows(stage).into_iter().map(|step| ((stage.name.clone(), step), Arc::default()))
        });
        Arc::new(Self(steps.collect()))
    }

    /// That of one step.
    pub(crate) fn step(&self, stage: &Stage, step: usize) -> Option<Arc<Together>> {
        self.0.get(&(stage.name.clone(), step)).cloned()
    }
}

/// The event time steps that come after a window in the same subtask.
fn behind_windows(stage: &Stage) -> Vec<usize> {
    let mut found = Vec::new();
    let mut behind = vec![false; stage.steps.len()];
    for (number, step) in stage.steps.iter().enumerate() {
        let passes = match step.operation {
            Operation::EventTime(_) => {
                found.extend(behind.get(number).is_some_and(|behind| *behind).then_some(number));
                false
            }
            Operation::Window { .. } => true,
            _ => behind.get(number).copied().unwrap_or(false),
        };
        for target in &step.next {
            if let Target::Step(next) = target
                && let Some(next) = behind.get_mut(*next)
            {
                *next |= passes;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_have_reached_counts_from_the_same_input_on() {
        let together = Together::default();
        assert_eq!(together.reach(10, START_OF_TIME), START_OF_TIME, "nobody has a result yet");
        assert_eq!(together.reach(10, 9), 9);
        assert_eq!(together.reach(20, 19), 19);
        // One that is behind takes over what belongs to what it has seen.
        assert_eq!(together.reach(10, START_OF_TIME), 9);
        assert_eq!(together.reach(15, 5), 9);
        assert_eq!(together.reach(20, 5), 19);
    }

    #[test]
    fn old_inputs_are_taken_together_and_never_too_early() {
        let together = Together::default();
        for input in 0..3_000 {
            assert_eq!(together.reach(input, input - 1), input - 1);
        }
        assert!(together.reach(1_000, START_OF_TIME) <= 999);
        assert_eq!(together.reach(2_999, START_OF_TIME), 2_998);
    }
}

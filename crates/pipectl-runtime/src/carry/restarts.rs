//! Where event time begins anew in a plan: everything behind a source that is read again, or a field that is another one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pipectl_ir::physical::{PhysicalPlan, Stage, Target};

use crate::{layout::StageLayout, reads::Reads};

/// Stages and steps whose inputs have event times that say nothing about those of the checkpoint.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    /// The stages whose watermark is forgotten.
    stages: BTreeSet<String>,
    /// The nodes that are read from their beginning.
    readers: BTreeSet<usize>,
    /// The steps whose records have their time from another field, with the node that takes it.
    other: BTreeMap<(String, usize), String>,
}

impl Restarts {
    /// The reader of a stage begins anew.
    pub(super) fn behind_reader(&mut self, plan: &PhysicalPlan, stage: &Stage) {
        if let Some(reads) = Reads::of(&stage.input) {
            self.readers.insert(reads.node);
        }
        self.stages.insert(stage.name.clone());
        self.follow(plan, stage, &stage.roots, None);
    }

    /// A step takes event times anew; from another field, where `other` is its node.
    pub(super) fn behind_step(&mut self, plan: &PhysicalPlan, stage: &Stage, step: usize, other: Option<&str>) {
        if let Some(step) = stage.steps.get(step) {
            self.follow(plan, stage, &step.next, other);
        }
    }

    /// Whether the watermark of a stage is forgotten.
    pub(super) fn has_stage(&self, stage: &str) -> bool {
        self.stages.contains(stage)
    }

    /// Whether a stage reads from the beginning again.
    pub(super) fn has_stage_read(&self, stage: &StageLayout) -> bool {
        stage.reads.as_ref().is_some_and(|end| self.readers.contains(&end.node))
    }

    /// The node that takes the event times of a step's records from another field.
    pub(super) fn other_time(&self, stage: &str, step: usize) -> Option<&str> {
        self.other.get(&(stage.to_owned(), step)).map(String::as_str)
    }

    fn follow(&mut self, plan: &PhysicalPlan, stage: &Stage, targets: &[Target], other: Option<&str>) {
        let mut waiting: VecDeque<(&Stage, Target)> = targets.iter().map(|target| (stage, *target)).collect();
        let mut seen = BTreeSet::new();
        while let Some((stage, target)) = waiting.pop_front() {
            match target {
                Target::Step(number) => {
                    let Some(step) = stage.steps.get(number) else { continue };
                    if !seen.insert((stage.name.as_str(), number)) {
                        continue;
                    }
                    if let Some(node) = other {
                        self.other.insert((stage.name.clone(), number), node.to_owned());
                    }
                    waiting.extend(step.next.iter().map(|target| (stage, *target)));
                }
                Target::Route(route) => {
                    let Some(to) = plan.routes.get(route).and_then(|route| plan.stages.get(route.to)) else { continue };
                    self.stages.insert(to.name.clone());
                    waiting.extend(to.roots.iter().map(|target| (to, *target)));
                }
            }
        }
    }
}

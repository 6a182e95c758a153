//! What lies behind a source that is read again, or an event time that is taken from another field: the time of the
//! checkpoint says nothing there, and its state has counted what comes, or means another time.

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
    /// The steps whose state does not go with the records that come, and why.
    unfit: BTreeMap<(String, usize), String>,
}

impl Restarts {
    /// The reader of a stage begins anew; `why` says what is wrong with state that has its records already.
    pub(super) fn behind_reader(&mut self, plan: &PhysicalPlan, stage: &Stage, why: Option<&str>) {
        if let Some(reads) = Reads::of(&stage.input) {
            self.readers.insert(reads.node);
        }
        self.stages.insert(stage.name.clone());
        self.follow(plan, stage, &stage.roots, why);
    }

    /// A step takes event times anew; `why` says what is wrong with state behind it.
    pub(super) fn behind_step(&mut self, plan: &PhysicalPlan, stage: &Stage, step: usize, why: Option<&str>) {
        if let Some(step) = stage.steps.get(step) {
            self.follow(plan, stage, &step.next, why);
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

    /// Why the state of a step does not go with the records that come.
    pub(super) fn unfit(&self, stage: &str, step: usize) -> Option<&str> {
        self.unfit.get(&(stage.to_owned(), step)).map(String::as_str)
    }

    fn follow(&mut self, plan: &PhysicalPlan, stage: &Stage, targets: &[Target], why: Option<&str>) {
        let mut waiting: VecDeque<(&Stage, Target)> = targets.iter().map(|target| (stage, *target)).collect();
        let mut seen = BTreeSet::new();
        while let Some((stage, target)) = waiting.pop_front() {
            match target {
                Target::Step(number) => {
                    let Some(step) = stage.steps.get(number) else { continue };
                    if !seen.insert((stage.name.as_str(), number)) {
                        continue;
                    }
                    if let Some(why) = why {
                        self.unfit.entry((stage.name.clone(), number)).or_insert_with(|| why.to_owned());
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

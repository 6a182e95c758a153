//! Takes the state of a checkpoint over into a plan that may have changed since.
//!
//! State is found by the name and the role of its node. Where the plan has other tasks than the one that wrote it, each task
//! takes its share: what is kept by key by the hash of the key, what belongs to a writer by the number of the writer. What
//! does not fit the plan, or has no node there any more, is a problem for a person to decide: nothing is dropped unasked.

mod edits;
mod problem;
mod restarts;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use pipectl_data::{Micros, START_OF_TIME, Share};
use pipectl_ir::physical::{PhysicalPlan, SinkPlan, Tasks};
use serde_json::Value;

pub use self::edits::StateEdits;
use self::{
    problem::{Change, Loss, Problem},
    restarts::Restarts,
};
use crate::{
    RunError,
    checkpoint::{Checkpoint, Checkpoints, StateOf},
    counters::SavedCounts,
    layout::{EVENT_TIME, EndLayout, Layout, PARTITION, StageLayout, StepLayout},
    state::TaskState,
    steps,
};

/// What a task goes on from.
#[derive(Debug, Clone)]
pub(crate) struct Carried {
    pub(crate) counts: SavedCounts,
    /// The combined watermark of its inputs.
    pub(crate) watermark: Micros,
    pub(crate) position: Option<Value>,
    /// What each of its routes had sent.
    pub(crate) sent: Vec<u64>,
    /// The state of each of its steps.
    pub(crate) parts: Vec<Part>,
    /// What its writer goes on from.
    pub(crate) writer: Option<Vec<u8>>,
    /// What the other writers of the checkpoint answered, where there were more or fewer of them, and whether this one
    /// takes over what they had open.
    pub(crate) others: Vec<(Vec<u8>, bool)>,
}

impl Default for Carried {
    fn default() -> Self {
        Self {
            counts: SavedCounts::default(),
            watermark: START_OF_TIME,
            position: None,
            sent: Vec::new(),
            parts: Vec::new(),
            writer: None,
            others: Vec::new(),
        }
    }
}

/// The state of a step.
#[derive(Debug, Clone, Default)]
pub(crate) enum Part {
    /// It begins anew.
    #[default]
    None,
    /// What one task wrote.
    Own(Vec<u8>),
    /// What several tasks wrote, and which part of it is this task's.
    Share(Arc<[Vec<u8>]>, Share),
}

/// What a plan goes on from, by task.
#[derive(Debug, Default)]
pub(crate) struct States {
    tasks: BTreeMap<(String, usize), Carried>,
}

impl States {
    /// That of a task.
    pub(crate) fn of(&self, stage: &str, index: usize) -> Option<&Carried> {
        self.tasks.get(&(stage.to_owned(), index))
    }

    /// Where the readers of a stage stood.
    pub(crate) fn positions(&self, stage: &str) -> Vec<Value> {
        (0..).map_while(|index| self.of(stage, index)).filter_map(|task| task.position.clone()).collect()
    }

    /// Everything as it was written, for the plan that wrote it.
    pub(crate) fn unchanged(checkpoint: &Checkpoint, plan: &PhysicalPlan) -> Result<Self, RunError> {
        let writes = |name: &str| {
            plan.stages.iter().any(|stage| stage.name == name && (stage.sink.is_some() || stage.writes.is_some()))
        };
        let old = Old::read(checkpoint)?;
        let tasks = old.tasks.into_iter().map(|((stage, index), state)| {
            let TaskState { counts, watermark, position, sent, mut parts } = state;
            let writer = writes(&stage).then(|| parts.pop()).flatten();
            let parts = parts.into_iter().map(Part::Own).collect();
            let others = Vec::new();
            ((stage, index), Carried { counts, watermark, position, sent, parts, writer, others })
        });
        Ok(Self { tasks: tasks.collect() })
    }

    /// Only what the writers need, for a region that several workers share: where it goes on, the backend knows, and what
    /// it has counted is nobody else's.
    pub(crate) fn of_writers(checkpoint: &Checkpoint, plan: &PhysicalPlan) -> Result<Self, RunError> {
        let Self { tasks } = Self::unchanged(checkpoint, plan)?;
        let is_sink = |name: &str| plan.stages.iter().any(|stage| stage.name == name && stage.sink.is_some());
        let tasks = tasks.into_iter().filter(|((stage, _), _)| is_sink(stage));
        Ok(Self {
            tasks: tasks.map(|(task, old)| (task, Carried { writer: old.writer, ..Carried::default() })).collect(),
        })
    }

    /// What fits a plan, and what does not. `is_published` says that the sinks hold nothing that is not published.
    ///
    /// # Errors
    /// If there is state that does not fit the plan, or has no place in it, and `edits` do not say that it may go.
    pub(crate) fn carry(
        checkpoint: &Checkpoint,
        written: &Layout,
        plan: &PhysicalPlan,
        edits: &StateEdits,
        is_published: bool,
    ) -> Result<Self, RunError> {
        let wanted = Layout::of(plan);
        let old = Old::read(checkpoint)?;
        let mut carry = Carry {
            old: &old,
            written,
            wanted: &wanted,
            edits,
            is_published,
            taken: BTreeSet::new(),
            problems: Vec::new(),
            tasks: BTreeMap::new(),
            restarts: Restarts::default(),
        };
        carry.restarts = carry.find_restarts(plan);
        for (stage, layout) in plan.stages.iter().zip(&wanted.stages) {
            let tasks = match stage.tasks {
                Tasks::Fixed(count) => count as usize,
                // As many as there were; new readers have nothing to go on from.
                Tasks::Readers(source) => {
                    let source = plan.stages.get(source).map_or("", |stage| stage.name.as_str());
                    old.count(source).max(old.count(&stage.name))
                }
            };
            carry.stage(layout, tasks);
        }
        carry.find_left();
        if !carry.problems.is_empty() {
            return Err(problem::refuse(checkpoint.id, &carry.problems));
        }
        carry.counts();
        Ok(Self { tasks: carry.tasks })
    }
}

/// Whether the sinks hold nothing that is not published: the checkpoint is the last one of a run that came to its end.
pub(crate) async fn is_published(checkpoint: &Checkpoint, store: &dyn Checkpoints) -> Result<bool, RunError> {
    Ok(checkpoint.drained && store.is_committed(checkpoint.id).await?)
}

/// Whether a plan can resume from a checkpoint, before anything is opened. Those of format 1 are judged at the start.
///
/// # Errors
/// As [`States::carry`].
pub(crate) async fn check(
    checkpoint: &Checkpoint,
    plan: &PhysicalPlan,
    edits: &StateEdits,
    store: &dyn Checkpoints,
) -> Result<(), RunError> {
    let StateOf::Layout(written) = &checkpoint.of else { return Ok(()) };
    let is_published = is_published(checkpoint, store).await?;
    States::carry(checkpoint, written, plan, edits, is_published).map(drop)
}

/// The tasks of a checkpoint.
struct Old {
    tasks: BTreeMap<(String, usize), TaskState>,
}

impl Old {
    fn read(checkpoint: &Checkpoint) -> Result<Self, RunError> {
        let task = |(name, state): &(String, Vec<u8>)| {
            let known = name.rsplit_once('/').and_then(|(stage, index)| Some((stage.to_owned(), index.parse().ok()?)));
            let known = known.ok_or_else(|| RunError::failed(format!("the checkpoint names a task `{name}`")))?;
            Ok((known, TaskState::decode(state)?))
        };
        Ok(Self { tasks: checkpoint.tasks.iter().map(task).collect::<Result<_, RunError>>()? })
    }

    /// How many tasks a stage had.
    fn count(&self, stage: &str) -> usize {
        self.of(stage).count()
    }

    fn of<'a>(&'a self, stage: &'a str) -> impl Iterator<Item = &'a TaskState> + 'a {
        (0..).map_while(move |index| self.task(stage, index))
    }

    fn task(&self, stage: &str, index: usize) -> Option<&TaskState> {
        self.tasks.get(&(stage.to_owned(), index))
    }
}

struct Carry<'a> {
    old: &'a Old,
    /// What the checkpoint was written by.
    written: &'a Layout,
    /// What goes on from it.
    wanted: &'a Layout,
    edits: &'a StateEdits,
    is_published: bool,
    /// The steps of the checkpoint, by stage and number, that are found again.
    taken: BTreeSet<(&'a str, usize)>,
    problems: Vec<Problem>,
    tasks: BTreeMap<(String, usize), Carried>,
    /// Where event time begins anew.
    restarts: Restarts,
}

impl<'a> Carry<'a> {
    fn stage(&mut self, stage: &StageLayout, tasks: usize) {
        let before = self.written.stage(&stage.name);
        let steps: Vec<Vec<Part>> = (0..stage.steps.len()).map(|number| self.step(stage, number, tasks)).collect();
        let reads = self.end(stage.reads.as_ref(), before.and_then(|before| before.reads.as_ref()));
        let writes = self.end(stage.writes.as_ref(), before.and_then(|before| before.writes.as_ref()));
        let sent = before.map(|before| sent_before(before, stage)).unwrap_or_default();
        let count = self.old.count(&stage.name);
        if let Some(end) = stage.reads.as_ref().filter(|end| reads && self.wanted.role(end.node) == "stream")
            && count != tasks
        {
            let name = self.wanted.name(end.node).to_owned();
            let role = "stream".to_owned();
            let change = Change::Different(vec![format!("`partitions` was {count} and is {tasks}")]);
            self.problems.push(Problem { name, role, change, loss: Loss::Position });
        }
        for index in 0..tasks {
            let old = self.old.task(&stage.name, index);
            // With other tasks, all of them have come at least as far as the one that is furthest behind.
            let least = self.old.of(&stage.name).map(|task| task.watermark).min();
            let watermark = old.filter(|_| count == tasks).map(|task| task.watermark).or(least);
            let watermark = watermark.filter(|_| !self.restarts.has_stage(&stage.name));
            let sent = stage.routes.iter().enumerate().map(|(number, _)| {
                let before = sent.get(number).copied().flatten()?;
                old.filter(|_| count == tasks)?.sent.get(before).copied()
            });
            let sent = sent.map(Option::unwrap_or_default).collect();
            let parts = steps.iter().map(|parts| parts.get(index).cloned().unwrap_or_default()).collect();
            let mut carried = Carried {
                watermark: watermark.unwrap_or(START_OF_TIME),
                sent,
                parts,
                position: old.filter(|_| reads).and_then(|task| task.position.clone()),
                ..Carried::default()
            };
            if writes {
                let state = |task: &TaskState| task.parts.first().cloned();
                carried.writer = old.and_then(state);
                if count != tasks {
                    let others = self.old.of(&stage.name).enumerate().filter(|(other, _)| *other != index);
                    let others = others
                        .filter_map(|(other, task)| Some((state(task)?, other >= tasks && other % tasks == index)));
                    carried.others = others.collect();
                }
            }
            self.tasks.insert((stage.name.clone(), index), carried);
        }
    }

    /// Whether the reader or the writer of a stage is the one that it was.
    fn end(&self, now: Option<&EndLayout>, before: Option<&EndLayout>) -> bool {
        let (Some(now), Some(before)) = (now, before) else { return false };
        self.is_same(now, before) && !self.edits.resets(self.wanted.name(now.node))
    }

    fn is_same(&self, now: &EndLayout, before: &EndLayout) -> bool {
        is_same_end(self.wanted, now, self.written, before)
    }

    /// The state of a step, for each task.
    fn step(&mut self, stage: &StageLayout, number: usize, tasks: usize) -> Vec<Part> {
        let step = &stage.steps[number];
        let Some(wanted) = &step.state else { return Vec::new() };
        let Some((at, before)) = self.find(stage, number) else { return Vec::new() };
        let name = self.wanted.name(step.node);
        let parts: Vec<Vec<u8>> = {
            let place = before.steps.get(at).map(|_| at);
            let part = |task: &TaskState| place.and_then(|at| task.parts.get(at).cloned()).unwrap_or_default();
            self.old.of(&before.name).map(part).collect()
        };
        self.taken.insert((before.name.as_str(), at));
        let is_clock = step.operation == EVENT_TIME;
        if self.edits.resets(name) || parts.iter().all(Vec::is_empty) || is_clock && self.restarts.has_stage_read(stage)
        {
            return Vec::new();
        }
        let known = before.steps.get(at).and_then(|step| step.state.as_ref());
        let differences = known.map(|known| problem::differences(known, wanted)).unwrap_or_default();
        let mut differences = differences;
        // What a clock has seen does not count twice.
        let is_clock = is_clock || step.operation == PARTITION;
        differences.extend(self.restarts.unfit(&stage.name, number).filter(|_| !is_clock).map(str::to_owned));
        if !differences.is_empty() {
            let role = self.wanted.role(step.node).to_owned();
            let loss = Loss::Records(self.held(name));
            self.problems.push(Problem { name: name.to_owned(), role, change: Change::Different(differences), loss });
            return Vec::new();
        }
        let placed = before.steps.get(at).and_then(|step| step.placed_by.as_ref());
        let same = parts.len() == tasks && placed == step.placed_by.as_ref();
        match step.operation.as_str() {
            EVENT_TIME if same && before.name == stage.name => parts.into_iter().map(Part::Own).collect(),
            EVENT_TIME if stage.reads.is_some() && before.name == stage.name => {
                parts.into_iter().map(Part::Own).collect()
            }
            EVENT_TIME => vec![Part::Own(steps::merge_event_times(&parts)); tasks],
            _ if same => parts.into_iter().map(Part::Own).collect(),
            PARTITION => vec![Part::Own(steps::furthest_position(&parts)); tasks],
            _ => {
                let parts: Arc<[Vec<u8>]> = parts.into();
                let share = |task: usize| Share {
                    columns: step.placed_by.clone(),
                    task: u32::try_from(task).unwrap_or(u32::MAX),
                    tasks: u32::try_from(tasks).unwrap_or(u32::MAX),
                };
                (0..tasks).map(|task| Part::Share(Arc::clone(&parts), share(task))).collect()
            }
        }
    }

    /// Where the state of a step was: in the stage of the same name, else wherever there is the only such step.
    fn find(&self, stage: &StageLayout, number: usize) -> Option<(usize, &'a StageLayout)> {
        let step = &stage.steps[number];
        let same = |before: &StepLayout| {
            before.operation == step.operation && before.state.is_some() && self.is_same_node(before.node, step.node)
        };
        let here = |stage: &'a StageLayout| {
            let steps = stage.steps.iter().enumerate().filter(|(_, step)| same(step));
            steps.map(move |(at, _)| (at, stage))
        };
        // Several alike in a stage keep their order.
        let alike = |other: &StepLayout| other.node == step.node && other.operation == step.operation;
        let nth = stage.steps.iter().take(number).filter(|other| alike(other)).count();
        if let Some(found) = self.written.stage(&stage.name).and_then(|stage| here(stage).nth(nth)) {
            return Some(found);
        }
        let mut all = self.written.stages.iter().flat_map(here);
        let found = all.next()?;
        let only = all.next().is_none() && !self.taken.contains(&(found.1.name.as_str(), found.0));
        only.then_some(found)
    }

    fn is_same_node(&self, before: usize, now: usize) -> bool {
        let (before, now) = (self.written.nodes.get(before), self.wanted.nodes.get(now));
        before.zip(now).is_some_and(|(before, now)| before.is(now))
    }

    /// Where event time begins anew: behind a source or a stream that is reset, and where it is taken from another field.
    fn find_restarts(&self, plan: &PhysicalPlan) -> Restarts {
        let mut restarts = Restarts::default();
        for (stage, layout) in plan.stages.iter().zip(&self.wanted.stages) {
            if let Some(end) = layout.reads.as_ref().filter(|end| self.edits.resets(self.wanted.name(end.node))) {
                let before = self.written.stage(&layout.name).and_then(|before| before.reads.as_ref());
                let again = before.is_some_and(|before| self.is_same(end, before));
                let name = self.wanted.name(end.node);
                let why = format!("`{name}` is read again, and its records would count twice");
                restarts.behind_reader(plan, stage, again.then_some(why.as_str()));
            }
            for (number, step) in layout.steps.iter().enumerate().filter(|(_, step)| step.operation == EVENT_TIME) {
                let name = self.wanted.name(step.node);
                let known = self.find(layout, number).and_then(|(at, before)| before.steps.get(at)?.state.as_ref());
                let wanted = step.state.as_ref();
                let is_other = known.zip(wanted).is_some_and(|(known, wanted)| known != wanted);
                if is_other || self.edits.resets(name) {
                    let why = format!("its event times are those of another field of `{name}`");
                    restarts.behind_step(plan, stage, number, is_other.then_some(why.as_str()));
                }
            }
        }
        restarts
    }

    /// How many records a node held in its state.
    fn held(&self, name: &str) -> u64 {
        let node = self.written.nodes.iter().position(|node| node.name == name);
        let counts = self.old.tasks.values().flat_map(|task| &task.counts.counts);
        let of_node = counts.filter(|(number, _)| Some(*number) == node);
        // State may have moved to other tasks than the counts.
        let sum = of_node.fold((0, 0), |sum, (_, counts)| (sum.0 + counts.absorbed, sum.1 + counts.released));
        sum.0.saturating_sub(sum.1)
    }

    /// State that no step, reader or writer of the plan has taken over.
    fn find_left(&mut self) {
        let mut gone: Vec<Problem> = Vec::new();
        for stage in &self.written.stages {
            for (at, step) in stage.steps.iter().enumerate() {
                let is_taken = self.taken.contains(&(stage.name.as_str(), at));
                // How far event time was matters to nobody without the node.
                let is_clock = [EVENT_TIME, PARTITION].contains(&step.operation.as_str());
                let holds = |task: &TaskState| task.parts.get(at).is_some_and(|part| !part.is_empty());
                if step.state.is_none() || is_taken || is_clock || !self.old.of(&stage.name).any(holds) {
                    continue;
                }
                gone.push(self.left(step.node, Loss::Records(self.held(self.written.name(step.node))), None));
            }
            let now = self.wanted.stage(&stage.name);
            if let Some(before) = &stage.reads
                && !now.and_then(|now| now.reads.as_ref()).is_some_and(|now| self.is_same(now, before))
            {
                gone.push(self.left(before.node, Loss::Position, None));
            }
            let writes = now.and_then(|now| now.writes.as_ref());
            if let Some(before) = stage.writes.as_ref().filter(|_| !self.is_published)
                && !writes.is_some_and(|now| self.is_same(now, before))
                && self.old.of(&stage.name).any(|task| task.parts.first().is_some_and(|part| !part.is_empty()))
            {
                let places = (before.place.as_deref(), writes.and_then(|now| now.place.as_deref()));
                gone.push(self.left(before.node, Loss::Output, Some(places)));
            }
        }
        gone.retain(|problem| match problem.change {
            Change::Gone => !self.edits.drops(&problem.name),
            _ => !self.edits.resets(&problem.name),
        });
        self.problems.extend(gone);
    }

    /// The problem that nothing takes over what a node of the checkpoint has left.
    fn left(&self, node: usize, loss: Loss, places: Option<(Option<&str>, Option<&str>)>) -> Problem {
        let (name, role) = (self.written.name(node).to_owned(), self.written.role(node).to_owned());
        let before = self.written.nodes.get(node);
        let now = before.and_then(|before| self.wanted.nodes.iter().find(|now| now.name == before.name));
        let change = match (before, now) {
            (Some(before), Some(now)) if before.kind != now.kind || before.role != now.role => {
                Change::Kind { was: before.kind.clone(), is: now.kind.clone() }
            }
            (Some(_), Some(_)) => match places {
                Some((Some(was), Some(is))) => Change::Place { was: was.to_owned(), is: is.to_owned() },
                _ => Change::Stateless,
            },
            _ => Change::Gone,
        };
        Problem { name, role, change, loss }
    }

    /// Counts go on under the numbers that the nodes have now; those of tasks that are no more go to the first of the stage,
    /// or of the plan.
    fn counts(&mut self) {
        let number = |node: usize| {
            let id = self.written.nodes.get(node)?;
            let known = self.wanted.nodes.iter().position(|node| node.is(id) && node.stateful == id.stateful);
            known.filter(|_| !self.edits.resets(&id.name))
        };
        let first = self.tasks.keys().next().cloned();
        for ((stage, index), old) in &self.old.tasks {
            let here = (stage.clone(), *index);
            let task =
                [here, (stage.clone(), 0)].into_iter().find(|task| self.tasks.contains_key(task)).or(first.clone());
            let Some(task) = task.and_then(|task| self.tasks.get_mut(&task)) else { continue };
            task.counts.add(&old.counts, number);
        }
    }
}

/// The sinks of a plan that no checkpoint holds anything of, by the names of their outputs: those that are new in the spec,
/// or of another kind, or begin anew.
pub(crate) fn new_sinks(written: &Layout, plan: &PhysicalPlan, edits: &StateEdits) -> BTreeSet<String> {
    let wanted = Layout::of(plan);
    let sinks = plan.stages.iter().filter_map(|stage| Some((stage.name.as_str(), stage.sink.as_ref()?)));
    let is_new = |(stage, sink): &(&str, &SinkPlan)| {
        let [before, now] =
            [written, &wanted].map(|layout| layout.stage(stage).and_then(|stage| stage.writes.as_ref()));
        !before.zip(now).is_some_and(|(before, now)| is_same_end(&wanted, now, written, before))
            || plan.nodes.get(sink.node).is_some_and(|node| edits.resets(&node.name))
    };
    sinks.filter(is_new).map(|(_, sink)| sink.name.clone()).collect()
}

/// Whether what a stage reads or writes is what it was: of the same kind and role, and for a sink in the same place.
fn is_same_end(wanted: &Layout, now: &EndLayout, written: &Layout, before: &EndLayout) -> bool {
    now.kind == before.kind && now.place == before.place && wanted.role(now.node) == written.role(before.node)
}

/// For each route of a stage, which one of the stage as it was it is.
fn sent_before(before: &StageLayout, now: &StageLayout) -> Vec<Option<usize>> {
    let mut free: Vec<Option<&crate::layout::RouteLayout>> = before.routes.iter().map(Some).collect();
    let route = |route| {
        let at = free.iter().position(|free| *free == Some(route))?;
        free[at] = None;
        Some(at)
    };
    now.routes.iter().map(route).collect()
}

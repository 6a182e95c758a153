//! The operators fused into one task: a tree of synchronous steps with routes at its leaves.

mod calls;

use std::{path::Path, sync::Arc};

use pipectl_contract::{Calls, DeadLetters, Output, Reason};
use pipectl_data::{Batch, Micros, START_OF_TIME};
use pipectl_host::Host;
use pipectl_ir::{
    physical::{PhysicalPlan, Stage, StageInput, Target},
    report::PARTLY_LATE,
};

use crate::{
    carry::Part,
    connectors::Connectors,
    counters::{DROPPED_LATE, TaskCounts},
    dead_letter,
    error::RunError,
    memory::StateMemory,
    message::{End, Frontier, IdleTime, Message},
    queue::Closed,
    route::RouteSender,
    steps::{self, AllTogether, PartitionChange},
    work::Work,
};

/// Why a task cannot go on.
#[derive(Debug)]
pub(crate) enum Halt {
    /// It failed.
    Failed(RunError),
    /// A task that it sends to is gone: the run has failed elsewhere.
    Closed,
}

impl From<Closed> for Halt {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

impl From<RunError> for Halt {
    fn from(error: RunError) -> Self {
        Self::Failed(error)
    }
}

/// The fused operators of one task.
pub(crate) struct Chain {
    nodes: Arc<[String]>,
    steps: Vec<StepRunner>,
    roots: Vec<Target>,
    routes: Vec<RouteSender>,
    /// Which of `routes` leads to the dead letters.
    dead_letters: Option<usize>,
    outgoing: Vec<(usize, Outgoing)>,
    /// This task's counts.
    pub(crate) counts: TaskCounts,
    memory: Arc<StateMemory>,
}

struct StepRunner {
    node: usize,
    enters: bool,
    leaves: bool,
    fail_on_error: bool,
    work: Work,
    next: Vec<Target>,
    /// Bytes of state that it has reported.
    state_bytes: usize,
}

enum Outgoing {
    Batch(Batch),
    Watermark(Micros),
}

/// What makes the operators of a stage's task.
pub(crate) struct ChainParts<'a> {
    /// The clock, and the folder of relative paths.
    pub(crate) place: (&'a Host, &'a Path),
    /// Names by node number.
    pub(crate) nodes: Arc<[String]>,
    /// The routes of the stage, by the plan's number, in order.
    pub(crate) routes: Vec<(usize, RouteSender)>,
    /// The plan's number of the route to the dead letters.
    pub(crate) dead_letters: Option<usize>,
    /// The task's counts.
    pub(crate) counts: TaskCounts,
    /// What all tasks' state may hold.
    pub(crate) memory: Arc<StateMemory>,
    /// What subtasks know of each other's event times.
    pub(crate) together: Arc<AllTogether>,
}

impl Chain {
    /// The operators of task `index` of a stage.
    pub(crate) fn new(
        plan: &PhysicalPlan,
        stage: &Stage,
        index: u32,
        connectors: &dyn Connectors,
        parts: ChainParts<'_>,
    ) -> Result<Self, RunError> {
        let (numbers, routes): (Vec<_>, Vec<_>) = parts.routes.into_iter().unzip();
        let local = |target: Target| match target {
            Target::Step(step) => Ok(Target::Step(step)),
            Target::Route(route) => {
                numbers.iter().position(|number| *number == route).map(Target::Route).ok_or_else(|| {
                    RunError::failed(format!("stage `{}` names a route that is not its own", stage.name))
                })
            }
        };
        let locals = |targets: &[Target]| targets.iter().copied().map(local).collect::<Result<Vec<_>, _>>();
        let mut steps = Vec::with_capacity(stage.steps.len());
        for (number, step) in stage.steps.iter().enumerate() {
            let together = parts.together.step(stage, number);
            let node = plan.nodes.get(step.node).map_or("", |node| node.name.as_str());
            steps.push(StepRunner {
                node: step.node,
                enters: step.enters,
                leaves: step.leaves,
                fail_on_error: step.fail_on_error,
                work: Work::new(
                    &step.operation,
                    node,
                    (index, matches!(stage.input, StageInput::Stream(_))),
                    connectors,
                    parts.place,
                    together,
                )
                .map_err(|error| RunError::operator(node, &error))?,
                next: locals(&step.next)?,
                state_bytes: 0,
            });
        }
        let dead_letters = parts.dead_letters.and_then(|route| numbers.iter().position(|number| *number == route));
        Ok(Self {
            nodes: parts.nodes,
            steps,
            roots: locals(&stage.roots)?,
            routes,
            dead_letters,
            outgoing: Vec::new(),
            counts: parts.counts,
            memory: parts.memory,
        })
    }

    /// Takes a batch from the input.
    pub(crate) async fn batch(&mut self, batch: Batch) -> Result<(), Halt> {
        self.feed_roots(&batch)?;
        self.flush().await
    }

    /// The source of this number rejects records: they go to the dead letters.
    pub(crate) async fn reject(&mut self, node: usize, batch: Batch, reasons: Vec<String>) -> Result<(), Halt> {
        self.counts.node(node).dead_lettered += batch.len() as u64;
        self.counts.add_reason(node, "source", batch.len() as u64);
        if let Some(route) = self.dead_letters {
            let reasons = reasons.into_iter().map(|message| Reason { code: "source", message }).collect();
            let name = &self.nodes[node];
            let dead = DeadLetters { batch, reasons };
            let batch = dead_letter::to_batch(name, &dead).map_err(|error| RunError::operator(name, &error))?;
            self.outgoing.push((route, Outgoing::Batch(batch)));
        }
        self.flush().await
    }

    /// The input's watermark has grown.
    pub(crate) async fn watermark(&mut self, watermark: Micros) -> Result<(), Halt> {
        for index in 0..self.roots.len() {
            self.pass_watermark(self.roots[index], watermark)?;
        }
        self.flush().await
    }

    /// A partition of the input opens, falls idle or goes. Answers whether all of the task's partitions are idle.
    pub(crate) async fn partition(&mut self, partition: u32, change: PartitionChange) -> Result<bool, Halt> {
        let mut idle = true;
        for index in 0..self.steps.len() {
            if let Work::EventTime(step) = &mut self.steps[index].work {
                let grown = step.on_partition(partition, change);
                idle &= step.is_idle();
                if let Some(watermark) = grown {
                    self.pass_on_watermark(index, watermark)?;
                }
            }
        }
        self.flush().await?;
        Ok(idle)
    }

    /// All inputs of the pipeline are idle: event time goes on without records.
    pub(crate) async fn idle_time(&mut self, time: IdleTime) -> Result<(), Halt> {
        let mut reached = vec![START_OF_TIME; self.routes.len()];
        for index in 0..self.roots.len() {
            self.pass_idle_time(self.roots[index], time, &mut reached)?;
        }
        self.flush().await?;
        for (route, watermark) in self.routes.iter().zip(reached) {
            route.broadcast(&Message::IdleTime(IdleTime { watermark, ..time })).await?;
        }
        Ok(())
    }

    /// No more records come. At the real end of the input, windows close unless their node keeps them open.
    pub(crate) async fn end(&mut self, end: End) -> Result<(), Halt> {
        let mut ends = vec![end; self.routes.len()];
        if let End::Finished(frontier) = end {
            let mut reached = vec![None; self.routes.len()];
            for index in 0..self.roots.len() {
                self.pass_end(self.roots[index], frontier, &mut reached)?;
            }
            for (end, reached) in ends.iter_mut().zip(reached) {
                *end = End::Finished(reached.unwrap_or_default());
            }
            self.flush().await?;
            self.counts.end_watermarks();
        }
        for (route, end) in self.routes.iter().zip(ends) {
            route.broadcast(&Message::End(end)).await?;
        }
        Ok(())
    }

    /// After a restart: reports the next tasks how far time was.
    pub(crate) async fn announce(&mut self, watermark: Micros) -> Result<(), Halt> {
        for index in 0..self.steps.len() {
            if let Work::EventTime(step) = &self.steps[index].work {
                let watermark = step.watermark();
                if watermark > START_OF_TIME {
                    for target in 0..self.steps[index].next.len() {
                        self.pass_watermark(self.steps[index].next[target], watermark)?;
                    }
                }
            }
        }
        if watermark > START_OF_TIME {
            self.watermark(watermark).await?;
        }
        self.flush().await
    }

    /// Sends a message down every route.
    pub(crate) async fn broadcast(&mut self, message: &Message) -> Result<(), Halt> {
        for route in &self.routes {
            route.broadcast(message).await?;
        }
        Ok(())
    }

    /// The state of each step, and what each route has sent.
    pub(crate) fn snapshot(&mut self) -> Result<(Vec<Vec<u8>>, Vec<u64>), Halt> {
        let mut parts = Vec::with_capacity(self.steps.len());
        for step in &mut self.steps {
            parts.push(match &mut step.work {
                Work::Operator(operator) => {
                    operator.snapshot().map_err(|error| RunError::operator(&self.nodes[step.node], &error))?
                }
                Work::EventTime(step) => step.snapshot(),
            });
        }
        Ok((parts, self.routes.iter().map(RouteSender::sent).collect()))
    }

    /// Goes on from a snapshot.
    pub(crate) fn restore(&mut self, parts: &[Part], sent: &[u64]) -> Result<(), RunError> {
        if parts.len() != self.steps.len() || sent.len() != self.routes.len() {
            return Err(RunError::failed("the checkpoint holds the state of other steps"));
        }
        for (step, part) in self.steps.iter_mut().zip(parts) {
            let restored = match (&mut step.work, part) {
                (_, Part::None) => Ok(()),
                (_, Part::Own(part)) if part.is_empty() => Ok(()),
                (Work::Operator(operator), Part::Own(part)) => operator.restore(part),
                (Work::Operator(operator), Part::Share(parts, share)) => {
                    let mut parts = parts.iter().filter(|part| !part.is_empty());
                    parts.try_for_each(|part| operator.restore_share(part, share))
                }
                (Work::EventTime(step), Part::Own(part)) => step.restore(part),
                (Work::EventTime(_), Part::Share(..)) => Err(steps::broken("event times have no keys")),
            };
            restored.map_err(|error| RunError::operator(&self.nodes[step.node], &error))?;
        }
        for index in 0..self.steps.len() {
            self.note_state(index)?;
        }
        for (route, sent) in self.routes.iter_mut().zip(sent) {
            route.restore(*sent);
        }
        Ok(())
    }

    fn feed_roots(&mut self, batch: &Batch) -> Result<(), Halt> {
        for index in 0..self.roots.len() {
            self.feed(self.roots[index], batch.clone())?;
        }
        Ok(())
    }

    fn feed(&mut self, target: Target, batch: Batch) -> Result<(), Halt> {
        match target {
            Target::Route(route) => {
                self.outgoing.push((route, Outgoing::Batch(batch)));
                Ok(())
            }
            Target::Step(index) => self.run_step(index, batch),
        }
    }

    /// Notes what the operator of a step holds now.
    fn note_state(&mut self, index: usize) -> Result<(), Halt> {
        let step = &mut self.steps[index];
        let Work::Operator(operator) = &step.work else { return Ok(()) };
        let held = operator.state_bytes();
        if held != step.state_bytes {
            self.counts.meters().state_changed(step.node, step.state_bytes, held);
            self.memory.changed(step.node, &self.nodes[step.node], step.state_bytes, held)?;
            step.state_bytes = held;
        }
        Ok(())
    }

    fn run_step(&mut self, index: usize, batch: Batch) -> Result<(), Halt> {
        let step = &mut self.steps[index];
        if step.enters {
            self.counts.node(step.node).input += batch.len() as u64;
        }
        match &mut step.work {
            Work::Operator(operator) => {
                let mut out = Output::default();
                operator
                    .on_batch(batch, &mut out)
                    .map_err(|error| RunError::operator(&self.nodes[step.node], &error))?;
                self.note_state(index)?;
                self.emit(index, out)
            }
            Work::EventTime(step_work) => {
                let mut out = Vec::new();
                step_work
                    .on_batch(batch, &mut out)
                    .map_err(|error| RunError::operator(&self.nodes[step.node], &error))?;
                for timed in out {
                    match timed {
                        steps::Timed::Batch(batch) => {
                            self.emit(index, Output { batches: vec![batch], ..Output::default() })?;
                        }
                        steps::Timed::Dead(dead) => {
                            self.emit(index, Output { dead: vec![dead], ..Output::default() })?;
                        }
                        steps::Timed::Watermark(watermark) => self.pass_on_watermark(index, watermark)?,
                    }
                }
                Ok(())
            }
        }
    }

    fn emit(&mut self, index: usize, out: Output) -> Result<(), Halt> {
        let (node, leaves) = (self.steps[index].node, self.steps[index].leaves);
        let counts = self.counts.node(node);
        counts.filtered += out.filtered;
        counts.extra += out.extra;
        counts.absorbed += out.absorbed;
        counts.dropped_late += out.dropped_late;
        counts.late += out.dropped_late;
        counts.released += out.released;
        self.counts.add_reason(node, DROPPED_LATE, out.dropped_late);
        self.counts.add_reason(node, PARTLY_LATE, out.partly_late);
        for dead in out.dead {
            let count = self.dead_letter(index, &dead)?;
            self.counts.node(node).dead_lettered += count;
        }
        for dead in out.dead_results {
            let count = self.dead_letter(index, &dead)?;
            self.counts.node(node).dead_results += count;
        }
        for batch in out.batches {
            if leaves {
                self.counts.node(node).output += batch.len() as u64;
            }
            let last = self.steps[index].next.len();
            let mut batch = Some(batch);
            for target in 0..last {
                // The last receiver gets the batch itself, the others a copy of its references.
                let part = if target + 1 == last { batch.take() } else { batch.clone() };
                if let Some(part) = part {
                    self.feed(self.steps[index].next[target], part)?;
                }
            }
        }
        Ok(())
    }

    /// Sends dead letters and counts their reasons; answers how many there are.
    fn dead_letter(&mut self, index: usize, dead: &DeadLetters) -> Result<u64, Halt> {
        let step = &self.steps[index];
        let name = &self.nodes[step.node];
        if let Some(reason) = dead.reasons.iter().find(|reason| step.fail_on_error && reason.code != "late") {
            let message = format!("`{name}` cannot use a record: {} ({})", reason.message, reason.code);
            return Err(Halt::Failed(RunError::failed(message).help(
                "the node says `on_error: fail`; with `dead_letter`, such records become dead letters and the run continues",
            )));
        }
        for reasons in dead.reasons.chunk_by(|one, other| one.code == other.code) {
            let (code, count) = (reasons[0].code, reasons.len() as u64);
            self.counts.add_reason(step.node, code, count);
            if code == "late" {
                self.counts.node(step.node).late += count;
            }
        }
        if let Some(route) = self.dead_letters {
            let batch = dead_letter::to_batch(name, dead).map_err(|error| RunError::operator(name, &error))?;
            self.outgoing.push((route, Outgoing::Batch(batch)));
        }
        Ok(dead.batch.len() as u64)
    }

    fn pass_watermark(&mut self, target: Target, watermark: Micros) -> Result<(), Halt> {
        let index = match target {
            Target::Route(route) => {
                self.outgoing.push((route, Outgoing::Watermark(watermark)));
                return Ok(());
            }
            Target::Step(index) => index,
        };
        let step = &mut self.steps[index];
        match &mut step.work {
            Work::Operator(operator) => {
                let mut out = Output::default();
                operator
                    .on_watermark(watermark, &mut out)
                    .map_err(|error| RunError::operator(&self.nodes[step.node], &error))?;
                // Where work is under way, it goes on when that is done.
                let passed = operator.calls().map_or(Some(watermark), Calls::take_watermark);
                self.note_state(index)?;
                self.emit(index, out)?;
                passed.map_or(Ok(()), |watermark| self.pass_on_watermark(index, watermark))
            }
            // This node has an event time of its own.
            Work::EventTime(step) => match step.on_input_watermark(watermark) {
                Some(watermark) => self.pass_on_watermark(index, watermark),
                None => Ok(()),
            },
        }
    }

    /// Hands the end of the input to a step and all behind it; `reached` gets what comes to each route.
    fn pass_end(
        &mut self,
        target: Target,
        mut frontier: Frontier,
        reached: &mut [Option<Frontier>],
    ) -> Result<(), Halt> {
        let index = match target {
            Target::Route(route) => {
                reached[route] = Some(reached[route].map_or(frontier, |before| before.and(frontier)));
                return Ok(());
            }
            Target::Step(index) => index,
        };
        let step = &mut self.steps[index];
        match &mut step.work {
            Work::Operator(operator) => {
                frontier.closes &= !operator.keeps_open_at_end();
                if frontier.closes || operator.closes_at_every_end() {
                    let mut out = Output::default();
                    frontier.newest = operator
                        .on_end(frontier.newest, &mut out)
                        .map_err(|error| RunError::operator(&self.nodes[step.node], &error))?;
                    self.note_state(index)?;
                    self.emit(index, out)?;
                }
            }
            Work::EventTime(step) => frontier.newest = step.newest(),
        }
        for target in 0..self.steps[index].next.len() {
            self.pass_end(self.steps[index].next[target], frontier, reached)?;
        }
        Ok(())
    }

    /// Hands the time of an idle pipeline to a step and all behind it; `reached` gets the watermark of each route.
    fn pass_idle_time(&mut self, target: Target, mut time: IdleTime, reached: &mut [Micros]) -> Result<(), Halt> {
        let index = match target {
            Target::Route(route) => {
                reached[route] = reached[route].max(time.watermark);
                return Ok(());
            }
            Target::Step(index) => index,
        };
        let step = &mut self.steps[index];
        match &mut step.work {
            Work::Operator(operator) => {
                let mut out = Output::default();
                if time.watermark > START_OF_TIME {
                    operator
                        .on_watermark(time.watermark, &mut out)
                        .map_err(|error| RunError::operator(&self.nodes[step.node], &error))?;
                }
                // Nothing is under way, and the time goes on with the message.
                operator.calls().and_then(Calls::take_watermark);
                self.note_state(index)?;
                self.emit(index, out)?;
            }
            Work::EventTime(step) => time.watermark = step.on_idle_time(time.elapsed),
        }
        for target in 0..self.steps[index].next.len() {
            self.pass_idle_time(self.steps[index].next[target], time, reached)?;
        }
        Ok(())
    }

    fn pass_on_watermark(&mut self, index: usize, watermark: Micros) -> Result<(), Halt> {
        self.counts.watermark(self.steps[index].node, watermark);
        for target in 0..self.steps[index].next.len() {
            self.pass_watermark(self.steps[index].next[target], watermark)?;
        }
        Ok(())
    }

    /// Sends what the steps have made, in order, waiting for room where a queue is full.
    async fn flush(&mut self) -> Result<(), Halt> {
        self.counts.publish();
        for (route, outgoing) in std::mem::take(&mut self.outgoing) {
            let route = &mut self.routes[route];
            match outgoing {
                Outgoing::Watermark(watermark) => route.broadcast(&Message::Watermark(watermark)).await?,
                Outgoing::Batch(batch) => {
                    let parts = route.split(batch).map_err(|error| RunError::failed(error.to_string()))?;
                    for (target, part) in parts {
                        route.send(target, part).await?;
                    }
                }
            }
        }
        Ok(())
    }
}

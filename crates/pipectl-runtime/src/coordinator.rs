//! Watches over the tasks of a region: starts checkpoints, writes them, asks sinks to publish, ends the run.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    sync::Arc,
};

use pipectl_data::Micros;
use pipectl_host::{Host, JoinHandle};
use pipectl_ir::report::Outcome;
use tokio::sync::mpsc;

use crate::{
    checkpoint::{Checkpoint, Checkpoints, StateOf},
    counters::Counters,
    error::{RunError, RunErrorKind},
    idleness::RegionIdleness,
    layout::Layout,
    message::End,
    outputs::Removal,
    task::{Command, TaskEvent},
};

/// What is asked of a run from outside.
#[derive(Debug)]
pub(crate) enum RunRequest {
    /// To stop.
    Stop,
    /// That nobody will write to this durable stream any more.
    WritersFinished(String),
}

/// What the coordinator knows of the tasks.
pub(crate) struct Coordinator {
    /// The door to the clock.
    pub(crate) host: Host,
    /// The names of all tasks, `stage/index`, by number.
    pub(crate) tasks: Vec<String>,
    /// The lines to the source tasks.
    pub(crate) sources: Vec<mpsc::UnboundedSender<Command>>,
    /// The numbers of the source tasks.
    pub(crate) source_tasks: Vec<usize>,
    /// Which of them read which durable stream.
    pub(crate) streams: BTreeMap<String, Vec<usize>>,
    /// The lines to the sink tasks, by task number.
    pub(crate) sinks: BTreeMap<usize, mpsc::UnboundedSender<Command>>,
    /// What the tasks say.
    pub(crate) events: mpsc::UnboundedReceiver<TaskEvent>,
    /// Somebody wants the run to stop.
    pub(crate) stop: mpsc::UnboundedReceiver<RunRequest>,
    /// The tasks themselves.
    pub(crate) handles: Vec<JoinHandle<()>>,
    /// Where checkpoints go; `None` writes none (a dry run).
    pub(crate) store: Option<Arc<dyn Checkpoints>>,
    /// Whether several workers share the region, so that no checkpoint can say that it has finished.
    pub(crate) shared: bool,
    /// Whether readers write positions only after the sinks have published.
    pub(crate) positions_last: bool,
    /// Whether a sink decides if a checkpoint counts.
    pub(crate) decided: bool,
    /// What its checkpoints are states of.
    pub(crate) layout: Layout,
    /// Number of the checkpoint that the run resumed from; 0 for none.
    pub(crate) last: u64,
    /// Time between checkpoints.
    pub(crate) every: Micros,
    /// Whether the first checkpoint is taken as soon as all is open: it holds where reading began if that was the latest.
    pub(crate) at_once: bool,
    /// How long the run may take to drain after it was asked to stop.
    pub(crate) drain: Micros,
    /// Whether event time goes on while all sources are idle.
    pub(crate) idle_time: bool,
    /// Whether the other regions of the pipeline are idle too.
    pub(crate) idleness: RegionIdleness,
    /// What is done once the first checkpoint is durable and published.
    pub(crate) removal: Option<Removal>,
    /// Where its checkpoints are measured.
    pub(crate) counters: Arc<Counters>,
}

/// How often the time of an idle pipeline goes on, in microseconds.
const IDLE_TIME_EVERY: Micros = 1_000_000;

/// A checkpoint on its way.
struct Pending {
    id: u64,
    began: Micros,
    last: bool,
    states: BTreeMap<usize, Vec<u8>>,
}

/// A checkpoint that is being written. The run goes on meanwhile: a failure ends it at once, and a stop has its deadline.
struct Writing {
    id: u64,
    last: bool,
    began: Micros,
    bytes: usize,
    done: Pin<Box<dyn Future<Output = Result<(), RunError>> + Send>>,
}

/// What is done after a checkpoint became durable: sinks publish, and where that decides, readers then write positions.
struct Publishing {
    id: u64,
    last: bool,
    waiting: BTreeSet<usize>,
    /// How many readers still have to write theirs; `None` while they have not been asked to.
    unwritten: Option<usize>,
}

/// How far the run is.
struct Progress {
    pending: Option<Pending>,
    writing: Option<Writing>,
    publishing: Option<Publishing>,
    ended: BTreeMap<usize, End>,
    wanted: bool,
    next: Micros,
    deadline: Option<Micros>,
    /// The sources that are idle and read to their end, with the time of their last record.
    idle: BTreeMap<usize, Micros>,
    /// When the time of an idle pipeline goes on next.
    next_idle_time: Micros,
}

impl Progress {
    /// Whether no checkpoint is on its way.
    fn is_free(&self) -> bool {
        self.pending.is_none() && self.writing.is_none() && self.publishing.is_none()
    }

    /// Waits until the checkpoint that is being written is durable, or cannot be written. Cancel-safe.
    async fn written(&mut self) -> Result<(), RunError> {
        match &mut self.writing {
            Some(writing) => writing.done.as_mut().await,
            None => std::future::pending().await,
        }
    }

    /// Since when all of these sources that have not ended are idle, if they are.
    fn idle_since(&self, sources: &[usize]) -> Option<Micros> {
        let mut open = sources.iter().filter(|task| !self.ended.contains_key(task)).peekable();
        open.peek()?;
        open.map(|task| self.idle.get(task).copied()).try_fold(Micros::MIN, |latest, since| Some(latest.max(since?)))
    }
}

enum Turn {
    Event(Option<TaskEvent>),
    RunRequest(RunRequest),
    Written(Result<(), RunError>),
    Time,
}

impl Coordinator {
    /// Runs until the run is over; answers how it ended and the number of the last checkpoint.
    pub(crate) async fn run(mut self) -> Result<(Outcome, u64), RunError> {
        let result = self.watch().await;
        // Hanging up ends source and sink tasks, and through their closed queues all others. A task that is in the
        // middle of something slow is not waited for.
        self.sources.clear();
        self.sinks.clear();
        if result.is_err() {
            for handle in &self.handles {
                handle.abort();
            }
        }
        for handle in self.handles.drain(..) {
            drop(handle.await);
        }
        result
    }

    async fn watch(&mut self) -> Result<(Outcome, u64), RunError> {
        let mut progress = Progress {
            pending: None,
            writing: None,
            publishing: None,
            ended: BTreeMap::new(),
            wanted: self.at_once,
            next: self.host.now().saturating_add(self.every),
            deadline: None,
            idle: BTreeMap::new(),
            next_idle_time: Micros::MIN,
        };
        loop {
            if let Some(outcome) = self.advance(&mut progress).await? {
                return Ok((outcome, self.last));
            }
            let free = progress.is_free();
            let wake = match progress.deadline {
                Some(deadline) if !free => deadline,
                Some(deadline) => deadline.min(progress.next),
                None if free => progress.next,
                None => Micros::MAX,
            };
            let idle_since = if self.idle_time && progress.deadline.is_none() {
                self.idleness.set(progress.idle_since(&self.source_tasks))
            } else {
                self.idleness.set(None)
            };
            let wake = idle_since.map_or(wake, |_| wake.min(progress.next_idle_time));
            let turn = tokio::select! {
                biased;
                event = self.events.recv() => Turn::Event(event),
                Some(request) = self.stop.recv() => Turn::RunRequest(request),
                written = progress.written(), if progress.writing.is_some() => Turn::Written(written),
                () = self.host.sleep_until(wake), if wake < Micros::MAX => Turn::Time,
            };
            match turn {
                Turn::Event(None) => return Err(RunError::failed("all tasks are gone before the end of the run")),
                Turn::Event(Some(event)) => Self::hear(&mut progress, event)?,
                Turn::Written(written) => self.written(&mut progress, written)?,
                Turn::RunRequest(RunRequest::WritersFinished(stream)) => {
                    for source in self.streams.get(&stream).into_iter().flatten() {
                        self.sources[*source].send(Command::WritersFinished).ok();
                    }
                }
                Turn::RunRequest(RunRequest::Stop) if progress.deadline.is_some() => {}
                Turn::RunRequest(RunRequest::Stop) => {
                    tracing::info!("stopping: sources stop reading, records in flight are written");
                    progress.deadline = Some(self.host.now().saturating_add(self.drain));
                    for source in &self.sources {
                        source.send(Command::Stop).ok();
                    }
                }
                Turn::Time if progress.deadline.is_some_and(|deadline| deadline <= self.host.now()) => {
                    return Err(self.not_drained(&progress));
                }
                Turn::Time => {
                    let now = self.host.now();
                    progress.wanted |= free && now >= progress.next;
                    if let Some(since) = idle_since.filter(|_| now >= progress.next_idle_time) {
                        progress.next_idle_time = now.saturating_add(IDLE_TIME_EVERY);
                        for source in &self.sources {
                            source.send(Command::IdleTime(now.saturating_sub(since))).ok();
                        }
                    }
                }
            }
        }
    }

    fn hear(progress: &mut Progress, event: TaskEvent) -> Result<(), RunError> {
        match event {
            TaskEvent::Failed(error) => return Err(error),
            TaskEvent::WantsCheckpoint => progress.wanted = true,
            TaskEvent::Idle { task, since: Some(since) } => {
                progress.idle.insert(task, since);
            }
            TaskEvent::Idle { task, since: None } => {
                progress.idle.remove(&task);
            }
            TaskEvent::Ended { task, end } => {
                progress.ended.insert(task, end);
            }
            TaskEvent::Snapshot { task, id, state } => {
                if let Some(pending) = progress.pending.as_mut().filter(|pending| pending.id == id) {
                    pending.states.insert(task, state);
                }
            }
            TaskEvent::Acknowledged { id } => {
                if let Some(publishing) = progress.publishing.as_mut().filter(|publishing| publishing.id == id)
                    && let Some(unwritten) = &mut publishing.unwritten
                {
                    *unwritten = unwritten.saturating_sub(1);
                }
            }
            TaskEvent::Committed { task, id } => {
                if let Some(publishing) = progress.publishing.as_mut().filter(|publishing| publishing.id == id) {
                    publishing.waiting.remove(&task);
                }
            }
        }
        Ok(())
    }

    /// Takes every step that the last event made possible; answers the outcome when the run is over.
    async fn advance(&mut self, progress: &mut Progress) -> Result<Option<Outcome>, RunError> {
        let finished = progress.ended.values().all(|end| end.is_finished());
        let outcome = if finished { Outcome::Finished } else { Outcome::Stopped };
        match &mut progress.publishing {
            Some(publishing) if !publishing.waiting.is_empty() => return Ok(None),
            Some(publishing) if self.positions_last && publishing.unwritten.is_none() => {
                publishing.unwritten = Some(self.sources.len());
                let id = publishing.id;
                for source in &self.sources {
                    source.send(Command::Committed(id)).ok();
                }
                return Ok(None);
            }
            Some(publishing) if publishing.unwritten.is_some_and(|unwritten| unwritten > 0) => return Ok(None),
            _ => {}
        }
        if let Some(Publishing { id, last, .. }) = progress.publishing.take() {
            self.note_committed(id, last).await?;
            self.remove_earlier_output().await?;
            if last {
                return Ok(Some(outcome));
            }
        }
        if let Some(pending) = progress.pending.take_if(|pending| pending.states.len() == self.tasks.len()) {
            let finished = pending.last && finished && !self.shared;
            progress.writing = Some(self.write(pending, finished));
        }
        let all_ended = progress.ended.len() == self.tasks.len();
        if progress.is_free() && (progress.wanted || all_ended) {
            progress.wanted = false;
            let id = self.last + 1;
            self.last = id;
            progress.pending = Some(Pending { id, began: self.host.now(), last: all_ended, states: BTreeMap::new() });
            for source in &self.sources {
                source.send(Command::Barrier(id)).ok();
            }
        }
        Ok(None)
    }

    /// Begins to write a checkpoint.
    fn write(&self, pending: Pending, finished: bool) -> Writing {
        let Pending { id, began, last, states } = pending;
        let checkpoint = Checkpoint {
            id,
            of: StateOf::Layout(self.layout.clone()),
            time: self.host.now(),
            finished,
            drained: last,
            tasks: states.into_iter().map(|(task, state)| (self.tasks[task].clone(), state)).collect(),
        };
        let bytes: usize = checkpoint.tasks.iter().map(|(_, state)| state.len()).sum();
        let store = self.store.clone();
        let done = async move {
            let Some(store) = store else { return Ok(()) };
            tracing::debug!(id, bytes, "checkpoint");
            store.write(checkpoint).await
        };
        Writing { id, last, began, bytes, done: Box::pin(done) }
    }

    /// A checkpoint is durable: sinks publish what came before it. Or it cannot be written, which ends the run.
    fn written(&self, progress: &mut Progress, written: Result<(), RunError>) -> Result<(), RunError> {
        let Some(Writing { id, last, began, bytes, .. }) = progress.writing.take() else { return Ok(()) };
        if self.store.is_some() {
            match written {
                Ok(()) => self.counters.meters.checkpoint(id, began, self.host.now(), bytes),
                Err(_) => self.counters.meters.checkpoint_failed(),
            }
        }
        written?;
        progress.next = self.host.now().saturating_add(self.every);
        let readers = self.sources.iter().filter(|_| !self.positions_last);
        for sender in readers.chain(self.sinks.values()) {
            sender.send(Command::Committed(id)).ok();
        }
        let waiting = self.sinks.keys().copied().collect();
        progress.publishing = Some(Publishing { id, last, waiting, unwritten: None });
        Ok(())
    }

    /// Notes that a checkpoint counts, so that nobody has to be asked after a restart; and at the end, that everything is
    /// published, so that a sink can be removed from the spec.
    async fn note_committed(&self, id: u64, last: bool) -> Result<(), RunError> {
        match self.store.as_ref().filter(|_| self.decided || last) {
            Some(store) => store.note_committed(id).await,
            None => Ok(()),
        }
    }

    /// Removes what this run's output has replaced.
    async fn remove_earlier_output(&mut self) -> Result<(), RunError> {
        let Some(removal) = self.removal.take() else { return Ok(()) };
        removal.carry_out(self.store.as_deref()).await?;
        tracing::info!("the output of earlier runs is removed");
        Ok(())
    }

    fn not_drained(&self, progress: &Progress) -> RunError {
        let open: Vec<&str> = self
            .tasks
            .iter()
            .enumerate()
            .filter(|(task, _)| !progress.ended.contains_key(task))
            .map(|(_, name)| name.as_str())
            .collect();
        let message = if open.is_empty() {
            "the run stopped but could not write its last checkpoint in time".to_owned()
        } else {
            format!("the run did not drain in time; still busy: {}", open.join(", "))
        };
        RunError { kind: RunErrorKind::DrainTimeout, message, help: Vec::new() }
            .help("no data is lost: the next run continues from the last checkpoint")
            .help("allow more time with `--drain-timeout`")
    }
}

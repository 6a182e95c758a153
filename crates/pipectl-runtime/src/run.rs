//! Starts a plan: opens what it names, builds the tasks and queues, hands them to the coordinator.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use pipectl_data::{Micros, key_hash};
use pipectl_host::{Host, JoinHandle};
use pipectl_ir::{
    dag::StreamStart,
    metrics::NodeMetrics,
    physical::{Operation, PhysicalPlan, Workers},
    report::{NodeReport, Outcome, RunReport},
};
use tokio::sync::mpsc;

use crate::{
    build::{Builder, positions_last},
    carry::{self, StateEdits, States},
    chain::Halt,
    checkpoint::{Checkpoint, Checkpoints, StateOf},
    connectors::Connectors,
    coordinator::{Coordinator, RunRequest},
    counters::Counters,
    error::RunError,
    idleness::{Idleness, RegionIdleness},
    job::{reads, writes},
    layout::Layout,
    limit::Limits,
    memory::StateMemory,
    observer::ObservedRegion,
    outputs::{self, OutputPolicy, Resumed},
    resume::resume,
    steps::AllTogether,
};

/// How to run.
#[derive(Debug)]
pub struct RunOptions {
    /// Where checkpoints go; `None` writes none.
    pub store: Option<Box<dyn Checkpoints>>,
    /// Where relative paths of sources and sinks start.
    pub directory: PathBuf,
    /// Bounds from outside.
    pub limits: Limits,
    /// How long the run may take to drain after it was asked to stop.
    pub drain: Duration,
    /// Whether the run follows the outside world, as `apply` does: event time then goes on while all inputs are idle, and
    /// `max_ahead` holds event times against arrival times. A dry run and a comparison must depend on the input alone.
    pub live: bool,
    /// What to do where output of earlier runs is found and nothing is resumed from.
    pub output: OutputPolicy,
    /// What may become of state that does not fit the spec any more.
    pub edits: StateEdits,
}

/// A run under way.
#[derive(Debug)]
pub struct Running {
    observed: ObservedRegion,
    stop: mpsc::UnboundedSender<RunRequest>,
    join: JoinHandle<Result<(Outcome, u64), RunError>>,
    report: RunReport,
    finished: bool,
    host: Host,
}

impl Running {
    /// The counts as they stand.
    pub fn counters(&self) -> &Counters {
        &self.observed.counters
    }

    /// What there is to watch.
    pub(crate) fn observed(&self) -> &ObservedRegion {
        &self.observed
    }

    /// Number of the checkpoint that the run resumed from.
    pub fn resumed_from(&self) -> Option<u64> {
        self.report.resumed_from
    }

    /// Name of the pipeline.
    pub fn pipeline(&self) -> &str {
        &self.report.pipeline
    }

    /// Whether the input had ended in the run that it goes on from.
    pub fn already_finished(&self) -> bool {
        self.finished
    }

    /// Whether nothing has been read since the run started, and nothing written: windows that earlier runs kept open may
    /// have closed.
    pub fn read_nothing(&self) -> bool {
        let nodes = self.nodes();
        nodes.iter().all(|node| node.counts.input == node.before.input && node.counts.output == node.before.output)
    }

    /// Reports the readers of a durable stream that nobody will write to it any more: they end when they have read what is in
    /// it. Nothing if the run does not read the stream.
    pub fn writers_finished(&self, stream: &str) {
        self.stop.send(RunRequest::WritersFinished(stream.to_owned())).ok();
    }

    /// Reports the run to stop: sources read no more, what is in flight is written, a checkpoint is taken.
    pub fn stop(&self) {
        self.stop.send(RunRequest::Stop).ok();
    }

    /// The nodes with their counts as they stand.
    pub fn nodes(&self) -> Vec<NodeReport> {
        self.observed.nodes()
    }

    /// Waits for the end. Cancel-safe: it can be called again.
    pub async fn join(&mut self) -> Result<RunReport, RunError> {
        let result = (&mut self.join).await;
        self.observed.ended.store(true, Ordering::Relaxed);
        let (outcome, checkpoint) = result.map_err(|error| RunError::failed(error.to_string()))??;
        let regions = vec![self.observed.metrics()];
        let (nodes, ended) = (self.nodes(), self.host.now());
        Ok(RunReport { outcome, checkpoint, ended, nodes, regions, ..self.report.clone() })
    }
}

/// Why a checkpoint of format 1 is refused, which fits the plan that wrote it and no other.
async fn does_not_fit(
    checkpoint: &Checkpoint,
    options: &RunOptions,
    canonical: &serde_json::Value,
) -> Result<RunError, RunError> {
    let changes = match &options.store {
        Some(store) => outputs::changes(store.as_ref(), canonical).await?,
        None => Vec::new(),
    };
    let mut error =
        RunError::failed(format!("the spec has changed since checkpoint {}, whose state does not fit", checkpoint.id))
            .help("an earlier version of pipectl wrote the checkpoint, which it takes over only for an unchanged spec");
    for change in changes {
        error = error.help(format!("changed: {change}"));
    }
    Ok(error
        .help("undo the change, run until the next checkpoint is written, and then change the spec")
        .help("or start over with `--fresh`: everything is read and written again"))
}

/// Why no node of a checkpoint of format 1 can be reset.
fn knows_no_nodes(checkpoint: &Checkpoint) -> RunError {
    RunError::failed(format!(
        "`--reset` and `--drop` need to know the nodes of checkpoint {}, and an earlier version of pipectl wrote it without them",
        checkpoint.id
    ))
    .help("run the unchanged spec without the flags until a checkpoint is written, and then with them")
}

/// For checkpoints of format 1: parts of a plan that may change between two runs without making the state another one's: where things are and how
/// the text of a query is laid out. A connector that cannot go on with other options says so itself.
const FREE: &[&str] = &[
    "options",
    "binding",
    "carrier",
    "place",
    "checkpoint_every",
    "memory",
    "sql",
    "input_place",
    "name_place",
    "window_place",
    "idle_after",
    "workers",
    "sharing",
    "late",
    "at_end",
    "max_ahead",
    "state",
    "placed_by",
];

/// What a plan is a state of: its stages, steps and routes, without the parts that may change freely.
fn canonical(plan: &PhysicalPlan) -> Result<serde_json::Value, RunError> {
    let mut value = serde_json::to_value(plan).map_err(|error| RunError::failed(error.to_string()))?;
    remove_free(&mut value);
    Ok(value)
}

/// A digest of a canonical plan.
fn fingerprint(canonical: &serde_json::Value) -> Result<String, RunError> {
    let bytes = serde_json::to_vec(canonical).map_err(|error| RunError::failed(error.to_string()))?;
    Ok(format!("{:016x}", key_hash::hash(&bytes)))
}

fn remove_free(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(fields) => {
            fields.retain(|name, _| !FREE.contains(&name.as_str()));
            fields.values_mut().for_each(remove_free);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(remove_free),
        _ => {}
    }
}

/// Lets no event time be held against an arrival time, which says nothing where time is virtual or input comes from a file.
fn forget_arrival(plan: &mut PhysicalPlan) {
    for step in plan.stages.iter_mut().flat_map(|stage| &mut stage.steps) {
        if let Operation::EventTime(time) = &mut step.operation {
            time.max_ahead = None;
        }
    }
}

/// Starts a plan, from its last checkpoint if the store has one; a plan for any number of workers goes on where its group
/// stands at the backend.
///
/// # Errors
/// If a source or sink cannot be opened, or the checkpoint belongs to another plan.
pub async fn start(
    plan: PhysicalPlan,
    connectors: &dyn Connectors,
    host: &Host,
    options: RunOptions,
) -> Result<Running, RunError> {
    start_region(plan, connectors, host, options, Idleness::default().join()).await
}

/// The same for one of several regions of a pipeline.
pub(crate) async fn start_region(
    mut plan: PhysicalPlan,
    connectors: &dyn Connectors,
    host: &Host,
    options: RunOptions,
    idleness: RegionIdleness,
) -> Result<Running, RunError> {
    if !options.live {
        forget_arrival(&mut plan);
    }
    let canonical = canonical(&plan)?;
    let checkpoint = resume(&plan, options.store.as_deref(), connectors, host).await?;
    let shared = plan.workers == Workers::Any;
    let states = match &checkpoint {
        None => States::default(),
        Some(checkpoint) if shared => States::of_writers(checkpoint, &plan)?,
        Some(checkpoint) => match &checkpoint.of {
            StateOf::Layout(written) => {
                let is_published = match &options.store {
                    Some(store) => carry::is_published(checkpoint, store.as_ref()).await?,
                    None => false,
                };
                States::carry(checkpoint, written, &plan, &options.edits, is_published)?
            }
            StateOf::Digest(_) if !options.edits.is_empty() => return Err(knows_no_nodes(checkpoint)),
            StateOf::Digest(digest) if *digest == fingerprint(&canonical)? => States::unchanged(checkpoint, &plan)?,
            StateOf::Digest(_) => return Err(does_not_fit(checkpoint, &options, &canonical).await?),
        },
    };
    let counters = Arc::new(Counters::new(plan.nodes.len()));
    let mut report = RunReport {
        pipeline: plan.pipeline.clone(),
        outcome: Outcome::Finished,
        started: host.now(),
        ended: host.now(),
        resumed_from: checkpoint.as_ref().map(|checkpoint| checkpoint.id).filter(|_| !shared),
        checkpoint: checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.id),
        nodes: plan
            .nodes
            .iter()
            .map(|node| NodeReport {
                name: node.name.clone(),
                role: node.role.clone(),
                kind: node.kind.clone(),
                place: node.place.clone(),
                stateful: node.stateful,
                counts: pipectl_ir::report::Counts::default(),
                reasons: BTreeMap::new(),
                before: pipectl_ir::report::Counts::default(),
                reasons_before: BTreeMap::new(),
                metrics: NodeMetrics::default(),
            })
            .collect(),
        regions: Vec::new(),
    };
    let (stop, stop_receiver) = mpsc::unbounded_channel();
    let (events, event_receiver) = mpsc::unbounded_channel();
    let finished = !shared && checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.finished);
    let resumed = Resumed::of(checkpoint.as_ref(), &plan, &options.edits);
    let mut beginning = outputs::begin(&plan, connectors, host, &options, &resumed, canonical).await?;
    let memory = StateMemory::of(&plan);
    let together = AllTogether::of(&plan);
    let builder = Builder {
        plan: &plan,
        connectors,
        host,
        options: &options,
        counters: &counters,
        states: &states,
        memory: &memory,
        together: &together,
        beginning: &beginning,
    };
    let tasks = builder.build(&events).await?;
    for (number, node) in report.nodes.iter_mut().enumerate() {
        node.before = counters.of(number);
        node.reasons_before = counters.reasons(number);
        node.metrics = counters.metrics(number, host.now());
    }
    if options.store.is_some() {
        let since = checkpoint.as_ref().map_or_else(|| host.now(), |checkpoint| checkpoint.time);
        counters.meters.keeps_checkpoints(report.resumed_from, since);
    }
    drop(events);
    let mut coordinator = Coordinator {
        host: host.clone(),
        tasks: tasks.names,
        sources: tasks.sources,
        source_tasks: tasks.source_tasks,
        sinks: tasks.sinks,
        events: event_receiver,
        streams: tasks.streams,
        stop: stop_receiver,
        handles: Vec::new(),
        store: None,
        shared,
        positions_last: positions_last(&plan),
        decided: writes(&plan).iter().any(|stream| stream.carrier.transactional),
        layout: Layout::of(&plan),
        last: checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.id),
        every: plan.checkpoint_every.max(1),
        at_once: checkpoint.is_none() && reads(&plan).iter().any(|stream| stream.carrier.start == StreamStart::Latest),
        idle_time: options.live,
        idleness,
        removal: beginning.removal.take(),
        counters: Arc::clone(&counters),
        drain: i64::try_from(options.drain.as_micros()).unwrap_or(Micros::MAX),
    };
    coordinator.store = options.store.map(Arc::from);
    coordinator.handles = tasks.bodies.into_iter().map(|body| host.spawn(body)).collect();
    let join = host.spawn(coordinator.run());
    let observed = ObservedRegion {
        name: plan.region.clone().unwrap_or_default(),
        memory: plan.memory,
        nodes: report.nodes.clone().into(),
        counters,
        ended: Arc::new(AtomicBool::new(false)),
        host: host.clone(),
    };
    Ok(Running { observed, stop, join, report, finished, host: host.clone() })
}

impl From<Halt> for RunError {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Failed(error) => error,
            Halt::Closed => Self::failed("a task is gone"),
        }
    }
}

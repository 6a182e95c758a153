//! Starts a plan: opens what it names, builds the tasks and queues, hands them to the coordinator.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use pipectl_contract::{
    ConnectContext, ConsumerContext, Ownership, ProducerContext, SinkContext, SourceContext, SourceReader,
};
use pipectl_data::{Micros, PayloadFormat, key_hash};
use pipectl_host::{Host, JoinHandle};
use pipectl_ir::{
    physical::{PhysicalPlan, RouteBy, SinkPlan, SourcePlan, Stage, StageInput, StreamPlan, Tasks},
    report::{NodeReport, Outcome, RunReport},
};
use tokio::sync::mpsc;

use crate::{
    chain::{Chain, ChainParts, Halt},
    checkpoint::{Checkpoint, Store},
    connectors::{Connectors, start_at},
    coordinator::{Coordinator, Order},
    counters::{Counters, TaskCounts},
    error::RunError,
    gate::Gate,
    limit::Limits,
    queue::{Receiver, Sender, queue},
    reads::Reads,
    route::RouteSender,
    state::TaskState,
    stream_writer::StreamWriter,
    task::{Line, OperatorTask, SinkTask, SourceTask},
};

/// The smallest room of a queue in bytes: below this, batches would travel one at a time.
const MIN_QUEUE: usize = 256 * 1024;

/// The part of a pipeline's memory that one client of a backend may hold: the others are for the queues.
const CLIENT_SHARE: u64 = 4;

/// How to run.
#[derive(Debug)]
pub struct RunOptions {
    /// Where checkpoints go; `None` writes none.
    pub store: Option<Store>,
    /// Where relative paths of sources and sinks start.
    pub directory: PathBuf,
    /// Bounds from outside.
    pub limits: Limits,
    /// How long the run may take to drain after it was told to stop.
    pub drain: Duration,
}

/// A run under way.
#[derive(Debug)]
pub struct Running {
    counters: Arc<Counters>,
    stop: mpsc::UnboundedSender<Order>,
    join: JoinHandle<Result<(Outcome, u64), RunError>>,
    report: RunReport,
    finished: bool,
    host: Host,
}

impl Running {
    /// The counts as they stand.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Number of the checkpoint that the run resumed from.
    pub fn resumed_from(&self) -> Option<u64> {
        self.report.resumed_from
    }

    /// Name of the pipeline.
    pub fn pipeline(&self) -> &str {
        &self.report.pipeline
    }

    /// Whether there was nothing to go on with: the pipeline had finished before.
    pub fn already_finished(&self) -> bool {
        self.finished
    }

    /// Tells the readers of a durable stream that nobody will write to it any more: they end when they have read what is in
    /// it. Nothing if the run does not read the stream.
    pub fn writers_finished(&self, stream: &str) {
        self.stop.send(Order::WritersFinished(stream.to_owned())).ok();
    }

    /// Tells the run to stop: sources read no more, what is in flight is written, a checkpoint is taken.
    pub fn stop(&self) {
        self.stop.send(Order::Stop).ok();
    }

    /// The nodes with their counts as they stand.
    pub fn nodes(&self) -> Vec<NodeReport> {
        let mut nodes = self.report.nodes.clone();
        for (number, node) in nodes.iter_mut().enumerate() {
            node.counts = self.counters.of(number);
        }
        nodes
    }

    /// Waits for the end. Cancel-safe: it can be called again.
    pub async fn join(&mut self) -> Result<RunReport, RunError> {
        let result = (&mut self.join).await;
        let (outcome, checkpoint) = result.map_err(|error| RunError::failed(error.to_string()))??;
        Ok(RunReport { outcome, checkpoint, ended: self.host.now(), nodes: self.nodes(), ..self.report.clone() })
    }
}

/// Parts of a plan that may change between two runs without making the state another one's: where things are and how
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
];

/// What a plan is a state of: a digest of its stages, steps and routes.
fn fingerprint(plan: &PhysicalPlan) -> Result<String, RunError> {
    let broken = |error: serde_json::Error| RunError::failed(error.to_string());
    let mut value = serde_json::to_value(plan).map_err(broken)?;
    remove_free(&mut value);
    let bytes = serde_json::to_vec(&value).map_err(broken)?;
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

/// Starts a plan, from its last checkpoint if the store has one.
///
/// # Errors
/// If a source or sink cannot be opened, or the checkpoint belongs to another plan.
pub async fn start(
    plan: PhysicalPlan,
    connectors: &dyn Connectors,
    host: &Host,
    options: RunOptions,
) -> Result<Running, RunError> {
    let fingerprint = fingerprint(&plan)?;
    let checkpoint = options.store.as_ref().map(Store::latest).transpose()?.flatten();
    if let Some(checkpoint) = &checkpoint
        && checkpoint.fingerprint != fingerprint
    {
        return Err(RunError::failed(format!(
            "pipeline `{}` has changed since checkpoint {}: its state does not fit the new plan",
            plan.pipeline, checkpoint.id
        ))
        .help("undo the change to go on from the checkpoint")
        .help("or start over with `--fresh`: everything is read and written again"));
    }
    let counters = Arc::new(Counters::new(plan.nodes.len()));
    let report = RunReport {
        pipeline: plan.pipeline.clone(),
        outcome: Outcome::Finished,
        started: host.now(),
        ended: host.now(),
        resumed_from: checkpoint.as_ref().map(|checkpoint| checkpoint.id),
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
            })
            .collect(),
    };
    let (stop, stop_receiver) = mpsc::unbounded_channel();
    let (events, event_receiver) = mpsc::unbounded_channel();
    let states = States::new(checkpoint.as_ref())?;
    let finished = checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.finished);
    let builder = Builder { plan: &plan, connectors, host, options: &options, counters: &counters, states: &states };
    let tasks = builder.build(&events, finished).await?;
    drop(events);
    let mut coordinator = Coordinator {
        host: host.clone(),
        tasks: tasks.names,
        sources: tasks.sources,
        sinks: tasks.sinks,
        events: event_receiver,
        streams: tasks.streams,
        stop: stop_receiver,
        handles: Vec::new(),
        store: None,
        fingerprint,
        last: checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.id),
        every: plan.checkpoint_every.max(1),
        drain: i64::try_from(options.drain.as_micros()).unwrap_or(Micros::MAX),
    };
    coordinator.store = options.store.map(Arc::new);
    coordinator.handles = tasks.bodies.into_iter().map(|body| host.spawn(body)).collect();
    let join = host.spawn(coordinator.run());
    Ok(Running { counters, stop, join, report, finished, host: host.clone() })
}

/// The saved states by `stage/index`.
struct States(BTreeMap<String, TaskState>);

impl States {
    fn new(checkpoint: Option<&Checkpoint>) -> Result<Self, RunError> {
        let tasks = checkpoint.map_or(&[][..], |checkpoint| &checkpoint.tasks);
        let decoded = tasks.iter().map(|(name, state)| Ok((name.clone(), TaskState::decode(state)?)));
        Ok(Self(decoded.collect::<Result<_, RunError>>()?))
    }

    fn of(&self, stage: &Stage, index: usize) -> Option<&TaskState> {
        self.0.get(&task_name(stage, index))
    }

    fn positions(&self, stage: &Stage) -> Vec<serde_json::Value> {
        (0..).map_while(|index| self.of(stage, index)).filter_map(|state| state.position.clone()).collect()
    }
}

fn task_name(stage: &Stage, index: usize) -> String {
    format!("{}/{index}", stage.name)
}

type Body = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Everything that the coordinator takes over.
#[derive(Default)]
struct Built {
    names: Vec<String>,
    sources: Vec<mpsc::UnboundedSender<crate::task::Command>>,
    /// Which of `sources` read which durable stream.
    streams: BTreeMap<String, Vec<usize>>,
    sinks: BTreeMap<usize, mpsc::UnboundedSender<crate::task::Command>>,
    bodies: Vec<Body>,
}

struct Builder<'a> {
    plan: &'a PhysicalPlan,
    connectors: &'a dyn Connectors,
    host: &'a Host,
    options: &'a RunOptions,
    counters: &'a Arc<Counters>,
    states: &'a States,
}

/// The ends of all queues, by route and task.
struct Queues {
    senders: Vec<Vec<Vec<Sender>>>,
    receivers: Vec<Vec<Vec<Receiver>>>,
}

impl Builder<'_> {
    async fn build(
        &self,
        events: &mpsc::UnboundedSender<crate::task::TaskEvent>,
        finished: bool,
    ) -> Result<Built, RunError> {
        let mut readers = self.open_sources(finished).await?;
        let counts: Vec<usize> = (0..self.plan.stages.len()).map(|stage| self.tasks_of(stage, &readers)).collect();
        let mut queues = self.queues(&counts);
        let mut built = Built::default();
        for (number, stage) in self.plan.stages.iter().enumerate() {
            let mut stage_readers = readers.remove(&number).unwrap_or_default().into_iter();
            for index in 0..counts[number] {
                let line = Line { task: built.names.len(), events: events.clone() };
                built.names.push(task_name(stage, index));
                let receivers = queues.take_receivers(self.plan, number, index);
                let routes = queues.take_senders(self.plan, number, index);
                let body: Body = if let Some(stream) = &stage.writes {
                    let (sender, commands) = mpsc::unbounded_channel();
                    built.sinks.insert(line.task, sender);
                    let gate = Gate::new(receivers, self.watermark_of(stage, index));
                    let task = self.stream_task(stage, stream, routes, gate, commands, line.clone()).await?;
                    Box::pin(line.watch(task.run()))
                } else if let Some(sink) = &stage.sink {
                    let (sender, commands) = mpsc::unbounded_channel();
                    built.sinks.insert(line.task, sender);
                    let watermark = self.watermark_of(stage, index);
                    let writers = counts[number];
                    let task = self.sink_task(
                        stage,
                        sink,
                        (index, writers),
                        routes,
                        Gate::new(receivers, watermark),
                        commands,
                        line.clone(),
                    );
                    let task = task.await?;
                    Box::pin(line.watch(task.run()))
                } else if let Some(reads) = Reads::of(&stage.input) {
                    let (sender, commands) = mpsc::unbounded_channel();
                    if reads.durable {
                        built.streams.entry(reads.name.to_owned()).or_default().push(built.sources.len());
                    }
                    built.sources.push(sender);
                    let Some(reader) = stage_readers.next() else {
                        return Err(RunError::failed(format!("`{}` has fewer readers than lanes", reads.name)));
                    };
                    let task = SourceTask {
                        name: reads.name.to_owned(),
                        node: reads.node,
                        leaves: reads.leaves,
                        idle_after: reads.idle_after,
                        reader,
                        chain: self.chain(stage, index, routes)?,
                        host: self.host.clone(),
                        commands,
                        line: line.clone(),
                    };
                    Box::pin(line.watch(task.run()))
                } else {
                    let chain = self.chain(stage, index, routes)?;
                    let watermark = self.watermark_of(stage, index);
                    let task = OperatorTask { gate: Gate::new(receivers, watermark), chain, line: line.clone() };
                    Box::pin(line.watch(task.run()))
                };
                built.bodies.push(body);
            }
        }
        Ok(built)
    }

    fn watermark_of(&self, stage: &Stage, index: usize) -> Micros {
        self.states.of(stage, index).map_or(pipectl_data::START_OF_TIME, |state| state.watermark)
    }

    async fn open_sources(&self, finished: bool) -> Result<BTreeMap<usize, Vec<Box<dyn SourceReader>>>, RunError> {
        let mut opened = BTreeMap::new();
        for (number, stage) in self.plan.stages.iter().enumerate() {
            let Some(reads) = Reads::of(&stage.input) else { continue };
            let readers = match &stage.input {
                // Nothing to go on with: the sources are not even opened.
                _ if finished => self.states.positions(stage).into_iter().map(crate::limit::ended).collect(),
                StageInput::Source(source) => self.open_source(stage, source).await?,
                StageInput::Stream(stream) => self.open_stream(stage, stream).await?,
                StageInput::Routes => continue,
            };
            if readers.is_empty() {
                return Err(RunError::failed(format!("`{}` has no partition to read", reads.name)));
            }
            opened.insert(number, readers);
        }
        Ok(opened)
    }

    async fn open_source(&self, stage: &Stage, source: &SourcePlan) -> Result<Vec<Box<dyn SourceReader>>, RunError> {
        let positions = self.states.positions(stage);
        let context = SourceContext {
            host: self.host.clone(),
            pipeline: self.plan.pipeline.clone(),
            node: source.name.clone(),
            directory: self.options.directory.clone(),
            schema: source.schema.clone(),
            positions,
        };
        let readers = self.connectors.open_source(source, context).await;
        let readers = readers.map_err(|error| RunError::connector(&source.name, &error))?;
        Ok(readers.into_iter().map(|reader| self.options.limits.around(reader, self.host)).collect())
    }

    async fn open_stream(&self, stage: &Stage, stream: &StreamPlan) -> Result<Vec<Box<dyn SourceReader>>, RunError> {
        let context = ConsumerContext {
            node: stream.name.clone(),
            group: format!("pipectl.{}.{}.{}", self.plan.pipeline, self.plan.environment, stream.name),
            lanes: stream.lanes,
            ownership: Ownership::Owned { positions: self.states.positions(stage) },
            start: start_at(stream.carrier.start),
            memory: self.plan.memory / CLIENT_SHARE,
            checkpoint_every: Duration::from_micros(self.plan.checkpoint_every.unsigned_abs()),
        };
        let readers = self.connectors.open_consumer(stream, self.connect(), context).await;
        readers.map_err(|error| RunError::connector(&stream.name, &error))
    }

    fn connect(&self) -> ConnectContext {
        ConnectContext {
            host: self.host.clone(),
            pipeline: self.plan.pipeline.clone(),
            environment: self.plan.environment.clone(),
        }
    }

    fn tasks_of(&self, stage: usize, readers: &BTreeMap<usize, Vec<Box<dyn SourceReader>>>) -> usize {
        match self.plan.stages[stage].tasks {
            Tasks::Fixed(count) => count as usize,
            Tasks::Readers(source) => readers.get(&source).map_or(0, Vec::len),
        }
    }

    /// One queue for each pair of tasks that can meet; the budget is shared out evenly.
    fn queues(&self, counts: &[usize]) -> Queues {
        let pairs = |route: &pipectl_ir::physical::Route| match route.by {
            RouteBy::Forward | RouteBy::Gather => counts[route.from],
            _ => counts[route.from] * counts[route.to],
        };
        let total: usize = self.plan.routes.iter().map(pairs).sum();
        let budget = usize::try_from(self.plan.memory).unwrap_or(usize::MAX);
        let capacity = (budget / total.max(1)).max(MIN_QUEUE);
        let (mut senders, mut receivers) = (Vec::new(), Vec::new());
        for route in &self.plan.routes {
            let mut from: Vec<Vec<Sender>> = (0..counts[route.from]).map(|_| Vec::new()).collect();
            let mut to: Vec<Vec<Receiver>> = (0..counts[route.to]).map(|_| Vec::new()).collect();
            for (index, sender) in from.iter_mut().enumerate() {
                let targets = match route.by {
                    RouteBy::Forward => index..index + 1,
                    RouteBy::Gather => 0..1,
                    _ => 0..counts[route.to],
                };
                for target in targets {
                    let (sending, receiving) = queue(capacity);
                    sender.push(sending);
                    to[target].push(receiving);
                }
            }
            senders.push(from);
            receivers.push(to);
        }
        Queues { senders, receivers }
    }

    fn counts(&self, state: Option<&TaskState>) -> TaskCounts {
        TaskCounts::new(Arc::clone(self.counters), state.map_or(&[][..], |state| &state.counts))
    }

    fn chain(&self, stage: &Stage, index: usize, routes: Vec<(usize, RouteSender)>) -> Result<Chain, RunError> {
        let state = self.states.of(stage, index);
        let last = self.plan.stages.len() - 1;
        let parts = ChainParts {
            nodes: self.plan.nodes.iter().map(|node| node.name.clone()).collect(),
            dead_letters: routes.iter().map(|(number, _)| *number).find(|number| self.plan.routes[*number].to == last),
            routes,
            counts: self.counts(state),
        };
        let mut chain = Chain::new(self.plan, stage, index as u32, parts)?;
        if let Some(state) = state {
            chain.restore(&state.parts, &state.sent)?;
        }
        Ok(chain)
    }

    async fn stream_task(
        &self,
        stage: &Stage,
        stream: &StreamPlan,
        mut routes: Vec<(usize, RouteSender)>,
        gate: Gate,
        commands: mpsc::UnboundedReceiver<crate::task::Command>,
        line: Line,
    ) -> Result<SinkTask, RunError> {
        let context = ProducerContext { node: stream.name.clone(), memory: self.plan.memory / CLIENT_SHARE };
        let producer = self.connectors.open_producer(stream, self.connect(), context).await;
        let producer = producer.map_err(|error| RunError::connector(&stream.name, &error))?;
        let state = self.states.of(stage, 0);
        let mut dead_letters = routes.pop().map(|(_, route)| route);
        if let (Some(route), Some(sent)) = (&mut dead_letters, state.and_then(|state| state.sent.first())) {
            route.restore(*sent);
        }
        Ok(SinkTask {
            name: stream.name.clone(),
            node: stream.node,
            gate,
            writer: Box::new(StreamWriter::new(producer, stream.schema.clone())),
            dead_letters,
            counts: self.counts(state),
            host: self.host.clone(),
            commands,
            line,
            restored: state.is_some(),
        })
    }

    #[allow(clippy::too_many_arguments, reason = "the ends of one task, each used once")]
    async fn sink_task(
        &self,
        stage: &Stage,
        sink: &SinkPlan,
        (index, writers): (usize, usize),
        mut routes: Vec<(usize, RouteSender)>,
        gate: Gate,
        commands: mpsc::UnboundedReceiver<crate::task::Command>,
        line: Line,
    ) -> Result<SinkTask, RunError> {
        let state = self.states.of(stage, index);
        let restored = state.and_then(|state| state.parts.first().cloned());
        let context = SinkContext {
            host: self.host.clone(),
            pipeline: self.plan.pipeline.clone(),
            node: sink.name.clone(),
            directory: self.options.directory.clone(),
            writer: index as u32,
            writers: writers as u32,
            schema: sink.schema.clone(),
            payload: sink.payload.then_some(PayloadFormat::Json),
            keys: sink.keys.clone(),
            restored: restored.clone(),
        };
        let writer = self.connectors.open_sink(sink, context).await;
        let writer = writer.map_err(|error| RunError::connector(&sink.name, &error))?;
        let mut dead_letters = routes.pop().map(|(_, route)| route);
        if let (Some(route), Some(sent)) = (&mut dead_letters, state.and_then(|state| state.sent.first())) {
            route.restore(*sent);
        }
        Ok(SinkTask {
            name: sink.name.clone(),
            node: sink.node,
            gate,
            writer,
            dead_letters,
            counts: self.counts(state),
            host: self.host.clone(),
            commands,
            line,
            restored: restored.is_some(),
        })
    }
}

impl Queues {
    /// All queues that lead to a task.
    fn take_receivers(&mut self, plan: &PhysicalPlan, stage: usize, index: usize) -> Vec<Receiver> {
        let routes = plan.routes.iter().zip(&mut self.receivers).filter(|(route, _)| route.to == stage);
        routes.flat_map(|(_, tasks)| std::mem::take(&mut tasks[index])).collect()
    }

    /// All routes that start at a task, by the plan's number.
    fn take_senders(&mut self, plan: &PhysicalPlan, stage: usize, index: usize) -> Vec<(usize, RouteSender)> {
        let routes =
            plan.routes.iter().enumerate().zip(&mut self.senders).filter(|((_, route), _)| route.from == stage);
        routes
            .map(|((number, route), tasks)| {
                (number, RouteSender::new(route.by.clone(), std::mem::take(&mut tasks[index])))
            })
            .collect()
    }
}

impl From<Halt> for RunError {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Failed(error) => error,
            Halt::Closed => Self::failed("a task is gone"),
        }
    }
}

//! Builds what a plan names: readers and writers opened, tasks with their queues between them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use pipectl_contract::{
    ConnectContext, ConsumerContext, OtherWriter, Ownership, ProducerContext, SinkContext, SourceContext, SourceReader,
    output_folder,
};
use pipectl_data::{Micros, PayloadFormat};
use pipectl_host::Host;
use pipectl_ir::physical::{
    PhysicalPlan, RouteBy, SinkPlan, SourcePlan, Stage, StageInput, StreamPlan, Tasks, Workers,
};
use tokio::sync::mpsc;

use crate::{
    RunOptions,
    carry::{Carried, States},
    chain::{Chain, ChainParts},
    connectors::{Connectors, start_at},
    counters::{Counters, TaskCounts},
    error::RunError,
    gate::Gate,
    job::writes,
    memory::StateMemory,
    outputs::Beginning,
    queue::{Receiver, Sender, queue},
    reads::Reads,
    route::RouteSender,
    steps::AllTogether,
    stream_writer::StreamWriter,
    task::{OperatorTask, SinkTask, SourceTask, TaskHandle},
};

/// The smallest room of a queue in bytes: below this, batches would travel one at a time.
const MIN_QUEUE: usize = 256 * 1024;

/// The part of a pipeline's memory that one client of a backend may hold: the others are for the queues.
const CLIENT_SHARE: u64 = 4;

/// The node that a stage begins with: what its queues and its tasks are shown as.
fn first_node(stage: &Stage) -> Option<usize> {
    let reads = Reads::of(&stage.input).map(|reads| reads.node);
    let writes = stage.writes.as_ref().map(|stream| stream.node).or(stage.sink.as_ref().map(|sink| sink.node));
    reads.or(writes).or_else(|| stage.steps.first().map(|step| step.node))
}

fn task_name(stage: &Stage, index: usize) -> String {
    format!("{}/{index}", stage.name)
}

pub(crate) type Body = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Everything that the coordinator takes over.
#[derive(Default)]
pub(crate) struct Built {
    pub(crate) names: Vec<String>,
    pub(crate) sources: Vec<mpsc::UnboundedSender<crate::task::Command>>,
    /// The numbers of their tasks.
    pub(crate) source_tasks: Vec<usize>,
    /// Which of `sources` read which durable stream.
    pub(crate) streams: BTreeMap<String, Vec<usize>>,
    pub(crate) sinks: BTreeMap<usize, mpsc::UnboundedSender<crate::task::Command>>,
    pub(crate) bodies: Vec<Body>,
}

/// What tasks are built from.
pub(crate) struct Builder<'a> {
    pub(crate) plan: &'a PhysicalPlan,
    pub(crate) connectors: &'a dyn Connectors,
    pub(crate) host: &'a Host,
    pub(crate) options: &'a RunOptions,
    pub(crate) counters: &'a Arc<Counters>,
    pub(crate) states: &'a States,
    pub(crate) together: &'a Arc<AllTogether>,
    pub(crate) memory: &'a Arc<StateMemory>,
    pub(crate) beginning: &'a Beginning,
}

/// The ends of all queues, by route and task.
struct Queues {
    senders: Vec<Vec<Vec<Sender>>>,
    receivers: Vec<Vec<Vec<Receiver>>>,
}

impl Builder<'_> {
    /// Opens everything and makes the tasks, none of which runs yet.
    pub(crate) async fn build(
        &self,
        events: &mpsc::UnboundedSender<crate::task::TaskEvent>,
    ) -> Result<Built, RunError> {
        let mut readers = self.open_sources().await?;
        let counts: Vec<usize> = (0..self.plan.stages.len()).map(|stage| self.tasks_of(stage, &readers)).collect();
        let mut queues = self.queues(&counts);
        let mut built = Built::default();
        for (number, stage) in self.plan.stages.iter().enumerate() {
            let mut stage_readers = readers.remove(&number).unwrap_or_default().into_iter();
            for index in 0..counts[number] {
                let handle = TaskHandle { task: built.names.len(), events: events.clone() };
                built.names.push(task_name(stage, index));
                let receivers = queues.take_receivers(self.plan, number, index);
                let mut routes = queues.take_senders(self.plan, number, index);
                if let Some(node) = first_node(stage).filter(|_| !routes.is_empty()) {
                    let wait = self.counters.meters.has_task(node, self.host);
                    for (_, route) in &mut routes {
                        route.measure(&wait);
                    }
                }
                let body: Body = if let Some(stream) = &stage.writes {
                    let (sender, commands) = mpsc::unbounded_channel();
                    built.sinks.insert(handle.task, sender);
                    let gate = Gate::new(receivers, self.watermark_of(stage, index));
                    let task = self.stream_task(stage, stream, routes, gate, commands, handle.clone()).await?;
                    Box::pin(handle.watch(task.run()))
                } else if let Some(sink) = &stage.sink {
                    let (sender, commands) = mpsc::unbounded_channel();
                    built.sinks.insert(handle.task, sender);
                    let watermark = self.watermark_of(stage, index);
                    let writers = counts[number];
                    let task = self.sink_task(
                        stage,
                        sink,
                        (index, writers),
                        routes,
                        Gate::new(receivers, watermark),
                        commands,
                        handle.clone(),
                    );
                    let task = task.await?;
                    Box::pin(handle.watch(task.run()))
                } else if let Some(reads) = Reads::of(&stage.input) {
                    let (sender, commands) = mpsc::unbounded_channel();
                    if reads.durable {
                        built.streams.entry(reads.name.to_owned()).or_default().push(built.sources.len());
                    }
                    built.sources.push(sender);
                    self.counters.meters.has_reader(reads.node);
                    built.source_tasks.push(handle.task);
                    let Some(reader) = stage_readers.next() else {
                        return Err(RunError::failed(format!("`{}` has fewer readers than subtasks", reads.name)));
                    };
                    let task = SourceTask {
                        name: reads.name.to_owned(),
                        node: reads.node,
                        durable: reads.durable,
                        leaves: reads.leaves,
                        idle_after: reads.idle_after,
                        reader,
                        chain: self.chain(stage, index, routes)?,
                        host: self.host.clone(),
                        commands,
                        handle: handle.clone(),
                        answers: positions_last(self.plan),
                    };
                    Box::pin(handle.watch(task.run()))
                } else {
                    let chain = self.chain(stage, index, routes)?;
                    let watermark = self.watermark_of(stage, index);
                    let task = OperatorTask { gate: Gate::new(receivers, watermark), chain, handle: handle.clone() };
                    Box::pin(handle.watch(task.run()))
                };
                built.bodies.push(body);
            }
        }
        Ok(built)
    }

    fn watermark_of(&self, stage: &Stage, index: usize) -> Micros {
        self.states.of(&stage.name, index).map_or(pipectl_data::START_OF_TIME, |state| state.watermark)
    }

    async fn open_sources(&self) -> Result<BTreeMap<usize, Vec<Box<dyn SourceReader>>>, RunError> {
        let mut opened = BTreeMap::new();
        for (number, stage) in self.plan.stages.iter().enumerate() {
            let Some(reads) = Reads::of(&stage.input) else { continue };
            let readers = match &stage.input {
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
        let positions = self.states.positions(&stage.name);
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
        Ok(readers.into_iter().map(|reader| self.options.limits.around(&source.name, reader, self.host)).collect())
    }

    async fn open_stream(&self, stage: &Stage, stream: &StreamPlan) -> Result<Vec<Box<dyn SourceReader>>, RunError> {
        let context = ConsumerContext {
            node: stream.name.clone(),
            group: consumer_group(self.plan, &stream.name),
            subtasks: stream.subtasks,
            ownership: match &self.plan.workers {
                Workers::One { .. } => Ownership::Owned { positions: self.states.positions(&stage.name) },
                Workers::Any => Ownership::Shared,
            },
            start: start_at(stream.carrier.start),
            memory: self.plan.memory / CLIENT_SHARE,
            checkpoint_every: Duration::from_micros(self.plan.checkpoint_every.unsigned_abs()),
        };
        let readers = self.connectors.open_consumer(stream, connecting(self.plan, self.host), context).await;
        readers.map_err(|error| RunError::connector(&stream.name, &error))
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
                    if let Some(node) = self.plan.stages.get(route.to).and_then(first_node) {
                        sending.show(&self.counters.meters, node);
                    }
                    sender.push(sending);
                    to[target].push(receiving);
                }
            }
            senders.push(from);
            receivers.push(to);
        }
        Queues { senders, receivers }
    }

    fn counts(&self, state: Option<&Carried>) -> TaskCounts {
        TaskCounts::new(Arc::clone(self.counters), state.map(|state| &state.counts))
    }

    fn chain(&self, stage: &Stage, index: usize, routes: Vec<(usize, RouteSender)>) -> Result<Chain, RunError> {
        let state = self.states.of(&stage.name, index);
        let last = self.plan.stages.len() - 1;
        let parts = ChainParts {
            place: (self.host, &self.options.directory),
            nodes: self.plan.nodes.iter().map(|node| node.name.clone()).collect(),
            dead_letters: routes.iter().map(|(number, _)| *number).find(|number| self.plan.routes[*number].to == last),
            routes,
            counts: self.counts(state),
            memory: Arc::clone(self.memory),
            together: Arc::clone(self.together),
        };
        let mut chain = Chain::new(self.plan, stage, index as u32, self.connectors, parts)?;
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
        handle: TaskHandle,
    ) -> Result<SinkTask, RunError> {
        let context = producing(self.plan, stream);
        let producer = self.connectors.open_producer(stream, connecting(self.plan, self.host), context).await;
        let producer = producer.map_err(|error| RunError::connector(&stream.name, &error))?;
        self.counters.meters.has_writer(stream.node);
        let state = self.states.of(&stage.name, 0);
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
            handle,
            restored: state.is_some_and(|state| state.writer.is_some()),
            again: false,
            keeps: self.plan.workers != Workers::Any,
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
        handle: TaskHandle,
    ) -> Result<SinkTask, RunError> {
        let state = self.states.of(&stage.name, index);
        let restored = state.and_then(|state| state.writer.clone());
        let others = state.map(|state| state.others.clone()).unwrap_or_default();
        let context = SinkContext {
            host: self.host.clone(),
            pipeline: self.plan.pipeline.clone(),
            output: output_folder(&self.plan.pipeline, &self.plan.environment),
            node: sink.name.clone(),
            directory: self.options.directory.clone(),
            earlier: self.beginning.of(&sink.name),
            writer: index as u32,
            writers: writers as u32,
            schema: sink.schema.clone(),
            payload: sink.payload.then_some(PayloadFormat::Json),
            keys: sink.keys.clone(),
            restored: restored.clone(),
            others: others.into_iter().map(|(state, adopt)| OtherWriter { state, adopt }).collect(),
        };
        let writer = self.connectors.open_sink(sink, context).await;
        let writer = writer.map_err(|error| RunError::connector(&sink.name, &error))?;
        self.counters.meters.has_writer(sink.node);
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
            handle,
            restored: restored.is_some(),
            again: true,
            keeps: self.plan.workers != Workers::Any,
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

/// How a plan connects to backends.
pub(crate) fn connecting(plan: &PhysicalPlan, host: &Host) -> ConnectContext {
    ConnectContext::new(host.clone(), &plan.pipeline, &plan.environment)
}

/// How a plan writes a durable stream.
pub(crate) fn producing(plan: &PhysicalPlan, stream: &StreamPlan) -> ProducerContext {
    let region = plan.region.clone().filter(|_| stream.carrier.transactional);
    ProducerContext { region, ..ProducerContext::new(&stream.name, plan.memory / CLIENT_SHARE) }
}

/// Whether positions are written only after the sinks have published: where they are the truth, and where it is not known
/// before whether the checkpoint counts.
pub(crate) fn positions_last(plan: &PhysicalPlan) -> bool {
    plan.workers == Workers::Any || writes(plan).iter().any(|stream| stream.carrier.transactional)
}

/// The consumer group with which a plan reads a durable stream. No two pipelines share one by accident.
pub fn consumer_group(plan: &PhysicalPlan, stream: &str) -> String {
    format!("pipectl.{}.{}.{stream}", plan.pipeline, plan.environment)
}

//! How the runtime gets at sources, sinks and streams; a dry run hands in its own way.

use std::{collections::BTreeMap, pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use pipectl_contract::{
    ConnectContext, Connection, ConnectorError, ConsumerContext, EarlierOutput, ErrorKind, OutputContext,
    ProducerContext, Registry, SinkContext, SinkWriter, SourceContext, SourceReader, StartAt, StreamTarget,
};
use pipectl_ir::{
    capabilities::Consumption,
    dag::{Carrier, StreamStart},
    physical::{SinkPlan, SourcePlan, StreamPlan},
};
use tokio::sync::Mutex;

/// The removal of output of earlier runs.
pub type RemoveOutput = Pin<Box<dyn Future<Output = Result<(), ConnectorError>> + Send>>;

/// Opens what a plan names.
#[async_trait]
pub trait Connectors: Send + Sync {
    /// Opens a source: one reader for each of its partitions.
    async fn open_source(
        &self,
        plan: &SourcePlan,
        context: SourceContext,
    ) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError>;

    /// The kinds that this program knows: the operators of processors come from them.
    fn registry(&self) -> &Registry;

    /// Opens one writer of a sink.
    async fn open_sink(&self, plan: &SinkPlan, context: SinkContext) -> Result<Box<dyn SinkWriter>, ConnectorError>;

    /// The output of a sink that earlier runs have left.
    async fn earlier_output(
        &self,
        _plan: &SinkPlan,
        _context: OutputContext,
    ) -> Result<Vec<EarlierOutput>, ConnectorError> {
        Ok(Vec::new())
    }

    /// Removes such output, except what has changed since.
    fn remove_output(&self, _plan: &SinkPlan, _context: OutputContext, _found: Vec<EarlierOutput>) -> RemoveOutput {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Opens the consumer of a durable stream: one reader for each subtask. Where all streams live in memory, there is none.
    async fn open_consumer(
        &self,
        plan: &StreamPlan,
        _connect: ConnectContext,
        _context: ConsumerContext,
    ) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError> {
        Err(unknown("backend", &plan.carrier.kind))
    }

    /// Opens a producer of a durable stream.
    async fn open_producer(
        &self,
        plan: &StreamPlan,
        _connect: ConnectContext,
        _context: ProducerContext,
    ) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        Err(unknown("backend", &plan.carrier.kind))
    }

    /// Whether a checkpoint counts that a durable stream's producer answered `state` at; see
    /// [`Connection::published`].
    async fn is_committed(
        &self,
        plan: &StreamPlan,
        _connect: ConnectContext,
        _context: ProducerContext,
        _state: &[u8],
    ) -> Result<Option<bool>, ConnectorError> {
        Err(unknown("backend", &plan.carrier.kind))
    }
}

/// Connections by Environment and by what it calls the backend.
type Connections = BTreeMap<(String, String), Arc<dyn Connection>>;

/// The kinds of a registry, as they are. Everything that one Environment calls by one name shares one connection.
#[derive(Clone)]
pub struct RegistryConnectors {
    registry: Registry,
    connections: Arc<Mutex<Connections>>,
}

impl std::fmt::Debug for RegistryConnectors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistryConnectors").field("registry", &self.registry).finish_non_exhaustive()
    }
}

impl RegistryConnectors {
    /// Of this registry.
    pub fn new(registry: Registry) -> Self {
        Self { registry, connections: Arc::default() }
    }

    /// How readers say what they are done with at the backend that carries a stream; `None` if there is none of its kind.
    pub fn consumption(&self, carrier: &Carrier) -> Option<Consumption> {
        let backend = self.registry.find_backend(&carrier.kind)?;
        Some(backend.capabilities(carrier.options.as_ref()).consumption)
    }

    /// The connection to what carries a stream.
    pub async fn connection(
        &self,
        carrier: &Carrier,
        context: ConnectContext,
    ) -> Result<Arc<dyn Connection>, ConnectorError> {
        let mut connections = self.connections.lock().await;
        let key = (context.environment.clone(), carrier.backend.clone());
        if let Some(connection) = connections.get(&key) {
            return Ok(Arc::clone(connection));
        }
        let backend = self.registry.find_backend(&carrier.kind).ok_or_else(|| unknown("backend", &carrier.kind))?;
        let context = ConnectContext { private: carrier.private, ..context };
        let connection = backend.connect(carrier.options.as_ref(), context).await?;
        connections.insert(key, Arc::clone(&connection));
        Ok(connection)
    }
}

/// The stream that a plan means, as a connection wants it.
pub fn target(carrier: &Carrier) -> StreamTarget {
    StreamTarget {
        name: carrier.target.clone(),
        existing: carrier.existing,
        partitions: carrier.partitions,
        retention: carrier.retention.map(|micros| Duration::from_micros(micros.unsigned_abs())),
        ordered: carrier.ordered,
        options: carrier.stream_options.clone(),
    }
}

/// Where reading begins, as a connection wants it.
pub(crate) fn start_at(start: StreamStart) -> StartAt {
    match start {
        StreamStart::Earliest => StartAt::Earliest,
        StreamStart::Latest => StartAt::Latest,
        StreamStart::At(moment) => StartAt::Time(moment),
    }
}

#[async_trait]
impl Connectors for RegistryConnectors {
    async fn open_source(
        &self,
        plan: &SourcePlan,
        context: SourceContext,
    ) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError> {
        let source = self.registry.find_source(&plan.kind).ok_or_else(|| unknown("source", &plan.kind))?;
        source.open(&plan.options, context).await
    }

    fn registry(&self) -> &Registry {
        &self.registry
    }

    async fn open_sink(&self, plan: &SinkPlan, context: SinkContext) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        let sink = self.registry.find_sink(&plan.kind).ok_or_else(|| unknown("sink", &plan.kind))?;
        sink.open(&plan.options, plan.binding.as_ref(), context).await
    }

    async fn earlier_output(
        &self,
        plan: &SinkPlan,
        context: OutputContext,
    ) -> Result<Vec<EarlierOutput>, ConnectorError> {
        let sink = self.registry.find_sink(&plan.kind).ok_or_else(|| unknown("sink", &plan.kind))?;
        sink.earlier(&plan.options, plan.binding.as_ref(), context).await
    }

    fn remove_output(&self, plan: &SinkPlan, context: OutputContext, found: Vec<EarlierOutput>) -> RemoveOutput {
        let (registry, plan) = (self.registry.clone(), plan.clone());
        Box::pin(async move {
            let sink = registry.find_sink(&plan.kind).ok_or_else(|| unknown("sink", &plan.kind))?;
            sink.remove(&plan.options, plan.binding.as_ref(), context, found).await
        })
    }

    async fn open_consumer(
        &self,
        plan: &StreamPlan,
        connect: ConnectContext,
        context: ConsumerContext,
    ) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError> {
        let connection = self.connection(&plan.carrier, connect).await?;
        connection.consumer(&target(&plan.carrier), context).await
    }

    async fn open_producer(
        &self,
        plan: &StreamPlan,
        connect: ConnectContext,
        context: ProducerContext,
    ) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        let connection = self.connection(&plan.carrier, connect).await?;
        connection.producer(&target(&plan.carrier), context).await
    }

    async fn is_committed(
        &self,
        plan: &StreamPlan,
        connect: ConnectContext,
        context: ProducerContext,
        state: &[u8],
    ) -> Result<Option<bool>, ConnectorError> {
        let connection = self.connection(&plan.carrier, connect).await?;
        connection.is_committed(&target(&plan.carrier), context, state).await
    }
}

fn unknown(role: &str, kind: &str) -> ConnectorError {
    ConnectorError::new(ErrorKind::Invalid, format!("this build has no {role} of kind `{kind}`"))
}

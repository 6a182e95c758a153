//! What carries streams: the face of a backend to the compiler (pure) and to the run (a [`Connection`]).

use std::sync::Arc;

use async_trait::async_trait;
use pipectl_data::Schema;
use pipectl_host::Host;
use pipectl_ir::Capabilities;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    Checked, ConnectorError, ConsumerContext, Difference, ErrorKind, Finding, ProducerContext, SinkWriter,
    SourceReader, StreamState, StreamTarget, check,
};

/// What a Pipeline asks of a stream.
#[derive(Debug, Clone, Copy)]
pub struct StreamNeeds<'a> {
    /// The stream's name in the Pipeline.
    pub name: &'a str,
    /// What the backend is to call it.
    pub target: &'a str,
    /// Whether it exists already and is neither made nor changed.
    pub existing: bool,
    /// How many partitions it asks for.
    pub partitions: Option<u32>,
    /// How long records must stay.
    pub retention: Option<std::time::Duration>,
    /// Its key by field name; empty without one.
    pub keys: &'a [String],
    /// Whether readers are promised the order of each key.
    pub ordered: bool,
    /// Its columns, if known.
    pub schema: Option<&'a Schema>,
    /// The time between two checkpoints of the pipeline.
    pub checkpoint_every: std::time::Duration,
}

/// What the backend makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamFacts {
    /// Into how many subtasks reading is divided: how many tasks read the stream in one process. Fixed by the spec, not by
    /// how many partitions there are at a time, since the state of a subtask is part of checkpoints.
    pub partitions: u32,
    /// Whether the stream outlives the process, so that it cuts the pipeline into regions.
    pub durable: bool,
    /// Whether what is written between two checkpoints becomes visible all at once, when the checkpoint is durable. Such a
    /// region has one owner.
    pub transactional: bool,
}

impl StreamFacts {
    /// A durable stream that is read in so many subtasks.
    pub fn durable(partitions: u32) -> Self {
        Self { partitions, durable: true, transactional: false }
    }
}

/// What a backend gets when it is connected to.
#[derive(Debug, Clone)]
pub struct ConnectContext {
    /// The door to clock, rng and variables.
    pub host: Host,
    /// `metadata.name` of the pipeline; the name of the verb where there is none (`stream read`).
    pub pipeline: String,
    /// `metadata.name` of the Environment.
    pub environment: String,
    /// Whether only addresses that cannot be reached from the internet will do; a backend hands every address that it will
    /// send records or positions to, to [`ConnectContext::admit`] before it connects.
    pub private: bool,
}

impl ConnectContext {
    /// For a pipeline in an Environment, on any network.
    pub fn new(host: Host, pipeline: impl Into<String>, environment: impl Into<String>) -> Self {
        Self { host, pipeline: pipeline.into(), environment: environment.into(), private: false }
    }
}

/// A backend.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// The options under the kind key in an Environment's `backends`: where it is and who asks.
    type Options: DeserializeOwned + JsonSchema + Default + Send + Sync;
    /// The options of one stream, under the kind key in an Environment's `streams`: what only this backend has.
    type StreamOptions: DeserializeOwned + JsonSchema + Default + Send + Sync;
    /// The kind key: `kafka`.
    const KIND: &'static str;

    /// What it can do, given how it is set up.
    fn capabilities(&self, options: &Self::Options) -> Capabilities;

    /// Checks a stream against the backend's limits without any I/O. Paths are relative to the stream's node.
    fn check(
        &self,
        options: &Self::Options,
        stream_options: &Self::StreamOptions,
        stream: StreamNeeds<'_>,
    ) -> Checked<StreamFacts>;

    /// Connects. Does I/O, spawns nothing that outlives the connection. A memory stream, which lives inside its
    /// pipeline, has nothing to connect to.
    async fn connect(
        &self,
        options: Self::Options,
        context: ConnectContext,
    ) -> Result<Arc<dyn Connection>, ConnectorError>;
}

/// A connection to a backend: what can be asked of the service, and the producers and consumers of its streams.
///
/// Every call that the service can refuse for a moment (throttled, unavailable) is retried inside with growing pauses
/// within a bound that the backend's options set; what comes out is final for now.
#[async_trait]
pub trait Connection: Send + Sync {
    /// What the service says of a stream; `None` if there is none of this name. With a `group`, each partition also tells
    /// how far that consumer group is behind, where the service knows.
    async fn describe(&self, stream: &StreamTarget, group: Option<&str>)
    -> Result<Option<StreamState>, ConnectorError>;

    /// Makes a stream and waits until it can be written and read. Idempotent: one that exists is left as it is.
    async fn create(&self, stream: &StreamTarget) -> Result<(), ConnectorError>;

    /// What [`Connection::update`] would change, or refuse to. Nothing for a stream that does not exist.
    async fn differences(&self, stream: &StreamTarget) -> Result<Vec<Difference>, ConnectorError> {
        Ok(self.describe(stream, None).await?.map_or_else(Vec::new, |state| state.differences(stream)))
    }

    /// Brings what differs (partitions, retention, encryption…) to what the target says, and waits for it. Refuses what
    /// the service cannot change with [`ErrorKind::Conflict`] and says what to do instead.
    async fn update(&self, stream: &StreamTarget) -> Result<(), ConnectorError>;

    /// Removes a stream, with what was made beside it (subscriptions, consumers, leases), and waits until it is gone.
    /// Answers whether there was one; a second call is fine.
    async fn delete(&self, stream: &StreamTarget) -> Result<bool, ConnectorError>;

    /// Forgets how far a consumer group has come, so that its next consumer begins where its `start` says. Idempotent: a
    /// group that nobody knows is forgotten already. Refused with [`ErrorKind::Conflict`] where the service does not let go
    /// of a group that still has members.
    async fn forget(&self, stream: &StreamTarget, group: &str) -> Result<(), ConnectorError>;

    /// The names of all streams that these credentials see, sorted.
    async fn list(&self) -> Result<Vec<String>, ConnectorError>;

    /// Opens a producer of a stream. It is driven like a sink's writer, with the additions that
    /// [`crate::ProducerContext`] tells.
    async fn producer(
        &self,
        stream: &StreamTarget,
        context: ProducerContext,
    ) -> Result<Box<dyn SinkWriter>, ConnectorError>;

    /// Whether a checkpoint counts: whether what its stream's producer had accepted became visible. `state` is what that
    /// producer answered at the checkpoint; whoever was about to make it visible can do so no more when this returns. `None`
    /// if the service knows no longer. Asked of streams that are written in transactions only.
    async fn is_committed(
        &self,
        _stream: &StreamTarget,
        _context: ProducerContext,
        _state: &[u8],
    ) -> Result<Option<bool>, ConnectorError> {
        Ok(Some(true))
    }

    /// Opens the consumer of a stream: as many readers as `context.subtasks`, each run by a task of its own.
    async fn consumer(
        &self,
        stream: &StreamTarget,
        context: ConsumerContext,
    ) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError>;

    /// Looks at everything that a run on these streams would need (reach, credentials, permissions, clock skew,
    /// versions) without changing anything.
    async fn preflight(&self, streams: &[StreamTarget]) -> Vec<Finding>;
}

/// The object-safe face of [`Backend`].
#[async_trait]
pub trait DynBackend: Send + Sync {
    /// The kind key.
    fn kind(&self) -> &'static str;
    /// JSON Schema of the options.
    fn options_schema(&self) -> Value;
    /// JSON Schema of a stream's options.
    fn stream_options_schema(&self) -> Value;
    /// See [`Backend::capabilities`]; `None` as options is the default, and so are options that cannot be read.
    fn capabilities(&self, options: Option<&Value>) -> Capabilities;
    /// See [`Backend::check`]; `None` as options is the default.
    fn check(
        &self,
        options: Option<&Value>,
        stream_options: Option<&Value>,
        stream: StreamNeeds<'_>,
    ) -> Checked<StreamFacts>;
    /// See [`Backend::connect`].
    async fn connect(
        &self,
        options: Option<&Value>,
        context: ConnectContext,
    ) -> Result<Arc<dyn Connection>, ConnectorError>;
}

fn parse<O: DeserializeOwned + Default>(options: Option<&Value>) -> Result<O, pipectl_diag::Diagnostic> {
    let code = pipectl_diag::codes::options::INVALID_OPTION;
    Ok(options.map(|options| check::options::<O>(code, options)).transpose()?.unwrap_or_default())
}

#[async_trait]
impl<B: Backend> DynBackend for B {
    fn kind(&self) -> &'static str {
        B::KIND
    }

    fn options_schema(&self) -> Value {
        check::options_schema::<B::Options>()
    }

    fn stream_options_schema(&self) -> Value {
        check::options_schema::<B::StreamOptions>()
    }

    fn capabilities(&self, options: Option<&Value>) -> Capabilities {
        Backend::capabilities(self, &parse(options).unwrap_or_default())
    }

    fn check(
        &self,
        options: Option<&Value>,
        stream_options: Option<&Value>,
        stream: StreamNeeds<'_>,
    ) -> Checked<StreamFacts> {
        match (parse::<B::Options>(options), parse::<B::StreamOptions>(stream_options)) {
            (Ok(options), Ok(stream_options)) => Backend::check(self, &options, &stream_options, stream),
            (Err(problem), _) | (_, Err(problem)) => Checked { facts: None, diagnostics: problem.into() },
        }
    }

    async fn connect(
        &self,
        options: Option<&Value>,
        context: ConnectContext,
    ) -> Result<Arc<dyn Connection>, ConnectorError> {
        let options = parse(options).map_err(|problem| ConnectorError::new(ErrorKind::Invalid, problem.title))?;
        Backend::connect(self, options, context).await
    }
}

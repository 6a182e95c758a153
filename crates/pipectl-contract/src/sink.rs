//! Where records go outside of streams.

use std::{ops::Range, path::PathBuf};

use async_trait::async_trait;
use pipectl_data::{Batch, PayloadFormat, Schema};
use pipectl_diag::Path;
use pipectl_host::{Host, Micros};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Checked, ConnectorError, Earlier, EarlierOutput, ErrorKind, FileSet, NodeContext, OutputContext, check};

/// A column that a sink must get, and which option says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnNeed {
    /// The column's name.
    pub name: String,
    /// The option that names it, relative to the sink's options.
    pub path: Path,
    /// Where in that option's text, if it is more than the name (a placeholder of a prefix).
    pub inside: Option<Range<usize>>,
}

impl ColumnNeed {
    /// A column that the option at `path` names.
    pub fn new(name: impl Into<String>, path: Path) -> Self {
        Self { name: name.into(), path, inside: None }
    }
}

/// How many writers a sink has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parallelism {
    /// One, which sees all records.
    Single,
    /// One for each partition of its input; their outputs must not clash.
    PerPartition,
}

/// What a sink's options mean.
#[derive(Debug, Clone)]
pub struct SinkFacts {
    /// Columns that must exist in the input.
    pub needs: Vec<ColumnNeed>,
    /// Set if the input must have an event time: the option that asks for it.
    pub needs_event_time: Option<Path>,
    /// Whether it can deliver JSON payloads as they came in, without decoded columns (beside those in `needs`).
    pub takes_payload: bool,
    /// What it must own alone, in words that two sinks would share (`file out/a.jsonl`), and the option that says so;
    /// two sinks of a run with the same one are an error.
    pub exclusive: Vec<(String, Path)>,
    /// The files that it writes, and the option that says so.
    pub writes: Vec<(FileSet, Path)>,
    /// How many writers.
    pub parallelism: Parallelism,
    /// Whether writing the same records again after a crash leaves the same result.
    pub idempotent: bool,
    /// Whether writers in several processes can deliver at the same time, none of them knowing of the others, and keep
    /// nothing back from one checkpoint to the next: with it, a region can be shared by several workers.
    pub shareable: bool,
}

/// What a sink gets when it is opened.
#[derive(Debug)]
pub struct SinkContext {
    /// The door to the outside.
    pub host: Host,
    /// `metadata.name` of the pipeline.
    pub pipeline: String,
    /// The folder of the pipeline's output, where the binding names no other.
    pub output: String,
    /// The node's name.
    pub node: String,
    /// Relative paths start here.
    pub directory: PathBuf,
    /// What to do about output of earlier runs, where nothing is restored.
    pub earlier: Earlier,
    /// Which of its writers this is, from 0.
    pub writer: u32,
    /// How many writers there are.
    pub writers: u32,
    /// The columns that come in. Batches have them unless the sink takes payloads (see [`SinkContext::payload`]).
    pub schema: Schema,
    /// Set if batches carry payloads that may be delivered as they are, in this format.
    pub payload: Option<PayloadFormat>,
    /// The key of the input by field name; empty without one.
    pub keys: Vec<String>,
    /// What [`SinkWriter::checkpoint`] answered at the checkpoint that the run resumes from.
    pub restored: Option<Vec<u8>>,
    /// The states of all other writers at that checkpoint, where there were more or fewer of them.
    pub others: Vec<OtherWriter>,
}

/// What another writer answered at the checkpoint that the run resumes from.
#[derive(Debug, Clone)]
pub struct OtherWriter {
    /// What [`SinkWriter::checkpoint`] answered there.
    pub state: Vec<u8>,
    /// Whether that writer is no more, and this one takes over what it had not published.
    pub adopt: bool,
}

/// A kind of sink.
#[async_trait]
pub trait Sink: Send + Sync + 'static {
    /// The options under the kind key in a Pipeline: what.
    type Options: DeserializeOwned + JsonSchema + Send;
    /// The options under the capability in an Environment: where. Its default is the built-in local one.
    type Binding: DeserializeOwned + JsonSchema + Default + Send;
    /// The kind key: `object_store`.
    const KIND: &'static str;

    /// Checks the options without any I/O.
    fn check(&self, options: &Self::Options, binding: &Self::Binding, node: NodeContext<'_>) -> Checked<SinkFacts>;

    /// Opens one writer.
    async fn open(
        &self,
        options: Self::Options,
        binding: Self::Binding,
        context: SinkContext,
    ) -> Result<Box<dyn SinkWriter>, ConnectorError>;

    /// Where a person finds the output, for the summary of a run: `out/sensor-lab/raw/`. `output` is the folder of the
    /// pipeline's output.
    fn describe(&self, options: &Self::Options, binding: &Self::Binding, output: &str, node: &str) -> String;

    /// The output of this sink that earlier runs have left.
    async fn earlier(
        &self,
        _options: Self::Options,
        _binding: Self::Binding,
        _context: OutputContext,
    ) -> Result<Vec<EarlierOutput>, ConnectorError> {
        Ok(Vec::new())
    }

    /// Removes output that [`Sink::earlier`] has found, except what has changed since. Removing again changes nothing.
    async fn remove(
        &self,
        _options: Self::Options,
        _binding: Self::Binding,
        _context: OutputContext,
        _found: Vec<EarlierOutput>,
    ) -> Result<(), ConnectorError> {
        Ok(())
    }
}

/// A record that the sink will never accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The record's row in the batch.
    pub row: usize,
    /// Why, in one line.
    pub reason: String,
}

/// Records of an earlier batch that the outside has refused for good since.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The records.
    pub batch: Batch,
    /// Why, in one line.
    pub reason: String,
}

/// Writes the records of one or all partitions.
///
/// Exactly once where the outside allows it: what [`SinkWriter::write`] accepted becomes visible at the latest when
/// [`SinkWriter::committed`] is called for a checkpoint that came after it, and a writer opened with the state of an
/// earlier checkpoint undoes or repeats what came after that one, so that nothing is there twice or half.
#[async_trait]
pub trait SinkWriter: Send {
    /// Takes records. Those that can never be written are answered, not an error; an error stops the pipeline after
    /// the runtime's retries.
    async fn write(&mut self, batch: &Batch) -> Result<Vec<Rejection>, ConnectorError>;

    /// Records that `write` had accepted and that were refused since; each is answered once. The runtime asks after each
    /// `write` and after `checkpoint` and `finish`.
    fn refused(&mut self) -> Vec<Refused> {
        Vec::new()
    }

    /// When [`SinkWriter::on_time`] wants to be called, on the host's clock.
    fn deadline(&self) -> Option<Micros> {
        None
    }

    /// Whether a checkpoint soon would free memory: finished work waits for [`SinkWriter::committed`]. The runtime asks
    /// after each `write` and may take its next checkpoint early.
    fn wants_checkpoint(&self) -> bool {
        false
    }

    /// The deadline has come.
    async fn on_time(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }

    /// Whether a checkpoint counts only once this writer's [`SinkWriter::committed`] has come back: what was written since
    /// the one before becomes visible there, all of it or nothing. The runtime writes nothing between `checkpoint` and
    /// `committed`, and after a crash in between it goes on from the checkpoint that counts.
    fn is_two_phase(&self) -> bool {
        false
    }

    /// A barrier: answers everything needed to go on from here. Open work that is only in memory goes into the answer;
    /// work handed to the outside must be durable.
    async fn checkpoint(&mut self) -> Result<Vec<u8>, ConnectorError>;

    /// The checkpoint that holds the last answer is durable: publish what waited for it. Called again after a restart
    /// for the checkpoint that was restored, so it must be idempotent.
    async fn committed(&mut self) -> Result<(), ConnectorError>;

    /// No more records for now, because the input ended or the run stops: close what is open, so that the checkpoint
    /// that follows publishes all of it.
    async fn finish(&mut self) -> Result<(), ConnectorError>;
}

/// The object-safe face of [`Sink`].
#[async_trait]
pub trait DynSink: Send + Sync {
    /// The kind key.
    fn kind(&self) -> &'static str;
    /// JSON Schema of the options.
    fn options_schema(&self) -> Value;
    /// JSON Schema of the binding.
    fn binding_schema(&self) -> Value;
    /// See [`Sink::check`]; `None` as binding is the default.
    fn check(&self, options: &Value, binding: Option<&Value>, node: NodeContext<'_>) -> Checked<SinkFacts>;
    /// See [`Sink::open`].
    async fn open(
        &self,
        options: &Value,
        binding: Option<&Value>,
        context: SinkContext,
    ) -> Result<Box<dyn SinkWriter>, ConnectorError>;
    /// See [`Sink::describe`].
    fn describe(&self, options: &Value, binding: Option<&Value>, output: &str, node: &str) -> String;
    /// See [`Sink::earlier`].
    async fn earlier(
        &self,
        options: &Value,
        binding: Option<&Value>,
        context: OutputContext,
    ) -> Result<Vec<EarlierOutput>, ConnectorError>;
    /// See [`Sink::remove`].
    async fn remove(
        &self,
        options: &Value,
        binding: Option<&Value>,
        context: OutputContext,
        found: Vec<EarlierOutput>,
    ) -> Result<(), ConnectorError>;
}

fn parse<S: Sink>(
    options: &Value,
    binding: Option<&Value>,
) -> Result<(S::Options, S::Binding), pipectl_diag::Diagnostic> {
    let code = pipectl_diag::codes::options::INVALID_OPTION;
    let options = check::options(code, options)?;
    let binding = binding.map(|binding| check::options(code, binding)).transpose()?.unwrap_or_default();
    Ok((options, binding))
}

fn invalid(problem: pipectl_diag::Diagnostic) -> ConnectorError {
    ConnectorError::new(ErrorKind::Invalid, problem.title)
}

#[async_trait]
impl<S: Sink> DynSink for S {
    fn kind(&self) -> &'static str {
        S::KIND
    }

    fn options_schema(&self) -> Value {
        check::options_schema::<S::Options>()
    }

    fn binding_schema(&self) -> Value {
        check::options_schema::<S::Binding>()
    }

    fn check(&self, options: &Value, binding: Option<&Value>, node: NodeContext<'_>) -> Checked<SinkFacts> {
        match parse::<S>(options, binding) {
            Ok((options, binding)) => Sink::check(self, &options, &binding, node),
            Err(problem) => Checked { facts: None, diagnostics: problem.into() },
        }
    }

    async fn open(
        &self,
        options: &Value,
        binding: Option<&Value>,
        context: SinkContext,
    ) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        let (options, binding) = parse::<S>(options, binding).map_err(invalid)?;
        Sink::open(self, options, binding, context).await
    }

    fn describe(&self, options: &Value, binding: Option<&Value>, output: &str, node: &str) -> String {
        parse::<S>(options, binding)
            .map(|(options, binding)| Sink::describe(self, &options, &binding, output, node))
            .unwrap_or_default()
    }

    async fn earlier(
        &self,
        options: &Value,
        binding: Option<&Value>,
        context: OutputContext,
    ) -> Result<Vec<EarlierOutput>, ConnectorError> {
        let (options, binding) = parse::<S>(options, binding).map_err(invalid)?;
        Sink::earlier(self, options, binding, context).await
    }

    async fn remove(
        &self,
        options: &Value,
        binding: Option<&Value>,
        context: OutputContext,
        found: Vec<EarlierOutput>,
    ) -> Result<(), ConnectorError> {
        let (options, binding) = parse::<S>(options, binding).map_err(invalid)?;
        Sink::remove(self, options, binding, context, found).await
    }
}

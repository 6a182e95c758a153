//! Where records come from.

use async_trait::async_trait;
use pipectl_data::{Batch, Schema};
use pipectl_diag::{Diagnostics, Path};
use pipectl_host::Host;
use pipectl_ir::dag::SourceFormat;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Checked, ConnectorError, FileSet, NodeContext, check};

/// What a source's options mean.
#[derive(Debug, Clone)]
pub struct SourceFacts {
    /// The schema of its records where the source knows it by itself (`simulate`); otherwise the spec gives one.
    pub schema: Option<Schema>,
    /// How to decode payloads.
    pub format: SourceFormat,
    /// Whether it ends by itself.
    pub bounded: bool,
    /// Whether its records are there before the run and are read as fast as they can be processed (files, but not a pipe):
    /// where the spec gives no `lateness`, windows over them close when the input ends.
    pub at_rest: bool,
    /// The files that it reads, and the option that says so: a sink of the same run that writes one of them is an error.
    pub reads: Vec<(FileSet, Path)>,
}

/// What a source gets when it is opened.
#[derive(Debug)]
pub struct SourceContext {
    /// The door to the outside.
    pub host: Host,
    /// `metadata.name` of the pipeline.
    pub pipeline: String,
    /// The node's name.
    pub node: String,
    /// Relative paths start here.
    pub directory: std::path::PathBuf,
    /// The full schema of its records.
    pub schema: Schema,
    /// What the readers' [`SourceReader::position`] answered at the checkpoint that the run resumes from, in the order
    /// in which `open` returned them; empty at a first start.
    pub positions: Vec<Value>,
}

/// A kind of source.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// The options under the kind key.
    type Options: DeserializeOwned + JsonSchema + Send;
    /// The kind key: `simulate`.
    const KIND: &'static str;

    /// Checks the options without any I/O.
    fn check(&self, options: &Self::Options, node: NodeContext<'_>) -> Checked<SourceFacts>;

    /// What must be there before a run can begin and is not, with paths relative to the options. It looks and changes
    /// nothing; relative paths start at `directory`.
    fn missing(&self, _options: &Self::Options, _directory: &std::path::Path) -> Diagnostics {
        Diagnostics::new()
    }

    /// Opens the source: one reader for each of its partitions, each run by a task of its own. Answers the same number
    /// of readers in the same order for the same options and outside state.
    async fn open(
        &self,
        options: Self::Options,
        context: SourceContext,
    ) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError>;
}

/// What a reader delivers.
#[derive(Debug)]
pub enum Read {
    /// Undecoded records: payloads, offsets and arrival times.
    Records(Batch),
    /// Caught up: there is nothing more for now. The reader has already waited a while; ask again.
    Quiet,
    /// A partition that may bring records from now on; until it has, or is caught up, the watermark waits for it.
    Opened(u32),
    /// All that is in this partition for now has been read, as the service says. Repeated after each wait, at least every
    /// few seconds, so that idleness is noticed; not while the service does not answer.
    CaughtUp(u32),
    /// The partition is closed and read to its end (a shard that was split): it holds back no watermark any more, and its
    /// end is part of the next position.
    Closed(u32),
    /// The partition is another worker's now: nothing more of it may be committed.
    Lost(u32),
    /// The end; do not ask again.
    End,
}

/// Reads one partition of a source.
#[async_trait]
pub trait SourceReader: Send {
    /// The next records. Waits on the host's clock only.
    ///
    /// Cancel-safe: the runtime drops the future when a checkpoint or a stop is due, and no record may be lost by that.
    /// A batch holds at most about 1 MiB of payload.
    async fn next(&mut self) -> Result<Read, ConnectorError>;

    /// Where reading goes on after everything that `next` has returned so far; what a restart gets back.
    fn position(&self) -> Value;

    /// Whether a checkpoint soon would help: many records wait for their acknowledgement, or a partition waits to be
    /// handed over. The runtime asks after each `next` and may take its next checkpoint early.
    fn wants_checkpoint(&self) -> bool {
        false
    }

    /// Nobody will write to the stream any more: `next` answers [`Read::End`] once everything that is in it now is read.
    async fn writers_finished(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }

    /// The run is over; leaves a group, gives up leases, within a few seconds. Nothing is called after it.
    async fn close(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }

    /// The records at `position` and before have reached a durable checkpoint.
    async fn committed(&mut self, _position: &Value) -> Result<(), ConnectorError> {
        Ok(())
    }
}

/// The object-safe face of [`Source`].
#[async_trait]
pub trait DynSource: Send + Sync {
    /// The kind key.
    fn kind(&self) -> &'static str;
    /// JSON Schema of the options.
    fn options_schema(&self) -> Value;
    /// See [`Source::check`].
    fn check(&self, options: &Value, node: NodeContext<'_>) -> Checked<SourceFacts>;
    /// See [`Source::missing`].
    fn missing(&self, options: &Value, directory: &std::path::Path) -> Diagnostics;
    /// See [`Source::open`].
    async fn open(&self, options: &Value, context: SourceContext)
    -> Result<Vec<Box<dyn SourceReader>>, ConnectorError>;
}

#[async_trait]
impl<S: Source> DynSource for S {
    fn kind(&self) -> &'static str {
        S::KIND
    }

    fn options_schema(&self) -> Value {
        check::options_schema::<S::Options>()
    }

    fn check(&self, options: &Value, node: NodeContext<'_>) -> Checked<SourceFacts> {
        match check::options::<S::Options>(pipectl_diag::codes::options::INVALID_OPTION, options) {
            Ok(options) => Source::check(self, &options, node),
            Err(problem) => Checked { facts: None, diagnostics: problem.into() },
        }
    }

    fn missing(&self, options: &Value, directory: &std::path::Path) -> Diagnostics {
        // Options that are wrong have been reported.
        check::options::<S::Options>(pipectl_diag::codes::options::INVALID_OPTION, options)
            .map_or_else(|_| Diagnostics::new(), |options| Source::missing(self, &options, directory))
    }

    async fn open(
        &self,
        options: &Value,
        context: SourceContext,
    ) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError> {
        let options = check::options::<S::Options>(pipectl_diag::codes::options::INVALID_OPTION, options)
            .map_err(|problem| ConnectorError::new(crate::ErrorKind::Invalid, problem.title))?;
        Source::open(self, options, context).await
    }
}

//! What the compiler and the runtime must know about a kind of processor.

use std::path::PathBuf;

use pipectl_data::Schema;
use pipectl_diag::Diagnostics;
use pipectl_host::Host;
use pipectl_ir::{
    ProcessorTraits,
    dag::{AtEnd, LatePolicy},
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Checked, ColumnNeed, NodeContext, Operator, OperatorError, check};

/// What a processor's options mean.
#[derive(Debug, Clone)]
pub struct ProcessorFacts {
    /// Columns that must exist in the input.
    pub needs: Vec<ColumnNeed>,
    /// The columns that it makes.
    pub output: Schema,
    /// What it does with columns and records.
    pub traits: ProcessorTraits,
    /// Whether its records must have event times.
    pub needs_event_time: bool,
}

/// What an operator is opened with.
#[derive(Debug, Clone)]
pub struct OpenContext {
    /// The name of the node.
    pub node: String,
    /// The columns that come in.
    pub input: Schema,
    /// The number of its task.
    pub subtask: u32,
    /// What happens to late records.
    pub late: LatePolicy,
    /// What becomes of what it holds when the input ends.
    pub at_end: AtEnd,
    /// The clock and the way to block; not for the results.
    pub host: Host,
    /// The folder that relative paths begin in.
    pub directory: PathBuf,
}

/// A kind of processor other than SQL.
pub trait Processor: Send + Sync + 'static {
    /// The options under the kind key.
    type Options: DeserializeOwned + JsonSchema;
    /// The kind key: `parse`.
    const KIND: &'static str;

    /// Checks the options without any I/O.
    fn check(&self, options: &Self::Options, node: NodeContext<'_>) -> Checked<ProcessorFacts>;

    /// What must be there before a run can begin and is not: see [`Source::missing`](crate::Source::missing).
    fn missing(&self, _options: &Self::Options, _directory: &std::path::Path) -> Diagnostics {
        Diagnostics::new()
    }

    /// Makes the operator of one task.
    ///
    /// # Errors
    /// Only for what [`Processor::check`] cannot know.
    fn open(&self, options: Self::Options, context: OpenContext) -> Result<Box<dyn Operator>, OperatorError>;
}

/// The object-safe face of [`Processor`].
pub trait DynProcessor: Send + Sync {
    /// The kind key.
    fn kind(&self) -> &'static str;
    /// JSON Schema of the options.
    fn options_schema(&self) -> Value;
    /// See [`Processor::check`].
    fn check(&self, options: &Value, node: NodeContext<'_>) -> Checked<ProcessorFacts>;
    /// See [`Processor::missing`].
    fn missing(&self, options: &Value, directory: &std::path::Path) -> Diagnostics;
    /// See [`Processor::open`].
    ///
    /// # Errors
    /// Those of [`Processor::open`], and options that were not checked.
    fn open(&self, options: &Value, context: OpenContext) -> Result<Box<dyn Operator>, OperatorError>;
}

impl<P: Processor> DynProcessor for P {
    fn kind(&self) -> &'static str {
        P::KIND
    }

    fn options_schema(&self) -> Value {
        check::options_schema::<P::Options>()
    }

    fn check(&self, options: &Value, node: NodeContext<'_>) -> Checked<ProcessorFacts> {
        match check::options::<P::Options>(pipectl_diag::codes::options::INVALID_OPTION, options) {
            Ok(options) => Processor::check(self, &options, node),
            Err(problem) => Checked { facts: None, diagnostics: problem.into() },
        }
    }

    fn missing(&self, options: &Value, directory: &std::path::Path) -> Diagnostics {
        // Options that are wrong have been reported.
        check::options::<P::Options>(pipectl_diag::codes::options::INVALID_OPTION, options)
            .map_or_else(|_| Diagnostics::new(), |options| Processor::missing(self, &options, directory))
    }

    fn open(&self, options: &Value, context: OpenContext) -> Result<Box<dyn Operator>, OperatorError> {
        let options = serde_json::from_value(options.clone()).map_err(|error| OperatorError(error.to_string()))?;
        Processor::open(self, options, context)
    }
}

//! What the compiler must know about a kind of processor; the operators themselves live in `pipectl-process`.

use pipectl_data::Schema;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Checked, ColumnNeed, NodeContext, check};

/// What a processor's options mean.
#[derive(Debug, Clone)]
pub struct ProcessorFacts {
    /// Columns that must exist in the input; only these are decoded for it (beside those that it passes through).
    pub needs: Vec<ColumnNeed>,
    /// The columns that it makes.
    pub output: Schema,
}

/// A kind of processor other than SQL.
pub trait Processor: Send + Sync + 'static {
    /// The options under the kind key.
    type Options: DeserializeOwned + JsonSchema;
    /// The kind key: `parse`.
    const KIND: &'static str;

    /// Checks the options without any I/O.
    fn check(&self, options: &Self::Options, node: NodeContext<'_>) -> Checked<ProcessorFacts>;
}

/// The object-safe face of [`Processor`].
pub trait DynProcessor: Send + Sync {
    /// The kind key.
    fn kind(&self) -> &'static str;
    /// JSON Schema of the options.
    fn options_schema(&self) -> Value;
    /// See [`Processor::check`].
    fn check(&self, options: &Value, node: NodeContext<'_>) -> Checked<ProcessorFacts>;
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
}

//! What the compiler must know about a backend. Producing and consuming come with the first backend that has a broker;
//! a memory stream lives inside the running pipeline.

use pipectl_data::Schema;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Checked, check};

/// What a Pipeline asks of a stream.
#[derive(Debug, Clone, Copy)]
pub struct StreamNeeds<'a> {
    /// The stream's name.
    pub name: &'a str,
    /// How many partitions it asks for.
    pub partitions: Option<u32>,
    /// How long records must stay.
    pub retention: Option<std::time::Duration>,
    /// Its key by field name; empty without one.
    pub keys: &'a [String],
    /// Its columns, if known.
    pub schema: Option<&'a Schema>,
}

/// What the backend makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamFacts {
    /// How many partitions it has.
    pub partitions: u32,
    /// Whether the stream outlives the process, so that it cuts the pipeline into regions.
    pub durable: bool,
}

/// A backend.
pub trait Backend: Send + Sync + 'static {
    /// The options under the kind key in an Environment.
    type Options: DeserializeOwned + JsonSchema + Default;
    /// The kind key: `memory`.
    const KIND: &'static str;

    /// Checks a stream against the backend's limits without any I/O. Paths are relative to the stream's node.
    fn check(&self, options: &Self::Options, stream: StreamNeeds<'_>) -> Checked<StreamFacts>;
}

/// The object-safe face of [`Backend`].
pub trait DynBackend: Send + Sync {
    /// The kind key.
    fn kind(&self) -> &'static str;
    /// JSON Schema of the options.
    fn options_schema(&self) -> Value;
    /// See [`Backend::check`]; `None` as options is the default.
    fn check(&self, options: Option<&Value>, stream: StreamNeeds<'_>) -> Checked<StreamFacts>;
}

impl<B: Backend> DynBackend for B {
    fn kind(&self) -> &'static str {
        B::KIND
    }

    fn options_schema(&self) -> Value {
        check::options_schema::<B::Options>()
    }

    fn check(&self, options: Option<&Value>, stream: StreamNeeds<'_>) -> Checked<StreamFacts> {
        let code = pipectl_diag::codes::options::INVALID_OPTION;
        match options.map(|options| check::options::<B::Options>(code, options)).transpose() {
            Ok(options) => Backend::check(self, &options.unwrap_or_default(), stream),
            Err(problem) => Checked { facts: None, diagnostics: problem.into() },
        }
    }
}

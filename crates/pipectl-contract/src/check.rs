//! What a pure check is reported and what it answers.

use pipectl_data::Schema;
use pipectl_diag::{Code, Diagnostic, Diagnostics, Path};
use serde::de::DeserializeOwned;

/// What is known about a node while its options are checked.
#[derive(Debug, Clone, Copy)]
pub struct NodeContext<'a> {
    /// `metadata.name` of the pipeline.
    pub pipeline: &'a str,
    /// The folder of the pipeline's output, where a binding names no other: see [`output_folder`](crate::output_folder).
    pub output: &'a str,
    /// The node's name.
    pub node: &'a str,
    /// The columns that come in; `None` for a source, and where an earlier error hides them.
    pub input: Option<&'a Schema>,
    /// The key of the stream that comes in, by field name; empty without one.
    pub keys: &'a [String],
    /// What identifies a row that comes in, where a query with groups made it.
    pub row_key: Option<&'a RowKey>,
}

/// What identifies a row of a query with groups: its group keys and its window. No two rows have the same values there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowKey {
    /// The columns that hold them.
    pub columns: Vec<String>,
    /// Those that no column holds, as they are called in a query: `user`, `window_start`.
    pub missing: Vec<String>,
}

impl RowKey {
    /// What identifies the rows after a step in which `renamed` answers the name that a column has then, if it is kept.
    #[must_use]
    pub fn after(&self, renamed: impl Fn(&str) -> Option<String>) -> Self {
        let mut after = Self { columns: Vec::new(), missing: self.missing.clone() };
        for column in &self.columns {
            match renamed(column) {
                Some(name) => after.columns.push(name),
                None => after.missing.push(column.clone()),
            }
        }
        after
    }
}

/// The facts of a node whose options are right, or what is wrong with them. Warnings may stand beside facts.
#[derive(Debug)]
pub struct Checked<F> {
    /// What the options mean; `None` if they cannot be used.
    pub facts: Option<F>,
    /// Problems, with paths relative to the options.
    pub diagnostics: Diagnostics,
}

impl<F> Checked<F> {
    /// Nothing to complain about.
    pub fn ok(facts: F) -> Self {
        Self { facts: Some(facts), diagnostics: Diagnostics::new() }
    }

    /// Facts if none of the diagnostics is an error.
    pub fn new(facts: F, diagnostics: Diagnostics) -> Self {
        let facts = (!diagnostics.has_errors()).then_some(facts);
        Self { facts, diagnostics }
    }
}

/// Deserializes options that the walker over the schema has already accepted.
pub(crate) fn options<O: DeserializeOwned>(code: Code, value: &serde_json::Value) -> Result<O, Diagnostic> {
    O::deserialize(value).map_err(|error| Diagnostic::error(code, error.to_string()).at(&Path::here(), ""))
}

/// The JSON Schema (draft 2020-12) of an options type.
pub fn options_schema<O: schemars::JsonSchema>() -> serde_json::Value {
    schemars::generate::SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<O>().to_value()
}

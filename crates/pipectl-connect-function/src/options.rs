//! What a spec can say about a function.

use std::collections::BTreeMap;

use pipectl_data::{
    FieldType,
    units::{Duration, Size},
};
use schemars::JsonSchema;
use serde::Deserialize;

/// Calls a function of yours, in Python or JavaScript, for each record. It runs in a process beside pipectl, with your own
/// interpreter.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FunctionOptions {
    /// The file that holds the function; its extension says the language.
    #[schemars(example = &"score.py", length(min = 1))]
    pub file: String,

    /// The name of the function. Default: `process`, or `process_batch` for `shape: batch`.
    #[schemars(example = &"process", length(min = 1))]
    pub handler: Option<String>,

    /// What the function is called with, and what it returns.
    #[serde(default)]
    pub shape: Shape,

    /// The columns that the function makes, with their types: its results are held to them.
    #[schemars(example = BTreeMap::from([("score", "float64!")]))]
    pub returns: BTreeMap<String, FieldType>,

    /// The columns of the record that go out unchanged, beside what the function returns. Default: all that `returns` does
    /// not name.
    #[schemars(example = ["order_id"])]
    pub keep: Option<Vec<String>>,

    /// The columns whose values have a state of their own, in `context.state`. Records with equal values go to one worker,
    /// in order.
    #[serde(default)]
    #[schemars(example = ["user_id"])]
    pub key: Vec<String>,

    /// How long the function may take for one record. A worker that takes longer is ended, and the record is a dead letter.
    #[serde(default = "default_timeout")]
    #[schemars(example = "30s")]
    pub timeout: Duration,

    /// How much memory a worker may use. One that uses more is ended, and the record is a dead letter.
    #[serde(default = "default_memory")]
    #[schemars(example = "512MiB")]
    pub memory: Size,

    /// The Python interpreter: a name that is looked up, or a path, as to that of a virtual environment. Default:
    /// `python3`.
    #[schemars(example = &"venv/bin/python", length(min = 1))]
    pub python: Option<String>,

    /// The program that runs JavaScript: a name that is looked up, or a path. Default: `node`.
    #[schemars(example = &"/opt/node-22/bin/node", length(min = 1))]
    pub node: Option<String>,
}

/// What a function is called with, and what it returns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// A record as a dict (an object). It returns a dict, a list of dicts, or `None` (`null`) to leave the record out.
    #[default]
    Record,
    /// Some records as a list of dicts. It returns a list with one such result for each of them.
    Batch,
}

impl FunctionOptions {
    /// The interpreters that the node names, by the option that does.
    pub(crate) fn programs(&self) -> [(&'static str, Option<&String>); 2] {
        [("python", self.python.as_ref()), ("node", self.node.as_ref())]
    }
}

impl Shape {
    /// The handler where the node names none.
    pub(crate) fn handler(self) -> &'static str {
        match self {
            Self::Record => "process",
            Self::Batch => "process_batch",
        }
    }

    /// As the worker is told it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Batch => "batch",
        }
    }
}

fn default_timeout() -> Duration {
    Duration::from_secs(30)
}

fn default_memory() -> Size {
    Size(1 << 30)
}

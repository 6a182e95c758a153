//! What a spec can say about a function.

use std::collections::BTreeMap;

use pipectl_data::{
    FieldType,
    units::{Duration, Size},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::language::Language;

/// Calls a function of yours, in Python or JavaScript, for each record. It runs in a process beside pipectl, with your own
/// interpreter.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FunctionOptions {
    /// The file that holds the function; its extension says the language.
    #[schemars(example = &"score.py", length(min = 1))]
    pub file: String,

    /// The name of the function. Default: `process`, `process_batch` for `shape: batch`, and for the shapes of AWS Lambda
    /// `lambda_handler` in Python, `handler` in JavaScript.
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

    /// How many records the function is called with at most, for shapes that take several. Default: 4096 for `batch`, 500 for
    /// `lambda_firehose`.
    #[schemars(range(min = 1, max = 10_000), example = 100)]
    pub batch_size: Option<u32>,

    /// How long the function may take for one record, or for one call of several. A worker that takes longer is ended, and the
    /// record is a dead letter.
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
    /// An AWS Lambda function that transforms records for Amazon Data Firehose, as it is. It returns each `recordId` with
    /// `Ok`, `Dropped` or `ProcessingFailed`; its `data` is JSON with the columns of `returns`.
    LambdaFirehose,
    /// An AWS Lambda function that reads a stream of Amazon Kinesis, as it is. It returns no records, so it is a sink.
    LambdaKinesis,
}

/// How the payload of a record is given to a function of AWS Lambda.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Data {
    /// Base64, as the service sends it.
    #[default]
    Base64,
    /// The text itself, for functions that parse `data` directly.
    Text,
}

/// Calls a function of yours, in Python or JavaScript, with the records. What it returns is not used.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FunctionSinkOptions {
    /// The file that holds the function; its extension says the language.
    #[schemars(example = &"send.py", length(min = 1))]
    pub file: String,

    /// The name of the function. Default: `process`, `process_batch` for `shape: batch`, and for `shape: lambda_kinesis`
    /// `lambda_handler` in Python, `handler` in JavaScript.
    #[schemars(example = &"lambda_handler", length(min = 1))]
    pub handler: Option<String>,

    /// What the function is called with.
    #[serde(default)]
    pub shape: SinkShape,

    /// How `shape: lambda_kinesis` gives the payload of a record.
    pub data: Option<Data>,

    /// How many records the function is called with at most, for shapes that take several. Default: 4096 for `batch`, 100 for
    /// `lambda_kinesis`, as the service has it.
    #[schemars(range(min = 1, max = 10_000), example = 100)]
    pub batch_size: Option<u32>,

    /// How long the function may take for one call. A worker that takes longer is ended, and the record is a dead letter.
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

/// What a function that is a sink is called with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SinkShape {
    /// A record as a dict (an object).
    #[default]
    Record,
    /// Some records as a list of dicts.
    Batch,
    /// The event that AWS Lambda makes of records of Amazon Kinesis: for a function that was written for it, as it is. Records
    /// that `batchItemFailures` names are called again, three times in all.
    LambdaKinesis,
}

impl FunctionSinkOptions {
    /// As those of a processor that returns nothing.
    pub(crate) fn of_processor(&self) -> FunctionOptions {
        FunctionOptions {
            file: self.file.clone(),
            handler: self.handler.clone(),
            shape: match self.shape {
                SinkShape::Record => Shape::Record,
                SinkShape::Batch => Shape::Batch,
                SinkShape::LambdaKinesis => Shape::LambdaKinesis,
            },
            returns: BTreeMap::new(),
            keep: None,
            key: Vec::new(),
            batch_size: self.batch_size,
            timeout: self.timeout,
            memory: self.memory,
            python: self.python.clone(),
            node: self.node.clone(),
        }
    }
}

impl FunctionOptions {
    /// The interpreters that the node names, by the option that does.
    pub(crate) fn programs(&self) -> [(&'static str, Option<&String>); 2] {
        [("python", self.python.as_ref()), ("node", self.node.as_ref())]
    }
}

impl Shape {
    /// The handler where the node names none.
    pub(crate) fn handler(self, language: &Language) -> &'static str {
        match self {
            Self::Record => "process",
            Self::Batch => "process_batch",
            Self::LambdaFirehose | Self::LambdaKinesis => language.lambda_handler,
        }
    }

    /// As the worker knows it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Batch => "batch",
            Self::LambdaFirehose => "lambda_firehose",
            Self::LambdaKinesis => "lambda_kinesis",
        }
    }

    /// Whether it is one of AWS Lambda.
    pub(crate) fn is_lambda(self) -> bool {
        matches!(self, Self::LambdaFirehose | Self::LambdaKinesis)
    }

    /// How many records it is called with where the node does not say.
    pub(crate) fn batch_size(self) -> u32 {
        match self {
            // The default of an event source mapping.
            Self::LambdaKinesis => 100,
            Self::LambdaFirehose => 500,
            Self::Record | Self::Batch => 4096,
        }
    }
}

fn default_timeout() -> Duration {
    Duration::from_secs(30)
}

fn default_memory() -> Size {
    Size(1 << 30)
}

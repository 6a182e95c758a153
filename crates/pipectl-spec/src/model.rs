//! What a spec says, typed, with the path of everything that a later stage may complain about.

use pipectl_data::{
    Schema,
    units::{Duration, Size},
};
use pipectl_diag::Path;
use serde_json::Value;

/// Everything that the inputs hold and that could be read.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// In the order of the inputs.
    pub pipelines: Vec<Pipeline>,
    /// In the order of the inputs.
    pub environments: Vec<Environment>,
}

/// What flows. Nodes stand in the order of the file.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// The document.
    pub path: Path,
    /// `metadata.name`; `unnamed` if it could not be read.
    pub name: String,
    /// `metadata.description`.
    pub description: Option<String>,
    /// Where records come from.
    pub sources: Vec<SourceNode>,
    /// What carries them.
    pub streams: Vec<StreamNode>,
    /// What changes them.
    pub processors: Vec<ProcessorNode>,
    /// Where they go.
    pub sinks: Vec<SinkNode>,
    /// Where records go that could not be processed; the default is a file beside the output.
    pub dead_letters: Option<KindUse>,
    /// When state is made durable.
    pub checkpoint: Checkpoint,
    /// What all queues together may hold.
    pub memory: Size,
    /// Names of nodes that stand in the file but could not be read, so that a reference to one is no second error.
    pub broken: Vec<String>,
}

/// A name that refers to something, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name.
    pub text: String,
    /// Where it is referred to.
    pub path: Path,
}

/// A kind key with its options.
#[derive(Clone, PartialEq)]
pub struct KindUse {
    /// The kind key: `simulate`.
    pub name: String,
    /// Its value, checked against the kind's schema. May hold secrets: print [`KindUse::redacted`].
    pub options: Value,
    /// Of the kind key's value.
    pub path: Path,
    /// Where secrets are in the options, as JSON pointers.
    pub secrets: Vec<String>,
}

impl KindUse {
    /// The options with `<secret>` in place of every secret.
    pub fn redacted(&self) -> Value {
        let mut options = self.options.clone();
        for pointer in &self.secrets {
            if let Some(value) = options.pointer_mut(pointer) {
                *value = Value::String("<secret>".to_owned());
            }
        }
        options
    }
}

impl std::fmt::Debug for KindUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KindUse")
            .field("name", &self.name)
            .field("options", &self.redacted())
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Where records come from.
#[derive(Debug, Clone)]
pub struct SourceNode {
    /// The node's name.
    pub name: String,
    /// The node.
    pub path: Path,
    /// What it reads.
    pub kind: KindUse,
    /// The stream that it fills; without one, the source can be read by its own name.
    pub to: Option<Name>,
    /// The columns of its records.
    pub schema: Option<SchemaSpec>,
    /// Event time, where no stream says it.
    pub time: Option<TimeSpec>,
    /// How long a partition must be silent before it no longer holds back the watermark.
    pub idle_after: Option<Duration>,
}

/// What carries records between nodes.
#[derive(Debug, Clone)]
pub struct StreamNode {
    /// The node's name.
    pub name: String,
    /// The node.
    pub path: Path,
    /// The fields that make the key; empty without one.
    pub key: Vec<Name>,
    /// Event time.
    pub time: Option<TimeSpec>,
    /// The columns of its records.
    pub schema: Option<SchemaSpec>,
    /// From 1 to 10000.
    pub partitions: Option<u32>,
    /// How long records stay.
    pub retention: Option<Duration>,
    /// How long a partition that is read to its end must be silent before it no longer holds back the watermark.
    pub idle_after: Option<Duration>,
    /// What order readers are promised.
    pub ordering: Option<Ordering>,
}

/// Event time of a node's records.
#[derive(Debug, Clone)]
pub struct TimeSpec {
    /// The field that holds it.
    pub field: Name,
    /// How much older than the newest event time a record may be without being late.
    pub lateness: Option<Duration>,
    /// How far ahead of its arrival the event time of a record may be.
    pub max_ahead: Option<Duration>,
    /// The `time` key's value.
    pub path: Path,
}

/// Columns, declared.
#[derive(Debug, Clone)]
pub struct SchemaSpec {
    /// In the order of the file.
    pub schema: Schema,
    /// The `schema` key's value; below it, a key for each field.
    pub path: Path,
}

/// What changes records.
#[derive(Debug, Clone)]
pub struct ProcessorNode {
    /// The node's name.
    pub name: String,
    /// The node.
    pub path: Path,
    /// `sql` (the options are the text of the query) or another kind.
    pub kind: KindUse,
    /// What it reads; every kind but `sql` has at least one.
    pub from: Vec<Name>,
    /// The stream that it fills; without one, the processor can be read by its own name.
    pub to: Option<Name>,
    /// Event time of the results, where no stream says it and it is another one than that of the input.
    pub time: Option<TimeSpec>,
    /// What happens to late records.
    pub late: Late,
    /// What happens to open windows when the input ends.
    pub at_end: AtEnd,
    /// What happens to a record that cannot be processed.
    pub on_error: OnError,
}

/// Where records go.
#[derive(Debug, Clone)]
pub struct SinkNode {
    /// The node's name.
    pub name: String,
    /// The node.
    pub path: Path,
    /// What it reads: at least one node.
    pub from: Vec<Name>,
    /// `stream` (the options are the name of a stream) or another kind.
    pub kind: KindUse,
}

/// Where a pipeline runs.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The document.
    pub path: Path,
    /// `metadata.name`; `unnamed` if it could not be read.
    pub name: String,
    /// Which addresses its services may have.
    pub network: Network,
    /// What carries streams, by name; the one called `default` carries those that name none.
    pub backends: Vec<(String, KindUse)>,
    /// What a stream is there.
    pub streams: Vec<(Name, StreamBinding)>,
    /// The service behind each capability: the kind is the capability, its options are the binding.
    pub bindings: Vec<KindUse>,
    /// Sinks that have a service of their own.
    pub sinks: Vec<(Name, KindUse)>,
}

/// What a stream is in an Environment.
#[derive(Debug, Clone)]
pub struct StreamBinding {
    /// What the backend calls it; otherwise as the Pipeline does.
    pub name: Option<String>,
    /// Whether it exists already, so that `apply` neither makes nor removes it.
    pub existing: bool,
    /// Where reading begins when there is no checkpoint.
    pub start: Start,
    /// The backend that carries it; otherwise the one called `default`.
    pub backend: Option<Name>,
    /// What only one kind of backend can be reported the stream, by that kind.
    pub options: Vec<KindUse>,
    /// The stream's entry.
    pub path: Path,
}

pub use crate::keys::{AtEnd, Checkpoint, Late, Network, OnError, Ordering, Start};

//! The physical plan: which tasks run, what each does, and how records travel between them.
//!
//! A *stage* is a set of equal tasks. Within a task, operators are fused into a tree of *steps*; between tasks, records
//! travel along *routes*. Everything is decided here; the runtime only carries it out.

use pipectl_data::{Micros, Schema};
use serde_json::Value;

use crate::{
    StateSignature,
    dag::{AtEnd, Carrier, EventTime, LatePolicy, SourceFormat},
    query::Query,
};

/// A plan. Byte-equal for equal specs, so its canonical JSON can be hashed.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct PhysicalPlan {
    /// `metadata.name`.
    pub pipeline: String,
    /// Which part of the pipeline it is, where durable streams cut it into several.
    pub region: Option<String>,
    /// Name of the Environment.
    pub environment: String,
    /// How many workers may run it at a time.
    pub workers: Workers,
    /// Time between checkpoints, in microseconds.
    pub checkpoint_every: Micros,
    /// Byte budget of queues and buffers.
    pub memory: u64,
    /// The nodes that counts are kept for, in topological order; the last one is the dead letters.
    pub nodes: Vec<PlanNode>,
    /// The stages, each after those that feed it; the last one is the dead letters.
    pub stages: Vec<Stage>,
    /// How records travel between stages.
    pub routes: Vec<Route>,
}

/// How many workers may run a region at a time.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workers {
    /// One, which keeps the truth about positions and state in its checkpoints, under a lease.
    One {
        /// What it is that only one may do, in words: `` `averages` keeps state ``.
        because: String,
    },
    /// Any number: it keeps nothing from one record to the next, and the truth about positions is at the backend.
    Any,
}

/// A node as reports show it.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct PlanNode {
    /// Its name.
    pub name: String,
    /// `source`, `stream`, `processor` or `sink`.
    pub role: String,
    /// The kind key.
    pub kind: String,
    /// For a sink, where a person finds its output.
    pub place: Option<String>,
    /// Whether its records are absorbed into state, so that `in = out + …` does not hold for it.
    pub stateful: bool,
}

/// How many tasks a stage has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tasks {
    /// This many.
    Fixed(u32),
    /// One for each reader of the source of this stage, or of the source stage of this number.
    Readers(usize),
}

/// A set of equal tasks.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Stage {
    /// Unique, and stable when unrelated parts of the spec change: part of a checkpoint's meaning.
    pub name: String,
    /// How many.
    pub tasks: Tasks,
    /// What comes in.
    pub input: StageInput,
    /// The steps; each is fed by the input or by an earlier one.
    pub steps: Vec<Step>,
    /// What the input feeds directly.
    pub roots: Vec<Target>,
    /// The writer at the end, where the stage is a sink; such a stage has no steps.
    pub sink: Option<SinkPlan>,
    /// The durable stream that the stage writes; such a stage has no steps.
    pub writes: Option<StreamPlan>,
}

/// What comes into a stage.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageInput {
    /// The readers of a source.
    Source(SourcePlan),
    /// The readers of a durable stream.
    Stream(StreamPlan),
    /// Routes from other stages (all that lead here).
    Routes,
}

/// A durable stream to write or to read.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct StreamPlan {
    /// Number of its node.
    pub node: usize,
    /// Its name in the Pipeline.
    pub name: String,
    /// What carries it, and what it is there.
    pub carrier: Carrier,
    /// How many readers it has.
    pub subtasks: u32,
    /// Whether its key comes from the records; otherwise records keep whatever key they have.
    pub keyed: bool,
    /// Whether a region of this pipeline writes it.
    pub written: bool,
    /// Whether no step of the stream's own follows a reader, so that reading a record is also passing it on.
    pub leaves: bool,
    /// After how long without records a partition that is caught up no longer holds back the watermark.
    pub idle_after: Option<Micros>,
    /// The columns of its records.
    pub schema: Schema,
}

/// A source to open.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct SourcePlan {
    /// Number of its node.
    pub node: usize,
    /// Its name.
    pub name: String,
    /// The kind key.
    pub kind: String,
    /// Its options.
    pub options: Value,
    /// The schema of its records.
    pub schema: Schema,
    /// See [`crate::dag::SourceNode::idle_after`].
    pub idle_after: Option<Micros>,
    /// Whether no step of the source's own follows, so that reading a record is also passing it on.
    pub leaves: bool,
}

/// A sink to open.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct SinkPlan {
    /// Number of its node.
    pub node: usize,
    /// Its name.
    pub name: String,
    /// The kind key.
    pub kind: String,
    /// Its options.
    pub options: Value,
    /// Where; `None` is the built-in local default.
    pub binding: Option<Value>,
    /// The columns that come in.
    pub schema: Schema,
    /// Whether batches carry JSON payloads to deliver as they are.
    pub payload: bool,
    /// The key of the input by field name.
    pub keys: Vec<String>,
}

impl SinkPlan {
    /// Makes it another output beside this one, for a worker that must not write where another one writes.
    pub fn set_suffix(&mut self, name: &str) {
        self.name = format!("{}-{name}", self.name);
        if let Some(Value::String(path)) = self.options.get_mut("path") {
            *path = beside(path, name);
        }
    }
}

/// The path of a file beside this one: `out/dead.jsonl` and `logs` give `out/dead-logs.jsonl`.
pub fn beside(path: &str, name: &str) -> String {
    let start = path.rfind('/').map_or(0, |slash| slash + 1);
    let (folder, file) = path.split_at(start);
    let (stem, extension) = file.split_at(file.find('.').unwrap_or(file.len()));
    format!("{folder}{stem}-{name}{extension}")
}

/// One fused operator.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Step {
    /// The node that it is counted for.
    pub node: usize,
    /// Whether it is the node's first step, which counts the records that come in.
    pub enters: bool,
    /// Whether it is the node's last step, which counts the records that go out.
    pub leaves: bool,
    /// Whether a record that it cannot use stops the run instead of becoming a dead letter.
    pub fail_on_error: bool,
    /// What it does.
    pub operation: Operation,
    /// What its state depends on; `None` if it has none.
    pub state: Option<StateSignature>,
    /// The columns of its input by whose hash records were placed in its task, if any were.
    pub placed_by: Option<Vec<String>>,
    /// What it feeds.
    pub next: Vec<Target>,
}

/// What a step does.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Payloads to columns.
    Decode {
        /// The needed fields.
        needed: Schema,
        /// How payloads are written.
        format: SourceFormat,
        /// All fields, in the order of the source.
        all: Schema,
    },
    /// Takes the event time from a column and makes watermarks.
    EventTime(EventTime),
    /// Takes the key from columns.
    Key(Vec<String>),
    /// Nothing: a named place that counts what passes (a sink to another stream).
    Pass,
    /// Leaves behind the bytes that records came in with: what comes after is written by its columns.
    DropPayload,
    /// These columns in this order, and no others: those of the node that records go to, whoever made them.
    Columns(Vec<String>),
    /// A stream's partition: gives each record its position.
    Partition,
    /// Filter and project.
    Sql(Box<Query>, Schema),
    /// Windowed aggregation.
    Window {
        /// The query.
        query: Box<Query>,
        /// The columns that come in.
        input: Schema,
        /// What happens to late records.
        late: LatePolicy,
        /// What becomes of open windows when the input ends.
        at_end: AtEnd,
    },
    /// Another kind of processor, with its input's schema.
    Other {
        /// The kind key.
        kind: String,
        /// Its options.
        options: Value,
        /// The columns that come in.
        input: Schema,
        /// What happens to late records. This and the next are left out of the plan's text where they are the default,
        /// so that checkpoints of processors without state stay valid.
        #[serde(default, skip_serializing_if = "is_default")]
        late: LatePolicy,
        /// What becomes of what it holds when the input ends.
        #[serde(default, skip_serializing_if = "is_default")]
        at_end: AtEnd,
    },
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Where records go next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A step of the same task.
    Step(usize),
    /// A route.
    Route(usize),
}

/// How records travel from the tasks of one stage to those of another.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Route {
    /// The stage that sends.
    pub from: usize,
    /// The stage that receives.
    pub to: usize,
    /// How a receiving task is chosen.
    pub by: RouteBy,
}

/// How the receiving task is chosen.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteBy {
    /// Task n to task n.
    Forward,
    /// All to task 0.
    Gather,
    /// By the hash of the records' keys (pipectl-data's `key_hash`).
    Key,
    /// By the hash of these columns.
    Columns(Vec<String>),
    /// A block of records to each in turn.
    Spread,
}

/// Records that one task of a [`RouteBy::Spread`] route sends to one receiver before it turns to the next.
pub const SPREAD_BLOCK: u64 = 1024;

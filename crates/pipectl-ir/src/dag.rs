//! The Dag: every node checked, every name resolved, every schema known. It is static: nothing is added while it runs.

use std::collections::BTreeSet;

use petgraph::{
    Direction,
    graph::{DiGraph, NodeIndex},
    visit::EdgeRef,
};
use pipectl_data::{DataType, Micros, Schema};
use pipectl_diag::Path;
use serde_json::Value;

use crate::{ProcessorTraits, Query};

/// The number of a node: its place in the order of declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct NodeId(pub usize);

/// How the payloads of a source become columns.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceFormat {
    /// One JSON object a record.
    Json,
    /// One row of comma-separated values a record.
    Csv {
        /// The byte between fields.
        delimiter: u8,
        /// The columns in the order of the file, where the file has no header; with a header each batch says them.
        columns: Option<Vec<String>>,
        /// Texts without quotes that stand for null.
        #[serde(default)]
        nulls: Vec<String>,
    },
    /// One line of text a record: a single column `line` of type string.
    Text,
}

/// The kind of a processor that is a query.
pub const SQL: &str = "sql";

/// The kind of a sink that writes to another stream of the same pipeline: an edge with a name.
pub const TO_STREAM: &str = "stream";

/// The only column of a source of text.
pub const LINE: &str = "line";

/// What happens to records that come after their window closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LatePolicy {
    /// They become dead letters.
    #[default]
    DeadLetter,
    /// They are counted and dropped.
    Drop,
}

/// What becomes of open windows when the input ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AtEnd {
    /// They close: their results are written. What comes for them in a later run is late.
    #[default]
    Close,
    /// They stay open, and the next run goes on with them.
    Keep,
}

/// The event time of a node's records.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EventTime {
    /// The field that holds it.
    pub field: String,
    /// How far records may be out of order.
    pub lateness: Lateness,
    /// How far ahead of its arrival the time of a record may be, in microseconds.
    pub max_ahead: Option<Micros>,
}

impl EventTime {
    /// An event time with this lateness in microseconds.
    pub fn new(field: impl Into<String>, lateness: Micros) -> Self {
        Self { field: field.into(), lateness: Lateness::For(lateness), max_ahead: None }
    }
}

/// How far records may be out of order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lateness {
    /// The watermark follows the newest record at this distance, in microseconds.
    For(Micros),
    /// There is no watermark before the input ends: nothing is late, and all windows stay open until then.
    UntilTheEnd,
}

/// A source.
#[derive(Debug, Clone)]
pub struct SourceNode {
    /// The kind key.
    pub kind: String,
    /// Its options, checked.
    pub options: Value,
    /// How its payloads become columns.
    pub format: SourceFormat,
    /// Whether it ends by itself.
    pub bounded: bool,
    /// Whether its records were there before the run and are read as fast as they can be processed, so that their event
    /// times say nothing of when the next ones come.
    pub at_rest: bool,
    /// Its event time, where it is read by its own name.
    pub time: Option<EventTime>,
    /// After how long without records it no longer holds back the watermark of what it is joined with.
    pub idle_after: Option<Micros>,
}

/// Where reading of a durable stream begins when there is no position to go on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamStart {
    /// With the oldest record that the stream still holds.
    #[default]
    Earliest,
    /// With the records that come from now on.
    Latest,
    /// With the first record that the service took in at this moment (microseconds UTC) or later.
    At(Micros),
}

/// What carries a durable stream, and what the stream is there.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Carrier {
    /// What the Environment calls the backend: `default`.
    pub backend: String,
    /// The kind of the backend: `kafka`.
    pub kind: String,
    /// The backend's options; may hold secrets.
    pub options: Option<Value>,
    /// Whether only addresses that cannot be reached from the internet will do (`network: private`).
    pub private: bool,
    /// What the backend calls the stream.
    pub target: String,
    /// Whether it exists already and is neither made nor changed.
    pub existing: bool,
    /// Where reading begins when there is no position to go on from.
    pub start: StreamStart,
    /// How many partitions the Pipeline asks for.
    pub partitions: Option<u32>,
    /// How long records must stay, in microseconds.
    pub retention: Option<Micros>,
    /// Whether readers are promised the order of each key.
    pub ordered: bool,
    /// Whether several workers can share the reading of it.
    pub sharing: bool,
    /// Whether what is written to it between two checkpoints becomes visible all at once.
    pub transactional: bool,
    /// What only this kind of backend can be reported the stream.
    pub stream_options: Option<Value>,
}

/// A stream.
#[derive(Debug, Clone)]
pub struct StreamNode {
    /// The kind of the backend that carries it.
    pub backend: String,
    /// How many partitions it has; for a durable stream, how many subtasks read it.
    pub partitions: u32,
    /// Set if it outlives the process, so that it cuts the pipeline into regions.
    pub carrier: Option<Carrier>,
    /// Its key by field name; empty without one.
    pub keys: Vec<String>,
    /// Its event time.
    pub time: Option<EventTime>,
    /// After how long without records a partition that is read to its end no longer holds back the watermark.
    pub idle_after: Micros,
}

/// A processor.
#[derive(Debug, Clone)]
pub struct ProcessorNode {
    /// What it does.
    pub step: ProcessorStep,
    /// What that does with columns and records.
    pub traits: ProcessorTraits,
    /// The event time of its results, where it is another one than that of its input.
    pub time: Option<EventTime>,
    /// What happens to late records, where it has windows.
    pub late: LatePolicy,
    /// What becomes of open windows when the input ends.
    pub at_end: AtEnd,
    /// Whether a record that it cannot use stops the run instead of becoming a dead letter.
    pub fail_on_error: bool,
}

/// What a processor does.
#[derive(Debug, Clone)]
pub enum ProcessorStep {
    /// A query.
    Sql(Box<Query>),
    /// Another kind.
    Other {
        /// The kind key.
        kind: String,
        /// Its options, checked.
        options: Value,
    },
}

/// A sink.
#[derive(Debug, Clone)]
pub struct SinkNode {
    /// The kind key.
    pub kind: String,
    /// Its options, checked.
    pub options: Value,
    /// Where, from the Environment; `None` is the built-in local default.
    pub binding: Option<Value>,
    /// Columns that it needs even where it delivers payloads.
    pub needs: Vec<String>,
    /// Whether it can deliver JSON payloads as they came in.
    pub takes_payload: bool,
    /// Whether it has a writer for each partition of its input.
    pub per_partition: bool,
    /// Whether writing again after a crash leaves the same result.
    pub idempotent: bool,
    /// Whether several processes can deliver to it at the same time.
    pub shareable: bool,
    /// Where a person finds the output.
    pub place: String,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum NodeKind {
    /// Brings records in.
    Source(SourceNode),
    /// Carries them.
    Stream(StreamNode),
    /// Changes them.
    Processor(ProcessorNode),
    /// Takes them out.
    Sink(SinkNode),
}

impl NodeKind {
    /// `source`, `stream`, `processor` or `sink`.
    pub fn role(&self) -> &'static str {
        match self {
            Self::Source(_) => "source",
            Self::Stream(_) => "stream",
            Self::Processor(_) => "processor",
            Self::Sink(_) => "sink",
        }
    }

    /// The kind key, the backend's name for a stream.
    pub fn kind(&self) -> &str {
        match self {
            Self::Source(source) => &source.kind,
            Self::Stream(stream) => &stream.backend,
            Self::Processor(processor) => match &processor.step {
                ProcessorStep::Sql(_) => SQL,
                ProcessorStep::Other { kind, .. } => kind,
            },
            Self::Sink(sink) => &sink.kind,
        }
    }
}

/// A node.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Where it stands in the spec.
    pub path: Path,
    /// What it is.
    pub kind: NodeKind,
    /// The columns that it passes on; for a sink, those that it gets.
    pub schema: Schema,
}

/// How records travel along an edge.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeKind {
    /// Each partition to its own successor, in order.
    Forward,
    /// By the hash of these fields, so that equal values meet in one place.
    ByKey(Vec<String>),
    /// Spread evenly; no order is promised.
    Spread,
}

/// An edge.
#[derive(Debug, Clone)]
pub struct Edge {
    /// Where records come from.
    pub from: NodeId,
    /// Where they go.
    pub to: NodeId,
    /// How.
    pub kind: EdgeKind,
}

/// What a pipeline as a whole asks for.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `metadata.name`.
    pub pipeline: String,
    /// Name of the Environment; `default` without one.
    pub environment: String,
    /// Time between checkpoints, in microseconds.
    pub checkpoint_every: Micros,
    /// Byte budget of queues and buffers.
    pub memory: u64,
    /// Where dead letters go.
    pub dead_letters: SinkNode,
}

/// The graph of a pipeline. It can only be made without cycles and with all edges between existing nodes.
#[derive(Debug, Clone)]
pub struct Dag {
    settings: Settings,
    graph: DiGraph<Node, EdgeKind>,
    order: Vec<NodeId>,
}

/// Why a set of nodes and edges is no Dag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DagError {
    /// These nodes feed each other; the path of the cycle.
    #[error("cycle")]
    Cycle(Vec<NodeId>),
    /// Two nodes have this name.
    #[error("two nodes are named `{0}`")]
    DuplicateName(String),
    /// An edge names a node that does not exist.
    #[error("an edge leads to a node that does not exist")]
    Dangling,
}

impl Dag {
    /// Builds the graph. Nodes are numbered in the order given.
    ///
    /// # Errors
    /// If it would not be a Dag.
    pub fn new(settings: Settings, nodes: Vec<Node>, edges: Vec<Edge>) -> Result<Self, DagError> {
        let mut names = BTreeSet::new();
        for node in &nodes {
            if !names.insert(node.name.clone()) {
                return Err(DagError::DuplicateName(node.name.clone()));
            }
        }
        let count = nodes.len();
        let mut graph = DiGraph::new();
        for node in nodes {
            graph.add_node(node);
        }
        for edge in edges {
            if edge.from.0 >= count || edge.to.0 >= count {
                return Err(DagError::Dangling);
            }
            graph.add_edge(NodeIndex::new(edge.from.0), NodeIndex::new(edge.to.0), edge.kind);
        }
        let links: Vec<_> = graph
            .edge_references()
            .map(|edge| (NodeId(edge.source().index()), NodeId(edge.target().index())))
            .collect();
        if let Some(cycle) = find_cycle(count, &links) {
            return Err(DagError::Cycle(cycle));
        }
        let order = topological(&graph);
        Ok(Self { settings, graph, order })
    }

    /// What the pipeline as a whole asks for.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The nodes in the order of declaration.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.graph.node_indices().map(|index| (NodeId(index.index()), &self.graph[index]))
    }

    /// The nodes so that each comes after all that feed it; ties in the order of declaration.
    pub fn topological(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.order.iter().map(|id| (*id, self.node(*id)))
    }

    /// A node.
    ///
    /// # Panics
    /// If the id came from another Dag.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.graph[NodeIndex::new(id.0)]
    }

    /// The node of this name.
    pub fn find(&self, name: &str) -> Option<(NodeId, &Node)> {
        self.nodes().find(|(_, node)| node.name == name)
    }

    /// All edges in the order of declaration.
    pub fn edges(&self) -> impl Iterator<Item = Edge> {
        self.graph.edge_references().map(|edge| Edge {
            from: NodeId(edge.source().index()),
            to: NodeId(edge.target().index()),
            kind: edge.weight().clone(),
        })
    }

    /// The nodes that this one feeds, in the order of declaration.
    pub fn consumers(&self, id: NodeId) -> Vec<(NodeId, EdgeKind)> {
        self.neighbors(id, Direction::Outgoing)
    }

    /// The nodes that feed this one, in the order of declaration.
    pub fn producers(&self, id: NodeId) -> Vec<(NodeId, EdgeKind)> {
        self.neighbors(id, Direction::Incoming)
    }

    fn neighbors(&self, id: NodeId, direction: Direction) -> Vec<(NodeId, EdgeKind)> {
        let mut found: Vec<_> = self
            .graph
            .edges_directed(NodeIndex::new(id.0), direction)
            .map(|edge| {
                let other = if direction == Direction::Outgoing { edge.target() } else { edge.source() };
                (NodeId(other.index()), edge.weight().clone())
            })
            .collect();
        found.sort_by_key(|(id, _)| *id);
        found
    }
}

/// One cycle among the links, as the path of its nodes, starting at its smallest; `None` if there is none.
pub fn find_cycle(nodes: usize, links: &[(NodeId, NodeId)]) -> Option<Vec<NodeId>> {
    let mut graph = DiGraph::<(), ()>::new();
    for _ in 0..nodes {
        graph.add_node(());
    }
    for (from, to) in links {
        graph.add_edge(NodeIndex::new(from.0), NodeIndex::new(to.0), ());
    }
    let mut components = petgraph::algo::tarjan_scc(&graph);
    components.retain(|component| component.len() > 1 || graph.contains_edge(component[0], component[0]));
    let mut members = components.into_iter().min_by_key(|component| component.iter().min().copied())?;
    members.sort();
    // Walk within the component from its smallest node, always to the smallest next one, until a node repeats.
    let mut walk = vec![members[0]];
    loop {
        let here = walk[walk.len() - 1];
        let next = graph.neighbors(here).filter(|next| members.contains(next)).min()?;
        if let Some(start) = walk.iter().position(|seen| *seen == next) {
            return Some(walk[start..].iter().map(|index| NodeId(index.index())).collect());
        }
        walk.push(next);
    }
}

/// Kahn's algorithm (<https://doi.org/10.1145/368996.369025>), always taking the earliest declared node that is free.
fn topological(graph: &DiGraph<Node, EdgeKind>) -> Vec<NodeId> {
    let mut missing: Vec<usize> =
        graph.node_indices().map(|index| graph.edges_directed(index, Direction::Incoming).count()).collect();
    let mut free: BTreeSet<usize> =
        missing.iter().enumerate().filter(|(_, count)| **count == 0).map(|(index, _)| index).collect();
    let mut order = Vec::with_capacity(missing.len());
    while let Some(index) = free.pop_first() {
        order.push(NodeId(index));
        for edge in graph.edges(NodeIndex::new(index)) {
            let target = edge.target().index();
            missing[target] -= 1;
            if missing[target] == 0 {
                free.insert(target);
            }
        }
    }
    order
}

/// The columns of a dead letter, in order.
pub fn dead_letter_schema() -> Schema {
    use pipectl_data::Field;
    Schema::new([
        Field::required("node", DataType::String),
        Field::required("reason", DataType::String),
        Field::required("message", DataType::String),
        Field::required("partition", DataType::Int64),
        Field::required("position", DataType::Int64),
        Field::required("arrival_time", DataType::Timestamp),
        Field::new("event_time", DataType::Timestamp),
        Field::new("key", DataType::String),
        Field::new("payload", DataType::String),
        Field::new("payload_base64", DataType::Bytes),
        Field::new("columns", DataType::Json),
    ])
}

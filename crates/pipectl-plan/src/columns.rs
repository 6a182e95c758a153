//! Which columns must be decoded, and where payloads can pass as they came in.

use std::collections::BTreeSet;

use pipectl_ir::dag::{Dag, NodeId, NodeKind, SinkNode, SourceFormat, TO_STREAM};

/// How the records of a durable stream are written: lines of text where only sources of text fill it, otherwise JSON.
pub(crate) fn stream_format(dag: &Dag, stream: NodeId) -> SourceFormat {
    let producers = dag.producers(stream);
    let is_text =
        |id: &NodeId| matches!(&dag.node(*id).kind, NodeKind::Source(source) if source.format == SourceFormat::Text);
    if !producers.is_empty() && producers.iter().all(|(id, _)| is_text(id)) {
        SourceFormat::Text
    } else {
        SourceFormat::Json
    }
}

/// What is needed of each node's output.
#[derive(Debug)]
pub(crate) struct Needs {
    columns: Vec<BTreeSet<String>>,
    payload: Vec<bool>,
    cuts: bool,
}

impl Needs {
    /// Looks at all consumers of all nodes. With `cuts`, durable streams are written to and read from their backend, as
    /// JSON; without, they are like all others.
    pub(crate) fn of(dag: &Dag, cuts: bool) -> Self {
        let count = dag.nodes().count();
        let mut needs = Self { columns: vec![BTreeSet::new(); count], payload: vec![false; count], cuts };
        for (id, node) in dag.topological() {
            needs.payload[id.0] = match &node.kind {
                NodeKind::Source(source) => source.format == SourceFormat::Json,
                NodeKind::Stream(stream) if cuts && stream.carrier.is_some() => {
                    stream_format(dag, id) == SourceFormat::Json
                }
                NodeKind::Stream(_) => dag.producers(id).iter().all(|(from, _)| needs.payload[from.0]),
                NodeKind::Sink(sink) if sink.kind == TO_STREAM => {
                    dag.producers(id).iter().all(|(from, _)| needs.payload[from.0])
                }
                NodeKind::Processor(_) | NodeKind::Sink(_) => false,
            };
        }
        let order: Vec<NodeId> = dag.topological().map(|(id, _)| id).collect();
        for id in order.into_iter().rev() {
            let consumers = dag.consumers(id);
            needs.columns[id.0] = consumers.into_iter().flat_map(|(to, _)| needs.by(dag, id, to)).collect();
        }
        needs
    }

    /// The columns of this node's output that somebody needs.
    pub(crate) fn columns(&self, id: NodeId) -> &BTreeSet<String> {
        &self.columns[id.0]
    }

    /// Whether a sink delivers the JSON payloads that its records came in with: if all its inputs have them.
    pub(crate) fn takes_payload(&self, dag: &Dag, id: NodeId, sink: &SinkNode) -> bool {
        sink.takes_payload && dag.producers(id).iter().all(|(from, _)| self.payload[from.0])
    }

    /// Whether records go from a node into a durable stream as the bytes that they came in with.
    pub(crate) fn passes_payload(&self, dag: &Dag, from: NodeId, stream: NodeId) -> bool {
        match stream_format(dag, stream) {
            SourceFormat::Text => true,
            _ => self.payload[from.0],
        }
    }

    fn by(&self, dag: &Dag, from: NodeId, to: NodeId) -> Vec<String> {
        let all = || dag.node(from).schema.names().map(str::to_owned).collect();
        match &dag.node(to).kind {
            NodeKind::Stream(stream) if self.cuts && stream.carrier.is_some() => {
                // What came in as JSON goes out as it is; what an operator made is written with all its columns.
                if self.passes_payload(dag, from, to) { stream.keys.clone() } else { all() }
            }
            NodeKind::Stream(stream) => {
                let time = stream.time.iter().map(|time| time.field.clone());
                stream.keys.iter().cloned().chain(time).chain(self.columns[to.0].iter().cloned()).collect()
            }
            NodeKind::Processor(processor) => processor.traits.reads.clone().unwrap_or_else(all),
            NodeKind::Sink(sink) if sink.kind == TO_STREAM => self.columns[to.0].iter().cloned().collect(),
            NodeKind::Sink(sink) if self.takes_payload(dag, to, sink) => sink.needs.clone(),
            NodeKind::Sink(_) | NodeKind::Source(_) => all(),
        }
    }
}

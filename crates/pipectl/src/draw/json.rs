//! The graph for programs: what runs, how it is connected, and which columns pass where.

use pipectl_ir::{
    Dag,
    dag::{EdgeKind, EventTime, NodeKind},
};
use serde::Serialize;

/// Changes only if a field is renamed or removed.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    pipeline: &'a str,
    environment: &'a str,
    nodes: Vec<NodeEntry<'a>>,
    edges: Vec<EdgeEntry<'a>>,
}

#[derive(Serialize)]
struct NodeEntry<'a> {
    name: &'a str,
    role: &'static str,
    kind: &'a str,
    /// Where it stands in the spec.
    path: String,
    #[serde(flatten)]
    facts: Facts<'a>,
    /// The columns that it passes on; those that it gets, for a sink.
    columns: Vec<Column<'a>>,
}

/// What only nodes of one role have.
#[derive(Serialize, Default)]
struct Facts<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    bounded: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partitions: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    durable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<&'a EventTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a str>,
}

#[derive(Serialize)]
struct Column<'a> {
    name: &'a str,
    r#type: String,
    nullable: bool,
}

#[derive(Serialize)]
struct EdgeEntry<'a> {
    from: &'a str,
    to: &'a str,
    /// `forward`, `by_key` or `spread`.
    kind: &'static str,
    /// The fields of a `by_key` edge.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    key: Vec<String>,
}

pub(super) fn draw(dag: &Dag) -> String {
    let nodes = dag.nodes().map(|(_, node)| NodeEntry {
        name: &node.name,
        role: node.kind.role(),
        kind: node.kind.kind(),
        path: node.path.to_string(),
        facts: facts(&node.kind),
        columns: node
            .schema
            .fields()
            .iter()
            .map(|field| Column { name: &field.name, r#type: field.data_type.to_string(), nullable: field.nullable })
            .collect(),
    });
    let edges = dag.edges().map(|edge| {
        let (kind, key) = match edge.kind {
            EdgeKind::Forward => ("forward", Vec::new()),
            EdgeKind::ByKey(fields) => ("by_key", fields),
            EdgeKind::Spread => ("spread", Vec::new()),
        };
        EdgeEntry { from: &dag.node(edge.from).name, to: &dag.node(edge.to).name, kind, key }
    });
    let settings = dag.settings();
    let document = Document {
        version: VERSION,
        pipeline: &settings.pipeline,
        environment: &settings.environment,
        nodes: nodes.collect(),
        edges: edges.collect(),
    };
    // Strings and numbers cannot fail to be written.
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

fn facts(kind: &NodeKind) -> Facts<'_> {
    match kind {
        NodeKind::Source(source) => Facts { bounded: Some(source.bounded), ..Facts::default() },
        NodeKind::Stream(stream) => Facts {
            partitions: Some(stream.partitions),
            durable: Some(stream.carrier.is_some()),
            key: Some(&stream.keys),
            time: stream.time.as_ref(),
            ..Facts::default()
        },
        NodeKind::Processor(_) => Facts::default(),
        NodeKind::Sink(sink) => Facts { output: Some(&sink.place), ..Facts::default() },
    }
}

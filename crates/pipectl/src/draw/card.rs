//! What a box says about its node, the same in every picture.

use pipectl_ir::{
    Dag,
    dag::{EdgeKind, Node, NodeKind},
};

/// The most characters of a line; names are at most 64 long, lists of key fields could be longer.
const WIDEST: usize = 40;

/// A node as a picture shows it.
pub(super) struct Card {
    /// Its name.
    pub(super) name: String,
    /// What it is: role and kind.
    pub(super) kind: String,
    /// Partitions of a stream, or the key by which records are gathered here.
    pub(super) detail: Option<String>,
    /// Decides shape and color.
    pub(super) role: Role,
}

/// The four roles, as colors and shapes distinguish them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Source,
    Stream,
    Processor,
    Sink,
}

impl Card {
    /// All lines, first to last.
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        [self.name.as_str(), self.kind.as_str()].into_iter().chain(self.detail.as_deref())
    }
}

/// The cards of all nodes, by their numbers.
pub(super) fn cards(dag: &Dag) -> Vec<Card> {
    dag.nodes()
        .map(|(id, node)| {
            let gathered = dag.producers(id).into_iter().find_map(|(_, kind)| by_key(&kind));
            card(node, gathered)
        })
        .collect()
}

/// The edges without repetition, in the order of declaration.
pub(super) fn edges(dag: &Dag) -> Vec<(usize, usize)> {
    let mut edges: Vec<(usize, usize)> = Vec::new();
    for edge in dag.edges().map(|edge| (edge.from.0, edge.to.0)) {
        if !edges.contains(&edge) {
            edges.push(edge);
        }
    }
    edges
}

/// `by sensor_id`, if records meet by key on such an edge.
pub(super) fn by_key(kind: &EdgeKind) -> Option<String> {
    match kind {
        EdgeKind::ByKey(fields) => Some(short(&format!("by {}", fields.join(", ")))),
        EdgeKind::Forward | EdgeKind::Spread => None,
    }
}

fn card(node: &Node, gathered: Option<String>) -> Card {
    let (role, detail) = match &node.kind {
        NodeKind::Source(_) => (Role::Source, None),
        NodeKind::Stream(stream) => {
            let partitions = (stream.partitions > 1).then(|| format!("{} partitions", stream.partitions));
            let keys = (!stream.keys.is_empty()).then(|| format!("by {}", stream.keys.join(", ")));
            let facts: Vec<_> = partitions.into_iter().chain(keys).collect();
            (Role::Stream, (!facts.is_empty()).then(|| short(&facts.join(" "))))
        }
        NodeKind::Processor(_) => (Role::Processor, gathered),
        NodeKind::Sink(_) => (Role::Sink, gathered),
    };
    Card { name: short(&node.name), kind: short(&format!("{} {}", node.kind.role(), node.kind.kind())), detail, role }
}

/// The text without characters that would spoil a picture, cut to the widest line.
fn short(text: &str) -> String {
    let clean = |character: char| if character.is_control() { '\u{fffd}' } else { character };
    let cut: String = text.chars().map(clean).take(WIDEST).collect();
    if text.chars().count() > WIDEST { format!("{}…", cut.trim_end()) } else { cut }
}

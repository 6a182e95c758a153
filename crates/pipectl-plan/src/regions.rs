//! Regions: the parts of a Dag between durable streams. Each is a plan of its own, with its own checkpoints.

use std::collections::{BTreeMap, BTreeSet};

use pipectl_ir::dag::{Dag, NodeId, NodeKind};

/// A part of the Dag that runs and is checkpointed alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Region {
    /// Its nodes, durable streams at its ends included.
    pub(crate) nodes: BTreeSet<NodeId>,
    /// The durable streams that it reads.
    pub(crate) reads: BTreeSet<NodeId>,
    /// The durable streams that it writes.
    pub(crate) writes: BTreeSet<NodeId>,
}

/// A region would read a stream that it writes itself, by way of a memory stream on which both ends meet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "stream `{stream}` is durable, but nodes before and nodes after it write to the same memory stream; let a backend carry that stream too"
)]
pub struct MeetAgain {
    /// The durable stream.
    pub stream: String,
}

impl Region {
    /// All of a Dag, with no stream cut.
    pub(crate) fn whole(dag: &Dag) -> Self {
        Self { nodes: dag.nodes().map(|(id, _)| id).collect(), ..Self::default() }
    }

    /// The regions of a Dag in the order of their first nodes.
    pub(crate) fn of(dag: &Dag) -> Result<Vec<Self>, MeetAgain> {
        let mut groups = Groups::new(dag.nodes().count());
        for edge in dag.edges().filter(|edge| !is_durable(dag, edge.from) && !is_durable(dag, edge.to)) {
            groups.join(edge.from, edge.to);
        }
        // Whatever reads a durable stream shares its readers.
        for (id, _) in dag.nodes().filter(|(id, _)| is_durable(dag, *id)) {
            let consumers = dag.consumers(id);
            for pair in consumers.windows(2) {
                groups.join(pair[0].0, pair[1].0);
            }
        }
        let mut regions: BTreeMap<NodeId, Self> = BTreeMap::new();
        for (id, _) in dag.nodes().filter(|(id, _)| !is_durable(dag, *id)) {
            let region = regions.entry(groups.first(id)).or_default();
            region.nodes.insert(id);
            region
                .reads
                .extend(dag.producers(id).into_iter().map(|(from, _)| from).filter(|from| is_durable(dag, *from)));
            region.writes.extend(dag.consumers(id).into_iter().map(|(to, _)| to).filter(|to| is_durable(dag, *to)));
        }
        for region in regions.values_mut() {
            if let Some(both) = region.reads.intersection(&region.writes).next() {
                return Err(MeetAgain { stream: dag.node(*both).name.clone() });
            }
            region.nodes.extend(region.reads.iter().chain(&region.writes));
        }
        Ok(regions.into_values().collect())
    }

    /// Its name: that of the stream it reads first, or of its first source. Part of the names of its checkpoints.
    pub(crate) fn name(&self, dag: &Dag) -> String {
        let first = self.reads.first().or_else(|| self.nodes.first());
        first.map(|id| dag.node(*id).name.clone()).unwrap_or_default()
    }
}

fn is_durable(dag: &Dag, id: NodeId) -> bool {
    matches!(&dag.node(id).kind, NodeKind::Stream(stream) if stream.carrier.is_some())
}

/// Disjoint sets; each is named by its smallest member.
struct Groups(Vec<usize>);

impl Groups {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn first(&self, id: NodeId) -> NodeId {
        let mut at = id.0;
        while self.0[at] != at {
            at = self.0[at];
        }
        NodeId(at)
    }

    fn join(&mut self, one: NodeId, other: NodeId) {
        let (one, other) = (self.first(one).0, self.first(other).0);
        self.0[one.max(other)] = one.min(other);
    }
}

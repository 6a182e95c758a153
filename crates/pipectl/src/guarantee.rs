//! What a crash can leave behind twice: the weakest links of a pipeline, reported before it runs.

use pipectl_ir::{Dag, dag::NodeKind};

/// The streams and sinks that may hold twice, after a crash, what came since the last checkpoint: streams at a broker that
/// this pipeline writes without transactions, and sinks that do not take the same record again as the same.
pub(crate) fn repeats(dag: &Dag) -> Vec<String> {
    let weak = dag.topological().filter(|(id, node)| match &node.kind {
        NodeKind::Stream(stream) => {
            stream.carrier.as_ref().is_some_and(|carrier| !carrier.transactional) && !dag.producers(*id).is_empty()
        }
        NodeKind::Sink(sink) => !sink.idempotent,
        NodeKind::Source(_) | NodeKind::Processor(_) => false,
    });
    weak.map(|(_, node)| format!("{} `{}` ({})", node.kind.role(), node.name, node.kind.kind())).collect()
}

/// The same as a sentence; `None` if every record is there once.
pub(crate) fn weak_outputs(dag: &Dag) -> Option<String> {
    let repeats = repeats(dag);
    (!repeats.is_empty()).then(|| {
        format!("after a crash, records since the last checkpoint can be duplicated in {}", repeats.join(", "))
    })
}

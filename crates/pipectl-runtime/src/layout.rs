//! What the state in a checkpoint belongs to. It is written beside the state, and a run with another plan finds in it what
//! is still there: state belongs to the name and the role of a node, not to its place in the plan.

use pipectl_ir::{
    StateSignature,
    physical::{Operation, PhysicalPlan, PlanNode, RouteBy, Stage, StageInput},
};
use serde::{Deserialize, Serialize};

/// The nodes and tasks of a plan, as far as state depends on them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// The nodes, by the numbers under which counts are kept.
    pub(crate) nodes: Vec<NodeLayout>,
    /// The stages; their names are unique.
    pub(crate) stages: Vec<StageLayout>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NodeLayout {
    pub(crate) role: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    /// Whether it absorbs its records into state, so that its counts mean something else.
    pub(crate) stateful: bool,
}

impl NodeLayout {
    /// Whether it is the same node in another plan.
    pub(crate) fn is(&self, other: &Self) -> bool {
        (&self.role, &self.name) == (&other.role, &other.name)
    }
}

/// A stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StageLayout {
    pub(crate) name: String,
    /// The source or the durable stream that its tasks read.
    pub(crate) reads: Option<EndLayout>,
    /// The sink or the durable stream that its tasks write.
    pub(crate) writes: Option<EndLayout>,
    pub(crate) steps: Vec<StepLayout>,
    /// The routes that leave it, in order.
    pub(crate) routes: Vec<RouteLayout>,
}

/// What a stage reads or writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EndLayout {
    /// The number of the node.
    pub(crate) node: usize,
    /// The kind of source or sink, or of the backend.
    pub(crate) kind: String,
    /// Where a sink writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) place: Option<String>,
}

/// A step of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StepLayout {
    /// The number of the node.
    pub(crate) node: usize,
    /// What it does, in a word.
    pub(crate) operation: String,
    pub(crate) state: Option<StateSignature>,
    /// The columns of its input by whose hash records are placed in its task.
    pub(crate) placed_by: Option<Vec<String>>,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RouteLayout {
    /// The name of the stage that it leads to.
    pub(crate) to: String,
    pub(crate) by: RouteBy,
}

impl Layout {
    /// That of a plan.
    pub(crate) fn of(plan: &PhysicalPlan) -> Self {
        let node = |node: &PlanNode| NodeLayout {
            role: node.role.clone(),
            name: node.name.clone(),
            kind: node.kind.clone(),
            stateful: node.stateful,
        };
        Self {
            nodes: plan.nodes.iter().map(node).collect(),
            stages: plan.stages.iter().enumerate().map(|(number, stage)| of_stage(plan, number, stage)).collect(),
        }
    }

    /// The stage of this name.
    pub(crate) fn stage(&self, name: &str) -> Option<&StageLayout> {
        self.stages.iter().find(|stage| stage.name == name)
    }

    /// The name of a node; empty for a number that does not exist.
    pub(crate) fn name(&self, node: usize) -> &str {
        self.nodes.get(node).map_or("", |node| node.name.as_str())
    }

    /// The role of a node.
    pub(crate) fn role(&self, node: usize) -> &str {
        self.nodes.get(node).map_or("node", |node| node.role.as_str())
    }
}

fn of_stage(plan: &PhysicalPlan, number: usize, stage: &Stage) -> StageLayout {
    let end = |node: usize, kind: &str| EndLayout { node, kind: kind.to_owned(), place: place(plan, node) };
    let reads = match &stage.input {
        StageInput::Source(source) => Some(end(source.node, &source.kind)),
        StageInput::Stream(stream) => Some(end(stream.node, &stream.carrier.kind)),
        StageInput::Routes => None,
    };
    let sink = stage.sink.as_ref().map(|sink| end(sink.node, &sink.kind));
    let writes = stage.writes.as_ref().map(|stream| end(stream.node, &stream.carrier.kind)).or(sink);
    let step = |step: &pipectl_ir::physical::Step| StepLayout {
        node: step.node,
        operation: operation(&step.operation).to_owned(),
        state: step.state.clone(),
        placed_by: step.placed_by.clone(),
    };
    let routes = plan.routes.iter().filter(|route| route.from == number).map(|route| RouteLayout {
        to: plan.stages.get(route.to).map(|stage| stage.name.clone()).unwrap_or_default(),
        by: route.by.clone(),
    });
    StageLayout {
        name: stage.name.clone(),
        reads,
        writes,
        steps: stage.steps.iter().map(step).collect(),
        routes: routes.collect(),
    }
}

/// Where a node writes, if it is a sink.
pub(crate) fn place(plan: &PhysicalPlan, node: usize) -> Option<String> {
    let place = plan.nodes.get(node)?.place.as_deref()?;
    Some(same_spelling(place))
}

/// A path without what makes no difference: `./a//b` is `a/b`.
fn same_spelling(path: &str) -> String {
    let parts = path.split('/').enumerate().filter(|(at, part)| *part != "." && (*at == 0 || !part.is_empty()));
    parts.map(|(_, part)| part).collect::<Vec<_>>().join("/")
}

/// A word for what a step does: no two kinds of state share one.
fn operation(operation: &Operation) -> &str {
    match operation {
        Operation::EventTime(_) => EVENT_TIME,
        Operation::Partition => PARTITION,
        Operation::Window { .. } => "sql",
        Operation::Other { kind, .. } => kind,
        Operation::Decode { .. }
        | Operation::Key(_)
        | Operation::Pass
        | Operation::DropPayload
        | Operation::Columns(_)
        | Operation::Sql(..) => "",
    }
}

/// The word for event times and watermarks.
pub(crate) const EVENT_TIME: &str = "time";

/// The word for the positions of a memory stream.
pub(crate) const PARTITION: &str = "partition";

#[cfg(test)]
mod tests {
    use super::same_spelling;

    #[test]
    fn one_place_has_one_spelling() {
        for (path, same) in [
            ("./a", "a"),
            (".//a", "a"),
            ("a//b/./c", "a/b/c"),
            ("/a/b", "/a/b"),
            ("//a", "/a"),
            ("../a", "../a"),
            ("out/x/", "out/x"),
        ] {
            assert_eq!(same_spelling(path), same, "{path}");
        }
    }
}

//! Several nodes read as one input.

use pipectl_data::{DataType, Field, Schema};
use pipectl_diag::{Diagnostic, Diagnostics, Part, Place, codes};
use pipectl_ir::dag::NodeId;
use pipectl_spec::model::ProcessorNode;

use super::{CheckedNode, Context};
use crate::{links::INPUT, names::list};

impl Context<'_> {
    /// What the nodes that feed this one are together. Without columns if those of one are not known, or if they differ,
    /// which is reported.
    pub(super) fn union(&self, id: NodeId, diagnostics: &mut Diagnostics) -> CheckedNode {
        let producers: Vec<NodeId> = self.links.producers(id).collect();
        let nodes: Vec<&CheckedNode> = producers.iter().map(|producer| &self.nodes[producer.0]).collect();
        let [first, others @ ..] = nodes.as_slice() else { return CheckedNode::default() };
        let same = |field: fn(&CheckedNode) -> &Option<String>| {
            let value = field(first);
            value.clone().filter(|_| others.iter().all(|other| field(other) == value))
        };
        CheckedNode {
            schema: self.common_columns(id, &producers, diagnostics),
            event_time: same(|node| &node.event_time),
            timed: nodes.iter().all(|node| node.timed),
            at_rest: nodes.iter().all(|node| node.at_rest),
            bounded: nodes.iter().all(|node| node.bounded),
            of_windows: nodes.iter().any(|node| node.of_windows),
            kept: nodes.iter().find_map(|node| node.kept.clone()),
            open_to_the_end: nodes.iter().find_map(|node| node.open_to_the_end.clone()),
            keys: if others.iter().all(|other| other.keys == first.keys) { first.keys.clone() } else { Vec::new() },
            // Rows of several nodes may have the same key.
            row_key: None,
            ..CheckedNode::default()
        }
    }

    /// The nodes that feed this one with records without event times, for messages.
    pub(crate) fn untimed(&self, id: NodeId) -> String {
        let untimed = self.links.producers(id).filter(|from| !self.nodes[from.0].timed);
        list(untimed.map(|from| self.names.entry(from.0).name.as_str()))
    }

    /// What the SQL compiler says of `input`, in the names of the nodes that it stands for.
    pub(super) fn about_input(&self, id: NodeId, processor: &ProcessorNode, mut problem: Diagnostic) -> Diagnostic {
        if problem.code == codes::sql::NO_EVENT_TIME && !processor.from.is_empty() {
            let untimed = self.untimed(id);
            problem.title = format!("windows need event times, which the records of {untimed} do not have");
            problem.help = vec![format!(
                "in the declaration of {untimed}, name the column that holds it: `time: {{ field: NAME }}`"
            )];
        }
        let reads_input = problem.code == codes::sql::UNKNOWN_INPUT
            && processor.kind.options.as_str().and_then(pipectl_sql::input_name).is_some_and(|(name, _)| name == INPUT);
        if reads_input {
            problem
                .help
                .push(format!("to read several nodes as `{INPUT}`, name them beside the query: `from: [a, b]`"));
        }
        problem
    }

    /// The columns that all these nodes have, in the order of the first.
    fn common_columns(&self, id: NodeId, producers: &[NodeId], diagnostics: &mut Diagnostics) -> Option<Schema> {
        let schemas: Vec<&Schema> =
            producers.iter().map(|producer| self.nodes[producer.0].schema.as_ref()).collect::<Option<_>>()?;
        let ([first, others @ ..], [known, ..]) = (schemas.as_slice(), producers) else { return None };
        let mut fields: Vec<Field> = first.fields().to_vec();
        let before = diagnostics.len();
        for (other, producer) in others.iter().zip(&producers[1..]) {
            let (one, two) = (&self.names.entry(known.0).name, &self.names.entry(producer.0).name);
            let mut differences = Vec::new();
            for field in &mut fields {
                match other.find(&field.name) {
                    None => differences.push(format!("`{two}` has no column `{}`, which `{one}` has", field.name)),
                    Some((_, found)) => {
                        field.nullable |= found.nullable;
                        match common_type(&field.data_type, &found.data_type) {
                            Some(data_type) => field.data_type = data_type,
                            None => differences.push(format!(
                                "column `{}` is {} in `{one}` and {} in `{two}`",
                                field.name, field.data_type, found.data_type
                            )),
                        }
                    }
                }
            }
            let more = other.names().filter(|name| first.find(name).is_none());
            differences.extend(more.map(|name| format!("`{one}` has no column `{name}`, which `{two}` has")));
            if let Some((difference, rest)) = differences.split_first() {
                let mut problem = Diagnostic::error(codes::schema::SCHEMA_MISMATCH, difference.clone());
                if let Some(place) = self.links.place(*producer, id) {
                    problem = problem.label(place.clone(), "has other columns", true);
                }
                for node in [*known, *producer] {
                    let entry = self.names.entry(node.0);
                    let columns = self.nodes[node.0].schema.as_ref().map(|schema| list(schema.names()));
                    let columns = columns.unwrap_or_default();
                    problem = problem
                        .related(Place::Node(entry.path.clone(), Part::Key), format!("its columns are {columns}"));
                }
                for note in rest {
                    problem = problem.note(note.clone());
                }
                diagnostics.push(problem.help(format!(
                    "nodes that are read as one need the same columns: read `{two}` through a query that selects them"
                )));
            }
        }
        (diagnostics.len() == before).then(|| Schema::new(fields))
    }
}

/// The type of a column that has these two; both look the same in memory.
fn common_type(one: &DataType, other: &DataType) -> Option<DataType> {
    if one == other {
        return Some(one.clone());
    }
    (one.logical() == other.logical()).then(|| one.logical())
}

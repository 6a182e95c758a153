//! Who feeds whom.

use pipectl_diag::{Diagnostic, Diagnostics, Part, Path, Place, codes};
use pipectl_ir::{
    Node, NodeKind,
    dag::{EdgeKind, NodeId, SQL, TO_STREAM, find_cycle},
};
use pipectl_spec::model::{Name, Pipeline, ProcessorNode};

use crate::{
    names::{Names, Role, list},
    node_id,
};

/// The links of a pipeline, in the order of declaration of the nodes that state them.
#[derive(Debug)]
pub(crate) struct Links {
    all: Vec<(NodeId, NodeId)>,
    /// Where each link is stated.
    places: Vec<Place>,
    /// Nodes whose links could not be resolved: what they say of others is not known.
    broken: Vec<NodeId>,
    /// Whether some node could not even be read, so that links may be missing.
    incomplete: bool,
}

/// What a processor reads, and where it says so.
pub(crate) struct Input {
    pub(crate) name: Name,
    pub(crate) place: Place,
}

/// The name after FROM under which a query reads what `from` names.
pub(crate) const INPUT: &str = "input";

/// What a processor reads: the name after FROM of its query, or what `from` names. `None` if the query cannot be read that
/// far; the SQL compiler reports why.
pub(crate) fn inputs(processor: &ProcessorNode) -> Option<Vec<Input>> {
    let Some(sql) = query(processor) else { return Some(named(&processor.from)) };
    let (text, range) = pipectl_sql::input_name(sql)?;
    if reads_from(processor, &text) {
        return Some(named(&processor.from));
    }
    let place = Place::Node(processor.kind.path.clone(), Part::Inside(range));
    Some(vec![Input { name: Name { text, path: processor.kind.path.clone() }, place }])
}

/// What `from` names.
fn named(from: &[Name]) -> Vec<Input> {
    let input = |name: &Name| Input { name: name.clone(), place: Place::Node(name.path.clone(), Part::Value) };
    from.iter().map(input).collect()
}

/// Whether this name after FROM stands for what `from` names.
pub(crate) fn reads_from(processor: &ProcessorNode, name: &str) -> bool {
    name == INPUT && !processor.from.is_empty()
}

/// The text of a processor that is a query.
fn query(processor: &ProcessorNode) -> Option<&str> {
    processor.kind.options.as_str().filter(|_| processor.kind.name == SQL)
}

/// Refuses a `from` that names other nodes than the query does: one of the two is not what the author means.
fn two_inputs(processor: &ProcessorNode, read: &Input) -> Option<Diagnostic> {
    let name = &read.name.text;
    let from = processor.from.iter().find(|from| from.text != *name)?;
    if reads_from(processor, name) {
        return None;
    }
    let given = list(processor.from.iter().map(|from| from.text.as_str()));
    let title = format!("processor `{}` reads from {given} and from `{name}`", processor.name);
    let help = format!("to read {given}, write `FROM {INPUT}` in the query; to read `{name}`, remove `from`");
    Some(
        Diagnostic::error(codes::graph::TWO_INPUTS, title)
            .at(&from.path, "")
            .related(read.place.clone(), "the query reads from here")
            .help(help),
    )
}

/// Refuses a node that is named twice: its records would come twice.
fn twice(from: &[Name]) -> impl Iterator<Item = Diagnostic> {
    from.iter().enumerate().filter_map(|(index, name)| {
        let first = from.iter().take(index).find(|other| other.text == name.text)?;
        let title = format!("`{}` is read twice, so each of its records would count twice", name.text);
        let problem = Diagnostic::error(codes::graph::TWO_INPUTS, title).at(&name.path, "again");
        Some(problem.related(Place::Node(first.path.clone(), Part::Value), "named here").help("name it once"))
    })
}

impl Links {
    /// Resolves all references and reports those that cannot be.
    pub(crate) fn of(pipeline: &Pipeline, names: &Names, diagnostics: &mut Diagnostics) -> Self {
        let mut links =
            Self { all: Vec::new(), places: Vec::new(), broken: Vec::new(), incomplete: !pipeline.broken.is_empty() };
        for (index, entry) in names.iter() {
            let id = node_id(index);
            match entry.role {
                Role::Source(at) => {
                    if let Some(to) = &pipeline.sources[at].to {
                        links.output(id, to, names, diagnostics);
                    }
                }
                Role::Stream(_) => {}
                Role::Processor(at) => {
                    let processor = &pipeline.processors[at];
                    diagnostics.extend(twice(&processor.from));
                    let read = inputs(processor);
                    let by_name = query(processor).is_some();
                    if let (true, Some([only])) = (by_name, read.as_deref()) {
                        // A query whose input does not exist is reported for that.
                        let known = names.find(&only.name.text).is_some();
                        diagnostics.extend(two_inputs(processor, only).filter(|_| known));
                    }
                    if read.is_none() {
                        links.broken.push(id);
                    }
                    for input in read.into_iter().flatten() {
                        let named = processor.from.iter().any(|from| from.path == input.name.path);
                        let found = if named {
                            names.input(&input.name, diagnostics)
                        } else {
                            // The SQL compiler reports unknown names of a query, at the very token.
                            let found = names.find(&input.name.text);
                            let is_sink = |found: &usize| matches!(names.entry(*found).role, Role::Sink(_));
                            diagnostics.extend(
                                found.filter(is_sink).map(|sink| names.not_an_input(sink, input.place.clone())),
                            );
                            found.filter(|found| !is_sink(found))
                        };
                        match found {
                            Some(from) => links.add(node_id(from), id, input.place),
                            None => links.broken.push(id),
                        }
                    }
                    if let Some(to) = &processor.to {
                        links.output(id, to, names, diagnostics);
                    }
                }
                Role::Sink(at) => {
                    diagnostics.extend(twice(&pipeline.sinks[at].from));
                    for input in named(&pipeline.sinks[at].from) {
                        match names.input(&input.name, diagnostics) {
                            Some(found) => links.add(node_id(found), id, input.place),
                            None => links.broken.push(id),
                        }
                    }
                    let kind = &pipeline.sinks[at].kind;
                    if let (TO_STREAM, Some(to)) = (kind.name.as_str(), kind.options.as_str()) {
                        let to = Name { text: to.to_owned(), path: kind.path.clone() };
                        links.output(id, &to, names, diagnostics);
                    }
                }
            }
        }
        links
    }

    fn output(&mut self, from: NodeId, to: &Name, names: &Names, diagnostics: &mut Diagnostics) {
        match names.stream(to, diagnostics) {
            Some(stream) => self.add(from, node_id(stream), Place::Node(to.path.clone(), Part::Value)),
            None => self.broken.push(from),
        }
    }

    fn add(&mut self, from: NodeId, to: NodeId, place: Place) {
        self.all.push((from, to));
        self.places.push(place);
    }

    /// All links.
    pub(crate) fn all(&self) -> &[(NodeId, NodeId)] {
        &self.all
    }

    /// Where a link is stated.
    pub(crate) fn place(&self, from: NodeId, to: NodeId) -> Option<&Place> {
        self.all.iter().position(|link| *link == (from, to)).and_then(|at| self.places.get(at))
    }

    /// What feeds a node.
    pub(crate) fn producers(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        self.all.iter().filter(move |(_, to)| *to == id).map(|(from, _)| *from)
    }

    /// What a node feeds.
    pub(crate) fn consumers(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        self.all.iter().filter(move |(from, _)| *from == id).map(|(_, to)| *to)
    }

    /// Whether any link could not be resolved.
    pub(crate) fn any_broken(&self) -> bool {
        self.incomplete || !self.broken.is_empty()
    }

    /// The nodes so that each comes after those that feed it; reports a circle, and then there is no such order.
    pub(crate) fn order(&self, names: &Names, diagnostics: &mut Diagnostics) -> Option<Vec<NodeId>> {
        if let Some(cycle) = find_cycle(names.len(), &self.all) {
            diagnostics.push(self.cycle(&cycle, names));
            return None;
        }
        let mut order: Vec<NodeId> = Vec::with_capacity(names.len());
        while order.len() < names.len() {
            let next = (0..names.len())
                .map(node_id)
                .find(|id| !order.contains(id) && self.producers(*id).all(|producer| order.contains(&producer)))?;
            order.push(next);
        }
        Some(order)
    }

    fn cycle(&self, cycle: &[NodeId], names: &Names) -> Diagnostic {
        let mut path: Vec<&str> = cycle.iter().map(|id| names.entry(id.0).name.as_str()).collect();
        path.extend(path.first().copied());
        let title = match path.as_slice() {
            [only, _] => format!("`{only}` reads from itself"),
            path => format!("nodes form a cycle: {}", path.join(" → ")),
        };
        let mut problem = Diagnostic::error(codes::graph::CYCLE, title);
        for (step, id) in cycle.iter().enumerate() {
            let next = cycle[(step + 1) % cycle.len()];
            let link = self.all.iter().position(|link| *link == (*id, next));
            let (from, to) = (&names.entry(id.0).name, &names.entry(next.0).name);
            let place = match link {
                Some(link) => self.places[link].clone(),
                None => Place::Node(Path::here(), Part::Value),
            };
            let text = if from == to { String::new() } else { format!("`{to}` reads from `{from}`") };
            problem = problem.label(place, text, step == 0);
        }
        problem.help(match cycle {
            [_] => "name another node to read from",
            _ => "let one of these nodes read from a node outside the cycle",
        })
    }
}

/// How records travel to a node.
pub(crate) fn edge_kind(to: &Node) -> EdgeKind {
    match &to.kind {
        NodeKind::Stream(stream) if stream.keys.is_empty() => EdgeKind::Spread,
        NodeKind::Stream(stream) => EdgeKind::ByKey(stream.keys.clone()),
        _ => EdgeKind::Forward,
    }
}

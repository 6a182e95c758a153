//! Who is who: the nodes of a pipeline by name.

use pipectl_diag::{Diagnostic, Diagnostics, Part, Path, Place, codes, nearest};
use pipectl_spec::model::{Name, Pipeline};

/// What a node is, with its place in the spec's own list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Source(usize),
    Stream(usize),
    Processor(usize),
    Sink(usize),
}

impl Role {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Source(_) => "source",
            Self::Stream(_) => "stream",
            Self::Processor(_) => "processor",
            Self::Sink(_) => "sink",
        }
    }
}

/// One node.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) path: Path,
    pub(crate) role: Role,
}

/// All nodes, numbered: sources, streams, processors, sinks, each in the order of declaration.
#[derive(Debug)]
pub(crate) struct Names(Vec<Entry>, Vec<String>);

impl Names {
    /// Collects the nodes and reports names that stand twice.
    pub(crate) fn of(pipeline: &Pipeline, diagnostics: &mut Diagnostics) -> Self {
        let mut entries: Vec<Entry> = Vec::new();
        let mut add = |name: &str, path: &Path, role: Role| {
            if let Some(first) = entries.iter().find(|entry| entry.name == name) {
                diagnostics.push(
                    Diagnostic::error(
                        codes::graph::DUPLICATE_NODE,
                        format!("`{name}` is the name of a {} and of a {}", first.role.word(), role.word()),
                    )
                    .at_key(path, format!("the {}", role.word()))
                    .related(Place::Node(first.path.clone(), Part::Key), format!("the {}", first.role.word()))
                    .help("sources, streams, processors and sinks share one set of names; rename one of them"),
                );
            }
            entries.push(Entry { name: name.to_owned(), path: path.clone(), role });
        };
        for (index, source) in pipeline.sources.iter().enumerate() {
            add(&source.name, &source.path, Role::Source(index));
        }
        for (index, stream) in pipeline.streams.iter().enumerate() {
            add(&stream.name, &stream.path, Role::Stream(index));
        }
        for (index, processor) in pipeline.processors.iter().enumerate() {
            add(&processor.name, &processor.path, Role::Processor(index));
        }
        for (index, sink) in pipeline.sinks.iter().enumerate() {
            add(&sink.name, &sink.path, Role::Sink(index));
        }
        Self(entries, pipeline.broken.clone())
    }

    /// How many nodes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The node of this number.
    pub(crate) fn entry(&self, index: usize) -> &Entry {
        &self.0[index]
    }

    /// All nodes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Entry)> {
        self.0.iter().enumerate()
    }

    /// Whether two nodes share a name, so that it is not clear whom others mean.
    pub(crate) fn ambiguous(&self) -> bool {
        self.iter().any(|(index, entry)| self.find(&entry.name) != Some(index))
    }

    /// The number of the node of this name.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|entry| entry.name == name)
    }

    /// The number of the node of this name; where two share it, of the one in a role that fits.
    fn find_as(&self, name: &str, fits: fn(Role) -> bool) -> Option<usize> {
        self.0.iter().position(|entry| entry.name == name && fits(entry.role)).or_else(|| self.find(name))
    }

    /// That nothing can be read from this sink.
    pub(crate) fn not_an_input(&self, sink: usize, place: Place) -> Diagnostic {
        let Entry { name, path, .. } = &self.0[sink];
        Diagnostic::error(codes::graph::WRONG_ROLE, format!("`{name}` is a sink; nothing can be read from it"))
            .label(place, "a sink", true)
            .related(Place::Node(path.clone(), Part::Key), "defined here")
            .help("read from what the sink itself reads from")
    }

    /// Whether a node of this name exists that could not even be read; its own error is enough.
    pub(crate) fn is_broken(&self, name: &str) -> bool {
        self.1.iter().any(|broken| broken == name)
    }

    /// The names that a reader can read from.
    pub(crate) fn readable(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|entry| !matches!(entry.role, Role::Sink(_))).map(|entry| entry.name.as_str())
    }

    /// The node that `from` names; reports a name that does not exist or cannot be read from.
    pub(crate) fn input(&self, name: &Name, diagnostics: &mut Diagnostics) -> Option<usize> {
        if self.is_broken(&name.text) {
            return None;
        }
        let Some(index) = self.find_as(&name.text, |role| !matches!(role, Role::Sink(_))) else {
            let title = format!("no node is named `{}`", name.text);
            let mut problem = Diagnostic::error(codes::graph::UNKNOWN_NODE, title).at(&name.path, "unknown");
            problem = match nearest(&name.text, self.readable()) {
                Some(near) => problem
                    .help(format!("did you mean `{near}`?"))
                    .fix(Place::Node(name.path.clone(), Part::Value), near),
                None => problem.help(format!("available: {}", list(self.readable()))),
            };
            diagnostics.push(problem);
            return None;
        };
        if matches!(self.0[index].role, Role::Sink(_)) {
            diagnostics.push(self.not_an_input(index, Place::Node(name.path.clone(), Part::Value)));
            return None;
        }
        Some(index)
    }

    /// The stream that `to` names; reports a name that does not exist or is no stream.
    pub(crate) fn stream(&self, name: &Name, diagnostics: &mut Diagnostics) -> Option<usize> {
        let streams =
            || self.0.iter().filter(|entry| matches!(entry.role, Role::Stream(_))).map(|entry| entry.name.as_str());
        if self.is_broken(&name.text) {
            return None;
        }
        let Some(index) = self.find_as(&name.text, |role| matches!(role, Role::Stream(_))) else {
            let title = format!("no stream is named `{}`", name.text);
            let mut problem = Diagnostic::error(codes::graph::UNKNOWN_NODE, title).at(&name.path, "unknown");
            problem = match nearest(&name.text, streams()) {
                Some(near) => problem
                    .help(format!("did you mean `{near}`?"))
                    .fix(Place::Node(name.path.clone(), Part::Value), near),
                None => problem.help(format!("declare it under `streams`: `{}: {{}}`", name.text)),
            };
            diagnostics.push(problem);
            return None;
        };
        let entry = &self.0[index];
        if !matches!(entry.role, Role::Stream(_)) {
            diagnostics.push(
                Diagnostic::error(
                    codes::graph::WRONG_ROLE,
                    format!("`{}` is a {}; only a stream can be written to", name.text, entry.role.word()),
                )
                .at(&name.path, format!("a {}", entry.role.word()))
                .related(Place::Node(entry.path.clone(), Part::Key), "defined here")
                .help("declare a stream, write `to` it, and let the other node read from it"),
            );
            return None;
        }
        Some(index)
    }
}

/// Names for a help line: `a`, `b` and `c`.
pub(crate) fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        None => "none".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

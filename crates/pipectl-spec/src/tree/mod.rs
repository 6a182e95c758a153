//! YAML text as a tree in which every key and value knows its place. The only module that knows the YAML library.
//!
//! The tree is built of the parser's events and not of a deserializer's values, because only the events distinguish a plain
//! scalar from a quoted one, give every span in bytes, and let us go on after a duplicate key or an unknown alias. A file
//! is cut at its `---` lines first: YAML forbids such a line inside any scalar, so a syntax error in one document cannot
//! hide the problems of the next.

mod alias;
mod build;
mod chunks;
mod fault;
mod inside;
mod references;
mod scalar;
#[cfg(test)]
mod tests;

use std::ops::Range;

use pipectl_diag::{Diagnostic, Diagnostics, FileId, NodePlaces, Path, SourceMap, Span, codes::syntax};

pub(crate) use scalar::plain;

/// The largest file that is read, in bytes.
pub(crate) const MAX_FILE: usize = 10 * 1024 * 1024;
/// How deep collections may nest.
pub(crate) const MAX_DEPTH: usize = 64;
/// How many aliases and how many anchors a file may have.
pub(crate) const MAX_ALIASES: usize = 200;
pub(crate) const MAX_ANCHORS: usize = 100;
/// How many keys and values a file may have once its aliases are followed.
pub(crate) const MAX_NODES: usize = 50_000;
/// How many bytes of scalars a file may have once its aliases are followed.
pub(crate) const MAX_SCALARS: usize = 4 * 1024 * 1024;

/// How a scalar was written; decides whether `${VAR}` may become a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes.
    Plain,
    /// `'…'` or `"…"`.
    Quoted,
    /// `|` or `>`.
    Block,
}

/// Whether a scalar's text stands in the file, or came from outside and must not be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// As written.
    File,
    /// It holds values of variables; `written` is the text with its references, `text` what they made.
    Variable { written: String, text: String },
    /// It holds a secret; `written` is the text with its references.
    Secret { written: String },
}

/// One value.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// Where it stands; for an alias, the alias.
    pub(crate) span: Range<usize>,
    /// For an alias, where the anchored value stands.
    pub(crate) defined: Option<Range<usize>>,
    pub(crate) style: Style,
    /// See [`NodePlaces::inside`].
    pub(crate) inside: Vec<(usize, usize)>,
    pub(crate) origin: Origin,
}

/// What a value is.
#[derive(Clone, PartialEq)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    /// Within the ranges of `i64` and `u64`.
    Int(i128),
    Float(f64),
    Str(String),
    Seq(Vec<Node>),
    Map(Vec<Entry>),
    /// Something was wrong and has been reported.
    Broken,
}

/// A key and its value.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) value: Node,
    /// For an entry that a merge brought here, where the merge stands.
    pub(crate) merged: Option<Range<usize>>,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.value.kind == other.value.kind
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// Shows where, never what: the value may be a secret.
impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {:?}", self.kind.noun(), self.span)
    }
}

impl Kind {
    /// What to call it in a message.
    pub(crate) fn noun(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Str(_) => "a string",
            Self::Seq(_) => "a list",
            Self::Map(_) => "a mapping",
            Self::Broken => "something broken",
        }
    }
}

impl Node {
    pub(crate) fn new(kind: Kind, span: Range<usize>) -> Self {
        Self { kind, span, defined: None, style: Style::Plain, inside: Vec::new(), origin: Origin::File }
    }

    /// The entries, if it is a mapping.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The value of this key.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// How many values it holds itself included, the bytes of their scalars, and how deep it is.
    fn measure(&self) -> (usize, usize, usize) {
        let join = |(nodes, bytes, depth): (usize, usize, usize), child: &Node, key: usize| {
            let inner = child.measure();
            (nodes + inner.0, bytes + inner.1 + key, depth.max(inner.2 + 1))
        };
        match &self.kind {
            Kind::Seq(items) => items.iter().fold((1, 0, 1), |sum, item| join(sum, item, 0)),
            Kind::Map(entries) => entries.iter().fold((1, 0, 1), |sum, entry| join(sum, &entry.value, entry.key.len())),
            Kind::Str(text) => (1, text.len(), 0),
            _ => (1, 0, 0),
        }
    }

    /// Records the places of this node and everything below.
    pub(crate) fn record(&self, path: &Path, key: Option<Range<usize>>, file: FileId, map: &mut SourceMap) {
        map.place_node(path.clone(), file, NodePlaces { key, value: self.span.clone(), inside: self.inside.clone() });
        match &self.kind {
            Kind::Seq(items) => {
                for (index, item) in items.iter().enumerate() {
                    item.record(&path.index(index), None, file, map);
                }
            }
            Kind::Map(entries) => {
                for entry in entries {
                    entry.value.record(&path.key(&entry.key), Some(entry.key_span.clone()), file, map);
                }
            }
            _ => {}
        }
    }
}

/// The documents of one file; those that are empty are left out.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) id: FileId,
    pub(crate) documents: Vec<Node>,
}

/// Reads a file.
pub(crate) fn parse(name: &str, bytes: &[u8], map: &mut SourceMap, problems: &mut Diagnostics) -> File {
    if bytes.len() > MAX_FILE {
        let id = map.add_file(name, "");
        let title = format!("`{name}` has {} bytes, and a spec has at most {MAX_FILE}", bytes.len());
        let problem = Diagnostic::error(syntax::FILE_TOO_LARGE, title);
        problems.push(problem.at_span(Span { file: id, start: 0, end: 0 }, "").help("name a file that holds a spec"));
        return File { id, documents: Vec::new() };
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let id = map.add_file(name, String::from_utf8_lossy(bytes));
            problems.push(fault::not_utf8(bytes, error.valid_up_to(), id));
            return File { id, documents: Vec::new() };
        }
    };
    let id = map.add_file(name, text);
    let mut reading = build::Reading::new(id);
    for chunk in chunks::chunks(text) {
        let go_on = reading.chunk(text.get(chunk.clone()).unwrap_or_default(), chunk.start);
        if !go_on {
            break;
        }
    }
    let (documents, found) = reading.finish();
    let sound = found.is_empty();
    problems.extend(found);
    let documents: Vec<_> = documents.into_iter().filter(|document| document.kind != Kind::Null).collect();
    if documents.is_empty() && sound {
        let problem = Diagnostic::error(syntax::EMPTY_FILE, format!("`{name}` holds no document"));
        problems.push(
            problem
                .at_span(Span { file: id, start: 0, end: 0 }, "")
                .help("start with `apiVersion: pipectl/v1` and `kind: Pipeline`; `pipectl init` writes a whole spec"),
        );
    }
    File { id, documents }
}

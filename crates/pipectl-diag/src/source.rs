//! The texts that were read and the place of every key and value in them.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use crate::Path;

/// The number of a file within a [`SourceMap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub usize);

/// A range of bytes of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// One text that was read.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// The name as the user gave it (a path, or `<stdin>`).
    pub name: String,
    /// The whole text.
    pub text: Arc<str>,
    line_starts: Vec<usize>,
}

impl SourceFile {
    /// Line and column of a byte, both from 1; the column counts characters, as editors do.
    pub fn line_column(&self, byte: usize) -> (usize, usize) {
        let byte = byte.min(self.text.len());
        let line = self.line_starts.partition_point(|start| *start <= byte).max(1);
        let start = self.line_starts[line - 1];
        let mut end = byte;
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        (line, self.text[start..end].chars().count() + 1)
    }

    /// The bytes of this line (from 1) with its end; empty behind the last one.
    pub(crate) fn line_range(&self, line: usize) -> Range<usize> {
        let start_of = |line: usize| self.line_starts.get(line).copied().unwrap_or(self.text.len());
        start_of(line.saturating_sub(1))..start_of(line)
    }
}

/// Where one node of a document stands.
#[derive(Debug, Clone, Default)]
pub struct NodePlaces {
    /// The key that leads to it, if a mapping holds it.
    pub key: Option<Range<usize>>,
    /// The node itself.
    pub value: Range<usize>,
    /// For a scalar whose text differs from its source (a block scalar's indentation, an escape, a folded line):
    /// pairs of (offset in the text, byte in the file), ascending, each valid until the next.
    pub inside: Vec<(usize, usize)>,
}

/// Which part of a node a label points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The key that leads to the node.
    Key,
    /// The node's value.
    Value,
    /// A range of bytes of the scalar's text, as a parser of that text (SQL, a duration…) counts them.
    Inside(Range<usize>),
}

/// Where a label points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A node of a document; located when the diagnostic is shown.
    Node(Path, Part),
    /// A range of a file that was read.
    Span(Span),
}

/// Files, and the places of their documents' nodes.
#[derive(Debug, Clone, Default)]
pub struct SourceMap {
    files: Vec<SourceFile>,
    places: BTreeMap<Path, (FileId, NodePlaces)>,
}

impl SourceMap {
    /// Adds a text.
    pub fn add_file(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) -> FileId {
        let text = text.into();
        let line_starts = std::iter::once(0)
            .chain(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1))
            .collect();
        self.files.push(SourceFile { name: name.into(), text, line_starts });
        FileId(self.files.len() - 1)
    }

    /// The file of this number.
    ///
    /// # Panics
    /// If the number came from another map.
    pub fn file(&self, id: FileId) -> &SourceFile {
        &self.files[id.0]
    }

    /// The file of this number, if it is one of this map's.
    pub fn get(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(id.0)
    }

    /// Records where the node at an absolute path stands.
    pub fn place_node(&mut self, path: Path, file: FileId, places: NodePlaces) {
        self.places.insert(path, (file, places));
    }

    /// The recorded places of the node at `path`.
    pub fn node(&self, path: &Path) -> Option<(FileId, &NodePlaces)> {
        self.places.get(path).map(|(file, places)| (*file, places))
    }

    /// The span of a place. A node that does not exist (a missing key) is found at its nearest existing ancestor's
    /// key, or at the ancestor's value where it has no key.
    pub fn locate(&self, place: &Place) -> Option<Span> {
        match place {
            Place::Span(span) => Some(*span),
            Place::Node(path, part) => {
                if let Some((file, node)) = self.places.get(path) {
                    return Some(span_of(*file, node, part));
                }
                let mut ancestor = path.parent();
                while let Some(path) = ancestor {
                    if let Some((file, node)) = self.places.get(&path) {
                        return Some(span_of(*file, node, &Part::Key));
                    }
                    ancestor = path.parent();
                }
                None
            }
        }
    }
}

fn span_of(file: FileId, node: &NodePlaces, part: &Part) -> Span {
    let range = match part {
        Part::Key => node.key.clone().unwrap_or_else(|| node.value.clone()),
        Part::Value => node.value.clone(),
        Part::Inside(range) => {
            let start = source_byte(node, range.start);
            let end = if range.end > range.start { source_byte(node, range.end - 1) + 1 } else { start };
            start..end.max(start)
        }
    };
    Span { file, start: range.start, end: range.end }
}

/// The byte of the file that holds this byte of the scalar's text.
fn source_byte(node: &NodePlaces, offset: usize) -> usize {
    let after = node.inside.partition_point(|(text, _)| *text <= offset);
    match after.checked_sub(1).map(|index| node.inside[index]) {
        Some((text, source)) => source + (offset - text),
        None => (node.value.start + offset).min(node.value.end),
    }
}

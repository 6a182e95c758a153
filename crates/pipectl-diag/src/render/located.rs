//! Places as lines and columns, cut to what the file holds.

use serde::Serialize;

use crate::{Diagnostic, FileId, Place, SourceFile, SourceMap};

/// A range of a file that certainly lies within it, on boundaries of characters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Located<'a> {
    /// The file's number.
    pub(super) id: FileId,
    /// The file.
    pub(super) file: &'a SourceFile,
    /// First byte.
    pub(super) start: usize,
    /// One past the last byte.
    pub(super) end: usize,
}

/// Lines and columns from 1, columns in characters, the end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Region {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) end_line: usize,
    pub(super) end_column: usize,
}

impl<'a> Located<'a> {
    /// The exact range, as a replacement needs it.
    pub(super) fn exact(place: &Place, map: &'a SourceMap) -> Option<Self> {
        let span = map.locate(place)?;
        let file = map.get(span.file)?;
        let text = &file.text;
        let start = floor_boundary(text, span.start);
        let end = ceil_boundary(text, span.end).max(start);
        Some(Self { id: span.file, file, start, end })
    }

    /// The range as a reader wants to see it: without white space at its end, and where it stands behind the last
    /// line of the file, moved to the end of what is written there.
    pub(super) fn shown(place: &Place, map: &'a SourceMap) -> Option<Self> {
        let mut located = Self::exact(place, map)?;
        let text = &located.file.text;
        let kept = text[located.start..located.end].trim_end().len();
        if kept > 0 {
            located.end = located.start + kept;
        } else {
            located.end = located.end.min(located.start + line_at(text, located.start).len());
        }
        let behind_last_line = located.start > 0 && text[..located.start].ends_with('\n');
        if behind_last_line && text[located.start..].trim().is_empty() {
            located.start = text.trim_end().len();
            located.end = located.start;
        }
        Some(located)
    }

    /// Lines and columns.
    pub(super) fn region(&self) -> Region {
        let (line, column) = self.file.line_column(self.start);
        let (end_line, end_column) = self.file.line_column(self.end);
        Region { line, column, end_line, end_column }
    }
}

/// The place of a diagnostic: that of its first primary label, else of any label.
pub(super) fn of_diagnostic<'a>(diagnostic: &Diagnostic, map: &'a SourceMap) -> Option<Located<'a>> {
    let primary = diagnostic.labels.iter().filter(|label| label.primary);
    primary.chain(&diagnostic.labels).find_map(|label| Located::shown(&label.place, map))
}

/// The rest of the line from here, without its end.
fn line_at(text: &str, start: usize) -> &str {
    text[start..].lines().next().unwrap_or_default()
}

fn floor_boundary(text: &str, byte: usize) -> usize {
    let mut byte = byte.min(text.len());
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    byte
}

fn ceil_boundary(text: &str, byte: usize) -> usize {
    let mut byte = byte.min(text.len());
    while !text.is_char_boundary(byte) {
        byte += 1;
    }
    byte
}

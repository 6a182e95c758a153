//! For programs: one JSON document.

use serde::Serialize;

use super::{
    Item, count,
    located::{Located, Region},
};
use crate::{Diagnostic, Place, Severity, SourceMap};

/// Changes only if a field is renamed or removed.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    errors: usize,
    warnings: usize,
    diagnostics: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    code: &'a str,
    name: &'a str,
    severity: Severity,
    title: &'a str,
    #[serde(flatten)]
    at: At<'a>,
    labels: Vec<LabelEntry<'a>>,
    help: &'a [String],
    notes: &'a [String],
    fix: Option<FixEntry<'a>>,
}

/// A place; all fields are null where there is none, so that a reader need not look whether they exist.
#[derive(Serialize, Default)]
struct At<'a> {
    file: Option<&'a str>,
    line: Option<usize>,
    column: Option<usize>,
    end_line: Option<usize>,
    end_column: Option<usize>,
}

#[derive(Serialize)]
struct LabelEntry<'a> {
    #[serde(flatten)]
    at: At<'a>,
    /// The node's path within its document, where the label is about a node.
    path: Option<String>,
    text: &'a str,
    primary: bool,
}

#[derive(Serialize)]
struct FixEntry<'a> {
    #[serde(flatten)]
    at: At<'a>,
    replacement: &'a str,
}

pub(super) fn render(items: &[Item<'_>], map: &SourceMap) -> String {
    let (errors, warnings) = count(items);
    let diagnostics = items.iter().map(|item| entry(item, map)).collect();
    let document = Document { version: VERSION, errors, warnings, diagnostics };
    // Strings and numbers cannot fail to be written.
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

fn entry<'a>(item: &Item<'a>, map: &'a SourceMap) -> Entry<'a> {
    let Diagnostic { code, severity, title, labels, help, notes, fix } = item.diagnostic;
    Entry {
        code: code.as_str(),
        name: code.info().name,
        severity: *severity,
        title,
        at: at(item.place),
        labels: labels
            .iter()
            .map(|label| LabelEntry {
                at: at(Located::shown(&label.place, map)),
                path: match &label.place {
                    Place::Node(path, _) => Some(path.to_string()),
                    Place::Span(_) => None,
                },
                text: &label.text,
                primary: label.primary,
            })
            .collect(),
        help,
        notes,
        fix: fix.as_ref().and_then(|fix| {
            let place = Located::exact(&fix.place, map)?;
            Some(FixEntry { at: at(Some(place)), replacement: &fix.replacement })
        }),
    }
}

fn at(place: Option<Located<'_>>) -> At<'_> {
    let Some(place) = place else { return At::default() };
    let Region { line, column, end_line, end_column } = place.region();
    At {
        file: Some(&place.file.name),
        line: Some(line),
        column: Some(column),
        end_line: Some(end_line),
        end_column: Some(end_column),
    }
}

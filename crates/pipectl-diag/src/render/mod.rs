//! Diagnostics as a person or a program reads them: one value, four forms.
//!
//! Paths become lines and columns here and nowhere else. All forms list the same problems in the same order: by file,
//! then by place, problems without a place last; problems of one place stay in the order in which they were found.

mod explain;
mod github;
mod json;
mod located;
mod sarif;
mod text;

pub use explain::{codes_page, explain};

use crate::{Diagnostic, Diagnostics, Severity, SourceMap};
use located::Located;

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people: the lines of the file with marks and labels, as rustc shows them.
    #[default]
    Text,
    /// One JSON document; fields are added over time but neither renamed nor removed.
    Json,
    /// SARIF 2.1.0, which code scanners and editors read
    /// (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>).
    Sarif,
    /// Workflow commands of GitHub Actions, which annotate the lines of a change
    /// (<https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>).
    Github,
}

/// How the text form looks; the other forms ignore it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenderOptions {
    /// Whether to use ANSI colors. The caller knows whether this is a terminal and whether `NO_COLOR` is set.
    pub color: bool,
    /// Columns to fill at most with lines of a file; what is shown never gets narrower than 40.
    pub width: usize,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self { color: false, width: 120 }
    }
}

/// Shows diagnostics. The text ends with a newline unless it is empty, which only happens when there is nothing to say.
///
/// Places are cut to what the files hold, so a wrong span shows the wrong place but never fails.
pub fn render(diagnostics: &Diagnostics, map: &SourceMap, format: Format, options: RenderOptions) -> String {
    let sorted = sorted(diagnostics, map);
    match format {
        Format::Text => text::render(&sorted, map, options),
        Format::Json => json::render(&sorted, map),
        Format::Sarif => sarif::render(&sorted, map),
        Format::Github => github::render(&sorted, map),
    }
}

/// A diagnostic and its own place.
struct Item<'a> {
    diagnostic: &'a Diagnostic,
    place: Option<Located<'a>>,
}

fn sorted<'a>(diagnostics: &'a Diagnostics, map: &'a SourceMap) -> Vec<Item<'a>> {
    let mut items: Vec<_> = diagnostics
        .iter()
        .map(|diagnostic| Item { diagnostic, place: located::of_diagnostic(diagnostic, map) })
        .collect();
    items.sort_by_key(|item| item.place.as_ref().map_or((usize::MAX, 0), |place| (place.id.0, place.start)));
    items
}

/// How many errors and warnings there are.
fn count(items: &[Item<'_>]) -> (usize, usize) {
    let errors = items.iter().filter(|item| item.diagnostic.severity == Severity::Error).count();
    (errors, items.len() - errors)
}

#[cfg(test)]
mod tests;

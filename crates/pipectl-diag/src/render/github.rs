//! Workflow commands of GitHub Actions.
//!
//! Escaping as in the runner's own toolkit:
//! <https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts>.

use super::Item;
use crate::{Place, Severity, SourceMap};

pub(super) fn render(items: &[Item<'_>], map: &SourceMap) -> String {
    items.iter().map(|item| command(item, map)).collect()
}

fn command(item: &Item<'_>, map: &SourceMap) -> String {
    let diagnostic = item.diagnostic;
    let command = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut properties = Vec::new();
    if let Some(place) = item.place {
        let region = place.region();
        properties.push(format!("file={}", property(&place.file.name)));
        properties.push(format!("line={}", region.line));
        // A column on a range of several lines would be taken for the column of its last line.
        if region.end_line == region.line {
            properties.push(format!("col={}", region.column));
            properties.push(format!("endColumn={}", region.end_column.max(region.column)));
        } else {
            properties.push(format!("endLine={}", region.end_line));
        }
    }
    properties.push(format!("title={} {}", diagnostic.code, property(diagnostic.code.info().name)));
    let mut lines = vec![diagnostic.title.clone()];
    for label in diagnostic.labels.iter().filter(|label| !label.text.is_empty()) {
        lines.push(match (label.primary, place_name(&label.place, map)) {
            (false, Some(place)) => format!("{place}: {}", label.text),
            _ => label.text.clone(),
        });
    }
    lines.extend(diagnostic.notes.iter().map(|line| format!("note: {line}")));
    lines.extend(diagnostic.help.iter().map(|line| format!("help: {line}")));
    format!("::{command} {}::{}\n", properties.join(","), data(&lines.join("\n")))
}

fn place_name(place: &Place, map: &SourceMap) -> Option<String> {
    let place = super::located::Located::shown(place, map)?;
    let region = place.region();
    Some(format!("{}:{}:{}", place.file.name, region.line, region.column))
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

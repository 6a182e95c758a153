//! Tables of a run.

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, Table, presets};
use pipectl_ir::report::{NodeReport, Outcome, RunReport};

/// A row for each node: what came in, what went where.
pub(crate) fn ledger(nodes: &[NodeReport]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["node", "", "in", "out", "filtered", "dead-lettered", "late", "in flight"]);
    for node in nodes {
        let counts = &node.counts;
        let numbers = [
            count(counts.input),
            count(counts.output),
            count(counts.filtered),
            count(counts.dead_lettered),
            count(counts.late),
            counts.in_flight(node.stateful).to_string(),
        ];
        let what = if node.role == node.kind { node.role.clone() } else { format!("{} {}", node.role, node.kind) };
        let texts = [Cell::new(&node.name), Cell::new(what)];
        let numbers = numbers.into_iter().map(|number| Cell::new(number).set_alignment(CellAlignment::Right));
        table.add_row(texts.into_iter().chain(numbers));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let text: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    text.join("\n") + "\n"
}

/// Columns with a head and no lines.
pub(crate) fn plain_table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(head);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let text: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    text.join("\n") + "\n"
}

/// What a run came to, and where to look.
pub(crate) fn summary(report: &RunReport) -> String {
    let mut text = String::new();
    let seconds = (report.ended - report.started) as f64 / 1e6;
    let sources = report.nodes.iter().filter(|node| node.role == "source");
    // What others write to a stream comes from no source.
    let first = report.nodes.first().filter(|node| node.role == "stream");
    let read: u64 = sources.chain(first).map(|node| node.counts.input).sum();
    let rate = if seconds > 0.0 { read as f64 / seconds } else { 0.0 };
    let ended = match report.outcome {
        Outcome::Finished => "finished: all input is read and everything is delivered",
        Outcome::Stopped => "stopped: everything in flight is written; the next apply goes on from here",
    };
    writeln!(text, "\n{} {ended}", report.pipeline).unwrap_or_default();
    let read = super::counted(read, "record");
    let speed = if let Some(checkpoint) = report.resumed_from {
        // The counts go on over all runs; the time is this one's.
        format!("{read} in all; this run went on from checkpoint {checkpoint} and took {seconds:.1} s")
    } else {
        format!("{read} in {seconds:.1} s ({} a second)", count(rate as u64))
    };
    writeln!(text, "{speed}\n").unwrap_or_default();
    text.push_str(&ledger(&report.nodes));
    let written = report.nodes.iter().filter(|node| node.counts.output > 0);
    let mut places = written.filter_map(|node| Some((&node.name, node.place.as_ref()?))).peekable();
    if places.peek().is_some() {
        text.push_str("\nLook at:\n");
    }
    for (name, place) in places {
        writeln!(text, "  {name:<18} {place}").unwrap_or_default();
    }
    text
}

/// The first rows of each sink of a dry run.
pub(crate) fn previews(sinks: &[(String, u64, Vec<String>)]) -> String {
    let mut text = String::new();
    for (name, total, rows) in sinks {
        match rows.len() as u64 {
            0 => writeln!(text, "\n{name}: no rows").unwrap_or_default(),
            shown if shown == *total => {
                writeln!(text, "\n{name}: {}", super::counted(*total, "row")).unwrap_or_default();
            }
            shown => writeln!(text, "\n{name}: the first {shown} of {} rows", count(*total)).unwrap_or_default(),
        }
        for row in rows {
            writeln!(text, "  {row}").unwrap_or_default();
        }
    }
    text
}

/// `1,234,567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!([0, 12, 999, 1000, 1_234_567].map(count), ["0", "12", "999", "1,000", "1,234,567"]);
    }
}

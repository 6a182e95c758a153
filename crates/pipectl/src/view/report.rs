//! Tables of a run.

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, Table, presets};
use pipectl_data::timestamp;
use pipectl_ir::report::{NodeReport, Outcome, PARTLY_LATE, RunReport};

/// A column of the table of nodes: its head, its number, and whether it is there without a number too.
type Column = (&'static str, fn(&NodeReport) -> u64, bool);

/// What becomes of the records of a node. Each row adds up: what comes in goes out, is left out, or is still there; a node
/// with windows takes in what it has aggregated or holds, and what goes out are its results.
const COLUMNS: [Column; 8] = [
    ("in", |node| node.counts.input, true),
    ("out", |node| node.counts.output, true),
    ("filtered", |node| node.counts.filtered, true),
    ("dead-lettered", |node| node.counts.all_dead_lettered(), true),
    ("dropped late", |node| node.counts.dropped_late, false),
    ("aggregated", |node| node.counts.absorbed - node.counts.held(), false),
    ("held", |node| node.counts.held(), false),
    ("in flight", |node| node.counts.in_flight(node.stateful), true),
];

/// A row for each node: what came in, what went where.
pub(crate) fn ledger(nodes: &[NodeReport]) -> String {
    let used = |(_, number, always): &&Column| *always || nodes.iter().any(|node| number(node) > 0);
    let columns: Vec<&Column> = COLUMNS.iter().filter(used).collect();
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["node", ""].into_iter().chain(columns.iter().map(|(head, ..)| *head)));
    for node in nodes {
        let what = if node.role == node.kind { node.role.clone() } else { format!("{} {}", node.role, node.kind) };
        let texts = [Cell::new(&node.name), Cell::new(what)];
        let numbers = columns.iter().map(|(_, number, _)| count(number(node)));
        let numbers = numbers.map(|number| Cell::new(number).set_alignment(CellAlignment::Right));
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
    let read = report.new_records();
    let lost = report.new_dead_letters() + report.new_dropped() + report.new_partly_late();
    let ended = match (report.outcome, lost) {
        (Outcome::Finished, 0) => "finished: all input is read and everything is delivered".to_owned(),
        (Outcome::Finished, lost) => {
            format!("finished: all input is read; not delivered: {}", super::counted(lost, "record"))
        }
        (Outcome::Stopped, 0) => {
            "stopped: everything in flight is written; the next apply continues from here".to_owned()
        }
        (Outcome::Stopped, lost) => format!(
            "stopped: everything in flight is written, not delivered: {}; the next apply continues from here",
            super::counted(lost, "record")
        ),
    };
    writeln!(text, "\n{} {ended}", report.pipeline).unwrap_or_default();
    if let Some(checkpoint) = report.resumed_from {
        let all: u64 = report.nodes.iter().map(|node| node.before.input).max().unwrap_or(0);
        let rest = if all > 0 { "; the table counts all runs" } else { "" };
        let read = super::counted(read, "record");
        writeln!(text, "{read} in {seconds:.1} s in this run, which continued from checkpoint {checkpoint}{rest}\n")
    } else {
        let rate = if seconds > 0.0 { read as f64 / seconds } else { 0.0 };
        writeln!(text, "{} in {seconds:.1} s ({} a second)\n", super::counted(read, "record"), count(rate as u64))
    }
    .unwrap_or_default();
    text.push_str(&ledger(&report.nodes));
    text.push_str(&checkpoints(report));
    text.push_str(&not_delivered(report));
    let written = report.nodes.iter().filter(|node| node.counts.output > 0);
    let mut places = written.filter_map(|node| Some((&node.name, node.place.as_ref()?))).peekable();
    if places.peek().is_some() {
        text.push_str("\nOutput:\n");
    }
    for (name, place) in places {
        writeln!(text, "  {name:<18} {place}").unwrap_or_default();
    }
    text
}

/// The checkpoints of this run and how far event time came, where there are any.
fn checkpoints(report: &RunReport) -> String {
    let all = || report.regions.iter().filter_map(|region| region.checkpoints.as_ref());
    let number: u64 = all().map(|checkpoints| checkpoints.durations.count()).sum();
    if number == 0 {
        return String::new();
    }
    let took = all().filter_map(|checkpoints| checkpoints.last_duration_us).max().unwrap_or(0);
    let bytes: u64 = all().filter_map(|checkpoints| checkpoints.last_bytes).sum();
    let (number, bytes) = (super::counted(number, "checkpoint"), count(bytes));
    let mut text = format!("\n{number}; the last took {} ms, {bytes} bytes of state", took / 1_000);
    if let Some(watermark) = report.nodes.iter().filter_map(|node| node.metrics.watermark_us).max() {
        write!(text, "; watermark {}", timestamp::format(watermark)).unwrap_or_default();
    }
    text + "\n"
}

/// What this run did not deliver, by node and reason.
fn not_delivered(report: &RunReport) -> String {
    let mut text = String::new();
    for node in &report.nodes {
        for (code, number) in node.new_reasons() {
            let number = count(number);
            writeln!(text, "  {:<18} {number:>9}  {code}: {}", node.name, meaning(code)).unwrap_or_default();
        }
    }
    if text.is_empty() { text } else { format!("\nNot delivered:\n{text}") }
}

/// What a code of a dead letter stands for.
fn meaning(code: &str) -> &'static str {
    match code {
        "late" => {
            "the watermark had passed them or their windows; a longer `lateness`, or `at_end: keep` between runs, waits for \
             such records"
        }
        PARTLY_LATE => "some of their windows had closed; they count in the others",
        "decode" => "they do not fit the schema",
        "parse" => "they do not have the form that `parse` expects",
        "no_event_time" => "they have no event time",
        "too_far_ahead" => "their event time is beyond `max_ahead`",
        "cast" | "evaluate" => "an expression has no value for them",
        "source" => "the source could not read them as records",
        "function" => "the function failed at them, or returned what the node does not say",
        "sink_rejected" => "the sink refused them",
        _ => "the dead letters give the reason of each",
    }
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

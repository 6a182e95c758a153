//! What a person sees. Results go to standard output, everything else to standard error.

mod asking;
pub(crate) mod comparison;
mod live;
mod report;

pub(crate) use asking::Asking;
pub(crate) use live::{Live, Moment};
pub(crate) use report::{ledger, plain_table, previews, summary};

use std::io::Write as _;

use pipectl_diag::{Diagnostic, Diagnostics, Format, RenderOptions, SourceMap};
use pipectl_ir::{Dag, NodeKind};
use pipectl_runtime::RunError;

use crate::{cli::Global, exit::Exit, guarantee, input::Source};

/// Writes a result to standard output. A reader that has gone (`| head`) is fine.
pub(crate) fn print(text: &str) -> Exit {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Exit::Fine,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::Fine,
        Err(error) => {
            note(&format!("error: cannot write to standard output: {error}"));
            Exit::Outside
        }
    }
}

/// What was found, in a format.
pub(crate) fn render(source: &Source, format: Format, color: bool) -> String {
    pipectl_diag::render(&source.diagnostics, &source.map, format, RenderOptions { color, width: width() })
}

/// Shows what was found, on standard error.
pub(crate) fn diagnostics(source: &Source, global: &Global) {
    if !source.diagnostics.is_empty() {
        write_error(&render(source, Format::Text, global.color_on_stderr()));
    }
}

/// Shows one problem that has no place in a file.
pub(crate) fn problem(problem: Diagnostic, global: &Global) {
    let options = RenderOptions { color: global.color_on_stderr(), width: width() };
    write_error(&pipectl_diag::render(&Diagnostics::from(problem), &SourceMap::default(), Format::Text, options));
}

/// Shows why a run failed.
pub(crate) fn run_error(pipeline: &str, error: &RunError) {
    note(&format!("error: pipeline `{pipeline}`: {error}"));
    for line in &error.help {
        note(&format!("  = help: {line}"));
    }
}

/// Writes a line for people.
pub(crate) fn note(line: &str) {
    write_error(&format!("{line}\n"));
}

/// Writes to standard error, whether or not anybody can read it: a closed pipe or a full disk there must not end a run.
fn write_error(text: &str) {
    drop(std::io::stderr().lock().write_all(text.as_bytes()));
}

/// `1 record`, `2,000 records`.
pub(crate) fn counted(number: u64, word: &str) -> String {
    format!("{} {word}{}", report::count(number), if number == 1 { "" } else { "s" })
}

/// `sensor-lab: 1 source, 1 stream, 1 processor, 2 sinks: fine`, and what is not there exactly once.
pub(crate) fn verdict(dag: &Dag) -> String {
    let count = |matches: fn(&NodeKind) -> bool, word: &str| {
        let count = dag.nodes().filter(|(_, node)| matches(&node.kind)).count();
        counted(count as u64, word)
    };
    let weak = guarantee::weak_outputs(dag).map(|reported| format!("  {reported}\n"));
    let fine = format!(
        "{}: {}, {}, {}, {}: fine\n",
        dag.settings().pipeline,
        count(|kind| matches!(kind, NodeKind::Source(_)), "source"),
        count(|kind| matches!(kind, NodeKind::Stream(_)), "stream"),
        count(|kind| matches!(kind, NodeKind::Processor(_)), "processor"),
        count(|kind| matches!(kind, NodeKind::Sink(_)), "sink"),
    );
    fine + &weak.unwrap_or_default()
}

/// Width of the terminal; 120 where there is none.
fn width() -> usize {
    comfy_table::Table::new().width().map_or(120, usize::from).max(60)
}

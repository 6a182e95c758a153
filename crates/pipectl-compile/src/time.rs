//! Event time: what holds where the spec does not say it, and windows that would never close.

use pipectl_data::Micros;
use pipectl_diag::{Diagnostic, codes};
use pipectl_ir::{
    dag::{EventTime, Lateness},
    query::WindowAggregate,
};
use pipectl_spec::model::{AtEnd, ProcessorNode, TimeSpec};

use crate::nodes::micros;

/// How far records may be out of order where a live source brings them and the spec does not say.
const LATENESS: Micros = 5_000_000;

/// How far ahead of its arrival an event time may be where a live source brings it and the spec does not say.
const MAX_AHEAD: Micros = 24 * 3_600_000_000;

/// The event time of a stream; `at_rest` is whether all its records are there before the run, `of_windows` whether some are
/// results of windows, which are as far ahead of the clock as a window is long where it ends early.
pub(crate) fn event_time(spec: &TimeSpec, at_rest: bool, of_windows: bool) -> EventTime {
    EventTime {
        field: spec.field.text.clone(),
        lateness: match spec.lateness {
            Some(lateness) => Lateness::For(micros(lateness.0)),
            None if at_rest => Lateness::UntilTheEnd,
            None => Lateness::For(LATENESS),
        },
        max_ahead: spec.max_ahead.map(|ahead| micros(ahead.0)).or((!at_rest && !of_windows).then_some(MAX_AHEAD)),
    }
}

/// What the end of the input means for a processor with state: its windows, or the records that wait for the watermark.
/// `open` has no watermark before its input ends, `kept` before it keeps what it holds between runs.
pub(crate) fn at_end(
    processor: &ProcessorNode,
    window: Option<&WindowAggregate>,
    open: Option<&str>,
    kept: Option<&str>,
) -> Vec<Diagnostic> {
    let is_whole = window.is_some_and(|aggregate| aggregate.window.is_whole());
    let held = if window.is_some() { Held::Windows } else { Held::Records };
    let mut found = Vec::from_iter(kept_between_runs(processor, &held, open, is_whole));
    if let (Some(kept), Some(open), false) = (kept, open, is_whole) {
        found.push(never_closed(processor, &held, kept, open));
    }
    found
}

/// What a processor holds until the watermark comes.
enum Held {
    Windows,
    Records,
}

impl Held {
    /// That it holds it for ever.
    fn for_ever(&self, processor: &ProcessorNode) -> String {
        match self {
            Self::Windows => format!("the windows of `{}` never close", processor.name),
            Self::Records => format!("`{}` never processes the records that it holds", processor.name),
        }
    }
}

/// What stays between runs goes on by the watermark alone, so there must be one. `stream` has none before its input ends.
///
/// A query without a window has one over everything (`is_whole`), which closes at the end alone.
fn kept_between_runs(
    processor: &ProcessorNode,
    held: &Held,
    stream: Option<&str>,
    is_whole: bool,
) -> Option<Diagnostic> {
    if processor.at_end != AtEnd::Keep {
        return None;
    }
    if is_whole {
        return Some(
            Diagnostic::error(codes::schema::WINDOWS_NEVER_CLOSE, format!("`{}` never gives a result", processor.name))
                .at(&processor.path.key("at_end"), "open groups stay open when the input ends")
                .note("a query that groups without a window gives its result when the input ends")
                .help("remove `at_end`, or group by a window"),
        );
    }
    let stream = stream?;
    let (label, then) = match held {
        Held::Windows => {
            ("they stay open when the input ends", "windows then close when records are that much newer than their end")
        }
        Held::Records => {
            ("they are kept when the input ends", "a record is then processed when others are that much newer")
        }
    };
    let problem = Diagnostic::error(codes::schema::WINDOWS_NEVER_CLOSE, held.for_ever(processor))
        .at(&processor.path.key("at_end"), label)
        .note(format!(
            "`{stream}` reads from files and has no `lateness`, so it has no watermark before its \
             input ends"
        ))
        .help(format!("set a `lateness` in the `time` of `{stream}`, as in `lateness: 1h`: {then}"));
    Some(problem)
}

/// What comes after something that is kept between runs: no end of the input reaches it, so there must be a watermark. `open`
/// has none.
fn never_closed(processor: &ProcessorNode, held: &Held, kept: &str, open: &str) -> Diagnostic {
    Diagnostic::error(codes::schema::WINDOWS_NEVER_CLOSE, held.for_ever(processor))
        .at_key(&processor.path, "their input has no end and no watermark")
        .note(format!("`{kept}` before it has `at_end: keep`, and the event time of `{open}` has no `lateness`"))
        .help(format!(
            "give `{open}` a `lateness` in its `time`, as in `lateness: 1h`, or leave out `at_end` of `{kept}`"
        ))
}

//! Event time: what holds where the spec does not say it, and windows that would never close.

use pipectl_data::Micros;
use pipectl_diag::{Diagnostic, codes};
use pipectl_ir::dag::{EventTime, Lateness};
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

/// Windows that stay open between runs close by the watermark alone, so there must be one. `stream` has none before its
/// input ends.
///
/// A query without a window has one over everything (`is_whole`), which closes at the end alone.
pub(crate) fn kept_windows(processor: &ProcessorNode, stream: Option<&str>, is_whole: bool) -> Option<Diagnostic> {
    if processor.at_end != AtEnd::Keep {
        return None;
    }
    let title = format!("the windows of `{}` never close", processor.name);
    if is_whole {
        return Some(
            Diagnostic::error(codes::schema::WINDOWS_NEVER_CLOSE, format!("`{}` never gives a result", processor.name))
                .at(&processor.path.key("at_end"), "open groups stay open when the input ends")
                .note("a query that groups without a window gives its result when the input ends")
                .help("remove `at_end`, or group by a window"),
        );
    }
    let stream = stream?;
    let problem = Diagnostic::error(codes::schema::WINDOWS_NEVER_CLOSE, title)
        .at(&processor.path.key("at_end"), "they stay open when the input ends")
        .note(format!(
            "`{stream}` reads from files and has no `lateness`, so it has no watermark before its \
             input ends"
        ))
        .help(format!(
            "set a `lateness` in the `time` of `{stream}`, as in `lateness: 1h`: windows then close when records are \
             that much newer than their end"
        ));
    Some(problem)
}

/// Windows after some that stay open between runs: no end of the input closes them, so there must be a watermark. `open` has
/// none.
pub(crate) fn never_closed(processor: &ProcessorNode, kept: &str, open: &str) -> Diagnostic {
    let title = format!("the windows of `{}` never close", processor.name);
    Diagnostic::error(codes::schema::WINDOWS_NEVER_CLOSE, title)
        .at_key(&processor.path, "their input has no end and no watermark")
        .note(format!("`{kept}` before it has `at_end: keep`, and the event time of `{open}` has no `lateness`"))
        .help(format!(
            "give `{open}` a `lateness` in its `time`, as in `lateness: 1h`, or leave out `at_end` of `{kept}`"
        ))
}

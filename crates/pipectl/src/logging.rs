//! Log lines: to standard error, level by `PIPECTL_LOG`, text or JSON.

use std::{
    io::{self, Write},
    sync::Mutex,
};

use indicatif::MultiProgress;
use pipectl_host::Host;
use tracing_subscriber::{EnvFilter, fmt};

use crate::cli::{Global, LogFormat};

/// The lines that change in place on standard error, if there are any: a log line must come above them.
static LIVE: Mutex<Option<MultiProgress>> = Mutex::new(None);

/// Log lines come above these lines from now on; with `None`, nothing is in their way.
pub(crate) fn beside(live: Option<MultiProgress>) {
    *LIVE.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = live;
}

/// Standard error, beside the lines that change in place. The subscriber writes a whole line at once. A line that cannot be
/// written is lost: a closed pipe or a full disk must not end a run, and there is no place to report it.
struct Beside;

impl Write for Beside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let live = LIVE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let write = || drop(io::stderr().write_all(bytes));
        match &*live {
            Some(live) => live.suspend(write),
            None => write(),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is logged unless `PIPECTL_LOG` says otherwise. The official clients of the backends call an error what pipectl
/// expects (a stream that is not there yet) or retries; where it matters, pipectl reports it in its own words.
const DEFAULT: &str = "off,pipectl=info";

/// Starts logging. A filter that cannot be read is reported once logging runs, and the default stands in for it.
pub(crate) fn start(global: &Global) {
    let given = Host::real().variable("PIPECTL_LOG").unwrap_or_default();
    let parsed = EnvFilter::builder().parse(if given.is_empty() { DEFAULT } else { &given });
    let (filter, problem) = match parsed {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(DEFAULT), Some(error.to_string())),
    };
    let builder = fmt().with_env_filter(filter).with_writer(|| Beside).with_target(false).log_internal_errors(false);
    let started = match global.log_format {
        LogFormat::Text => builder.with_ansi(global.color_on_stderr()).compact().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if let (Ok(()), Some(problem)) = (started, problem) {
        tracing::warn!(
            "PIPECTL_LOG=`{given}` is not a log filter ({problem}); write a level such as `debug`, or `pipectl_runtime=debug`"
        );
    }
}

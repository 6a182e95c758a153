//! Log lines: to standard error, level by `PIPECTL_LOG`, text or JSON.

use pipectl_host::Host;
use tracing_subscriber::{EnvFilter, fmt};

use crate::cli::{Global, LogFormat};

/// Starts logging. A filter that cannot be read is reported once logging runs, and `info` stands in for it.
pub(crate) fn start(global: &Global) {
    let given = Host::real().variable("PIPECTL_LOG").unwrap_or_default();
    let parsed = EnvFilter::builder().parse(if given.is_empty() { "info" } else { &given });
    let (filter, problem) = match parsed {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(error.to_string())),
    };
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
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

//! Looks through every log line of the process for secrets. Lines are searched as they come and not kept, so that the
//! chattiest level of every library can be listened to; only pipectl's own warnings are, and whoever fixes a case may
//! have all of its lines written down.

use std::{
    fmt::{self, Write as _},
    fs::File,
    io::Write as _,
    path::Path,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use pipectl_host::Host;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// What is looked for, and what was found.
#[derive(Default)]
struct Watched {
    secrets: Vec<String>,
    leaks: Vec<String>,
    warnings: Vec<String>,
}

static WATCHED: Mutex<Watched> = Mutex::new(Watched { secrets: Vec::new(), leaks: Vec::new(), warnings: Vec::new() });
static LINES: AtomicU64 = AtomicU64::new(0);
static DIARY: Mutex<Option<(File, Host)>> = Mutex::new(None);

fn watched() -> MutexGuard<'static, Watched> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins to watch for these secrets. Fails if something else listens to the log already.
pub(crate) fn begin(secrets: &[String]) -> Result<(), String> {
    static INSTALLED: Mutex<Option<bool>> = Mutex::new(None);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    let works = *installed.get_or_insert_with(|| {
        // The bridge of the `log` crate is a second way to the same lines.
        let bridged = log::set_logger(&LogWatch).is_ok();
        log::set_max_level(log::LevelFilter::Trace);
        tracing::subscriber::set_global_default(TracingWatch::default()).is_ok() && bridged
    });
    let mut watched = watched();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        if !watched.secrets.contains(secret) {
            watched.secrets.push(secret.clone());
        }
    }
    if works { Ok(()) } else { Err("something else listens to the log of this process".to_owned()) }
}

/// From now on the lines of pipectl's own crates go to a file, each with the time since the last midnight (UTC) in
/// seconds.
pub(crate) fn write_down(path: &Path, host: &Host) -> std::io::Result<()> {
    *DIARY.lock().unwrap_or_else(PoisonError::into_inner) = Some((File::create(path)?, host.clone()));
    Ok(())
}

fn note(metadata: &Metadata<'_>, line: &str) {
    if metadata.target().starts_with("pipectl")
        && let Some((file, host)) = &mut *DIARY.lock().unwrap_or_else(PoisonError::into_inner)
    {
        let millis = host.now() / 1_000 % 86_400_000;
        // A diary that cannot be written is no reason to fail a backend.
        let _lost = writeln!(file, "{:9}.{:03} {line}", millis / 1_000, millis % 1_000);
    }
}

/// Logs a made-up secret in both ways that there are, and answers in how many lines it was found: 2 if the watch works.
pub(crate) fn try_out() -> Result<usize, String> {
    static TRIED: AtomicU64 = AtomicU64::new(0);
    // Another one each time, since what was found is kept; its end marks it off from those that begin alike.
    let canary = format!("canary-{}-", TRIED.fetch_add(1, Ordering::Relaxed));
    begin(std::slice::from_ref(&canary))?;
    tracing::trace!(password = canary, "a canary");
    log::trace!("a canary: {canary}");
    Ok(leaks(std::slice::from_ref(&canary)).len())
}

/// The lines in which one of these secrets was found, with the secret taken out.
pub(crate) fn leaks(secrets: &[String]) -> Vec<String> {
    let watched = watched();
    let leaks = watched.leaks.iter().filter(|line| secrets.iter().any(|secret| line.contains(secret.as_str())));
    leaks.map(|line| hide(line, secrets)).collect()
}

/// Whether one of pipectl's own warnings speaks of `what`.
pub(crate) fn warned_of(what: &str) -> bool {
    watched().warnings.iter().any(|line| line.contains(what))
}

/// How many lines were searched so far.
pub(crate) fn lines() -> u64 {
    LINES.load(Ordering::Relaxed)
}

/// A line without the secrets.
pub(crate) fn hide(line: &str, secrets: &[String]) -> String {
    secrets.iter().fold(line.to_owned(), |line, secret| line.replace(secret.as_str(), "<a secret!>"))
}

fn search(line: &str) {
    LINES.fetch_add(1, Ordering::Relaxed);
    let mut watched = watched();
    if watched.secrets.iter().any(|secret| line.contains(secret.as_str())) && watched.leaks.len() < 1_000 {
        watched.leaks.push(line.to_owned());
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a text cannot fail.
        let _infallible = write!(self.0, " {field}={value:?}");
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _infallible = write!(self.0, " {field}={value}");
    }
}

#[derive(Default)]
struct TracingWatch {
    spans: AtomicU64,
}

impl Subscriber for TracingWatch {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let mut line = Line(format!("{} {}", attributes.metadata().target(), attributes.metadata().name()));
        attributes.record(&mut line);
        search(&line.0);
        span::Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _span: &span::Id, values: &span::Record<'_>) {
        let mut line = Line(String::new());
        values.record(&mut line);
        search(&line.0);
    }

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().target().to_owned());
        event.record(&mut line);
        note(event.metadata(), &line.0);
        if *event.metadata().level() == tracing::Level::WARN && event.metadata().target().starts_with("pipectl") {
            watched().warnings.push(line.0.clone());
        }
        search(&line.0);
    }

    fn enter(&self, _span: &span::Id) {}

    fn exit(&self, _span: &span::Id) {}
}

struct LogWatch;

impl log::Log for LogWatch {
    fn enabled(&self, _metadata: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        search(&format!("{} {}", record.target(), record.args()));
    }

    fn flush(&self) {}
}

//! A broker that lives in the process: streams by name, and faults for tests to switch on.

pub(crate) mod group;
pub(crate) mod log;
pub(crate) mod stream;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable};
use pipectl_contract::{ConnectorError, ErrorKind};
use pipectl_host::Host;
use tokio::sync::watch;

use self::stream::Stream;

static NAMED: Mutex<BTreeMap<String, Broker>> = Mutex::new(BTreeMap::new());

/// An in-memory broker. Cheap to clone; all clones are the same broker, which lives as long as one of them does (a named
/// one: as long as the process).
#[derive(Debug, Clone, Default)]
pub struct Broker {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    streams: Mutex<BTreeMap<String, Arc<Cell>>>,
    faults: Mutex<Faults>,
}

#[derive(Debug, Default)]
struct Faults {
    down: bool,
    every: u32,
    times: u32,
    asked: u32,
}

/// A stream with a bell that rings when something has changed.
#[derive(Debug)]
pub(crate) struct Cell {
    stream: Mutex<Stream>,
    changed: watch::Sender<u64>,
}

impl Cell {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream: Mutex::new(stream), changed: watch::Sender::new(0) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Stream> {
        lock(&self.stream)
    }

    pub(crate) fn ring(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    pub(crate) fn listen(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

/// Nothing here is left half done by a panic, so a poisoned lock is as good as any.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Broker {
    /// A broker that nobody else can find.
    pub fn new() -> Self {
        Self::default()
    }

    /// The broker of this name, made if there is none yet.
    pub fn named(name: &str) -> Self {
        lock(&NAMED).entry(name.to_owned()).or_default().clone()
    }

    /// For tests: while it is down, everything that is asked of it waits, and what waits too long is refused. What it
    /// holds stays.
    pub fn set_down(&self, down: bool) {
        lock(&self.inner.faults).down = down;
    }

    /// For tests: refuses every `every`-th record that is written, `times` times in all, as a busy service does.
    pub fn throttle(&self, every: u32, times: u32) {
        let mut faults = lock(&self.inner.faults);
        (faults.every, faults.times, faults.asked) = (every, times, 0);
    }

    /// For tests: how often it is still going to refuse a record.
    pub fn refusals_left(&self) -> u32 {
        lock(&self.inner.faults).times
    }

    pub(crate) fn streams(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Cell>>> {
        lock(&self.inner.streams)
    }

    /// Whether it is down.
    pub fn is_down(&self) -> bool {
        lock(&self.inner.faults).down
    }

    /// Whether the broker takes one more record right now.
    pub(crate) fn admit_record(&self) -> Result<(), ConnectorError> {
        let mut faults = lock(&self.inner.faults);
        if faults.down {
            return Err(down());
        }
        faults.asked = faults.asked.wrapping_add(1);
        if faults.times > 0 && faults.asked.is_multiple_of(faults.every.max(1)) {
            faults.times -= 1;
            return Err(ConnectorError::new(
                ErrorKind::Throttled,
                "the memory broker accepts no more records right now",
            ));
        }
        Ok(())
    }

    /// Waits while the broker is down.
    pub(crate) async fn reach(&self, host: &Host) -> Result<(), ConnectorError> {
        retry(host, || if self.is_down() { Err(down()) } else { Ok(()) }).await
    }
}

fn down() -> ConnectorError {
    ConnectorError::new(ErrorKind::Unavailable, "the memory broker is down")
}

/// Tries until it works, cannot work or has taken about half a minute.
pub(crate) async fn retry<T>(
    host: &Host,
    mut attempt: impl FnMut() -> Result<T, ConnectorError>,
) -> Result<T, ConnectorError> {
    let pauses = ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(10))
        .with_max_delay(Duration::from_secs(1))
        .with_total_delay(Some(Duration::from_secs(30)))
        .without_max_times();
    let host = host.clone();
    (|| std::future::ready(attempt()))
        .retry(pauses)
        .sleep(move |pause| {
            let host = host.clone();
            async move { host.sleep(pause).await }
        })
        .when(ConnectorError::is_retryable)
        .await
}

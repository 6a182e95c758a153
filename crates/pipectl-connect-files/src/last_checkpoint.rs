//! The checkpoint that a source waits for before it ends the run with an error: what was read before must not be read
//! again, or, from a pipe, be lost.

use std::time::Duration;

use pipectl_contract::Read;
use pipectl_data::Micros;
use pipectl_host::Host;

/// How long to wait, in microseconds.
const PATIENCE: Micros = 10_000_000;

/// A checkpoint that is waited for.
#[derive(Debug)]
pub(crate) struct LastCheckpoint {
    is_there: bool,
    until: Micros,
}

impl LastCheckpoint {
    /// One that is wanted from now on.
    pub(crate) fn new(host: &Host) -> Self {
        Self { is_there: false, until: host.now().saturating_add(PATIENCE) }
    }

    /// Whether it is still wanted.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.is_there
    }

    /// It is durable.
    pub(crate) fn committed(&mut self) {
        self.is_there = true;
    }

    /// What the source answers meanwhile; `None` once the waiting is over.
    pub(crate) async fn wait(&self, host: &Host) -> Option<Read> {
        if self.is_there || host.now() >= self.until {
            return None;
        }
        host.sleep(Duration::from_millis(100)).await;
        Some(Read::Quiet)
    }
}

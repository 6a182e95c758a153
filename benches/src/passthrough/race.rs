//! Somebody works while somebody looks on: each must know when the other has come to an end.

use std::{
    sync::atomic::{AtomicU8, Ordering},
    thread,
    time::{Duration, Instant},
};

/// How long the onlooker waits for all records.
const PATIENCE: Duration = Duration::from_mins(3);

const BUSY: u8 = 0;
const SEEN: u8 = 1;
const FAILED: u8 = 2;

/// How a race stands.
pub(super) struct Until {
    state: AtomicU8,
    began: Instant,
}

impl Until {
    /// Whether the onlooker has seen enough, or given up.
    pub(super) fn is_over(&self) -> bool {
        self.state.load(Ordering::SeqCst) != BUSY
    }

    /// An error, with these words, when there is nothing to be waited for any more.
    pub(super) fn check(&self, what: &str) -> Result<(), String> {
        let waited = self.began.elapsed();
        let is_vain = self.state.load(Ordering::SeqCst) == FAILED || waited > PATIENCE;
        if is_vain { Err(format!("{what} after {} seconds", waited.as_secs())) } else { Ok(()) }
    }

    /// The same of records that appear.
    pub(super) fn check_seen(&self, seen: u64, wanted: u64) -> Result<(), String> {
        self.check(&format!("only {seen} of {wanted} records are there"))
    }
}

/// Runs both to their end and answers what the onlooker says, or why the first of them failed that did.
pub(super) fn race(
    work: impl FnOnce(&Until) -> Result<(), String> + Send,
    look: impl FnOnce(&Until) -> Result<f64, String>,
) -> Result<f64, String> {
    let until = Until { state: AtomicU8::new(BUSY), began: Instant::now() };
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let worked = work(&until);
            if worked.is_err() {
                until.state.store(FAILED, Ordering::SeqCst);
            }
            worked
        });
        let looked = look(&until);
        // What has failed stays failed.
        let is_first = until.state.compare_exchange(BUSY, SEEN, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        let worked = worker.join().map_err(|_| "the worker panicked".to_owned())?;
        if is_first && looked.is_err() {
            return looked;
        }
        worked.and(looked)
    })
}

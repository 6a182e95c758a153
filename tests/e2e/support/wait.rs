//! Waiting for a condition, with a bound instead of a sleep.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How often to look.
const STEP: Duration = Duration::from_millis(5);

/// Asks until there is an answer.
///
/// # Panics
/// If none comes within `bound`: then `what` is what was waited for.
pub(crate) fn until<T>(what: &str, bound: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < bound, "waited {bound:?} in vain for {what}");
        thread::sleep(STEP);
    }
}

/// Lets time pass: for moments that are random on purpose, and for the pace of generated load. Never to wait for
/// something to have happened.
pub(crate) fn pass(time: Duration) {
    thread::sleep(time);
}

//! Signals against work that waits for somebody else: the one place where the two race. Without it a command that asks a
//! service which does not answer could be ended by `kill -9` only.

use std::time::Duration;

use pipectl_host::{Host, Interrupts, Micros};

use crate::{exit::Exit, view};

/// How long a goodbye may take that nobody waits for any more: a stream to remove, a right to give up.
pub(crate) const GOODBYE: Duration = Duration::from_secs(2);

/// Signals within this time of the first one are the same request: `timeout`, a shell's process group and a terminal send
/// one each, to the process and to its group. In microseconds.
const SAME_REQUEST: Micros = 500_000;

/// The requests to stop, from the first phase of a command to its last.
pub(crate) struct Signals {
    interrupts: Interrupts,
    host: Host,
    first: Option<Micros>,
}

impl Signals {
    fn new(interrupts: Interrupts) -> Self {
        Self { interrupts, host: Host::real(), first: None }
    }

    /// Waits for the next request and returns the name of its signal. Cancel-safe.
    pub(crate) async fn next(&mut self) -> &'static str {
        loop {
            let signal = self.interrupts.next().await;
            if is_new_request(&mut self.first, self.host.now()) {
                return signal;
            }
        }
    }

    /// Does the work, unless a signal comes first; its name is the error then.
    ///
    /// The work is left lying as it is: a client that is dropped says goodbye first, to somebody who does not answer, and
    /// the process is about to end.
    pub(crate) async fn race<T>(&mut self, work: impl Future<Output = T>) -> Result<T, &'static str> {
        let mut work = Box::pin(work);
        let signal = tokio::select! {
            biased;
            signal = self.next() => signal,
            done = &mut work => return Ok(done),
        };
        std::mem::forget(work);
        Err(signal)
    }

    /// Does the work unless a signal comes first or it takes longer than `limit`; answers whether it was done.
    pub(crate) async fn race_within(&mut self, limit: Duration, work: impl Future<Output = ()>) -> bool {
        let mut work = Box::pin(work);
        let host = Host::real();
        let done = tokio::select! {
            biased;
            _ = self.next() => false,
            () = host.sleep(limit) => false,
            () = &mut work => true,
        };
        if !done {
            std::mem::forget(work);
        }
        done
    }
}

/// Runs a command on threads of the real machine with its signals listened to from the start; `None` is a thread for each
/// core.
pub(crate) fn run(threads: Option<usize>, work: impl AsyncFnOnce(&mut Signals) -> Exit) -> Exit {
    let exit = pipectl_host::run(threads, async {
        match Interrupts::listen() {
            Ok(interrupts) => work(&mut Signals::new(interrupts)).await,
            Err(error) => {
                view::note(&format!("error: cannot listen for signals: {error}"));
                Exit::Outside
            }
        }
    });
    exit.unwrap_or_else(|error| {
        view::note(&format!("error: cannot start threads: {error}"));
        Exit::Outside
    })
}

/// Runs work that leaves nothing half done, so that a signal needs no more than a line.
pub(crate) fn run_plain(work: impl Future<Output = Exit>) -> Exit {
    run(None, async |signals| match signals.race(work).await {
        Ok(exit) => exit,
        Err(signal) => {
            view::note(&format!("{signal}: ended before a response arrived"));
            Exit::Interrupted
        }
    })
}

/// Whether a signal that arrives now is another request than the first one. Later ones all are: who sends a third signal
/// wants an end.
fn is_new_request(first: &mut Option<Micros>, now: Micros) -> bool {
    let is_new = first.is_none_or(|first| now.saturating_sub(first) >= SAME_REQUEST);
    first.get_or_insert(now);
    is_new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_that_follow_at_once_are_one_request() {
        let mut first = None;
        let requests = [10, 20, 500_009, 500_010, 500_020].map(|now| is_new_request(&mut first, now));
        assert_eq!(requests, [true, false, false, true, true]);
    }
}

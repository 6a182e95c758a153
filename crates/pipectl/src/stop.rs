//! Signals against work that waits for somebody else: the one place where the two race. Without it a command that asks a
//! service which does not answer could be ended by `kill -9` only.

use std::time::Duration;

use pipectl_host::{Host, Interrupts};

use crate::{exit::Exit, view};

/// How long a goodbye may take that nobody waits for any more: a stream to remove, a right to give up.
pub(crate) const GOODBYE: Duration = Duration::from_secs(2);

/// The wishes to stop, heard from the first phase of a command to its last.
pub(crate) struct Signals(Interrupts);

impl Signals {
    /// Waits for the next signal and returns its name.
    pub(crate) async fn next(&mut self) -> &'static str {
        self.0.next().await
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
            Ok(interrupts) => work(&mut Signals(interrupts)).await,
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
            view::note(&format!("{signal}: ended before there was an answer"));
            Exit::Interrupted
        }
    })
}

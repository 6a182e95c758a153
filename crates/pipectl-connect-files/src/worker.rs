//! Blocking work that survives being waited for by nobody.
//!
//! The runtime drops the future of `next` when a checkpoint is due. What was being read then must not be lost, so the
//! work's future is kept here, and the next call waits for its end instead of starting another.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

use pipectl_contract::{ConnectorError, ErrorKind};
use pipectl_host::Host;

type Busy<S, R> = Pin<Box<dyn Future<Output = (S, R)> + Send>>;

/// State that is worked on where blocking is allowed, one piece of work at a time.
pub(crate) struct Worker<S, R> {
    host: Host,
    idle: Option<S>,
    busy: Option<Busy<S, R>>,
    /// The result of work that ended before anybody waited for it.
    done: Option<R>,
}

impl<S: Send + 'static, R: Send + 'static> Worker<S, R> {
    pub(crate) fn new(host: Host, state: S) -> Self {
        Self { host, idle: Some(state), busy: None, done: None }
    }

    /// Runs `work`, or finishes what an earlier call started and nobody waited for. Cancel-safe.
    pub(crate) async fn run(&mut self, work: impl FnOnce(&mut S) -> R + Send + 'static) -> Result<R, ConnectorError> {
        self.begin(work);
        let gone = || ConnectorError::new(ErrorKind::Internal, "used again after its work had panicked");
        self.settle().await.ok_or_else(gone)
    }

    /// Starts `work` and leaves its result to the next [`Worker::run`], so that it goes on beside what the caller does.
    pub(crate) fn ahead(&mut self, work: impl FnOnce(&mut S) -> R + Send + 'static) {
        self.begin(work);
        // Asked once, the work starts; whoever waits later gives a waker that counts.
        if let Some(busy) = &mut self.busy
            && let Poll::Ready(ended) = busy.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        {
            let result = self.end(ended);
            self.done = Some(result);
        }
    }

    /// Waits for what an earlier call started and nobody waited for.
    pub(crate) async fn settle(&mut self) -> Option<R> {
        if let Some(result) = self.done.take() {
            return Some(result);
        }
        let ended = self.busy.as_mut()?.as_mut().await;
        Some(self.end(ended))
    }

    fn begin(&mut self, work: impl FnOnce(&mut S) -> R + Send + 'static) {
        if self.done.is_some() {
            return;
        }
        if let Some(mut state) = self.idle.take() {
            let host = self.host.clone();
            self.busy = Some(Box::pin(async move {
                host.blocking(move || {
                    let result = work(&mut state);
                    (state, result)
                })
                .await
            }));
        }
    }

    fn end(&mut self, (state, result): (S, R)) -> R {
        self.busy = None;
        self.idle = Some(state);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn count(host: Host) -> Vec<u32> {
        let mut worker = Worker::new(host, 0_u32);
        let next = |state: &mut u32| {
            *state += 1;
            *state
        };
        let mut seen = Vec::new();
        for round in 0..6 {
            seen.push(worker.run(next).await.expect("runs"));
            if round % 2 == 0 {
                worker.ahead(next);
                // Asked again, nothing more is started.
                worker.ahead(next);
            }
        }
        seen
    }

    #[test]
    fn work_ahead_is_done_once_and_in_order() {
        let simulated = pipectl_host::simulate(async { count(Host::simulated(1, 0)).await });
        assert_eq!(simulated.expect("runs"), [1, 2, 3, 4, 5, 6]);
        let real = pipectl_host::run(Some(1), async { count(Host::real()).await });
        assert_eq!(real.expect("runs"), [1, 2, 3, 4, 5, 6]);
    }
}

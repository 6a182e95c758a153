//! Blocking work that survives being waited for by nobody.
//!
//! The runtime drops the future of `next` when a checkpoint is due. What was being read then must not be lost, so the
//! work's future is kept here, and the next call waits for its end instead of starting another.

use std::pin::Pin;

use pipectl_contract::{ConnectorError, ErrorKind};
use pipectl_host::Host;

type Busy<S, R> = Pin<Box<dyn Future<Output = (S, R)> + Send>>;

/// State that is worked on where blocking is allowed, one piece of work at a time.
pub(crate) struct Worker<S, R> {
    host: Host,
    idle: Option<S>,
    busy: Option<Busy<S, R>>,
}

impl<S: Send + 'static, R: Send + 'static> Worker<S, R> {
    pub(crate) fn new(host: Host, state: S) -> Self {
        Self { host, idle: Some(state), busy: None }
    }

    /// Runs `work`, or finishes what an earlier call started and nobody waited for. Cancel-safe.
    pub(crate) async fn run(&mut self, work: impl FnOnce(&mut S) -> R + Send + 'static) -> Result<R, ConnectorError> {
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
        let gone = || ConnectorError::new(ErrorKind::Internal, "used again after its work had panicked");
        self.settle().await.ok_or_else(gone)
    }

    /// Waits for what an earlier call started and nobody waited for.
    pub(crate) async fn settle(&mut self) -> Option<R> {
        let (state, result) = self.busy.as_mut()?.as_mut().await;
        self.busy = None;
        self.idle = Some(state);
        Some(result)
    }
}

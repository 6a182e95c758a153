//! Retries of what an outside system refused for now.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use pipectl_contract::ConnectorError;
use pipectl_host::Host;

use crate::error::RunError;

/// The pauses between the tries of one call: they double from 0.1 s to 30 s, about five minutes in all; a pause that
/// the service asked for is kept.
pub(crate) struct Retry(ExponentialBackoff);

impl Retry {
    /// For a new call.
    pub(crate) fn new() -> Self {
        let builder = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(30))
            .with_max_times(18);
        Self(builder.build())
    }

    /// Waits before the next try, or gives the error back if another try cannot help.
    pub(crate) async fn after(&mut self, error: ConnectorError, host: &Host, node: &str) -> Result<(), RunError> {
        let pause = if error.is_retryable() { self.0.next() } else { None };
        let Some(pause) = pause else { return Err(RunError::connector(node, &error)) };
        let pause = error.retry_after.unwrap_or(pause);
        tracing::warn!(node, ?pause, "{error}; trying again");
        host.note_retry();
        host.sleep(pause).await;
        Ok(())
    }
}

/// Evaluates a call of a sink's writer until it succeeds or cannot, or once if the task makes no call again. A macro because the call borrows the writer anew
/// for each try, which a closure could not do across an await.
macro_rules! retrying {
    ($task:expr, $call:expr) => {{
        let mut retry = $crate::retry::Retry::new();
        loop {
            match $call.await {
                Ok(value) => break value,
                Err(error) if !$task.again => Err($crate::RunError::connector(&$task.name, &error))?,
                Err(error) => {
                    retry.after(error, &$task.host, &$task.name).await?;
                    $task.counts.meters().retried($task.node);
                }
            }
        }
    }};
}
pub(crate) use retrying;

#[cfg(test)]
mod tests {
    use pipectl_contract::ErrorKind;

    use super::*;

    #[test]
    fn a_pause_that_the_service_asks_for_is_kept_and_what_cannot_help_is_not_tried() {
        pipectl_host::simulate(async {
            let host = Host::simulated(1, 0);
            let throttled = |after| {
                let error = ConnectorError::new(ErrorKind::Throttled, "too fast");
                ConnectorError { retry_after: after, ..error }
            };
            let mut retry = Retry::new();
            retry.after(throttled(Some(Duration::from_secs(7))), &host, "n").await.unwrap();
            // The simulated clock goes on in steps of a millisecond.
            assert_eq!(host.now() / 10_000, 700);
            retry.after(throttled(None), &host, "n").await.unwrap();
            assert_eq!(host.now() / 10_000, 720, "the second of its own pauses");
            let mut tries = 2;
            while retry.after(throttled(None), &host, "n").await.is_ok() {
                tries += 1;
            }
            assert_eq!((tries, host.retries()), (18, 18));
            assert!(host.now() > 300_000_000, "about five minutes in all");
            let refused = ConnectorError::new(ErrorKind::Denied, "no");
            assert!(Retry::new().after(refused, &host, "n").await.is_err());
        })
        .unwrap();
    }
}

//! Requests that the service refuses for a moment are repeated with growing pauses, on the host's clock.

use std::{future::Future, time::Duration};

use backon::{BackoffBuilder, ExponentialBuilder};
use futures::{FutureExt, pin_mut, select_biased};
use pipectl_contract::ErrorKind;
use pipectl_host::Host;

use crate::{error::Failure, options::Retry};

/// The pauses of one request.
pub(crate) struct Pauses {
    host: Host,
    growing: backon::ExponentialBackoff,
    retry: Retry,
    until: pipectl_host::Micros,
    /// Why the try before failed.
    before: Option<Failure>,
}

impl Pauses {
    pub(crate) fn new(host: &Host, retry: Retry) -> Self {
        let until = host.now().saturating_add(retry.bound.0.as_micros() as i64);
        Self { host: host.clone(), growing: growing(retry), retry, until, before: None }
    }

    /// Begins anew, since something has gone well.
    pub(crate) fn reset(&mut self) {
        *self = Self::new(&self.host, self.retry);
    }

    /// Waits before the next try; answers the failure if there is none.
    pub(crate) async fn after(&mut self, failure: Failure) -> Result<(), Failure> {
        let now = self.host.now();
        if !failure.is_retryable() {
            return Err(failure);
        }
        if self.before.is_some() && now >= self.until {
            // Refused often enough, the client's session breaks, and says only that: the refusal says what to do.
            let refused = self.before.take().filter(|before| before.kind == ErrorKind::Throttled);
            return Err(refused.filter(|_| failure.kind == ErrorKind::Unavailable).unwrap_or(failure));
        }
        self.host.note_retry();
        let pause = self.growing.next().unwrap_or(self.retry.longest.0).max(failure.retry_after.unwrap_or_default());
        self.before = Some(failure);
        // Readers and writers that were refused together must not come back together.
        let apart = self.host.rng(&format!("event hubs pause at {now}")).unit() * 0.2;
        let pause = pause.mul_f64(1.0 + apart).as_micros() as i64;
        self.host.sleep_until(now.saturating_add(pause).min(self.until)).await;
        Ok(())
    }
}

fn growing(retry: Retry) -> backon::ExponentialBackoff {
    ExponentialBuilder::new().with_min_delay(retry.first.0).with_max_delay(retry.longest.0).without_max_times().build()
}

/// Repeats `request` within the bound.
pub(crate) async fn repeated<T, F>(host: &Host, retry: Retry, mut request: impl FnMut() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut pauses = Pauses::new(host, retry);
    loop {
        match answered(host, retry.answer.0, request()).await {
            Ok(answer) => return Ok(answer),
            Err(failure) => pauses.after(failure).await?,
        }
    }
}

/// One request, which counts as lost if it goes unanswered for so long.
pub(crate) async fn answered<T>(
    host: &Host,
    patience: Duration,
    request: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let request = request.fuse();
    let late = host.sleep(patience).fuse();
    pin_mut!(request, late);
    select_biased! {
        answer = request => answer,
        () = late => Err(Failure::new(ErrorKind::Unavailable, format!("there was no response for {} s", patience.as_secs_f32()))),
    }
}

#[cfg(test)]
mod tests {
    use pipectl_data::units;

    use super::*;

    /// What is reported tries that fail like this, the last one after the patience has ended.
    fn reported(kinds: &[ErrorKind]) -> ErrorKind {
        let bound = units::Duration::from_secs(1);
        let failed = pipectl_host::simulate(async {
            let host = Host::simulated(1, 0);
            let mut pauses = Pauses::new(&host, Retry { bound, ..Retry::default() });
            let (last, before) = kinds.split_last().unwrap();
            for kind in before {
                pauses.after(Failure::new(*kind, "before")).await.unwrap();
            }
            host.sleep(bound.0).await;
            pauses.after(Failure::new(*last, "last")).await.unwrap_err()
        });
        failed.unwrap().kind
    }

    #[test]
    fn a_session_that_breaks_over_refusals_does_not_hide_them() {
        use ErrorKind::{Denied, Throttled, Unavailable};
        assert_eq!(reported(&[Throttled, Throttled, Unavailable]), Throttled);
        assert_eq!(reported(&[Throttled, Unavailable, Unavailable]), Unavailable, "it is away by now");
        assert_eq!(reported(&[Unavailable, Throttled]), Throttled);
        assert_eq!(reported(&[Throttled, Denied]), Denied);
    }
}

//! Another try for what fails for now, with growing pauses, within a bound.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use pipectl_contract::ConnectorError;
use pipectl_data::units;
use pipectl_host::Host;

/// The first pause and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Who waits is reported why when the pauses have grown to this.
const REPORTED_PAUSE: Duration = Duration::from_millis(800);

/// Does it until it is done, fails for good, or `bound` is over.
pub(crate) async fn within<T, F>(host: &Host, bound: Duration, mut what: impl FnMut() -> F) -> Result<T, ConnectorError>
where
    F: Future<Output = Result<T, ConnectorError>>,
{
    let until = host.now() + i64::try_from(bound.as_micros()).unwrap_or(i64::MAX / 4);
    let pauses = ExponentialBuilder::new().with_min_delay(PAUSES.0).with_max_delay(PAUSES.1).without_max_times();
    let sleeper = host.clone();
    let mut reported = false;
    (|| what())
        .retry(pauses)
        .sleep(move |pause| {
            let host = sleeper.clone();
            host.note_retry();
            async move { host.sleep(pause).await }
        })
        .when(|error: &ConnectorError| error.is_retryable() && host.now() < until)
        // After a second at least: a leader that is being chosen is no news.
        .notify(|error, pause| {
            if !reported && pause >= REPORTED_PAUSE {
                reported = true;
                tracing::warn!("{error}; trying again for up to {}", units::Duration(bound));
            }
        })
        .await
}

//! How long a person who asks by hand waits for a backend, and what is shown meanwhile. A run has hours to wait for a
//! broker that restarts; who asks what is wrong wants to hear it.

use std::time::Duration;

use pipectl_contract::{ConnectorError, ErrorKind};
use pipectl_host::Host;

use crate::view::Asking;

/// After how long a line says that there is no answer yet, where no line can change in place.
const QUIET: Duration = Duration::from_secs(3);

/// The patience with one backend.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    /// Who is asked: `default (kafka)`.
    who: String,
    limit: Duration,
    host: Host,
}

impl Patience {
    /// With a backend, for so long.
    pub(crate) fn new(who: String, limit: Duration, host: Host) -> Self {
        Self { who, limit, host }
    }

    /// Waits for an answer; `what` says what is asked, as in "connecting".
    ///
    /// # Errors
    /// The backend's own, or that it did not answer in time. Its client is left lying then: it would say goodbye first, to
    /// somebody who does not answer.
    pub(crate) async fn answer<T>(
        &self,
        what: &str,
        work: impl Future<Output = Result<T, ConnectorError>>,
    ) -> Result<T, ConnectorError> {
        let mut work = Box::pin(work);
        let asking = Asking::begin(&self.who, what);
        let quiet = QUIET.min(self.limit);
        for (wait, is_last) in [(quiet, false), (self.limit.saturating_sub(quiet), true)] {
            tokio::select! {
                biased;
                answer = &mut work => return answer,
                () = self.host.sleep(wait) => {}
            }
            if !is_last {
                asking.still();
            }
        }
        std::mem::forget(work);
        let limit = pipectl_data::units::Duration(self.limit);
        let message =
            format!("no response within {limit} ({what}); check the address and the credentials in the Environment");
        Err(ConnectorError::new(ErrorKind::Unavailable, message))
    }
}

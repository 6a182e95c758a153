//! Tokens that are fetched beside everything else and renewed before they end, since the client library asks for them where
//! nobody may wait.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use pipectl_contract::ConnectorError;
use pipectl_data::Micros;
use pipectl_host::{Host, JoinHandle};
use rdkafka::client::OAuthToken;

use crate::retry;

/// The part of its life after which a token is renewed: before the client library asks for another, at four fifths.
const RENEWED_AFTER: f64 = 0.7;
/// The pause after a renewal that failed, and the shortest between two.
const PAUSE: Duration = Duration::from_secs(2);

/// A token, whose it is, and until when it is good.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) principal: String,
    pub(crate) until: Micros,
}

/// Who gives tokens.
#[async_trait]
pub(crate) trait TokenProvider: Send + Sync + 'static {
    /// A new one.
    async fn token(&self, host: &Host) -> Result<Token, ConnectorError>;
}

/// The token of the moment, for as long as somebody may want it.
pub(crate) struct Renewed {
    token: Arc<Mutex<Token>>,
    host: Host,
    renewing: JoinHandle<()>,
}

impl Drop for Renewed {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

impl Renewed {
    /// Fetches the first token, within `bound` if the provider is away, and renews it from then on.
    pub(crate) async fn open(
        provider: impl TokenProvider,
        host: &Host,
        bound: Duration,
    ) -> Result<Self, ConnectorError> {
        let first = retry::within(host, bound, || provider.token(host)).await?;
        let token = Arc::new(Mutex::new(first.clone()));
        let renewing = host.spawn(renew(provider, host.clone(), Arc::clone(&token), first.until));
        Ok(Self { token, host: host.clone(), renewing })
    }

    /// The token, as the client library wants it.
    pub(crate) fn get(&self) -> Result<OAuthToken, String> {
        let Token { text, principal, until } = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if until <= self.host.now() {
            return Err("the last token has expired, and its provider returns no new one".to_owned());
        }
        Ok(OAuthToken { token: text, principal_name: principal, lifetime_ms: until / 1_000 })
    }
}

async fn renew(provider: impl TokenProvider, host: Host, token: Arc<Mutex<Token>>, mut until: Micros) {
    loop {
        let left = Duration::from_micros(u64::try_from(until - host.now()).unwrap_or(0));
        host.sleep(left.mul_f64(RENEWED_AFTER).max(PAUSE.min(left))).await;
        match provider.token(&host).await {
            Ok(next) => {
                until = next.until;
                *token.lock().unwrap_or_else(PoisonError::into_inner) = next;
            }
            Err(problem) => {
                tracing::warn!(%problem, "the token for Kafka was not renewed; trying again");
                host.sleep(PAUSE).await;
            }
        }
    }
}

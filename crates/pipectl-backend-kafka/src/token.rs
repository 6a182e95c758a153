//! Tokens for brokers that ask for OAUTHBEARER.

use std::sync::Arc;

use pipectl_contract::ConnectorError;
use pipectl_host::Host;
use rdkafka::client::OAuthToken;

use crate::{
    msk, oidc,
    options::{KafkaOptions, Sasl},
    renewed::Renewed,
};

/// Gives tokens when the client asks for one, which it does before the last one ends. All clients of a connection share
/// them.
#[derive(Clone)]
pub(crate) struct Tokens(Arc<Renewed>);

impl Tokens {
    /// If the options ask for tokens; the first one is fetched.
    pub(crate) async fn open(options: &KafkaOptions, host: &Host) -> Result<Option<Self>, ConnectorError> {
        let (timeout, bound) = (options.request_timeout.0, options.retry_for.0);
        let renewed = match &options.sasl {
            Some(Sasl::AwsMskIam(iam)) => Renewed::open(msk::Provider::new(iam, timeout).await?, host, bound).await?,
            Some(Sasl::Oidc(oidc)) => Renewed::open(oidc::Provider::new(oidc, timeout)?, host, bound).await?,
            Some(Sasl::Plain(_) | Sasl::ScramSha256(_) | Sasl::ScramSha512(_)) | None => return Ok(None),
        };
        Ok(Some(Self(Arc::new(renewed))))
    }

    /// A token, or why there is none; never a secret in it.
    pub(crate) fn make(&self) -> Result<OAuthToken, String> {
        self.0.get()
    }
}

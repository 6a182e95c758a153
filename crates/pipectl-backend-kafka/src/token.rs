//! Tokens for brokers that ask for OAUTHBEARER.

use std::sync::Arc;

use pipectl_contract::ConnectorError;
use pipectl_host::Host;
use rdkafka::client::OAuthToken;

use crate::{
    msk,
    oidc::Renewed,
    options::{KafkaOptions, MskIam, Sasl},
};

/// Makes tokens when the client asks for one, which it does before the last one ends. All clients of a connection share
/// them.
#[derive(Clone)]
pub(crate) struct Tokens(Source);

#[derive(Clone)]
enum Source {
    Signed { iam: Arc<MskIam>, host: Host },
    Given(Arc<Renewed>),
}

impl Tokens {
    /// If the options ask for tokens. Where somebody else gives them, the first one is fetched.
    pub(crate) async fn open(options: &KafkaOptions, host: &Host) -> Result<Option<Self>, ConnectorError> {
        let source = match &options.sasl {
            Some(Sasl::AwsMskIam(iam)) => Source::Signed { iam: Arc::new(iam.clone()), host: host.clone() },
            Some(Sasl::Oidc(oidc)) => {
                let (timeout, bound) = (options.request_timeout.0, options.retry_for.0);
                Source::Given(Arc::new(Renewed::open(oidc, host, timeout, bound).await?))
            }
            Some(Sasl::Plain(_) | Sasl::ScramSha256(_) | Sasl::ScramSha512(_)) | None => return Ok(None),
        };
        Ok(Some(Self(source)))
    }

    /// A token, or why there is none; never a secret in it.
    pub(crate) fn make(&self) -> Result<OAuthToken, String> {
        match &self.0 {
            Source::Signed { iam, host } => {
                let credentials = msk::Credentials::find(iam, |name| host.variable(name))?;
                let (token, lifetime_ms) = msk::token(&credentials, host.now())?;
                Ok(OAuthToken { token, principal_name: credentials.access_key_id, lifetime_ms })
            }
            Source::Given(tokens) => tokens.get(),
        }
    }
}

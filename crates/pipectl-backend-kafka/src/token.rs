//! Tokens for brokers that ask for OAUTHBEARER.

use std::sync::Arc;

use pipectl_host::Host;
use rdkafka::client::OAuthToken;

use crate::{
    msk,
    options::{KafkaOptions, Sasl},
};

/// Makes tokens when the client asks for one, which it does before the last one ends.
#[derive(Clone)]
pub(crate) struct Tokens {
    options: Arc<KafkaOptions>,
    host: Host,
}

impl Tokens {
    /// If the options ask for tokens.
    pub(crate) fn new(options: &Arc<KafkaOptions>, host: &Host) -> Option<Self> {
        matches!(options.sasl, Some(Sasl::AwsMskIam(_)))
            .then(|| Self { options: Arc::clone(options), host: host.clone() })
    }

    /// A token, or why there is none; never a secret in it.
    pub(crate) fn make(&self) -> Result<OAuthToken, String> {
        match &self.options.sasl {
            Some(Sasl::AwsMskIam(iam)) => {
                let credentials = msk::Credentials::find(iam, |name| self.host.variable(name))?;
                let (token, lifetime_ms) = msk::token(&credentials, self.host.now())?;
                Ok(OAuthToken { token, principal_name: credentials.access_key_id, lifetime_ms })
            }
            _ => Err("no tokens are set up".to_owned()),
        }
    }
}

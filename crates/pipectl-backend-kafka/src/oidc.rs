//! Tokens of an identity provider, had for a client's id and secret (OAuth 2.0, client credentials,
//! <https://www.rfc-editor.org/rfc/rfc6749#section-4.4>).

use std::time::Duration;

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use pipectl_contract::{ConnectorError, ErrorKind};
use pipectl_host::Host;
use serde::Deserialize;

use crate::{
    options::Oidc,
    renewed::{Token, TokenProvider},
};

/// How long a token is good if the provider does not say.
const LIFETIME: Duration = Duration::from_mins(5);
/// As much of a provider's answer as an error shows.
const SHOWN: usize = 200;

/// Asks an identity provider.
pub(crate) struct Provider {
    client: reqwest::Client,
    oidc: Oidc,
}

/// What a provider answers, whether it gives a token or not.
#[derive(Default, Deserialize)]
struct Answer {
    access_token: Option<String>,
    expires_in: Option<f64>,
    error: Option<String>,
    error_description: Option<String>,
}

impl Provider {
    pub(crate) fn new(oidc: &Oidc, timeout: Duration) -> Result<Self, ConnectorError> {
        // A secret goes to the address that was given and to no other.
        let mut client = reqwest::Client::builder().timeout(timeout).redirect(reqwest::redirect::Policy::none());
        if is_local(&oidc.token_url) {
            client = client.no_proxy();
        }
        let client = client.build().map_err(|error| {
            ConnectorError::new(ErrorKind::Internal, format!("cannot set up the HTTP client for tokens: {error}"))
        })?;
        Ok(Self { client, oidc: oidc.clone() })
    }

    fn refused(&self, status: u16, body: &Answer) -> ConnectorError {
        let Oidc { token_url, client_id, client_secret, .. } = &self.oidc;
        let (kind, help) = match status {
            429 | 500.. => (ErrorKind::Unavailable, ""),
            400..=403 => {
                (ErrorKind::Denied, "; check `sasl.oidc` in the Environment: `client_id`, `client_secret`, `scope`")
            }
            _ => (ErrorKind::Invalid, "; check `sasl.oidc.token_url` in the Environment"),
        };
        let reported =
            [&body.error, &body.error_description].into_iter().flatten().map(String::as_str).collect::<Vec<_>>();
        let reported: String = reported.join(": ").split_whitespace().collect::<Vec<_>>().join(" ");
        // A provider that repeats what it was sent must not make us repeat it.
        let sent = STANDARD.encode(format!("{client_id}:{}", client_secret.expose()));
        let reported = reported.replace(client_secret.expose().as_str(), "…").replace(&sent, "…");
        let reported: String = reported.chars().take(SHOWN).collect();
        let reported = if reported.is_empty() { String::new() } else { format!(" ({reported})") };
        ConnectorError::new(kind, format!("{token_url} returns no token: status {status}{reported}{help}"))
    }
}

#[async_trait]
impl TokenProvider for Provider {
    async fn token(&self, host: &Host) -> Result<Token, ConnectorError> {
        let Oidc { token_url, client_id, client_secret, scope } = &self.oidc;
        let mut form = vec![("grant_type", "client_credentials")];
        if let Some(scope) = scope {
            form.push(("scope", scope));
        }
        let asked = host.now();
        let request = self.client.post(token_url).basic_auth(client_id, Some(client_secret.expose())).form(&form);
        let answer = request.send().await.map_err(|error| {
            let cause = innermost(&error);
            ConnectorError::new(ErrorKind::Unavailable, format!("cannot fetch a token from {token_url}: {cause}"))
        })?;
        let status = answer.status();
        let body: Answer = match answer.bytes().await {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            Err(_cut_off) => Answer::default(),
        };
        match body.access_token {
            Some(text) if status.is_success() => {
                let lifetime = body.expires_in.filter(|seconds| seconds.is_finite() && *seconds > 0.0);
                let lifetime = lifetime.map_or(LIFETIME, |seconds| Duration::from_secs_f64(seconds.min(1e8)));
                let until = asked + i64::try_from(lifetime.as_micros()).unwrap_or(i64::MAX / 4);
                Ok(Token { text, principal: client_id.clone(), until })
            }
            _ => Err(self.refused(status.as_u16(), &body)),
        }
    }
}

/// The cause beneath the client's wrappings, which say no more than that a request has failed.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Whether an address is one that only this machine sees.
pub(crate) fn is_local(url: &str) -> bool {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).unwrap_or_default();
    let authority = rest.split('/').next().unwrap_or_default();
    ["localhost", "127.0.0.1", "[::1]"]
        .iter()
        .any(|local| authority.strip_prefix(local).is_some_and(|rest| rest.is_empty() || rest.starts_with(':')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_are_local() {
        for local in ["http://localhost:8080/token", "http://127.0.0.1", "https://[::1]:1/x"] {
            assert!(is_local(local), "{local}");
        }
        for far in ["http://localhost.example.com/", "http://127.0.0.1@example.com/", "https://example.com/localhost"] {
            assert!(!is_local(far), "{far}");
        }
    }

    #[test]
    fn a_refusal_says_why_and_shows_no_secret() {
        let oidc = Oidc {
            token_url: "https://id.example.com/token".into(),
            client_id: "me".into(),
            client_secret: pipectl_data::Secret::new("canary".into()),
            scope: None,
        };
        let provider = Provider::new(&oidc, Duration::from_secs(1)).unwrap();
        let body = Answer {
            error: Some("invalid_client".into()),
            error_description: Some("no such\nsecret: canary".into()),
            ..Answer::default()
        };
        let denied = provider.refused(401, &body);
        assert_eq!(denied.kind, ErrorKind::Denied);
        assert!(denied.message.contains("invalid_client: no such secret: …"), "{denied}");
        assert_eq!(provider.refused(503, &Answer::default()).kind, ErrorKind::Unavailable);
        assert_eq!(provider.refused(404, &Answer::default()).kind, ErrorKind::Invalid);
    }
}

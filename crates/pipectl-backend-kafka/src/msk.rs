//! Tokens for Amazon MSK with IAM: a request for `kafka-cluster:Connect`, signed with AWS credentials (Signature Version 4
//! in the query, <https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html>), as base64. The layout is
//! that of <https://github.com/aws/aws-msk-iam-sasl-signer-js>.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials as _, SharedCredentialsProvider, error::CredentialsError},
};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pipectl_contract::{ConnectorError, ErrorKind};
use pipectl_data::Micros;
use pipectl_host::Host;

use crate::{
    options::MskIam,
    renewed::{Token, TokenProvider},
};

/// How long a token is good.
const LIFETIME: Duration = Duration::from_mins(15);
/// Who asks, for those who read the service's logs; not part of what is signed.
const USER_AGENT: &str = concat!("pipectl-", env!("CARGO_PKG_VERSION"));

/// Signs with the credentials of the options, or else with those that AWS's usual chain finds: variables, profiles, SSO,
/// web identity, containers, instances.
pub(crate) struct Provider {
    region: String,
    credentials: SharedCredentialsProvider,
}

impl Provider {
    /// Looks for region and credentials.
    pub(crate) async fn new(iam: &MskIam, timeout: Duration) -> Result<Self, ConnectorError> {
        let timeouts = TimeoutConfig::builder().operation_timeout(timeout).build();
        // Repeating is ours, so that its pauses follow the host's clock.
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts);
        if let Some(region) = &iam.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &iam.profile {
            loader = loader.profile_name(profile);
        }
        if let (Some(id), Some(secret)) = (&iam.access_key_id, &iam.secret_access_key) {
            let token = iam.session_token.as_ref().map(|token| token.expose().clone());
            loader = loader.credentials_provider(Credentials::new(
                id.expose().clone(),
                secret.expose().clone(),
                token,
                None,
                "pipectl",
            ));
        } else if iam.access_key_id.is_some() || iam.secret_access_key.is_some() {
            let message = "`sasl.aws_msk_iam` needs both `access_key_id` and `secret_access_key`, or neither";
            return Err(ConnectorError::new(ErrorKind::Invalid, message));
        }
        let config = loader.load().await;
        let denied = |message: &str| ConnectorError::new(ErrorKind::Denied, message);
        let region = config.region().map(|region| region.as_ref().to_owned()).filter(|region| !region.is_empty());
        let region = region.ok_or_else(|| {
            denied("no AWS region for MSK: set `region` under `sasl.aws_msk_iam`, or the variable AWS_REGION")
        })?;
        let credentials = config.credentials_provider().ok_or_else(|| denied(MISSING))?;
        Ok(Self { region, credentials })
    }
}

const MISSING: &str = "no AWS credentials for MSK: set `access_key_id` and `secret_access_key` under `sasl.aws_msk_iam`, \
                       or the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile";

#[async_trait]
impl TokenProvider for Provider {
    async fn token(&self, host: &Host) -> Result<Token, ConnectorError> {
        let credentials = self.credentials.provide_credentials().await.map_err(|error| match &error {
            CredentialsError::CredentialsNotLoaded(_) => ConnectorError::new(ErrorKind::Denied, MISSING),
            CredentialsError::ProviderTimedOut(_) | CredentialsError::ProviderError(_) => {
                ConnectorError::new(ErrorKind::Unavailable, format!("AWS credentials for MSK were not found: {error}"))
            }
            _ => ConnectorError::new(ErrorKind::Denied, format!("AWS credentials for MSK cannot be used: {error}")),
        })?;
        token(&self.region, &credentials, host.now())
            .map_err(|error| ConnectorError::new(ErrorKind::Internal, format!("cannot sign a token for MSK: {error}")))
    }
}

fn token(region: &str, credentials: &Credentials, now: Micros) -> Result<Token, String> {
    let url = signed(region, credentials, now)?;
    let own = now + i64::try_from(LIFETIME.as_micros()).unwrap_or(i64::MAX / 4);
    // A token is no longer good than what it is signed with.
    let ends = credentials.expiry().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let ends = ends.map_or(own, |at| i64::try_from(at.as_micros()).unwrap_or(own));
    Ok(Token {
        text: URL_SAFE_NO_PAD.encode(format!("{url}&User-Agent={USER_AGENT}")),
        // Not secret: it names the key.
        principal: credentials.access_key_id().to_owned(),
        until: own.min(ends),
    })
}

fn signed(region: &str, credentials: &Credentials, now: Micros) -> Result<String, String> {
    let url = format!("https://kafka.{region}.amazonaws.com/?Action=kafka-cluster%3AConnect");
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(LIFETIME);
    let identity = credentials.clone().into();
    let time: SystemTime = UNIX_EPOCH + Duration::from_micros(u64::try_from(now).unwrap_or(0));
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("kafka-cluster")
        .time(time)
        .settings(settings)
        .build()
        .map_err(|error| error.to_string())?;
    let request = SignableRequest::new("GET", url.as_str(), std::iter::empty(), SignableBody::Bytes(b""))
        .map_err(|error| error.to_string())?;
    let (instructions, _signature) = sign(request, &params.into()).map_err(|error| error.to_string())?.into_parts();
    let mut request = http::Request::builder().method("GET").uri(&url).body(()).map_err(|error| error.to_string())?;
    instructions.apply_to_request_http1x(&mut request);
    Ok(request.uri().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21T08:00:00Z.
    const NOW: Micros = 1_795_248_000_000_000;

    fn credentials(session_token: Option<&str>, expires: Option<SystemTime>) -> Credentials {
        let token = session_token.map(ToOwned::to_owned);
        Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token, expires, "test")
    }

    #[test]
    fn the_signature_is_that_of_botocore() {
        // From botocore 1.43.11: SigV4QueryAuth(credentials, "kafka-cluster", "eu-central-1", expires=900).
        for (session, signature) in [
            (None, "a025a1bb7d8216884a7b027382edbf1e622b2ba4bc2b3d899eeffc4ae654aba2"),
            (Some("to+ken/="), "61f2169ada0a4fd51bdf999f5653e1d94ea21a5f3fbbdd110514ac6b29088803"),
        ] {
            let url = signed("eu-central-1", &credentials(session, None), NOW).unwrap();
            assert!(url.contains(&format!("X-Amz-Signature={signature}")), "{url}");
        }
        let token = token("eu-central-1", &credentials(None, None), NOW).unwrap();
        assert_eq!((token.until, token.principal.as_str()), (NOW + 900_000_000, "AKIDEXAMPLE"));
        let url = String::from_utf8(URL_SAFE_NO_PAD.decode(token.text).unwrap()).unwrap();
        assert!(url.starts_with("https://kafka.eu-central-1.amazonaws.com/?Action=kafka-cluster%3AConnect&"), "{url}");
        assert!(url.contains("&User-Agent=pipectl-"), "{url}");
    }

    #[test]
    fn a_token_ends_with_the_credentials_that_it_is_signed_with() {
        let ends = UNIX_EPOCH + Duration::from_micros(NOW as u64) + Duration::from_mins(1);
        let token = token("eu-central-1", &credentials(Some("t"), Some(ends)), NOW).unwrap();
        assert_eq!(token.until, NOW + 60_000_000);
    }

    #[test]
    fn half_a_key_is_refused() {
        let half = MskIam {
            access_key_id: Some(pipectl_data::Secret::new("AKID".into())),
            region: Some("eu-central-1".into()),
            ..MskIam::default()
        };
        let refused = pipectl_host::run(Some(1), async { Provider::new(&half, LIFETIME).await.err() }).unwrap();
        assert!(refused.is_some_and(|error| error.message.contains("needs both")));
    }
}

//! Tokens for Amazon MSK with IAM: a request for `kafka-cluster:Connect`, signed with AWS credentials (Signature Version 4
//! in the query, <https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html>), as base64. The layout is
//! that of <https://github.com/aws/aws-msk-iam-sasl-signer-js>.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use pipectl_data::{Micros, Secret};
use sha2::{Digest as _, Sha256};

use crate::options::MskIam;

/// How long a token is good.
const LIFETIME_SECONDS: i64 = 900;
/// Who asks, for those who read the service's logs; not part of what is signed.
const USER_AGENT: &str = concat!("pipectl-", env!("CARGO_PKG_VERSION"));

/// What a token is signed with.
pub(crate) struct Credentials {
    region: String,
    /// Not secret: it names the key.
    pub(crate) access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
}

impl Credentials {
    /// From the options, else from the usual variables.
    pub(crate) fn find(iam: &MskIam, variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let secret = |given: &Option<Secret>, name: &str| {
            given.as_ref().map(|secret| secret.expose().clone()).or_else(|| variable(name))
        };
        let need = |value: Option<String>, option: &str, name: &str| {
            value.filter(|value| !value.is_empty()).ok_or_else(|| {
                format!("no AWS credentials for MSK: set `{option}` under `sasl.aws_msk_iam`, or the variable {name}")
            })
        };
        let region = iam.region.clone().or_else(|| variable("AWS_REGION")).or_else(|| variable("AWS_DEFAULT_REGION"));
        Ok(Self {
            region: need(region, "region", "AWS_REGION")?,
            access_key_id: need(secret(&iam.access_key_id, "AWS_ACCESS_KEY_ID"), "access_key_id", "AWS_ACCESS_KEY_ID")?,
            secret_access_key: need(
                secret(&iam.secret_access_key, "AWS_SECRET_ACCESS_KEY"),
                "secret_access_key",
                "AWS_SECRET_ACCESS_KEY",
            )?,
            // Variables belong together: a token of theirs does not go with a key of the options.
            session_token: match &iam.access_key_id {
                Some(_) => iam.session_token.as_ref().map(|secret| secret.expose().clone()),
                None => secret(&iam.session_token, "AWS_SESSION_TOKEN"),
            },
        })
    }
}

/// A token and until when it is good, in milliseconds.
pub(crate) fn token(credentials: &Credentials, now: Micros) -> Result<(String, i64), String> {
    let url = signed(credentials, now)?;
    let token = URL_SAFE_NO_PAD.encode(format!("{url}&User-Agent={USER_AGENT}"));
    Ok((token, now / 1_000 + LIFETIME_SECONDS * 1_000))
}

fn signed(credentials: &Credentials, now: Micros) -> Result<String, String> {
    let (date, time) = date_and_time(now)?;
    let Credentials { region, access_key_id, secret_access_key, session_token } = credentials;
    let host = format!("kafka.{region}.amazonaws.com");
    let scope = format!("{date}/{region}/kafka-cluster/aws4_request");
    // In the order of their names, as the signature wants them.
    let mut query = format!(
        "Action={}&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}&X-Amz-Date={time}&X-Amz-Expires={LIFETIME_SECONDS}",
        encoded("kafka-cluster:Connect"),
        encoded(&format!("{access_key_id}/{scope}")),
    );
    if let Some(token) = session_token {
        query.push_str("&X-Amz-Security-Token=");
        query.push_str(&encoded(token));
    }
    query.push_str("&X-Amz-SignedHeaders=host");
    let request = format!("GET\n/\n{query}\nhost:{host}\n\nhost\n{}", hex(&Sha256::digest(b"")));
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(request.as_bytes())));
    let mut key = format!("AWS4{secret_access_key}").into_bytes();
    for part in [date.as_str(), region, "kafka-cluster", "aws4_request"] {
        key = sign(&key, part)?;
    }
    Ok(format!("https://{host}/?{query}&X-Amz-Signature={}", hex(&sign(&key, &text)?)))
}

fn sign(key: &[u8], text: &str) -> Result<Vec<u8>, String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|error| error.to_string())?;
    mac.update(text.as_bytes());
    Ok(mac.finalize().into_bytes().to_vec())
}

/// `20251121` and `20251121T073638Z`.
fn date_and_time(now: Micros) -> Result<(String, String), String> {
    let now = jiff::Timestamp::from_microsecond(now).map_err(|error| error.to_string())?;
    let now = now.to_zoned(jiff::tz::TimeZone::UTC);
    Ok((now.strftime("%Y%m%d").to_string(), now.strftime("%Y%m%dT%H%M%SZ").to_string()))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}

/// As the signature's rules want it: everything but letters, digits, `-`, `.`, `_` and `~` as `%XX`.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte as char);
        } else {
            encoded.push('%');
            encoded.push_str(&hex(&[byte]).to_ascii_uppercase());
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21T08:00:00Z.
    const NOW: Micros = 1_795_248_000_000_000;

    fn credentials(session_token: Option<&str>) -> Credentials {
        Credentials {
            region: "eu-central-1".into(),
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            session_token: session_token.map(ToOwned::to_owned),
        }
    }

    #[test]
    fn the_signature_is_that_of_botocore() {
        // From botocore 1.43.11: SigV4QueryAuth(credentials, "kafka-cluster", "eu-central-1", expires=900).
        for (token, signature) in [
            (None, "a025a1bb7d8216884a7b027382edbf1e622b2ba4bc2b3d899eeffc4ae654aba2"),
            (Some("to+ken/="), "61f2169ada0a4fd51bdf999f5653e1d94ea21a5f3fbbdd110514ac6b29088803"),
        ] {
            let url = signed(&credentials(token), NOW).unwrap();
            assert!(url.ends_with(&format!("&X-Amz-Signature={signature}")), "{url}");
        }
        let (token, until) = token(&credentials(None), NOW).unwrap();
        assert_eq!(until, NOW / 1_000 + 900_000);
        let url = String::from_utf8(URL_SAFE_NO_PAD.decode(token).unwrap()).unwrap();
        assert!(url.starts_with("https://kafka.eu-central-1.amazonaws.com/?Action=kafka-cluster%3AConnect&"), "{url}");
        assert!(url.contains("&User-Agent=pipectl-"), "{url}");
    }

    #[test]
    fn what_is_missing_is_named_and_a_token_never_joins_another_key() {
        let none = |_: &str| None;
        let missing = Credentials::find(&MskIam::default(), none).err().unwrap();
        assert!(missing.contains("`region`") && missing.contains("AWS_REGION"), "{missing}");
        let variables = |name: &str| Some(format!("from {name}"));
        let found = Credentials::find(&MskIam::default(), variables).unwrap();
        assert_eq!(found.session_token.as_deref(), Some("from AWS_SESSION_TOKEN"));
        let own = MskIam { access_key_id: Some(Secret::new("AKID".into())), ..MskIam::default() };
        let found = Credentials::find(&own, variables).unwrap();
        assert_eq!((found.access_key_id.as_str(), found.session_token), ("AKID", None));
    }
}

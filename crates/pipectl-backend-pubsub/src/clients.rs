//! The official clients, built once for a connection: endpoint, credentials and retries are the same for all.

use std::time::Duration;

use google_cloud_auth::credentials::{
    Credentials, anonymous, external_account, impersonated, service_account, user_account,
};
use google_cloud_gax::{
    exponential_backoff::{ExponentialBackoff, ExponentialBackoffBuilder},
    retry_policy::RetryPolicyExt as _,
};
use google_cloud_pubsub::{
    client::{BasePublisher, SchemaService, Subscriber, SubscriptionAdmin, TopicAdmin},
    retry_policy::RetryableErrors,
};
use pipectl_contract::{ConnectContext, ConnectorError, ErrorKind};
use pipectl_host::Host;
use serde_json::Value;

use crate::{PubSubOptions, emulator::Way};

/// Where the credentials' project is reported if they do not tell it
/// (<https://cloud.google.com/docs/authentication/application-default-credentials>).
const PROJECT_VARIABLE: &str = "GOOGLE_CLOUD_PROJECT";
/// The project at an emulator, which takes any.
const EMULATOR_PROJECT: &str = "local";
/// The pauses between two tries.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// One try of a call of the administration; a service that says nothing for so long is out of reach.
const ATTEMPT: Duration = Duration::from_secs(20);

/// The clients.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    /// Who owns topics and subscriptions.
    pub(crate) project: String,
    pub(crate) topics: TopicAdmin,
    pub(crate) subscriptions: SubscriptionAdmin,
    /// Only to ask for permissions: the calls are the same for topics and subscriptions.
    pub(crate) permissions: SchemaService,
    pub(crate) publisher: BasePublisher,
    endpoint: Option<String>,
    credentials: Option<Credentials>,
}

impl Clients {
    /// Builds them; the service is not called yet.
    pub(crate) async fn build(options: &PubSubOptions, context: &ConnectContext) -> Result<Self, ConnectorError> {
        let given = options.credentials.as_ref().map(|text| parse(text.expose())).transpose()?;
        let project = project(options, given.as_ref(), context)?;
        let credentials = match given {
            _ if options.is_emulator() => Some(anonymous::Builder::new().build()),
            Some(json) => Some(credentials(json)?),
            None => None,
        };
        let retry = || RetryableErrors.with_time_limit(options.retry_for.0);
        // The builders have the same methods and no common trait.
        macro_rules! built {
            ($builder:expr) => {{
                let mut builder = $builder;
                if let Some(endpoint) = &options.endpoint {
                    builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
                }
                if let Some(credentials) = &credentials {
                    builder = builder.with_credentials(credentials.clone());
                }
                builder
            }};
            (retrying $builder:expr) => {
                built!($builder.with_retry_policy(retry()).with_backoff_policy(pauses()))
            };
        }
        let timed = |error| built(&error);
        Ok(Self {
            project,
            topics: built!(retrying TopicAdmin::builder().with_attempt_timeout(ATTEMPT))
                .build()
                .await
                .map_err(timed)?,
            subscriptions: built!(retrying SubscriptionAdmin::builder().with_attempt_timeout(ATTEMPT))
                .build()
                .await
                .map_err(timed)?,
            permissions: built!(retrying SchemaService::builder().with_attempt_timeout(ATTEMPT))
                .build()
                .await
                .map_err(timed)?,
            publisher: built!(retrying BasePublisher::builder()).build().await.map_err(timed)?,
            endpoint: options.endpoint.clone(),
            credentials: credentials.clone(),
        })
    }

    /// A way to the emulator, if that is what the endpoint is.
    pub(crate) async fn way(&self, host: &Host) -> Result<Option<Way>, ConnectorError> {
        let Some(address) = self.endpoint.as_deref().and_then(|endpoint| endpoint.strip_prefix("http://")) else {
            return Ok(None);
        };
        let address = address.trim_end_matches('/');
        let address = if address.contains(':') { address.to_owned() } else { format!("{address}:80") };
        let opened = Way::open(host, &address).await;
        opened.map(Some).map_err(|error| {
            ConnectorError::new(ErrorKind::Unavailable, format!("cannot listen on loopback for the emulator: {error}"))
        })
    }

    /// A subscriber with a connection of its own, which ends with its stream.
    pub(crate) async fn subscriber(&self, way: Option<&Way>) -> Result<Subscriber, ConnectorError> {
        let mut builder = Subscriber::builder().with_grpc_subchannel_count(1);
        let endpoint = way.map(|way| &way.endpoint).or(self.endpoint.as_ref());
        if let Some(endpoint) = endpoint {
            builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
        }
        if let Some(credentials) = &self.credentials {
            builder = builder.with_credentials(credentials.clone());
        }
        builder.build().await.map_err(|error| built(&error))
    }
}

fn pauses() -> ExponentialBackoff {
    ExponentialBackoffBuilder::new().with_initial_delay(FIRST_PAUSE).with_maximum_delay(LONGEST_PAUSE).clamp()
}

/// The client could not be built, which it does without calling the service.
fn built(error: &google_cloud_gax::client_builder::Error) -> ConnectorError {
    if error.is_default_credentials() {
        return ConnectorError::new(
            ErrorKind::Denied,
            "no credentials for Pub/Sub: set `credentials` in the Environment, or give this machine application default \
             credentials (`gcloud auth application-default login`)",
        );
    }
    ConnectorError::new(ErrorKind::Invalid, format!("cannot set up the Pub/Sub client: {error}; check `endpoint`"))
}

/// The error of the parser would quote the text, which is a secret.
fn parse(text: &str) -> Result<Value, ConnectorError> {
    serde_json::from_str(text).map_err(|_| {
        ConnectorError::new(
            ErrorKind::Invalid,
            "`credentials` is not JSON: write the content of the credentials file, not its path",
        )
    })
}

fn credentials(json: Value) -> Result<Credentials, ConnectorError> {
    let kind = json.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let built = match kind.as_str() {
        "service_account" => service_account::Builder::new(json).build(),
        "authorized_user" => user_account::Builder::new(json).build(),
        "external_account" => external_account::Builder::new(json).build(),
        "impersonated_service_account" => impersonated::Builder::new(json).build(),
        _ => {
            return Err(ConnectorError::new(
                ErrorKind::Invalid,
                "`credentials` has an unknown type: its `type` must be service_account, authorized_user, \
                 external_account or impersonated_service_account",
            ));
        }
    };
    // What the builder says may hold parts of the text.
    built.map_err(|_| {
        ConnectorError::new(
            ErrorKind::Denied,
            format!("`credentials` of type {kind} cannot be used: a part is missing or its key cannot be read; create a new file"),
        )
    })
}

fn project(
    options: &PubSubOptions,
    credentials: Option<&Value>,
    context: &ConnectContext,
) -> Result<String, ConnectorError> {
    let of_credentials = || credentials?.get("project_id")?.as_str().map(str::to_owned);
    let emulated = || options.is_emulator().then(|| EMULATOR_PROJECT.to_owned());
    options
        .project
        .clone()
        .or_else(of_credentials)
        .or_else(|| context.host.variable(PROJECT_VARIABLE))
        .filter(|project| !project.is_empty())
        .or_else(emulated)
        .ok_or_else(|| {
            ConnectorError::new(
                ErrorKind::Invalid,
                format!("no project: set `project` of the pubsub backend in the Environment, or the variable {PROJECT_VARIABLE}"),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_in_no_error() {
        let canary = "canary-7f3a";
        for text in [
            format!("{canary} is no JSON"),
            format!(r#"{{"type":"{canary}"}}"#),
            format!(
                r#"{{"type":"service_account","private_key":"{canary}","client_email":"a@b","private_key_id":"1"}}"#
            ),
            format!(r#"{{"type":"authorized_user","client_secret":"{canary}"}}"#),
        ] {
            let error = parse(&text).and_then(credentials).map(drop);
            // A client may put off looking at the key until it needs a token.
            if let Err(error) = error {
                assert!(!format!("{error:?} {error}").contains(canary), "{error:?}");
            }
        }
        let unknown = parse(r#"{"type":"password"}"#).and_then(credentials).unwrap_err();
        assert_eq!(unknown.kind, ErrorKind::Invalid);
    }

    #[test]
    fn the_project_comes_from_the_nearest_that_tells_it() {
        let context = ConnectContext::new(Host::real(), "p", "e");
        let json = serde_json::json!({"project_id": "of-credentials"});
        let mut options = PubSubOptions { endpoint: Some("http://127.0.0.1:1".into()), ..PubSubOptions::default() };
        assert_eq!(project(&options, Some(&json), &context).unwrap(), "of-credentials");
        options.project = Some("given".into());
        assert_eq!(project(&options, Some(&json), &context).unwrap(), "given");
    }
}

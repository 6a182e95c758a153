//! The namespace: who asks, and clients of its hubs.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use azure_core::{
    credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions},
    time::{Duration, OffsetDateTime},
};
use azure_identity::{
    ClientSecretCredential, DeveloperToolsCredential, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId, WorkloadIdentityCredential,
};
use azure_messaging_eventhubs::{
    ConnectionString, ConsumerClient, ProducerClient, RetryOptions, models::AmqpTransport,
};
use pipectl_contract::{ConnectContext, ConnectorError, ErrorKind};
use pipectl_host::{Host, Micros};

use crate::{
    error::Failure,
    limits,
    options::{Credentials, EventHubsOptions, Transport},
    retry::answered,
};

/// How long a connection may take.
const CONNECT: std::time::Duration = std::time::Duration::from_secs(20);

/// A namespace and how it is asked.
#[derive(Clone)]
pub(crate) struct Namespace {
    pub(crate) host: Host,
    pub(crate) options: Arc<EventHubsOptions>,
    /// `my-namespace.servicebus.windows.net`.
    pub(crate) name: String,
    /// What the service shows of us.
    application: String,
    credential: Arc<Mutex<Option<Arc<dyn TokenCredential>>>>,
    pacer: Pacer,
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Namespace {
    pub(crate) fn new(options: EventHubsOptions, host: Host, application: String) -> Result<Self, ConnectorError> {
        let invalid = |text: String| ConnectorError::new(ErrorKind::Invalid, text);
        let name = match (&options.connection_string, &options.namespace) {
            (Some(text), _) => {
                let parsed: ConnectionString = text.expose().parse().map_err(|error: azure_core::Error| {
                    invalid(format!("`connection_string` of Event Hubs cannot be read: {error}"))
                })?;
                parsed.fully_qualified_namespace
            }
            (None, Some(name)) => name.clone(),
            (None, None) => {
                return Err(invalid("Event Hubs needs `namespace` or `connection_string`".into()));
            }
        };
        // Two providers are linked into one program with other clients; without a choice the first connection panics.
        // It fails only where somebody has chosen already, which is as good.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        Ok(Self {
            host: host.clone(),
            options: Arc::new(options),
            name,
            application,
            credential: Arc::default(),
            pacer: Pacer { host, next: Arc::default() },
        })
    }

    /// Refuses public addresses where the Environment asks for a private network.
    pub(crate) async fn admit(&self, context: &ConnectContext) -> Result<(), ConnectorError> {
        let place = self.options.endpoint.as_deref().unwrap_or(&self.name);
        context
            .admit(
                place,
                "create a private endpoint of the namespace and set it as `endpoint`, or use its private DNS zone",
            )
            .await?;
        if let Some(checkpoints) = &self.options.checkpoints {
            let usual = || format!("https://{}.blob.core.windows.net", checkpoints.account);
            let place = checkpoints.endpoint.clone().unwrap_or_else(usual);
            context
                .admit(&place, "create a private endpoint of the storage account and set it as `checkpoints.endpoint`")
                .await?;
        }
        Ok(())
    }

    /// The first label of the host's name: what the management interface calls the namespace.
    pub(crate) fn short_name(&self) -> &str {
        self.name.split('.').next().unwrap_or(&self.name)
    }

    /// Waits for its turn among all reads of runtime information.
    pub(crate) async fn turn(&self) {
        self.pacer.turn().await;
    }

    /// Who asks, for everything but a connection string.
    pub(crate) fn credential(&self) -> Result<Arc<dyn TokenCredential>, Failure> {
        let mut known = self.credential.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(credential) = known.as_ref() {
            return Ok(Arc::clone(credential));
        }
        let made: Arc<dyn TokenCredential> = match &self.options.credentials {
            None | Some(Credentials::DeveloperTools {}) => DeveloperToolsCredential::new(None)?,
            Some(Credentials::ManagedIdentity(identity)) => {
                ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
                    user_assigned_id: identity.client_id.clone().map(UserAssignedId::ClientId),
                    ..Default::default()
                }))?
            }
            Some(Credentials::WorkloadIdentity {}) => WorkloadIdentityCredential::new(None)?,
            Some(Credentials::ClientSecret(client)) => {
                let secret = Secret::new(client.secret.expose().clone());
                ClientSecretCredential::new(&client.tenant, client.client.clone(), secret, None)?
            }
            Some(Credentials::Token(token)) => {
                Arc::new(FixedToken { token: Secret::new(token.expose().clone()), host: self.host.clone() })
            }
        };
        *known = Some(Arc::clone(&made));
        Ok(made)
    }

    fn transport(&self) -> AmqpTransport {
        match self.options.transport {
            Transport::Tcp => AmqpTransport::Tcp,
            Transport::WebSocket => AmqpTransport::WebSocket,
        }
    }

    /// A client that writes to a hub and asks about it. It repeats nothing by itself: repeating is ours, so that order
    /// and bounds are ours.
    pub(crate) async fn producer(&self, hub: &str) -> Result<ProducerClient, Failure> {
        let mut builder = ProducerClient::builder()
            .with_application_id(self.application.clone())
            .with_retry_options(no_retries())
            .with_transport(self.transport());
        if let Some(endpoint) = &self.options.endpoint {
            builder = builder.with_custom_endpoint(endpoint.clone());
        }
        answered(&self.host, CONNECT, async {
            Ok(match &self.options.connection_string {
                Some(text) => builder.open_with_connection_string(text.expose(), Some(hub)).await?,
                None => builder.open(&self.name, hub, self.credential()?).await?,
            })
        })
        .await
    }

    /// A client that reads a hub for a consumer group.
    pub(crate) async fn consumer(&self, hub: &str, group: &str) -> Result<ConsumerClient, Failure> {
        let mut builder = ConsumerClient::builder()
            .with_application_id(self.application.clone())
            .with_consumer_group(group.to_owned())
            .with_retry_options(no_retries())
            .with_transport(self.transport());
        if let Some(endpoint) = &self.options.endpoint {
            builder = builder.with_custom_endpoint(endpoint.clone());
        }
        answered(&self.host, CONNECT, async {
            Ok(match &self.options.connection_string {
                Some(text) => builder.open_with_connection_string(text.expose(), Some(hub)).await?,
                None => builder.open(&self.name, hub.to_owned(), self.credential()?).await?,
            })
        })
        .await
    }
}

fn no_retries() -> RetryOptions {
    RetryOptions { max_retries: 0, ..Default::default() }
}

/// Spreads reads of runtime information over time.
#[derive(Clone, Debug)]
struct Pacer {
    host: Host,
    next: Arc<Mutex<Micros>>,
}

impl Pacer {
    async fn turn(&self) {
        let at = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let at = (*next).max(self.host.now());
            *next = at + limits::RUNTIME_PAUSE.as_micros() as Micros;
            at
        };
        self.host.sleep_until(at).await;
    }
}

/// A token that somebody else has fetched.
#[derive(Debug)]
struct FixedToken {
    token: Secret,
    host: Host,
}

#[async_trait::async_trait]
impl TokenCredential for FixedToken {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        // When it runs out stands in the token; the service says so when it has. Until then it is taken for good.
        let now =
            OffsetDateTime::from_unix_timestamp(self.host.now() / 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        Ok(AccessToken::new(self.token.clone(), now + Duration::hours(1)))
    }
}

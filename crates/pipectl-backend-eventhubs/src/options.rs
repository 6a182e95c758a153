//! What an Environment says about a namespace of Event Hubs and about its hubs.

use pipectl_data::{
    Secret,
    units::{Duration, Size},
};
use schemars::JsonSchema;
use serde::Deserialize;

/// Azure Event Hubs: a hub for each stream.
///
/// Reading and writing need `namespace` with `credentials`, or a `connection_string`. Making, changing and removing hubs
/// and consumer groups goes through Azure's management interface and needs `management`. Workers share a stream (and
/// others see how far a pipeline is) only with `checkpoints`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EventHubsOptions {
    /// The namespace's host. Default: the host of `connection_string`.
    #[schemars(example = &"my-namespace.servicebus.windows.net")]
    pub namespace: Option<String>,
    /// A connection string of the namespace with a shared access key, as the portal shows it.
    #[schemars(example = &"${secret:EVENTHUBS_CONNECTION_STRING}")]
    pub connection_string: Option<Secret>,
    /// Who asks, where there is no connection string; the management interface always needs it. Default: whoever is
    /// logged in with the Azure CLI or the Azure Developer CLI.
    pub credentials: Option<Credentials>,
    /// Where to connect instead of the namespace's host: a private endpoint (`amqps://10.0.0.5`), or an emulator without
    /// TLS (`amqp://127.0.0.1:5672`).
    #[schemars(example = &"amqp://127.0.0.1:5672")]
    pub endpoint: Option<String>,
    /// How to connect: `tcp` (port 5671) or `web_socket` (port 443, where a firewall lets nothing else out).
    pub transport: Transport,
    /// The tier of the namespace, which sets its limits.
    pub tier: Tier,
    /// The management interface.
    pub management: Option<Management>,
    /// The container of Blob storage for ownership and checkpoints, in the form that the official processors use.
    pub checkpoints: Option<Checkpoints>,
    /// How long a request is repeated that the service refuses for a moment.
    pub retry: Retry,
    /// How many events a reader asks the service for in advance, for each partition: from 1 to 10000. Default: as many as
    /// its memory would hold at 4 KiB each, at most 300.
    pub prefetch: Option<u32>,
}

/// Who asks.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Credentials {
    /// Whoever is logged in with `az login` or `azd auth login`.
    DeveloperTools {},
    /// The identity of this machine or service.
    ManagedIdentity(ManagedIdentity),
    /// The identity of this Kubernetes workload, from `AZURE_CLIENT_ID`, `AZURE_TENANT_ID` and `AZURE_FEDERATED_TOKEN_FILE`.
    WorkloadIdentity {},
    /// An application with its secret.
    ClientSecret(ClientSecret),
    /// An access token as it is. It runs out and is not renewed.
    Token(Secret),
}

/// The identity of this machine or service.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ManagedIdentity {
    /// The client id of one that was assigned by a user. Default: the one of the system.
    pub client_id: Option<String>,
}

/// An application with its secret.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientSecret {
    /// The tenant (directory) id.
    pub tenant: String,
    /// The client (application) id.
    pub client: String,
    /// The secret.
    pub secret: Secret,
}

/// How to connect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// AMQP over TLS.
    #[default]
    Tcp,
    /// AMQP over a web socket.
    WebSocket,
}

/// The tier of a namespace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Basic: 256 KB an event, one day, one consumer group.
    Basic,
    /// Standard: 1 MB an event, seven days, 32 partitions.
    #[default]
    Standard,
    /// Premium: 90 days, 100 partitions, which can grow.
    Premium,
    /// Dedicated: 90 days, 1024 partitions, which can grow.
    Dedicated,
}

/// Azure's management interface (Resource Manager).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Management {
    /// The subscription's id.
    #[schemars(example = &"00000000-0000-0000-0000-000000000000")]
    pub subscription: String,
    /// The resource group of the namespace.
    #[schemars(example = &"streaming")]
    pub resource_group: String,
    /// Where it is. Default: `https://management.azure.com`.
    #[serde(default)]
    #[schemars(example = &"https://management.usgovcloudapi.net")]
    pub endpoint: Option<String>,
}

/// A container of Blob storage.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Checkpoints {
    /// The storage account.
    #[schemars(example = &"mystorage")]
    pub account: String,
    /// The container, which must exist.
    #[schemars(example = &"checkpoints")]
    pub container: String,
    /// The account's key. Default: the same credentials as for the namespace.
    #[serde(default)]
    pub key: Option<Secret>,
    /// Where the account is, its name included. Default: `https://ACCOUNT.blob.core.windows.net`.
    #[serde(default)]
    #[schemars(example = &"http://127.0.0.1:10000/devstoreaccount1")]
    pub endpoint: Option<String>,
    /// How long a worker may be silent before others take its partitions: at least 1s.
    #[serde(default = "lease")]
    pub lease: Duration,
}

fn lease() -> Duration {
    Duration(std::time::Duration::from_secs(30))
}

/// How long a request is repeated.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// The first pause; each one after it is twice as long. Default: `200ms`.
    pub first: Duration,
    /// The longest pause. Default: `10s`.
    pub longest: Duration,
    /// A request that goes unanswered for so long counts as lost, and is repeated. Default: `30s`.
    pub answer: Duration,
    /// After this time in all, the error stands, if the request was repeated once. Default: `2m`.
    #[serde(rename = "for")]
    pub bound: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            first: Duration(std::time::Duration::from_millis(200)),
            longest: Duration(std::time::Duration::from_secs(10)),
            answer: Duration(std::time::Duration::from_secs(30)),
            bound: Duration(std::time::Duration::from_mins(2)),
        }
    }
}

/// What only Event Hubs has: the options of one stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HubOptions {
    /// The consumer group to read with. Default: one of the pipeline's own, which is made where `management` allows it
    /// (`$Default` in the Basic tier). Two pipelines must not share one. A look (`pipectl stream read`) reads with
    /// `$Default`, which the service refuses while a pipeline reads with it: where people shall look, choose another one
    /// here. The Basic tier has no other, so that there a look must wait until no pipeline reads.
    #[schemars(example = &"$Default")]
    pub consumer_group: Option<String>,
    /// Who finds the partition of a key.
    pub partition_by: PartitionBy,
    /// The largest publication that is sent. Default: what the service allows (1 MiB; 256 KiB in the Basic tier).
    pub batch: Option<Size>,
    /// What to do when records that were not read yet are gone: the hub did not keep them long enough, or it was made anew.
    pub on_gap: OnGap,
}

/// What to do about records that are gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnGap {
    /// Stop, and say how many are missing. The default.
    #[default]
    Fail,
    /// Warn, say how many are missing, and go on with the oldest that there is.
    Continue,
}

/// Who finds the partition of a key. The result is the same: both use the service's hash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartitionBy {
    /// pipectl does, with the hash of the official clients, so that records of many keys go in one request.
    #[default]
    Partition,
    /// The service does: a request then holds records of one key only, which is slow where there are many keys.
    Key,
}

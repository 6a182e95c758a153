//! What an Environment says about a namespace of Event Hubs and about its hubs.

use pipectl_data::{
    Secret,
    units::{Duration, Size},
};
use schemars::JsonSchema;
use serde::Deserialize;

/// Azure Event Hubs: an event hub for each stream.
///
/// To read and write, set `namespace` with `credentials`, or a `connection_string`. To create, change and remove event
/// hubs and consumer groups, set `management`, because this goes through Azure's management API. To let workers share a
/// stream, and to show the progress of a pipeline to other tools, set `checkpoints`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EventHubsOptions {
    /// The host name of the namespace. Default: the host of `connection_string`.
    #[schemars(example = &"my-namespace.servicebus.windows.net")]
    pub namespace: Option<String>,
    /// A connection string of the namespace with a shared access key, as the Azure portal shows it.
    #[schemars(example = &"${secret:EVENTHUBS_CONNECTION_STRING}")]
    pub connection_string: Option<Secret>,
    /// The credentials of the client, if there is no connection string. The management API always needs them. Default:
    /// the user who is logged in with the Azure CLI or the Azure Developer CLI.
    pub credentials: Option<Credentials>,
    /// The address to connect to instead of the host of the namespace: a private endpoint (`amqps://10.0.0.5`), or an
    /// emulator without TLS (`amqp://127.0.0.1:5672`).
    #[schemars(example = &"amqp://127.0.0.1:5672")]
    pub endpoint: Option<String>,
    /// How to connect: `tcp` (port 5671) or `web_socket` (port 443, for networks whose firewall blocks other ports).
    pub transport: Transport,
    /// The tier of the namespace, which sets its limits.
    pub tier: Tier,
    /// The management API.
    pub management: Option<Management>,
    /// The Blob storage container for partition ownership and checkpoints, in the format of the official Azure clients.
    pub checkpoints: Option<Checkpoints>,
    /// How pipectl retries a request after a transient error of the service.
    pub retry: Retry,
    /// The number of events that a reader requests in advance for each partition, from 1 to 10000. Default: as many as
    /// its memory budget holds at 4 KiB each, at most 300.
    pub prefetch: Option<u32>,
}

/// The credentials of the client.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Credentials {
    /// The user who is logged in with `az login` or `azd auth login`.
    DeveloperTools {},
    /// The managed identity of this machine or service.
    ManagedIdentity(ManagedIdentity),
    /// The identity of this Kubernetes workload, from the environment variables `AZURE_CLIENT_ID`, `AZURE_TENANT_ID`
    /// and `AZURE_FEDERATED_TOKEN_FILE`.
    WorkloadIdentity {},
    /// An application with a client secret.
    ClientSecret(ClientSecret),
    /// A fixed access token. It expires and is not renewed.
    Token(Secret),
}

/// The managed identity of this machine or service.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ManagedIdentity {
    /// The client id of a user-assigned identity. Default: the system-assigned identity.
    pub client_id: Option<String>,
}

/// An application with a client secret.
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
    /// Basic: 256 KB per event, one day of retention, one consumer group.
    Basic,
    /// Standard: 1 MB per event, seven days of retention, 32 partitions.
    #[default]
    Standard,
    /// Premium: 90 days of retention, 100 partitions, which can be increased.
    Premium,
    /// Dedicated: 90 days of retention, 1024 partitions, which can be increased.
    Dedicated,
}

/// Azure's management API (Resource Manager).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Management {
    /// The id of the Azure subscription.
    #[schemars(example = &"00000000-0000-0000-0000-000000000000")]
    pub subscription: String,
    /// The resource group of the namespace.
    #[schemars(example = &"streaming")]
    pub resource_group: String,
    /// The endpoint of the management API. Default: `https://management.azure.com`.
    #[serde(default)]
    #[schemars(example = &"https://management.usgovcloudapi.net")]
    pub endpoint: Option<String>,
}

/// A Blob storage container.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Checkpoints {
    /// The storage account.
    #[schemars(example = &"mystorage")]
    pub account: String,
    /// The container. It must exist.
    #[schemars(example = &"checkpoints")]
    pub container: String,
    /// The key of the storage account. Default: the same credentials as for the namespace.
    #[serde(default)]
    pub key: Option<Secret>,
    /// The endpoint of the account, including its name. Default: `https://ACCOUNT.blob.core.windows.net`.
    #[serde(default)]
    #[schemars(example = &"http://127.0.0.1:10000/devstoreaccount1")]
    pub endpoint: Option<String>,
    /// How long a worker may be silent before other workers take its partitions. At least 1s.
    #[serde(default = "lease")]
    pub lease: Duration,
}

fn lease() -> Duration {
    Duration(std::time::Duration::from_secs(30))
}

/// How pipectl retries a request.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// The first delay. Each delay after it is twice as long. Default: `200ms`.
    pub first: Duration,
    /// The longest delay. Default: `10s`.
    pub longest: Duration,
    /// The timeout of one request. After it, the request counts as lost and is retried. Default: `30s`.
    pub answer: Duration,
    /// The total time after which pipectl reports the error, if it has retried the request at least once. Default:
    /// `2m`.
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

/// Options of an Event Hubs stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HubOptions {
    /// The consumer group to read with. Default: a group that belongs to the pipeline, which pipectl creates if
    /// `management` allows it (`$Default` in the Basic tier). Two pipelines must not share a group. A peek (`pipectl
    /// stream read`) uses `$Default`, and the service refuses it while a pipeline reads with that group: to peek while
    /// the pipeline runs, set another group here. The Basic tier has no other group; there, a peek works only while no
    /// pipeline reads.
    #[schemars(example = &"$Default")]
    pub consumer_group: Option<String>,
    /// Whether pipectl or the service computes the partition of a key.
    pub partition_by: PartitionBy,
    /// The largest batch that pipectl sends. Default: the limit of the service (1 MiB; 256 KiB in the Basic tier).
    pub batch: Option<Size>,
    /// How to handle data loss: records that are gone before they were read, because the retention of the event hub is
    /// too short or because the event hub was created again.
    #[schemars(extend("x-former-name" = "on_gap"))]
    pub on_data_loss: OnDataLoss,
}

/// How to handle data loss.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnDataLoss {
    /// Stop, and report the number of lost records. The default.
    #[default]
    Fail,
    /// Log a warning with the number of lost records, and continue with the oldest available record.
    Continue,
}

/// Whether pipectl or the service computes the partition of a key. The result is the same: both use the service's hash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartitionBy {
    /// pipectl computes it with the hash of the official clients, so that one request can hold records of many keys.
    #[default]
    Partition,
    /// The service computes it. A request then holds records of one key only, which is slow with many keys.
    Key,
}

//! What an Environment says: where the service is and who asks, and what one stream has that only Pub/Sub knows.

use pipectl_data::{
    Secret,
    units::{Duration, Size},
};
use schemars::JsonSchema;
use serde::Deserialize;

/// Google Pub/Sub: a topic for each stream. Readers share a subscription. A record is acknowledged when the checkpoint
/// that contains its effect is durable.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PubSubOptions {
    /// The project that owns the topics and subscriptions. Default: the project of the `credentials`, or the
    /// environment variable `GOOGLE_CLOUD_PROJECT`.
    #[schemars(example = &"shop-production")]
    pub project: Option<String>,
    /// The endpoint of the service. Default: Google's public endpoint. An endpoint that begins with `http://` is an
    /// emulator, which is used without encryption and credentials. A regional or private endpoint begins with
    /// `https://`.
    #[schemars(example = &"http://127.0.0.1:8085", example = &"https://europe-west3-pubsub.googleapis.com")]
    pub endpoint: Option<String>,
    /// The content of a credentials file in JSON (a service account key, a workload identity federation, a user login).
    /// Default: application default credentials.
    #[schemars(example = &"${secret:PUBSUB_CREDENTIALS}")]
    pub credentials: Option<Secret>,
    /// How long the lease on a record is extended at most while its checkpoint is not durable. After that, the service
    /// delivers the record again. Must be at least three times the checkpoint interval. Default: `1h`.
    pub max_lease: Duration,
    /// The acknowledgement deadline of each record, which the client extends in time. If a worker dies, its records go
    /// to other workers after this time. From `10s` to `10m`. Default: `20s`.
    pub ack_deadline: Duration,
    /// The number of records that may be received and not yet acknowledged. A checkpoint starts at the latest when half
    /// of this number is reached. Default: 10000.
    #[schemars(range(min = 2, max = 1_000_000))]
    pub max_outstanding_messages: u32,
    /// The number of bytes that may be received and not yet acknowledged. The memory budget of the run also limits it.
    /// Default: `100MiB`.
    pub max_outstanding_bytes: Size,
    /// How long pipectl retries a call after a transient error of the service. Default: `1m`.
    pub retry_for: Duration,
    /// For a run that ends with its input: a stream counts as read to its end when no record arrives for this long and
    /// every record is acknowledged. The service does not report the end of a stream. Default: `10s`.
    pub quiet: Duration,
}

impl Default for PubSubOptions {
    fn default() -> Self {
        Self {
            project: None,
            endpoint: None,
            credentials: None,
            max_lease: Duration::from_secs(3600),
            ack_deadline: Duration::from_secs(20),
            max_outstanding_messages: 10_000,
            max_outstanding_bytes: Size(100 << 20),
            retry_for: Duration::from_secs(60),
            quiet: Duration::from_secs(10),
        }
    }
}

impl PubSubOptions {
    /// Whether the endpoint is an emulator: plain text, nobody asks who we are.
    pub(crate) fn is_emulator(&self) -> bool {
        self.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"))
    }
}

/// Options of a Pub/Sub stream.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PubSubStreamOptions {
    /// The subscription that the readers share. pipectl creates it together with the topic. If the stream is
    /// `existing`, the subscription must exist too. Default: one for each pipeline, Environment and stream, which the
    /// first reader creates.
    #[schemars(example = &"orders-by-shop")]
    pub subscription: Option<String>,
    /// Whether the subscription uses exactly-once delivery: the service confirms acknowledgements. Slower.
    pub exactly_once: bool,
    /// Delivers only records whose attributes (headers) match this filter. Cannot be changed later.
    #[schemars(example = &"attributes.region = \"eu\"")]
    pub filter: Option<String>,
    /// Where the service puts records after too many failed deliveries.
    pub dead_letter: Option<DeadLetter>,
    /// How long the service waits before it redelivers a record. Default: no wait.
    pub retry_policy: Option<Redelivery>,
    /// How long the topic keeps records, acknowledged or not, for readers that start later or go back in time. From
    /// `10m` to `31d`. Default: the stream's `retention`, or `1d`.
    pub message_retention: Option<Duration>,
    /// The time without a reader after which the service deletes the subscription, at least `1d`. Default: never.
    pub expiration: Option<Duration>,
    /// How long pipectl keeps the id of an acknowledged record to detect a redelivery, with `exactly_once` too. Time in
    /// which the service delivers nothing counts very little. Default: `10m`, the longest acknowledgement deadline: if an
    /// acknowledgement is lost, the service delivers the record again at the end of its deadline. At most a million ids
    /// are kept; if more records arrive in that time, the oldest ids are removed first.
    pub dedup_for: Option<Duration>,
    /// The snapshot at which reading begins, instead of `start`, if there is no checkpoint or after `apply --fresh`.
    /// pipectl reads the records that were not acknowledged when this snapshot of one of the topic's subscriptions was
    /// created, and all later records. Create one with `gcloud pubsub snapshots create`.
    #[schemars(example = &"before-the-release")]
    pub snapshot: Option<String>,
    /// The Cloud KMS key that encrypts the topic. Cannot be changed later.
    #[schemars(example = &"projects/p/locations/europe-west3/keyRings/r/cryptoKeys/k")]
    pub kms_key: Option<String>,
    /// The only region in which records may be stored. Default: set by the policy of the organization and by the
    /// publisher.
    #[schemars(example = &"europe-west3")]
    pub region: Option<String>,
}

/// Where the service puts records after too many failed deliveries.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadLetter {
    /// An existing topic. The service account of Pub/Sub needs the right to publish to it.
    #[schemars(example = &"orders-dead")]
    pub topic: String,
    /// The number of delivery attempts, from 5 to 100. Default: 5.
    #[serde(default = "five")]
    #[schemars(range(min = 5, max = 100))]
    pub max_attempts: u32,
}

/// The service's own default (`max_delivery_attempts`,
/// <https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions#DeadLetterPolicy>).
fn five() -> u32 {
    5
}

/// How long the service waits before it redelivers a record: from `min`, growing to `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Redelivery {
    /// The first delay, up to `10m`. Default: `10s`.
    pub min: Duration,
    /// The longest delay, up to `10m`. Default: `10m`.
    pub max: Duration,
}

impl Default for Redelivery {
    fn default() -> Self {
        Self { min: Duration::from_secs(10), max: Duration::from_secs(600) }
    }
}

impl PubSubStreamOptions {
    /// How long an id is kept.
    pub(crate) fn dedup_for(&self) -> std::time::Duration {
        self.dedup_for.map_or(std::time::Duration::from_mins(10), |dedup| dedup.0)
    }
}

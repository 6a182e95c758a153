//! What an Environment says: where the service is and who asks, and what one stream has that only Pub/Sub knows.

use pipectl_data::{
    Secret,
    units::{Duration, Size},
};
use schemars::JsonSchema;
use serde::Deserialize;

/// Carries streams as topics of Google Pub/Sub; readers share a subscription, and a record is acknowledged when the
/// checkpoint that holds its effect is durable.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PubSubOptions {
    /// The project that owns topics and subscriptions. Default: the project of the `credentials`, or the variable
    /// `GOOGLE_CLOUD_PROJECT`.
    #[schemars(example = &"shop-production")]
    pub project: Option<String>,
    /// Where the service is, if not at Google's public address. One that begins with `http://` is an emulator: it is
    /// spoken to in plain text and without credentials. A regional or private address begins with `https://`.
    #[schemars(example = &"http://127.0.0.1:8085", example = &"https://europe-west3-pubsub.googleapis.com")]
    pub endpoint: Option<String>,
    /// The text of a credentials file in JSON (a service account's key, a workload identity federation, a user's
    /// login). Default: application default credentials.
    #[schemars(example = &"${secret:PUBSUB_CREDENTIALS}")]
    pub credentials: Option<Secret>,
    /// How long the lease on a record is extended at the most while its checkpoint is not durable. After that the
    /// service offers it again. At least three times the interval of checkpoints. Default: `1h`.
    pub max_lease: Duration,
    /// The deadline that the client gives itself on each record and extends in time: so long after a worker died do its
    /// records go to others. From `10s` to `10m`. Default: `20s`.
    pub ack_deadline: Duration,
    /// How many records may be taken in and not yet acknowledged. A checkpoint is taken at half of it at the latest.
    /// Default: 10000.
    #[schemars(range(min = 2, max = 1_000_000))]
    pub max_outstanding_messages: u32,
    /// How many bytes may be taken in and not yet acknowledged; never more than the run's own budget gives. Default:
    /// `100MiB`.
    pub max_outstanding_bytes: Size,
    /// For how long a call that the service refuses for a moment is tried again. Default: `1m`.
    pub retry_for: Duration,
    /// A run that ends with its input takes a stream to be read to its end when nothing came for so long and everything
    /// is acknowledged; the service cannot tell the end itself. Default: `10s`.
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

/// What one stream has that only Pub/Sub knows.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PubSubStreamOptions {
    /// The subscription that readers share. Made together with the topic, unless the stream is `existing`: then it must
    /// be there. Default: one for each pipeline, Environment and stream, made by its first reader.
    #[schemars(example = &"orders-by-shop")]
    pub subscription: Option<String>,
    /// Whether the subscription delivers exactly once: acknowledgements are confirmed by the service. Slower.
    pub exactly_once: bool,
    /// Only records whose attributes (headers) match are delivered. Can never be changed.
    #[schemars(example = &"attributes.region = \"eu\"")]
    pub filter: Option<String>,
    /// Where the service puts records that it delivered in vain too often.
    pub dead_letter: Option<DeadLetter>,
    /// How long the service waits before it delivers a record again. Default: not at all.
    pub retry_policy: Option<Redelivery>,
    /// How long the topic keeps records, acknowledged or not, for readers who come later or start again at an earlier
    /// time; from `10m` to `31d`. Default: the stream's `retention`, or `1d`.
    pub message_retention: Option<Duration>,
    /// After how long without a reader the subscription is removed, at least `1d`. Default: never.
    pub expiration: Option<Duration>,
    /// How long the id of a record is kept after its acknowledgement, so that a redelivery is noticed, with `exactly_once`
    /// too; time in which the service delivers nothing at all hardly counts. Default: `10m`,
    /// the longest deadline for an acknowledgement: when one is lost on its way, the service offers the record again at
    /// the end of its deadline. At most a million ids are kept; where more come in that time, the oldest leave first.
    pub dedup_for: Option<Duration>,
    /// Where reading begins where there is no checkpoint to go on from, or after `apply --fresh`, in place of `start`: what
    /// was not acknowledged when this snapshot of one of the topic's subscriptions was made, and all that came since
    /// (`gcloud pubsub snapshots create`).
    #[schemars(example = &"before-the-release")]
    pub snapshot: Option<String>,
    /// The key of Cloud KMS that encrypts the topic. Can never be changed.
    #[schemars(example = &"projects/p/locations/europe-west3/keyRings/r/cryptoKeys/k")]
    pub kms_key: Option<String>,
    /// The only region where records may be stored. Default: where the organisation's policy and the publisher say.
    #[schemars(example = &"europe-west3")]
    pub region: Option<String>,
}

/// Where the service puts records that it delivered in vain too often.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadLetter {
    /// An existing topic. Pub/Sub's own service account needs the right to publish to it.
    #[schemars(example = &"orders-dead")]
    pub topic: String,
    /// After how many deliveries, from 5 to 100. Default: 5.
    #[serde(default = "five")]
    #[schemars(range(min = 5, max = 100))]
    pub max_attempts: u32,
}

/// The service's own default (`max_delivery_attempts`,
/// <https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions#DeadLetterPolicy>).
fn five() -> u32 {
    5
}

/// How long the service waits before it delivers a record again: from `min`, growing to `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Redelivery {
    /// The first pause, up to `10m`. Default: `10s`.
    pub min: Duration,
    /// The longest pause, up to `10m`. Default: `10m`.
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

//! What an Environment says about Kafka: where it is, who asks, and how, and what only a Kafka stream has.

use std::collections::BTreeMap;

use pipectl_data::{Secret, units::Duration};
use schemars::JsonSchema;
use serde::Deserialize;

/// Apache Kafka and services that use its protocol (Redpanda, Amazon MSK, Confluent Cloud, the Kafka endpoint of Event
/// Hubs).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaOptions {
    /// Bootstrap brokers, as `host:port`. Default: `localhost:9092`.
    #[schemars(example = &["broker-1.example.com:9092", "broker-2.example.com:9092"])]
    pub brokers: Vec<String>,
    /// Encrypts the connections. `{}` trusts the certificate authorities of this machine.
    pub tls: Option<Tls>,
    /// The credentials of the client. Without it, the client is anonymous, or identified by the certificate in `tls`.
    pub sasl: Option<Sasl>,
    /// The timeout of one request. Default: `30s`.
    pub request_timeout: Duration,
    /// How long pipectl retries after a transient failure (a broker restarts, a leader moves) before it reports an
    /// error. Applies to administration and to the delivery of records. Default: `2m`.
    pub retry_for: Duration,
    /// How often a reader checks for partitions that were added to the topic. Default: `30s`.
    pub discover_every: Duration,
    /// Settings of the client library, librdkafka, by their own names, for anything that has no option here. Settings
    /// that pipectl needs for its guarantees are refused.
    #[schemars(example = &BTreeMap::from([("socket.keepalive.enable", "true")]))]
    pub settings: BTreeMap<String, String>,
}

impl Default for KafkaOptions {
    fn default() -> Self {
        Self {
            brokers: vec!["localhost:9092".into()],
            tls: None,
            sasl: None,
            request_timeout: Duration(std::time::Duration::from_secs(30)),
            retry_for: Duration(std::time::Duration::from_mins(2)),
            discover_every: Duration(std::time::Duration::from_secs(30)),
            settings: BTreeMap::new(),
        }
    }
}

/// Encryption, and a client certificate if the brokers require one. Each file may also be given as PEM text.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// A PEM file with the certificate authorities to trust. Default: those of this machine.
    #[schemars(example = &"/etc/kafka/ca.pem")]
    pub ca: Option<String>,
    /// A PEM file with the client certificate, for brokers that require one.
    pub certificate: Option<String>,
    /// A PEM file with the private key of the client certificate.
    pub key: Option<Secret>,
    /// The password of the private key.
    pub key_password: Option<Secret>,
    /// Whether the host name of a broker must match its certificate. Default: true.
    pub verify_hostname: Option<bool>,
}

/// The credentials of the client, by SASL mechanism.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sasl {
    /// A username and a password, sent in clear text: use it only with `tls`. Confluent Cloud's API keys and the
    /// connection strings of Event Hubs use this mechanism.
    Plain(Login),
    /// A username and a password, hashed with SHA-256 and never sent.
    ScramSha256(Login),
    /// A username and a password, hashed with SHA-512 and never sent.
    ScramSha512(Login),
    /// A token signed with AWS credentials, for Amazon MSK with IAM. It cannot create, change or delete topics.
    AwsMskIam(MskIam),
    /// A token of an identity provider (`OAUTHBEARER` with OIDC, client credentials), renewed before it expires. It
    /// cannot create, change or delete topics.
    Oidc(Oidc),
}

/// A username and a password.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The username.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// AWS credentials for Amazon MSK with IAM. Without an access key, they come from the usual chain of the AWS SDKs:
/// environment variables, profiles, IAM Identity Center, web identity, containers, instances.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MskIam {
    /// The region of the cluster.
    #[schemars(example = &"eu-central-1")]
    pub region: Option<String>,
    /// The profile of the AWS configuration files to take credentials from.
    #[schemars(example = &"production")]
    pub profile: Option<String>,
    /// The access key.
    pub access_key_id: Option<Secret>,
    /// The secret key.
    pub secret_access_key: Option<Secret>,
    /// The session token of temporary credentials.
    pub session_token: Option<Secret>,
}

/// A client that is registered with an identity provider.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// The `token_endpoint` of the provider.
    #[schemars(example = &"https://login.example.com/oauth2/v2.0/token")]
    pub token_url: String,
    /// The client's id.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: Secret,
    /// The scope of the token, if the provider requires one.
    #[schemars(example = &"https://eventhubs.azure.net/.default")]
    pub scope: Option<String>,
}

/// Options of a Kafka stream.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaStreamOptions {
    /// The number of brokers that keep each partition, for a topic that pipectl creates. Default: the default of the
    /// brokers.
    #[schemars(range(min = 1, max = 32767), example = &3)]
    pub replication_factor: Option<u16>,
    /// How batches are compressed in transit and at rest.
    pub compression: Compression,
    /// Settings of the topic by their Kafka names, for a topic that pipectl creates or changes.
    #[schemars(example = &BTreeMap::from([("cleanup.policy", "compact")]))]
    pub config: BTreeMap<String, String>,
    /// Writes the records between two checkpoints in one transaction. Consumers that read committed records see all of
    /// them or none, once the checkpoint is durable, and see each record exactly once, even after a crash. A region
    /// that writes such a stream runs in one process. All transactional streams of a region share the transaction, so
    /// they need the same `compression` and `max.message.bytes`. Requires the right to write the transactional ids that
    /// begin with `PIPELINE.ENVIRONMENT.` and to read the groups that begin with `pipectl.`. Default: false.
    pub transactional: bool,
    /// The time after which the brokers abort a transaction if its writer is silent. Must be longer than the checkpoint
    /// interval. Default: `5m`.
    pub transaction_timeout: Option<Duration>,
    /// How to handle data loss: records that the topic removed before they were read, because its retention is too
    /// short.
    #[schemars(extend("x-former-name" = "on_gap"))]
    pub on_data_loss: OnDataLoss,
}

/// How batches are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// No compression.
    None,
    /// High compression, slow.
    Gzip,
    /// Fast.
    Snappy,
    /// Fast, with slightly better compression than Snappy. The default.
    #[default]
    Lz4,
    /// The best compression for its speed.
    Zstd,
}

impl Compression {
    /// Its name in Kafka.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
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

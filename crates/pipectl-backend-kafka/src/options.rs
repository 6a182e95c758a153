//! What an Environment says about Kafka: where it is, who asks, and how, and what only a Kafka stream has.

use std::collections::BTreeMap;

use pipectl_data::{Secret, units::Duration};
use schemars::JsonSchema;
use serde::Deserialize;

/// Apache Kafka and what speaks its protocol (Redpanda, Amazon MSK, Confluent Cloud, the Kafka endpoint of Event Hubs).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaOptions {
    /// Brokers to ask first, as `host:port`; the others are learnt from them. Default: `localhost:9092`.
    #[schemars(example = &["broker-1.example.com:9092", "broker-2.example.com:9092"])]
    pub brokers: Vec<String>,
    /// Encrypts the connections. `{}` trusts the authorities that the machine trusts.
    pub tls: Option<Tls>,
    /// Who asks. Without it nobody in particular (or the certificate of `tls`).
    pub sasl: Option<Sasl>,
    /// How long one request may take. Default: `30s`.
    pub request_timeout: Duration,
    /// How long something that fails for now (a broker that restarts, a leader that moves) is tried again before it is an
    /// error: administration, and the delivery of a record. Default: `2m`.
    pub retry_for: Duration,
    /// How often partitions that were added to a topic are looked for while it is read. Default: `30s`.
    pub discover_every: Duration,
    /// Settings of the client library, librdkafka, by its own names, for what has no option here. Those that pipectl needs
    /// for its guarantees are refused.
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

/// Encryption, and a certificate of our own where the brokers ask for one. Each file may also be given as the PEM text
/// itself.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// A file with the authorities to trust, in PEM. Default: those of the machine.
    #[schemars(example = &"/etc/kafka/ca.pem")]
    pub ca: Option<String>,
    /// A file with our certificate, in PEM, for brokers that ask for one.
    pub certificate: Option<String>,
    /// A file with the certificate's private key, in PEM.
    pub key: Option<Secret>,
    /// The password of the private key.
    pub key_password: Option<Secret>,
    /// Whether the broker's name must be the one in its certificate. Default: true.
    pub verify_hostname: Option<bool>,
}

/// Who asks, by one of the mechanisms that brokers know.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sasl {
    /// A name and a password, sent as they are: only over `tls`. Confluent Cloud's API keys and the connection strings of
    /// Event Hubs come this way.
    Plain(Login),
    /// A name and a password, never sent, hashed with SHA-256.
    ScramSha256(Login),
    /// A name and a password, never sent, hashed with SHA-512.
    ScramSha512(Login),
    /// A token signed with AWS credentials, for Amazon MSK with IAM. It cannot make, change or delete topics.
    AwsMskIam(MskIam),
    /// A token of an identity provider (`OAUTHBEARER` with OIDC, client credentials), renewed before it ends. It
    /// cannot make, change or delete topics.
    Oidc(Oidc),
}

/// A name and a password.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The name.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// AWS credentials for Amazon MSK with IAM. What is not said comes from the usual variables (`AWS_REGION`,
/// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`), which are read anew for each token.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MskIam {
    /// The region of the cluster.
    #[schemars(example = &"eu-central-1")]
    pub region: Option<String>,
    /// The access key.
    pub access_key_id: Option<Secret>,
    /// The secret key.
    pub secret_access_key: Option<Secret>,
    /// The session token of temporary credentials.
    pub session_token: Option<Secret>,
}

/// A client that an identity provider knows.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// Where the provider gives tokens: its `token_endpoint`.
    #[schemars(example = &"https://login.example.com/oauth2/v2.0/token")]
    pub token_url: String,
    /// The client's id.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: Secret,
    /// What the token is to be good for, where the provider wants to be told.
    #[schemars(example = &"https://eventhubs.azure.net/.default")]
    pub scope: Option<String>,
}

/// What only a Kafka stream has.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaStreamOptions {
    /// On how many brokers each partition is kept, for a topic that is made. Default: as the brokers are set up.
    #[schemars(range(min = 1, max = 32767), example = &3)]
    pub replication_factor: Option<u16>,
    /// How batches are compressed on their way and at rest.
    pub compression: Compression,
    /// Settings of the topic by Kafka's own names, for a topic that is made or changed.
    #[schemars(example = &BTreeMap::from([("cleanup.policy", "compact")]))]
    pub config: BTreeMap<String, String>,
    /// Writes what lies between two checkpoints as one transaction: readers of committed records see all of it or nothing,
    /// once the checkpoint is durable, and whatever crashes, they see each record once. A region that writes such a stream
    /// has one owner; all such streams of a region share the transaction, and so need the same `compression` and
    /// `max.message.bytes`. Needs the rights to write the transactional ids that begin with `PIPELINE.ENVIRONMENT.` and to
    /// read the groups that begin with `pipectl.`. Default: false.
    pub transactional: bool,
    /// After this time the brokers give up a transaction whose writer is silent; must be longer than the interval of the
    /// checkpoints. Default: `5m`.
    pub transaction_timeout: Option<Duration>,
    /// What to do when records that were not read yet are gone because the topic did not keep them long enough.
    pub on_gap: OnGap,
}

/// How batches are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Not at all.
    None,
    /// Good and slow.
    Gzip,
    /// Quick.
    Snappy,
    /// Quick, a little better. The default.
    #[default]
    Lz4,
    /// The best for its time.
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

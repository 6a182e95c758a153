//! What an Environment can say about Kinesis and about one of its streams.

use pipectl_data::{
    Secret,
    units::{Duration, Size},
};
use schemars::JsonSchema;
use serde::Deserialize;

fn lease_table() -> String {
    "pipectl-leases".to_owned()
}

const fn lease() -> Duration {
    Duration::from_secs(10)
}

const fn connect_timeout() -> Duration {
    Duration::from_secs(5)
}

const fn request_timeout() -> Duration {
    Duration::from_secs(30)
}

const fn retry_for() -> Duration {
    Duration::from_secs(120)
}

const fn discover_every() -> Duration {
    Duration::from_secs(30)
}

/// Amazon Kinesis Data Streams. Without credentials here, the default credential chain of the AWS SDK applies
/// (environment variables, profile files, the role of a container or an instance).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KinesisOptions {
    /// The region of the streams. Default: the region that the AWS SDK finds in environment variables or the profile.
    #[serde(default)]
    #[schemars(example = &"eu-central-1")]
    pub region: Option<String>,
    /// The endpoint of the service, such as an emulator or a proxy. Default: the public endpoint of the region.
    #[serde(default)]
    #[schemars(example = &"http://127.0.0.1:4568")]
    pub endpoint: Option<String>,
    /// An interface endpoint (AWS `PrivateLink`) inside your own network, used instead of the public endpoint.
    #[serde(default)]
    #[schemars(example = &"https://vpce-0123.kinesis.eu-central-1.vpce.amazonaws.com")]
    pub private_endpoint: Option<String>,
    /// The endpoint of `DynamoDB`, which holds the leases. Default: the public endpoint of the region.
    #[serde(default)]
    #[schemars(example = &"http://127.0.0.1:4567")]
    pub dynamodb_endpoint: Option<String>,
    /// A profile of the shared AWS configuration files.
    #[serde(default)]
    #[schemars(example = &"analytics")]
    pub profile: Option<String>,
    /// Fixed credentials.
    #[serde(default)]
    pub credentials: Option<StaticCredentials>,
    /// A role to assume with the credentials.
    #[serde(default)]
    pub assume_role: Option<AssumeRole>,
    /// The `DynamoDB` table in which workers lease shards and record their progress. pipectl creates it if it does not
    /// exist.
    #[serde(default = "lease_table")]
    #[schemars(example = &"pipectl-leases")]
    pub lease_table: String,
    /// How long a worker may be silent before other workers take its shards.
    #[serde(default = "lease")]
    #[schemars(example = Duration::from_secs(10))]
    pub lease: Duration,
    /// The timeout of a connection to the service.
    #[serde(default = "connect_timeout")]
    pub connect_timeout: Duration,
    /// The timeout of one request.
    #[serde(default = "request_timeout")]
    pub request_timeout: Duration,
    /// How long pipectl retries a request that was throttled or did not reach the service.
    #[serde(default = "retry_for")]
    pub retry_for: Duration,
    /// How often pipectl lists the shards. It also lists them whenever a shard ends.
    #[serde(default = "discover_every")]
    pub discover_every: Duration,
}

impl Default for KinesisOptions {
    fn default() -> Self {
        Self {
            region: None,
            endpoint: None,
            private_endpoint: None,
            dynamodb_endpoint: None,
            profile: None,
            credentials: None,
            assume_role: None,
            lease_table: lease_table(),
            lease: lease(),
            connect_timeout: connect_timeout(),
            request_timeout: request_timeout(),
            retry_for: retry_for(),
            discover_every: discover_every(),
        }
    }
}

/// Fixed credentials. Prefer short-lived credentials from the chain of the AWS SDK.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StaticCredentials {
    /// The id of the access key.
    #[schemars(example = &"${secret:AWS_ACCESS_KEY_ID}")]
    pub access_key_id: Secret,
    /// The secret access key.
    #[schemars(example = &"${secret:AWS_SECRET_ACCESS_KEY}")]
    pub secret_access_key: Secret,
    /// The session token of temporary credentials.
    #[serde(default)]
    #[schemars(example = &"${secret:AWS_SESSION_TOKEN}")]
    pub session_token: Option<Secret>,
}

/// A role to assume.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssumeRole {
    /// The ARN of the role.
    #[schemars(example = &"arn:aws:iam::123456789012:role/pipectl")]
    pub arn: String,
    /// The external id that the trust policy of the role requires.
    #[serde(default)]
    #[schemars(example = &"${secret:EXTERNAL_ID}")]
    pub external_id: Option<Secret>,
    /// The name of the session in the logs of the account. Default: the name of the pipeline.
    #[serde(default)]
    #[schemars(example = &"pipectl-production")]
    pub session_name: Option<String>,
}

/// How a stream's capacity is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// By the number of shards, which `partitions` sets.
    #[default]
    Provisioned,
    /// By the service, which splits and merges shards as the load requires.
    OnDemand,
}

/// How to handle data loss: records that expired before they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnDataLoss {
    /// Stop with an error that names the shard, so that you can decide what to do.
    #[default]
    Fail,
    /// Log the data loss and continue with the oldest available record.
    Continue,
}

/// How to handle a misrouted record: a record inside an aggregated record whose key belongs to another shard.
///
/// A split or a merge misroutes records: an aggregated record for a shard that is already closed goes into one of the
/// child shards as a whole. pipectl and Amazon's producer library detect this and send the misrouted records again, to
/// the right shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Misrouted {
    /// Reads the record. No record is lost, whichever program wrote it, but a record that was sent again is a
    /// duplicate.
    Keep,
    /// Ignores the record, as Amazon's client library does. Each record is read exactly once if all programs that write
    /// aggregated records send misrouted records again.
    Drop,
}

const fn max_buffer() -> Duration {
    Duration::from_millis(100)
}

/// Options of a Kinesis stream.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KinesisStreamOptions {
    /// How capacity is set.
    #[serde(default)]
    pub mode: Mode,
    /// The KMS key that encrypts records at rest. With a customer managed key, writers need `kms:GenerateDataKey` on
    /// it, readers `kms:Decrypt`, and the user that creates the stream `kms:DescribeKey`.
    #[serde(default)]
    #[schemars(example = &"alias/aws/kinesis")]
    pub kms_key: Option<String>,
    /// Reads with enhanced fan-out: a registered consumer with its own 2 MiB/s per shard. AWS charges extra for it.
    #[serde(default)]
    pub fan_out: bool,
    /// Writes many records as one, in the aggregation format of Amazon's producer library. Readers must deaggregate
    /// them, as pipectl and Amazon's client library do. Set it also in the Environments that read the stream, so that
    /// the default of `misrouted` is right.
    #[serde(default)]
    pub aggregate: bool,
    /// How long a record may wait to be sent together with others.
    #[serde(default = "max_buffer")]
    #[schemars(example = Duration::from_millis(100))]
    pub max_buffer: Duration,
    /// The largest record, including its key. More than 1 MiB requires a setting of the stream, which `apply` makes.
    #[serde(default)]
    #[schemars(example = Size(1 << 20))]
    pub max_record: Option<Size>,
    /// How to handle data loss: records that expired before they were read.
    #[serde(default)]
    #[schemars(extend("x-former-name" = "on_gap"))]
    pub on_data_loss: OnDataLoss,
    /// How to handle a misrouted record: a record inside an aggregated record whose key belongs to another shard, which
    /// happens when shards split. Default: `drop` for a stream with `aggregate: true`, because its writer sends
    /// misrouted records again; otherwise `keep`, because not all programs do. If both kinds of programs write to the
    /// stream, choose between duplicates (`keep`) and data loss (`drop`).
    #[serde(default)]
    #[schemars(extend("x-former-name" = "strays"))]
    pub misrouted: Option<Misrouted>,
}

impl Default for KinesisStreamOptions {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            kms_key: None,
            fan_out: false,
            aggregate: false,
            max_buffer: max_buffer(),
            max_record: None,
            on_data_loss: OnDataLoss::default(),
            misrouted: None,
        }
    }
}

impl KinesisStreamOptions {
    /// The largest record with its key, in bytes.
    pub(crate) fn max_record(&self) -> u64 {
        self.max_record.map_or(crate::limits::RECORD, |size| size.0)
    }

    /// What to do with misrouted records: who writes aggregated records here sends them again.
    pub(crate) fn misrouted(&self) -> Misrouted {
        self.misrouted.unwrap_or(if self.aggregate { Misrouted::Drop } else { Misrouted::Keep })
    }
}

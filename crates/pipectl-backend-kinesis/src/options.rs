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

/// Amazon Kinesis Data Streams: where it is and who asks. Without credentials here, the SDK's own chain finds them
/// (variables, profile files, the role of a container or machine).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KinesisOptions {
    /// The region of the streams; without it, the one that the SDK finds in variables or the profile.
    #[serde(default)]
    #[schemars(example = &"eu-central-1")]
    pub region: Option<String>,
    /// The address of the service, where it is not the region's public one: an emulator, a proxy.
    #[serde(default)]
    #[schemars(example = &"http://127.0.0.1:4568")]
    pub endpoint: Option<String>,
    /// The address of an interface endpoint (AWS `PrivateLink`) inside your own network, used instead of the public one.
    #[serde(default)]
    #[schemars(example = &"https://vpce-0123.kinesis.eu-central-1.vpce.amazonaws.com")]
    pub private_endpoint: Option<String>,
    /// The address of `DynamoDB`, which holds the leases, where it is not the region's public one.
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
    /// A role to take on with the credentials that were found.
    #[serde(default)]
    pub assume_role: Option<AssumeRole>,
    /// The `DynamoDB` table in which workers lease shards and note how far they are. It is made if it is missing.
    #[serde(default = "lease_table")]
    #[schemars(example = &"pipectl-leases")]
    pub lease_table: String,
    /// How long a worker may be silent before others take its shards.
    #[serde(default = "lease")]
    #[schemars(example = Duration::from_secs(10))]
    pub lease: Duration,
    /// How long reaching the service may take.
    #[serde(default = "connect_timeout")]
    pub connect_timeout: Duration,
    /// How long one request may take.
    #[serde(default = "request_timeout")]
    pub request_timeout: Duration,
    /// For how long a request that was throttled or did not get through is tried again.
    #[serde(default = "retry_for")]
    pub retry_for: Duration,
    /// How often the shards are listed anew, beside each time that one ends.
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

/// Fixed credentials; better short-lived ones from the SDK's chain where there is a choice.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StaticCredentials {
    /// The id of the access key.
    #[schemars(example = &"${secret:AWS_ACCESS_KEY_ID}")]
    pub access_key_id: Secret,
    /// The access key itself.
    #[schemars(example = &"${secret:AWS_SECRET_ACCESS_KEY}")]
    pub secret_access_key: Secret,
    /// The token of temporary credentials.
    #[serde(default)]
    #[schemars(example = &"${secret:AWS_SESSION_TOKEN}")]
    pub session_token: Option<Secret>,
}

/// A role to take on.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssumeRole {
    /// Its name.
    #[schemars(example = &"arn:aws:iam::123456789012:role/pipectl")]
    pub arn: String,
    /// The external id that the role's trust policy asks for.
    #[serde(default)]
    #[schemars(example = &"${secret:EXTERNAL_ID}")]
    pub external_id: Option<Secret>,
    /// What the session is called in the account's logs; without it, the pipeline's name.
    #[serde(default)]
    #[schemars(example = &"pipectl-production")]
    pub session_name: Option<String>,
}

/// How a stream's capacity is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// By the number of shards, which `partitions` gives.
    #[default]
    Provisioned,
    /// By the service, which splits and merges shards as it sees fit.
    OnDemand,
}

/// What to do where records are gone before they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnGap {
    /// Stop with an error that names the shard, so that a person decides.
    #[default]
    Fail,
    /// Log the gap and go on with what there is.
    Continue,
}

/// What to do with a record of an aggregated one whose key belongs to another shard.
///
/// A split or a merge makes such strays: what was aggregated for a shard that is closed by the time it arrives goes into
/// one of its children as a whole. pipectl and Amazon's producer library see that and send the strays again, to where
/// they belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strays {
    /// Read it: nothing is lost, whoever wrote it; what was sent again is there twice.
    Keep,
    /// Leave it out, as Amazon's client library does: each record is there once, if all who write aggregated records send
    /// strays again.
    Drop,
}

const fn max_buffer() -> Duration {
    Duration::from_millis(100)
}

/// What only Kinesis has.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KinesisStreamOptions {
    /// How capacity is set.
    #[serde(default)]
    pub mode: Mode,
    /// The KMS key that encrypts records at rest. With a key of your own, writers need `kms:GenerateDataKey` on it, readers
    /// `kms:Decrypt`, and who makes the stream `kms:DescribeKey`.
    #[serde(default)]
    #[schemars(example = &"alias/aws/kinesis")]
    pub kms_key: Option<String>,
    /// Read by enhanced fan-out: a consumer of its own with 2 MiB/s of each shard, for a price.
    #[serde(default)]
    pub fan_out: bool,
    /// Write many records as one in the format of Amazon's producer library. Readers must take them apart: pipectl and
    /// Amazon's client library do. Say it where the stream is read too, so that `strays` fits.
    #[serde(default)]
    pub aggregate: bool,
    /// How long a record may wait for others to travel with.
    #[serde(default = "max_buffer")]
    #[schemars(example = Duration::from_millis(100))]
    pub max_buffer: Duration,
    /// The largest record with its key; beyond 1 MiB the stream itself must allow it, which `apply` sees to.
    #[serde(default)]
    #[schemars(example = Size(1 << 20))]
    pub max_record: Option<Size>,
    /// What to do where records are gone before they were read.
    #[serde(default)]
    pub on_gap: OnGap,
    /// What to do with a record of an aggregated one whose key belongs to another shard, as splits make them. Without it:
    /// `drop` where the stream is `aggregate: true`, since its writer sends them again; `keep` elsewhere, since not all
    /// programs do. With writers of both sorts, choose between records twice (`keep`) and records lost (`drop`).
    #[serde(default)]
    pub strays: Option<Strays>,
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
            on_gap: OnGap::default(),
            strays: None,
        }
    }
}

impl KinesisStreamOptions {
    /// The largest record with its key, in bytes.
    pub(crate) fn max_record(&self) -> u64 {
        self.max_record.map_or(crate::limits::RECORD, |size| size.0)
    }

    /// What to do with strays: who writes aggregated records here sends them again.
    pub(crate) fn strays(&self) -> Strays {
        self.strays.unwrap_or(if self.aggregate { Strays::Drop } else { Strays::Keep })
    }
}

//! The Amazon Kinesis backend.
//!
//! A key goes to the shard whose range holds its MD5; shards split and merge and know their parents, and a child is read
//! when its parents are done with. Writing keeps the order per key across retries; reading takes the aggregated records
//! of Amazon's producer library apart. Workers that share a stream lease its shards in a `DynamoDB` table.

mod admin;
mod api;
mod clock;
mod connection;
mod consumer;
mod error;
mod hash;
mod kpl;
mod leases;
mod limits;
mod options;
mod position;
mod preflight;
mod producer;
mod settings;
mod shards;
mod summary;

use std::sync::Arc;

use async_trait::async_trait;
use pipectl_contract::{
    Backend, Capabilities, Checked, ConnectContext, Connection, ConnectorError, Consumption, Order, Partitions,
    StreamFacts, StreamNeeds,
};
use pipectl_diag::{
    Diagnostic, Diagnostics, Path, codes::options::INVALID_OPTION, codes::options::OPTION_NOT_FOR_THIS,
};

pub use api::Calls;
pub use connection::KinesisConnection;
pub use options::{AssumeRole, KinesisOptions, KinesisStreamOptions, Misrouted, Mode, OnDataLoss, StaticCredentials};

/// The backend.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kinesis;

impl Kinesis {
    /// [`Backend::connect`] with the connection's own type, which reports what was called.
    pub async fn open(
        &self,
        options: KinesisOptions,
        context: ConnectContext,
    ) -> Result<Arc<KinesisConnection>, ConnectorError> {
        Ok(Arc::new(KinesisConnection::new(api::Api::connect(options, &context).await?)))
    }
}

#[async_trait]
impl Backend for Kinesis {
    type Options = KinesisOptions;
    type StreamOptions = KinesisStreamOptions;
    const KIND: &'static str = "kinesis";

    fn capabilities(&self, _options: &KinesisOptions) -> Capabilities {
        Capabilities {
            order: Order::Partition,
            partitions: Partitions::Resharding,
            consumption: Consumption::Position,
            max_record: limits::RECORD,
            max_key: limits::KEY_CHARACTERS as u64,
            retention: (limits::RETENTION_LEAST, Some(limits::RETENTION_MOST)),
            headers: false,
            tombstones: false,
            binary_keys: false,
            replay_from_time: true,
            replay_from_position: true,
            sharing: true,
            end_is_known: true,
            transactions: false,
        }
    }

    fn check(
        &self,
        options: &KinesisOptions,
        stream_options: &KinesisStreamOptions,
        stream: StreamNeeds<'_>,
    ) -> Checked<StreamFacts> {
        let mut problems = Diagnostics::new();
        let at = |name: &str| Path::here().key(name);
        let mut wrong = |code, message: String, path: &Path| {
            problems.push(Diagnostic::error(code, message).at(path, ""));
        };
        if !name_fits(stream.target) {
            let message = format!(
                "`{}` cannot be the name of a Kinesis stream: 1 to 128 letters, digits, `_`, `.` and `-`",
                stream.target
            );
            wrong(INVALID_OPTION, message, &at("name"));
        }
        if stream.partitions.is_some_and(|partitions| !(1..=limits::SHARDS).contains(&partitions)) {
            wrong(INVALID_OPTION, format!("a Kinesis stream has 1 to {} shards", limits::SHARDS), &at("partitions"));
        }
        if let Some(problem) = stream.retention.and_then(admin::retention_problem) {
            wrong(INVALID_OPTION, problem, &at("retention"));
        }
        if !(1..=limits::RECORD_MOST).contains(&stream_options.max_record()) {
            wrong(INVALID_OPTION, "Kinesis accepts records of at most 10 MiB".into(), &at("max_record"));
        }
        if options.lease.0 < std::time::Duration::from_secs(1) {
            wrong(
                INVALID_OPTION,
                "the backend's `lease` is below one second: workers would lose their shards after each short delay"
                    .into(),
                &Path::here(),
            );
        }
        if options.profile.is_some() && options.credentials.is_some() {
            wrong(
                OPTION_NOT_FOR_THIS,
                "the backend has both `profile` and `credentials`; remove one".into(),
                &Path::here(),
            );
        }
        let facts = StreamFacts::durable(stream.partitions.unwrap_or(summary::DEFAULT_SHARDS));
        Checked::new(facts, problems)
    }

    async fn connect(
        &self,
        options: KinesisOptions,
        context: ConnectContext,
    ) -> Result<Arc<dyn Connection>, ConnectorError> {
        Ok(self.open(options, context).await?)
    }
}

/// <https://docs.aws.amazon.com/kinesis/latest/APIReference/API_CreateStream.html>
fn name_fits(name: &str) -> bool {
    (1..=128).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

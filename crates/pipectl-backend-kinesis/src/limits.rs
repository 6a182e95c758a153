//! What the service allows, each from its page.

use std::time::Duration;

/// Bytes of a record with its key, unless the stream allows more
/// (<https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html>).
pub(crate) const RECORD: u64 = 1 << 20;
/// The most that a stream can be made to allow
/// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_UpdateMaxRecordSize.html>).
pub(crate) const RECORD_MOST: u64 = 10 << 20;
/// Characters of a partition key (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecord.html>).
pub(crate) const KEY_CHARACTERS: usize = 256;
/// Records of one `PutRecords` request (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html>).
pub(crate) const REQUEST_RECORDS: usize = 500;
/// Bytes of one `PutRecords` request with all keys (the same page).
pub(crate) const REQUEST_BYTES: usize = 10 << 20;
/// The shortest retention (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_CreateStream.html>).
pub(crate) const RETENTION_LEAST: Duration = Duration::from_hours(24);
/// The longest retention
/// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_IncreaseStreamRetentionPeriod.html>).
pub(crate) const RETENTION_MOST: Duration = Duration::from_hours(8_760);
/// Shards that one stream can have (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_UpdateShardCount.html>).
pub(crate) const SHARDS: u32 = 10_000;
/// The time between two `GetRecords` calls on a shard: five a second
/// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html>).
pub(crate) const READ_EVERY: Duration = Duration::from_millis(200);
/// Records of one `GetRecords` answer (the same page).
pub(crate) const READ_RECORDS: usize = 10_000;
/// The time between two `SubscribeToShard` calls of a consumer on a shard
/// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_SubscribeToShard.html>).
pub(crate) const SUBSCRIBE_EVERY: Duration = Duration::from_secs(5);
/// Bytes of an aggregated record: what Amazon's producer library makes
/// (`AggregationMaxSize` in <https://github.com/awslabs/amazon-kinesis-producer/blob/master/java/amazon-kinesis-producer-sample/default_config.properties>).
pub(crate) const AGGREGATE: usize = 51_200;

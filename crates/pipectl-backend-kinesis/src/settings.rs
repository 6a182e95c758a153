//! What can be set on a stream once it is there: what differs from a target, and bringing it there. The service makes one
//! change at a time, and another process may be making the same ones.

use std::time::Duration;

use aws_sdk_kinesis::types::{EncryptionType, StreamDescriptionSummary, StreamMode};
use pipectl_contract::{ConnectorError, Difference, StreamTarget};
use pipectl_data::units;
use pipectl_host::Micros;

use crate::{
    api::Api,
    error::CallError,
    limits,
    options::{KinesisStreamOptions, Mode},
    summary::{self, CHANGE_MOST, LOOK_EVERY},
};

/// Hours for which a new stream keeps records
/// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_CreateStream.html>).
const NEW_RETENTION: i32 = 24;
/// The largest record of a new stream (<https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html>).
const NEW_RECORD_KIB: i32 = (limits::RECORD / 1024) as i32;
/// A stream that another process has just made is given so long to be finished.
const FINISH_MOST: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    Longer(i32),
    Shorter(i32),
    Encrypt(String),
    Largest(i32),
}

/// The changes that bring a stream to its target.
fn changes(stream: &StreamTarget, options: &KinesisStreamOptions, seen: &StreamDescriptionSummary) -> Vec<Change> {
    let mut changes = Vec::new();
    if let Some(hours) = stream.retention.map(hours) {
        match hours - seen.retention_period_hours() {
            1.. => changes.push(Change::Longer(hours)),
            0 => {}
            _ => changes.push(Change::Shorter(hours)),
        }
    }
    if let Some(key) = &options.kms_key
        && !is_under(seen, key)
    {
        changes.push(Change::Encrypt(key.clone()));
    }
    if let Some(kib) = record_kib(options)
        && kib != largest_kib(seen)
    {
        changes.push(Change::Largest(kib));
    }
    changes
}

impl Change {
    async fn make(&self, api: &Api, stream: &StreamTarget, seen: &StreamDescriptionSummary) -> Result<(), CallError> {
        let (client, name) = (&api.kinesis, &stream.name);
        let retention = |hours| format!("set the retention of stream `{name}` to {hours} hours");
        match self {
            Self::Longer(hours) => {
                let call = client.increase_stream_retention_period().stream_name(name).retention_period_hours(*hours);
                api.call("IncreaseStreamRetentionPeriod", &retention(*hours), || call.clone().send()).await.map(drop)
            }
            Self::Shorter(hours) => {
                let call = client.decrease_stream_retention_period().stream_name(name).retention_period_hours(*hours);
                api.call("DecreaseStreamRetentionPeriod", &retention(*hours), || call.clone().send()).await.map(drop)
            }
            Self::Encrypt(key) => {
                let call = client.start_stream_encryption().stream_name(name).encryption_type(EncryptionType::Kms);
                let what = format!("encrypt stream `{name}` with `{key}`");
                api.call("StartStreamEncryption", &what, || call.clone().key_id(key).send()).await.map(drop)
            }
            Self::Largest(kib) => {
                let call = client.update_max_record_size().stream_arn(seen.stream_arn()).max_record_size_in_kib(*kib);
                let what = format!("set the maximum record size of stream `{name}` to {kib} KiB");
                api.call("UpdateMaxRecordSize", &what, || call.clone().send()).await.map(drop)
            }
        }
    }
}

/// Brings retention, encryption and the largest record to what the target says.
pub(crate) async fn bring(
    api: &Api,
    stream: &StreamTarget,
    options: &KinesisStreamOptions,
    mut seen: StreamDescriptionSummary,
) -> Result<(), ConnectorError> {
    let until = api.host.now() + CHANGE_MOST.as_micros() as Micros;
    let mut made = Vec::new();
    loop {
        let Some(change) = changes(stream, options, &seen).into_iter().find(|change| !made.contains(change)) else {
            return Ok(());
        };
        let done = change.make(api, stream, &seen).await;
        seen = summary::settled(api, &stream.name).await?.ok_or_else(|| summary::missing(&stream.name))?;
        match done {
            Ok(()) => made.push(change),
            // Another process has been quicker with the same change, or is about to be.
            Err(_) if !changes(stream, options, &seen).contains(&change) => {}
            Err(failed) if failed.is("ResourceInUseException") && api.host.now() < until => {
                api.host.sleep(LOOK_EVERY).await;
            }
            Err(failed) => return Err(failed.error),
        }
    }
}

/// Whether a stream looks as a creation of this target leaves it that broke off a few minutes ago: each setting is what
/// the target wants or what every new stream has. Then what is missing takes nothing away from anybody.
pub(crate) fn is_unfinished(
    stream: &StreamTarget,
    options: &KinesisStreamOptions,
    seen: &StreamDescriptionSummary,
    now: Micros,
) -> bool {
    let created = summary::micros(seen.stream_creation_timestamp()).unwrap_or(Micros::MIN);
    let is_new = now.saturating_sub(created) < CHANGE_MOST.as_micros() as Micros;
    let shards = stream.partitions.unwrap_or(summary::DEFAULT_SHARDS);
    let fits = match options.mode {
        Mode::Provisioned => !on_demand(seen) && u32::try_from(seen.open_shard_count()) == Ok(shards),
        Mode::OnDemand => on_demand(seen),
    };
    let kept = seen.retention_period_hours();
    let retention = kept == NEW_RETENTION || stream.retention.map(hours) == Some(kept);
    let key = key_of(seen).is_none() || options.kms_key.as_deref().is_some_and(|key| is_under(seen, key));
    let largest = [Some(NEW_RECORD_KIB), record_kib(options)].contains(&Some(largest_kib(seen)));
    !stream.existing && is_new && fits && retention && key && largest && !changes(stream, options, seen).is_empty()
}

/// What differs from the target. A stream that another process makes at this moment is given time to be finished.
pub(crate) async fn differences(
    api: &Api,
    stream: &StreamTarget,
    options: &KinesisStreamOptions,
) -> Result<Vec<Difference>, ConnectorError> {
    let until = api.host.now() + FINISH_MOST.as_micros() as Micros;
    loop {
        let Some(seen) = summary::settled(api, &stream.name).await? else { return Ok(Vec::new()) };
        let now = api.host.now();
        if now >= until || !is_unfinished(stream, options, &seen, now) {
            return Ok(differ(stream, options, &seen));
        }
        api.host.sleep(LOOK_EVERY).await;
    }
}

fn differ(stream: &StreamTarget, options: &KinesisStreamOptions, seen: &StreamDescriptionSummary) -> Vec<Difference> {
    // On demand, the service has its own mind.
    let partitions = stream.partitions.filter(|_| options.mode == Mode::Provisioned).and_then(|wanted| {
        Difference::of("partitions", &seen.open_shard_count().unsigned_abs(), &wanted, ToString::to_string)
    });
    let retention = stream.retention.map(hours).and_then(|wanted| {
        let text = |hours: &i32| units::Duration(Duration::from_hours(u64::from(hours.unsigned_abs()))).to_string();
        Difference::of("retention", &seen.retention_period_hours(), &wanted, text)
    });
    let name = |on_demand: &bool| if *on_demand { "on_demand" } else { "provisioned" }.to_owned();
    let mode = Difference::of("mode", &on_demand(seen), &(options.mode == Mode::OnDemand), name);
    // What was to be encrypted with a key must not lie open, nor under a key that others may use.
    let key = options.kms_key.as_deref().filter(|wanted| !is_under(seen, wanted)).and_then(|wanted| {
        Difference::of("kms_key", &key_of(seen).unwrap_or("none"), &wanted, ToString::to_string)
            .map(Difference::blocking)
    });
    let record = record_kib(options).and_then(|wanted| {
        let text = |kib: &i32| units::Size(u64::from(kib.unsigned_abs()) * 1024).to_string();
        Difference::of("max_record", &largest_kib(seen), &wanted, text)
    });
    [mode, partitions, retention, key, record].into_iter().flatten().collect()
}

/// The key that a stream is encrypted with.
pub(crate) fn key_of(seen: &StreamDescriptionSummary) -> Option<&str> {
    (seen.encryption_type() == Some(&EncryptionType::Kms)).then(|| seen.key_id().unwrap_or("key"))
}

/// Whether a stream is encrypted with this key, whichever of the two names has the account and the region before it.
fn is_under(seen: &StreamDescriptionSummary, key: &str) -> bool {
    let ends = |long: &str, short: &str| {
        long.strip_suffix(short).is_some_and(|before| before.is_empty() || before.ends_with([':', '/']))
    };
    key_of(seen).is_some_and(|is| ends(is, key) || ends(key, is))
}

/// Whether the service sets its capacity.
pub(crate) fn on_demand(seen: &StreamDescriptionSummary) -> bool {
    seen.stream_mode_details().is_some_and(|details| *details.stream_mode() == StreamMode::OnDemand)
}

pub(crate) fn largest_kib(seen: &StreamDescriptionSummary) -> i32 {
    seen.max_record_size_in_kib().unwrap_or(NEW_RECORD_KIB)
}

/// What a stream must take, if that is said; less than each stream takes is kept by the writer alone.
fn record_kib(options: &KinesisStreamOptions) -> Option<i32> {
    options.max_record.map(|most| (most.0.div_ceil(1024) as i32).max(NEW_RECORD_KIB))
}

/// Whole hours, rounded up.
fn hours(retention: Duration) -> i32 {
    retention.as_secs().div_ceil(3600) as i32
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::{
        primitives::DateTime,
        types::{StreamStatus, builders::StreamDescriptionSummaryBuilder},
    };

    use super::*;

    fn seen(
        change: impl FnOnce(StreamDescriptionSummaryBuilder) -> StreamDescriptionSummaryBuilder,
    ) -> StreamDescriptionSummary {
        let seen = StreamDescriptionSummary::builder()
            .stream_name("s")
            .stream_arn("arn:s")
            .stream_status(StreamStatus::Active)
            .retention_period_hours(24)
            .stream_creation_timestamp(DateTime::from_secs(1_000))
            .set_enhanced_monitoring(Some(vec![]))
            .open_shard_count(2);
        change(seen).build().unwrap()
    }

    #[test]
    fn only_what_a_creation_leaves_behind_is_unfinished() {
        let mut stream = StreamTarget::existing("s");
        (stream.existing, stream.partitions, stream.retention) = (false, Some(2), Some(Duration::from_hours(48)));
        let options = KinesisStreamOptions { kms_key: Some("alias/k".into()), ..KinesisStreamOptions::default() };
        let soon = 1_060_000_000;
        let unfinished = |seen: &StreamDescriptionSummary| is_unfinished(&stream, &options, seen, soon);
        assert!(unfinished(&seen(|s| s)));
        assert!(unfinished(&seen(|s| s.retention_period_hours(48))), "one of two was done");
        let whole = seen(|s| s.retention_period_hours(48).encryption_type(EncryptionType::Kms).key_id("alias/k"));
        assert!(!unfinished(&whole) && differ(&stream, &options, &whole).is_empty());
        for same in ["arn:aws:kms:eu-central-1:1:alias/k", "alias/k"] {
            assert!(is_under(&seen(|s| s.encryption_type(EncryptionType::Kms).key_id(same)), "alias/k"));
        }
        assert!(!is_under(&seen(|s| s.encryption_type(EncryptionType::Kms).key_id("alias/other-alias/k")), "k2"));
        assert!(!unfinished(&seen(|s| s.open_shard_count(3))), "it was resharded since");
        assert!(!unfinished(&seen(|s| s.retention_period_hours(72))), "somebody has set it");
        assert!(!unfinished(&seen(|s| s.encryption_type(EncryptionType::Kms).key_id("alias/other"))));
        assert!(!is_unfinished(&stream, &options, &seen(|s| s), 1_000_000_000 + 16 * 60_000_000), "long ago");
        let existing = StreamTarget { existing: true, ..stream.clone() };
        assert!(!is_unfinished(&existing, &options, &seen(|s| s), soon));
    }

    #[test]
    fn a_missing_key_is_blocking_and_the_rest_is_reported() {
        let options = KinesisStreamOptions {
            kms_key: Some("alias/k".into()),
            max_record: Some(units::Size(2 << 20)),
            mode: Mode::OnDemand,
            ..KinesisStreamOptions::default()
        };
        let mut stream = StreamTarget::existing("s");
        (stream.partitions, stream.retention) = (Some(4), Some(Duration::from_hours(47) + Duration::from_mins(1)));
        let found = differ(&stream, &options, &seen(|s| s));
        let reported: Vec<_> =
            found.iter().map(|d| (d.setting.as_str(), d.is.as_str(), d.wanted.as_str(), d.blocking)).collect();
        assert_eq!(
            reported,
            [
                ("mode", "provisioned", "on_demand", false),
                ("retention", "1d", "2d", false),
                ("kms_key", "none", "alias/k", true),
                ("max_record", "1MiB", "2MiB", false),
            ]
        );
        let found = differ(&stream, &KinesisStreamOptions::default(), &seen(|s| s.retention_period_hours(48)));
        assert_eq!(
            found.iter().map(|d| (d.setting.as_str(), d.is.as_str())).collect::<Vec<_>>(),
            [("partitions", "2")]
        );
    }
}

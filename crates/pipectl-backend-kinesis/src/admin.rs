//! Making, changing, removing and describing streams.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aws_sdk_kinesis::types::{ConsumerStatus, ScalingType, StreamMode, StreamModeDetails};
use pipectl_contract::{ConnectorError, ErrorKind, PartitionState, StreamState, StreamTarget};

use crate::{
    api::Api,
    error::CallError,
    limits,
    options::{KinesisStreamOptions, Mode},
    position, settings, shards,
    summary::{CHANGE_MOST, DEFAULT_SHARDS, LOOK_EVERY, existing, micros, missing, settled, summary},
};

fn refuse_existing(stream: &StreamTarget, what: &str) -> Result<(), ConnectorError> {
    if stream.existing {
        let message = format!("stream `{}` is marked `existing`, so pipectl does not {what} it", stream.name);
        return Err(ConnectorError::new(ErrorKind::Conflict, message));
    }
    Ok(())
}

pub(crate) async fn create(
    api: &Api,
    stream: &StreamTarget,
    options: &KinesisStreamOptions,
) -> Result<(), ConnectorError> {
    if let Some(seen) = settled(api, &stream.name).await? {
        if settings::is_unfinished(stream, options, &seen, api.host.now()) {
            tracing::info!(stream = stream.name, "an earlier creation of this stream was interrupted; finishing it");
            return settings::bring(api, stream, options, seen).await;
        }
        return Ok(());
    }
    if stream.existing {
        return Err(missing(&stream.name));
    }
    // A stream that was just deleted, or just made, may be reported wrongly for a moment: what counts is that it is there
    // in the end.
    let until = api.host.now() + api.options.retry_for.micros();
    loop {
        let made = api
            .call("CreateStream", &format!("create stream `{}`", stream.name), || {
                let call = api.kinesis.create_stream().stream_name(&stream.name);
                match mode(options.mode) {
                    Some(details) if options.mode == Mode::OnDemand => call.stream_mode_details(details),
                    _ => call.shard_count(stream.partitions.unwrap_or(DEFAULT_SHARDS) as i32),
                }
                .send()
            })
            .await;
        match made {
            // Somebody else makes it at this moment, or the first of two tries has got through.
            Err(failed) if failed.is("ResourceInUseException") => {}
            other => drop(other?),
        }
        if let Some(seen) = settled(api, &stream.name).await? {
            return settings::bring(api, stream, options, seen).await;
        }
        if api.host.now() > until {
            return Err(missing(&stream.name));
        }
        api.host.sleep(LOOK_EVERY).await;
    }
}

pub(crate) async fn update(
    api: &Api,
    stream: &StreamTarget,
    options: &KinesisStreamOptions,
) -> Result<(), ConnectorError> {
    refuse_existing(stream, "change")?;
    let seen = settled(api, &stream.name).await?.ok_or_else(|| missing(&stream.name))?;
    let wanted = if options.mode == Mode::OnDemand { StreamMode::OnDemand } else { StreamMode::Provisioned };
    if (wanted == StreamMode::OnDemand) != settings::on_demand(&seen)
        && let Some(details) = mode(options.mode)
    {
        let what = format!("change the capacity mode of stream `{}`", stream.name);
        api.call("UpdateStreamMode", &what, || {
            api.kinesis.update_stream_mode().stream_arn(seen.stream_arn()).stream_mode_details(details.clone()).send()
        })
        .await?;
        settled(api, &stream.name).await?;
    }
    if options.mode == Mode::Provisioned
        && let Some(target) = stream.partitions
    {
        reshard(api, &stream.name, target).await?;
    }
    let seen = settled(api, &stream.name).await?.ok_or_else(|| missing(&stream.name))?;
    settings::bring(api, stream, options, seen).await
}

fn mode(mode: Mode) -> Option<StreamModeDetails> {
    let mode = if mode == Mode::OnDemand { StreamMode::OnDemand } else { StreamMode::Provisioned };
    StreamModeDetails::builder().stream_mode(mode).build().ok()
}

/// Goes to a number of shards in steps of at most double or half, which is what one call may do
/// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_UpdateShardCount.html>).
async fn reshard(api: &Api, stream: &str, target: u32) -> Result<(), ConnectorError> {
    loop {
        let seen = settled(api, stream).await?.ok_or_else(|| missing(stream))?;
        let Some(step) = next_step(seen.open_shard_count().max(1) as u32, target) else { return Ok(()) };
        let what =
            format!("change stream `{stream}` to {step} shards (at most ten such changes in 24 hours are allowed)");
        api.call("UpdateShardCount", &what, || {
            api.kinesis
                .update_shard_count()
                .stream_name(stream)
                .target_shard_count(step as i32)
                .scaling_type(ScalingType::UniformScaling)
                .send()
        })
        .await?;
    }
}

/// The next number of shards on the way; `None` at its end.
fn next_step(current: u32, target: u32) -> Option<u32> {
    (current != target).then(|| target.clamp(current.div_ceil(2), current.saturating_mul(2)))
}

pub(crate) async fn delete(api: &Api, stream: &StreamTarget) -> Result<bool, ConnectorError> {
    refuse_existing(stream, "delete")?;
    let gone = api
        .call("DeleteStream", &format!("delete stream `{}`", stream.name), || {
            api.kinesis.delete_stream().stream_name(&stream.name).enforce_consumer_deletion(true).send()
        })
        .await;
    let there = match gone {
        Ok(_) => true,
        Err(failed) if failed.is_missing() => false,
        // It is being deleted, or made, already: once it has settled, see what is left.
        Err(failed) if failed.is("ResourceInUseException") => {
            if settled(api, &stream.name).await?.is_some() {
                return Err(failed.error);
            }
            true
        }
        Err(failed) => return Err(failed.error),
    };
    if there && settled(api, &stream.name).await?.is_some() {
        let message =
            format!("stream `{}` still exists after it was deleted; another program created it again", stream.name);
        return Err(ConnectorError::new(ErrorKind::Conflict, message));
    }
    crate::leases::forget(api, &stream.name).await?;
    Ok(there)
}

pub(crate) async fn list(api: &Api) -> Result<Vec<String>, ConnectorError> {
    let mut names: Vec<String> = Vec::new();
    loop {
        let last = names.last().cloned();
        let answer = api
            .call("ListStreams", "list the streams", || {
                api.kinesis.list_streams().set_exclusive_start_stream_name(last.clone()).send()
            })
            .await?;
        names.extend(answer.stream_names().iter().cloned());
        if !answer.has_more_streams() || answer.stream_names().is_empty() {
            break;
        }
    }
    names.sort();
    names.dedup();
    Ok(names)
}

/// What the service says of a stream. It numbers no records, so that it can tell neither where an open shard ends, short
/// of reading it, nor how many records wait for a group. Both are left open.
pub(crate) async fn describe(api: &Api, stream: &StreamTarget) -> Result<Option<StreamState>, ConnectorError> {
    let Some(seen) = summary(api, &stream.name).await? else { return Ok(None) };
    let listed = match shards::list(api, &stream.name).await {
        Ok(listed) => listed,
        Err(failed) if failed.is_missing() => return Ok(None),
        Err(failed) => return Err(failed.error),
    };
    let partitions = listed.into_values().map(|shard| PartitionState {
        number: shard.number,
        earliest: Some(position::of_record(&shard.starts, 0)),
        name: shard.id,
        open: shard.open,
        parents: shard.parents,
        ..PartitionState::default()
    });
    let settings = BTreeMap::from([
        ("status".to_owned(), seen.stream_status().as_str().to_owned()),
        ("arn".to_owned(), seen.stream_arn().to_owned()),
        ("fan-out consumers".to_owned(), seen.consumer_count().unwrap_or_default().to_string()),
        ("mode".to_owned(), if settings::on_demand(&seen) { "on_demand" } else { "provisioned" }.to_owned()),
        ("largest record".to_owned(), format!("{} KiB", settings::largest_kib(&seen))),
    ]);
    Ok(Some(StreamState {
        name: stream.name.clone(),
        partitions: partitions.collect(),
        retention: u64::try_from(seen.retention_period_hours()).ok().map(Duration::from_hours),
        encryption: settings::key_of(&seen).map(|key| format!("KMS {key}")),
        created: micros(seen.stream_creation_timestamp()),
        lag: None,
        settings,
    }))
}

/// Registers a consumer for enhanced fan-out, or finds the one of this name; answers its ARN once it can be used.
pub(crate) async fn register(api: &Arc<Api>, stream: &str, name: &str) -> Result<String, ConnectorError> {
    let arn = existing(api, stream).await?.stream_arn().to_owned();
    let what = format!("register consumer `{name}` of stream `{stream}`");
    let until = api.host.now() + CHANGE_MOST.as_micros() as i64;
    loop {
        let described = api
            .call("DescribeStreamConsumer", &what, || {
                api.kinesis.describe_stream_consumer().stream_arn(&arn).consumer_name(name).send()
            })
            .await;
        match described {
            Ok(answer) => {
                let seen = answer.consumer_description();
                if let Some(seen) = seen.filter(|seen| *seen.consumer_status() == ConsumerStatus::Active) {
                    return Ok(seen.consumer_arn().to_owned());
                }
            }
            Err(failed) if failed.is_missing() => {
                let made: Result<_, CallError> = api
                    .call("RegisterStreamConsumer", &what, || {
                        api.kinesis.register_stream_consumer().stream_arn(&arn).consumer_name(name).send()
                    })
                    .await;
                match made {
                    Err(failed) if !failed.is("ResourceInUseException") => return Err(failed.error),
                    _ => {}
                }
            }
            Err(failed) => return Err(failed.error),
        }
        if api.host.now() > until {
            let message = format!("consumer `{name}` of stream `{stream}` has not become active within 15 minutes");
            return Err(ConnectorError::new(ErrorKind::Unavailable, message));
        }
        api.host.sleep(LOOK_EVERY).await;
    }
}

/// A consumer's name within the service's letters and length
/// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_RegisterStreamConsumer.html>): the group's, and where
/// that had to be changed, a hash of it.
pub(crate) fn consumer_name(group: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if group.len() <= 128 && !group.is_empty() && group.chars().all(plain) {
        return group.to_owned();
    }
    let name: String = group.chars().map(|c| if plain(c) { c } else { '-' }).take(90).collect();
    format!("{name}-{:032x}", crate::hash::of(group))
}

/// What is wrong with a retention.
pub(crate) fn retention_problem(retention: Duration) -> Option<String> {
    let fits = (limits::RETENTION_LEAST..=limits::RETENTION_MOST).contains(&retention);
    (!fits).then(|| "Kinesis keeps records for 24 hours to 365 days".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_double_or_halve_at_most() {
        let way = |from, to| std::iter::successors(Some(from), |&now| next_step(now, to)).collect::<Vec<_>>();
        assert_eq!(way(2, 15), [2, 4, 8, 15]);
        assert_eq!(way(9, 2), [9, 5, 3, 2]);
        assert_eq!(way(1, 1), [1]);
        assert_eq!(way(1, 2), [1, 2]);
    }

    #[test]
    fn consumers_have_names_that_the_service_takes() {
        assert_eq!(consumer_name("shop.dev.orders"), "shop.dev.orders");
        let name = consumer_name("shop/dev/orders");
        assert!(name.starts_with("shop-dev-orders-") && name.len() <= 128, "{name}");
        assert_ne!(name, consumer_name("shop-dev/orders"));
        assert!(consumer_name(&"ä".repeat(300)).len() <= 128);
    }
}

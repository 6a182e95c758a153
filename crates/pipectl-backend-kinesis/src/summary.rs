//! What the service says of a stream, once no change of it is under way.

use std::time::Duration;

use aws_sdk_kinesis::types::{StreamDescriptionSummary, StreamStatus};
use pipectl_contract::{ConnectorError, ErrorKind};

use crate::api::Api;

/// Shards of a stream that does not say how many it wants: as many as a memory stream has partitions.
pub(crate) const DEFAULT_SHARDS: u32 = 4;
/// How often a change is looked at while it is made. The service allows 20 such calls a second
/// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_DescribeStreamSummary.html>).
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Changes take up to some minutes; a stream of many shards, ten.
pub(crate) const CHANGE_MOST: Duration = Duration::from_mins(15);

/// The stream's own words about itself; `None` if there is none.
pub(crate) async fn summary(api: &Api, stream: &str) -> Result<Option<StreamDescriptionSummary>, ConnectorError> {
    let answer = api
        .call("DescribeStreamSummary", &format!("describe stream `{stream}`"), || {
            api.kinesis.describe_stream_summary().stream_name(stream).send()
        })
        .await;
    match answer {
        Ok(answer) => Ok(answer.stream_description_summary().cloned()),
        Err(failed) if failed.is_missing() => Ok(None),
        Err(failed) => Err(failed.error),
    }
}

/// The same of a stream that must exist.
pub(crate) async fn existing(api: &Api, stream: &str) -> Result<StreamDescriptionSummary, ConnectorError> {
    summary(api, stream).await?.ok_or_else(|| missing(stream))
}

pub(crate) fn missing(stream: &str) -> ConnectorError {
    ConnectorError::new(
        ErrorKind::NotFound,
        format!("there is no Kinesis stream `{stream}`; create it first, or correct its name or region"),
    )
}

/// Waits until no change of the stream is under way; answers what it is then, `None` if it is gone.
pub(crate) async fn settled(api: &Api, stream: &str) -> Result<Option<StreamDescriptionSummary>, ConnectorError> {
    let until = api.host.now() + CHANGE_MOST.as_micros() as i64;
    loop {
        let seen = summary(api, stream).await?;
        if seen.as_ref().is_none_or(|seen| *seen.stream_status() == StreamStatus::Active) {
            return Ok(seen);
        }
        if api.host.now() > until {
            let message = format!("stream `{stream}` has not become active within 15 minutes; check it in the console");
            return Err(ConnectorError::new(ErrorKind::Unavailable, message));
        }
        api.host.sleep(LOOK_EVERY).await;
    }
}

/// The service's times in our unit.
pub(crate) fn micros(time: &aws_sdk_kinesis::primitives::DateTime) -> Option<i64> {
    time.secs().checked_mul(1_000_000)?.checked_add(i64::from(time.subsec_nanos() / 1_000))
}

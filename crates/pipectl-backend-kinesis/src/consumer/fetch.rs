//! One step of reading a shard: a `GetRecords` call, or the next event of an enhanced fan-out subscription.

use std::sync::Arc;

use aws_sdk_kinesis::{
    operation::{
        get_shard_iterator::builders::GetShardIteratorFluentBuilder, subscribe_to_shard::SubscribeToShardOutput,
    },
    primitives::DateTime,
    types::{Record, ShardIteratorType, StartingPosition, SubscribeToShardEventStream},
};
use pipectl_contract::{ConnectorError, ErrorKind};
use pipectl_host::Micros;

use crate::{api::Api, error::CallError, limits, position::At, shards::Shard};

/// What a step has brought.
pub(super) enum Step {
    /// Records, and how far the shard is read.
    Records(Fetched),
    /// The shard is not there any more, or the position in it is not.
    Gone(String),
}

pub(super) struct Fetched {
    pub(super) records: Vec<Record>,
    /// Where the next step goes on; `None` if the shard is closed and read to its end.
    pub(super) next: Option<Next>,
    /// Nothing was behind these records when this step began.
    pub(super) caught_up: bool,
    /// When it began.
    pub(super) began: Micros,
}

/// How the next step goes on.
pub(super) enum Next {
    Iterator(String),
    /// A subscription that still runs, when it was made, and where one after it would begin.
    Subscription(Box<SubscribeToShardOutput>, Micros, String),
    /// A subscription that has ended: one more from here.
    Resubscribe(String),
}

/// What a step needs.
pub(super) struct Job {
    pub(super) api: Arc<Api>,
    pub(super) stream: Arc<str>,
    pub(super) shard: Arc<Shard>,
    pub(super) at: At,
    pub(super) next: Option<Next>,
    /// The consumer to read with; `None` reads by `GetRecords`.
    pub(super) consumer: Option<Arc<str>>,
    pub(super) limit: usize,
    /// When this shard may be subscribed to again.
    pub(super) subscribe_at: Micros,
}

impl Job {
    pub(super) async fn run(mut self) -> Result<Step, ConnectorError> {
        let done = match self.consumer.clone() {
            Some(consumer) => self.listen(&consumer).await,
            None => self.poll().await,
        };
        match done {
            Ok(fetched) => Ok(Step::Records(fetched)),
            Err(failed) => self.gone(failed).await,
        }
    }

    fn what(&self) -> String {
        format!("read shard {} of stream `{}`", self.shard.number, self.stream)
    }

    async fn poll(&mut self) -> Result<Fetched, CallError> {
        let mut iterator = match self.next.take() {
            Some(Next::Iterator(iterator)) => iterator,
            _ => iterator(&self.api, &self.stream, &self.shard, &self.at).await?,
        };
        let what = self.what();
        loop {
            self.api.read_pace(&self.stream, self.shard.number).await;
            let began = self.api.host.now();
            let answer = self
                .api
                .call("GetRecords", &what, || {
                    self.api.kinesis.get_records().shard_iterator(&iterator).limit(self.limit as i32).send()
                })
                .await;
            match answer {
                Ok(answer) => {
                    let next = answer.next_shard_iterator.map(Next::Iterator);
                    let caught_up = answer.millis_behind_latest == Some(0);
                    return Ok(Fetched { records: answer.records, next, caught_up, began });
                }
                // Five minutes without a read: the place is known, so a new one is had.
                Err(failed) if failed.is("ExpiredIteratorException") => {
                    iterator = self::iterator(&self.api, &self.stream, &self.shard, &self.at).await?;
                }
                Err(failed) => return Err(failed),
            }
        }
    }

    async fn listen(&mut self, consumer: &str) -> Result<Fetched, CallError> {
        let (mut output, since, mut after) = match self.next.take() {
            Some(Next::Subscription(output, since, after)) => (output, since, after),
            other => {
                let after = if let Some(Next::Resubscribe(after)) = other { after } else { String::new() };
                self.api.host.sleep_until(self.subscribe_at).await;
                let since = self.api.host.now();
                (Box::new(self.subscribe(consumer, &after).await?), since, after)
            }
        };
        let event = output.event_stream.recv().await;
        match event {
            Ok(Some(SubscribeToShardEventStream::SubscribeToShardEvent(event))) => {
                event.continuation_sequence_number().clone_into(&mut after);
                let caught_up = event.millis_behind_latest() == 0;
                let closed = !event.child_shards().is_empty() || after.is_empty();
                let next = (!closed).then_some(Next::Subscription(output, since, after));
                Ok(Fetched { records: event.records, next, caught_up, began: since })
            }
            // A subscription lives for five minutes; the next one goes on where it ended.
            Ok(_) => {
                Ok(Fetched { records: vec![], next: Some(Next::Resubscribe(after)), caught_up: false, began: since })
            }
            Err(error) => {
                tracing::debug!(shard = self.shard.number, stream = %self.stream, %error, "a subscription broke off");
                self.api.calls.count_retry();
                self.api.host.note_retry();
                Ok(Fetched { records: vec![], next: Some(Next::Resubscribe(after)), caught_up: false, began: since })
            }
        }
    }

    async fn subscribe(&self, consumer: &str, after: &str) -> Result<SubscribeToShardOutput, CallError> {
        let position = StartingPosition::builder();
        let position = if after.is_empty() {
            let (kind, sequence, time) = place(&self.at, &self.shard);
            position.r#type(kind).set_sequence_number(sequence).set_timestamp(time)
        } else {
            position.r#type(ShardIteratorType::AfterSequenceNumber).sequence_number(after)
        };
        let what = format!("subscribe to shard {} of stream `{}`", self.shard.number, self.stream);
        let position = position.build().map_err(|error| CallError {
            error: ConnectorError::new(ErrorKind::Internal, format!("cannot {what}: {error}")),
            code: None,
        })?;
        let until = self.api.host.now() + self.api.options.retry_for.micros();
        loop {
            let answer = self
                .api
                .call("SubscribeToShard", &what, || {
                    self.api
                        .kinesis
                        .subscribe_to_shard()
                        .consumer_arn(consumer)
                        .shard_id(&self.shard.id)
                        .starting_position(position.clone())
                        .send()
                })
                .await;
            match answer {
                // A former subscription still counts for some seconds.
                Err(failed) if failed.is("ResourceInUseException") && self.api.host.now() < until => {
                    self.api.host.sleep(limits::SUBSCRIBE_EVERY).await;
                }
                other => return other,
            }
        }
    }

    /// Whether an error means that the records are not there any more; anything else stays the error that it is.
    async fn gone(&self, failed: CallError) -> Result<Step, ConnectorError> {
        let place_is_wrong =
            failed.error.kind == ErrorKind::Invalid && matches!(self.at, At::On { .. } | At::After { .. });
        if !failed.is_missing() && !place_is_wrong {
            return Err(failed.error);
        }
        // Without the stream there is nothing to go on with.
        crate::admin::existing(&self.api, &self.stream).await?;
        Ok(Step::Gone(failed.error.message))
    }
}

/// What the service calls a place.
fn place(at: &At, shard: &Shard) -> (ShardIteratorType, Option<String>, Option<DateTime>) {
    match at {
        At::Time(time) => (
            ShardIteratorType::AtTimestamp,
            None,
            Some(DateTime::from_nanos(i128::from(*time) * 1_000).unwrap_or(DateTime::from_secs(0))),
        ),
        At::On { sequence, .. } if *sequence == shard.starts => (ShardIteratorType::TrimHorizon, None, None),
        // Parts of an aggregated record share its number; those that were read are left out afterwards.
        At::On { sequence, .. } | At::After { sequence, sub: Some(_) } => {
            (ShardIteratorType::AtSequenceNumber, Some(sequence.clone()), None)
        }
        At::After { sequence, sub: None } => (ShardIteratorType::AfterSequenceNumber, Some(sequence.clone()), None),
        At::Start | At::End => (ShardIteratorType::TrimHorizon, None, None),
    }
}

async fn get_iterator(
    api: &Api,
    stream: &str,
    shard: &Shard,
    build: impl Fn(GetShardIteratorFluentBuilder) -> GetShardIteratorFluentBuilder,
) -> Result<String, CallError> {
    let what = format!("find the place in shard {} of stream `{stream}`", shard.number);
    let answer = api
        .call("GetShardIterator", &what, || {
            build(api.kinesis.get_shard_iterator().stream_name(stream).shard_id(&shard.id)).send()
        })
        .await?;
    answer.shard_iterator.ok_or_else(|| CallError {
        error: ConnectorError::new(ErrorKind::Internal, format!("cannot {what}: Kinesis gave no iterator")),
        code: None,
    })
}

async fn iterator(api: &Api, stream: &str, shard: &Shard, at: &At) -> Result<String, CallError> {
    let (kind, sequence, time) = place(at, shard);
    get_iterator(api, stream, shard, |call| {
        call.shard_iterator_type(kind.clone()).set_starting_sequence_number(sequence.clone()).set_timestamp(time)
    })
    .await
}

/// An iterator that stands after the newest record of a shard.
pub(super) async fn newest(api: &Api, stream: &str, shard: &Shard) -> Result<String, CallError> {
    get_iterator(api, stream, shard, |call| call.shard_iterator_type(ShardIteratorType::Latest)).await
}

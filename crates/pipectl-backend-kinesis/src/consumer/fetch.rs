//! One step of reading a shard: a `GetRecords` call, or the next event of an enhanced fan-out subscription.

use std::{sync::Arc, time::Duration};

use aws_sdk_kinesis::{
    operation::{
        get_shard_iterator::builders::GetShardIteratorFluentBuilder, subscribe_to_shard::SubscribeToShardOutput,
    },
    primitives::DateTime,
    types::{Record, ShardIteratorType, StartingPosition, SubscribeToShardEventStream},
};
use pipectl_contract::{ConnectorError, ErrorKind};
use pipectl_host::Micros;

use crate::{
    api::Api,
    error::{self, CallError},
    limits,
    position::At,
    shards::{self, Shard},
};

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
    /// How far these records were from the newest one, in time, where the service said so; zero if nothing was behind them.
    pub(super) behind: Option<Duration>,
    /// When it began.
    pub(super) began: Micros,
}

/// How the next step goes on.
pub(super) enum Next {
    Iterator(String),
    /// A subscription that still runs, when it was made, and where one after it would begin.
    Subscription(Box<SubscribeToShardOutput>, Micros, String),
    /// A subscription that is over: one more behind this record, or from where the shard is read to if there is none.
    Resubscribe {
        after: String,
        /// Since when subscriptions have failed before they brought anything.
        failing: Option<Micros>,
    },
}

impl Fetched {
    fn nothing(next: Next, began: Micros) -> Self {
        Self { records: vec![], next: Some(next), behind: None, began }
    }

    /// Whether nothing was behind these records when this step began.
    pub(super) fn caught_up(&self) -> bool {
        self.behind == Some(Duration::ZERO)
    }
}

/// The service's milliseconds.
fn behind(millis: i64) -> Option<Duration> {
    u64::try_from(millis).ok().map(Duration::from_millis)
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
                    let behind = answer.millis_behind_latest.and_then(behind);
                    return Ok(Fetched { records: answer.records, next, behind, began });
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
        let began = self.api.host.now();
        let (mut output, since, mut after, failing, proven) = match self.next.take() {
            Some(Next::Subscription(output, since, after)) => (output, since, after, None, true),
            Some(Next::Resubscribe { after, failing }) => {
                (Box::new(self.subscribe(consumer, &after).await?), began, after, failing, false)
            }
            _ => (Box::new(self.subscribe(consumer, "").await?), began, String::new(), None, false),
        };
        // Events come every few seconds, empty ones too: a connection that brings none is dead.
        let silent = self.api.host.now() + self.api.options.request_timeout.micros();
        let event = loop {
            let event = tokio::select! {
                event = output.event_stream.recv() => event,
                () = self.api.host.sleep_until(silent) => {
                    return Ok(Fetched::nothing(Next::Resubscribe { after, failing }, since));
                }
            };
            // Kinds of events that are not known yet are no reason to begin anew.
            if !matches!(&event, Ok(Some(event)) if !event.is_subscribe_to_shard_event()) {
                break event;
            }
        };
        let what = || format!("continue a subscription: {}", self.what());
        let failed = match event {
            Ok(Some(SubscribeToShardEventStream::SubscribeToShardEvent(event))) => {
                event.continuation_sequence_number().clone_into(&mut after);
                let behind = behind(event.millis_behind_latest());
                let closed = !event.child_shards().is_empty() || after.is_empty();
                let next = (!closed).then_some(Next::Subscription(output, since, after));
                return Ok(Fetched { records: event.records, next, behind, began: since });
            }
            // A subscription lives for five minutes; the next one goes on where it ended.
            Ok(_) if proven => {
                return Ok(Fetched::nothing(Next::Resubscribe { after, failing: None }, since));
            }
            Ok(_) => CallError {
                error: ConnectorError::new(
                    ErrorKind::Unavailable,
                    format!("cannot {}: it ended before it delivered a record", what()),
                ),
                code: None,
            },
            Err(error) => error::map_event(&what(), &error),
        };
        let failing = self.broke(failed, failing)?;
        Ok(Fetched::nothing(Next::Resubscribe { after, failing: Some(failing) }, since))
    }

    /// A subscription has failed: the error where nothing fixes it, or nothing has for too long; otherwise since when
    /// subscriptions have failed.
    fn broke(&self, mut failed: CallError, failing: Option<Micros>) -> Result<Micros, CallError> {
        let now = self.api.host.now();
        let since = failing.unwrap_or(now);
        // One more reader of this consumer ends the subscription of the first one.
        if !failed.error.is_retryable() && !failed.is("ResourceInUseException") {
            return Err(failed);
        }
        if now - since > self.api.options.retry_for.micros() {
            failed.error.message = format!("{}; gave up after {}", failed.error.message, self.api.options.retry_for);
            return Err(failed);
        }
        let (shard, stream) = (self.shard.number, &self.stream);
        if failing.is_some() {
            tracing::warn!(shard, %stream, error = %failed.error, "subscriptions keep failing");
        } else {
            tracing::debug!(shard, %stream, error = %failed.error, "a subscription was interrupted");
        }
        self.api.calls.count_retry();
        self.api.host.note_retry();
        Ok(since)
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
        let mut attempt = 0;
        loop {
            self.api.subscribe_pace(consumer, self.shard.number).await;
            let call = self.api.kinesis.subscribe_to_shard().consumer_arn(consumer).shard_id(&self.shard.id);
            let answer =
                self.api.once("SubscribeToShard", &what, call.starting_position(position.clone()).send()).await;
            // Without a word of the service, the subscription may have been made all the same.
            if answer.as_ref().map_or_else(|failed| failed.code.is_none(), |_| true) {
                self.api.subscribed(consumer, self.shard.number);
            }
            let failed = match answer {
                Ok(output) => return Ok(output),
                Err(failed) => failed,
            };
            // A former subscription still counts for some seconds.
            let busy = failed.is("ResourceInUseException");
            let pause = if busy { limits::SUBSCRIBE_EVERY } else { self.api.pause(attempt) };
            let pause = pause.max(failed.error.retry_after.unwrap_or_default());
            if !(busy || failed.error.is_retryable()) || self.api.host.now() + pause.as_micros() as Micros > until {
                return Err(failed);
            }
            tracing::debug!(operation = "SubscribeToShard", attempt, error = %failed.error, "tried again");
            self.api.host.sleep(pause).await;
            self.api.calls.count_retry();
            self.api.host.note_retry();
            attempt += 1;
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
        crate::summary::existing(&self.api, &self.stream).await?;
        // If the shard is there, it is the consumer that is missing.
        if self.consumer.is_some() && failed.is_missing() {
            let listed = shards::list(&self.api, &self.stream).await?;
            if listed.contains_key(&self.shard.number) {
                return Err(failed.error);
            }
        }
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
    let what = format!("find the position in shard {} of stream `{stream}`", shard.number);
    let answer = api
        .call("GetShardIterator", &what, || {
            build(api.kinesis.get_shard_iterator().stream_name(stream).shard_id(&shard.id)).send()
        })
        .await?;
    answer.shard_iterator.ok_or_else(|| CallError {
        error: ConnectorError::new(ErrorKind::Internal, format!("cannot {what}: Kinesis returned no iterator")),
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

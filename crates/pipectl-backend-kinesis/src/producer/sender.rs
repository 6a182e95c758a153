//! The task that sends: several requests at a time, of which only the entries that failed are sent again.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aws_sdk_kinesis::{
    operation::put_records::PutRecordsOutput,
    primitives::Blob,
    types::{PutRecordsRequestEntry, PutRecordsResultEntry},
};
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use pipectl_contract::{ConnectorError, ErrorKind};

use super::{
    Shared,
    queue::{Entry, Part},
};
use crate::{
    api::Api,
    error::{self, CallError},
    hash::Range,
    limits,
    shards::{self, Shard},
};

/// Requests on their way at a time.
const REQUESTS: usize = 4;
/// How often the shards are listed until a new one is among them.
const LIST_EVERY: Duration = Duration::from_millis(200);

type Sent = (Vec<Entry>, Result<PutRecordsOutput, CallError>);

pub(super) struct Sender {
    api: Arc<Api>,
    shared: Arc<Shared>,
    stream: Arc<str>,
    aggregate: bool,
    /// The shards, so that what is aggregated belongs together; only where it is.
    shards: Option<BTreeMap<u32, Shard>>,
}

impl Sender {
    pub(super) fn new(api: Arc<Api>, shared: Arc<Shared>, stream: &str, aggregate: bool) -> Self {
        Self { api, shared, stream: stream.into(), aggregate, shards: None }
    }

    pub(super) async fn run(mut self) {
        if let Err(error) = self.serve().await {
            self.shared.queue().stop(error);
            self.shared.progress.notify_waiters();
        }
    }

    async fn serve(&mut self) -> Result<(), ConnectorError> {
        let mut sent: FuturesUnordered<BoxFuture<'static, Sent>> = FuturesUnordered::new();
        loop {
            if self.aggregate && self.shards.is_none() {
                self.shards = Some(shards::list(&self.api, &self.stream).await?);
            }
            while sent.len() < REQUESTS {
                let taken = self.shared.queue().take(self.api.host.now(), self.shards.as_ref());
                let Some(entries) = taken else { break };
                sent.push(Box::pin(send(Arc::clone(&self.api), Arc::clone(&self.stream), entries)));
            }
            let enough = self.shards.as_ref().map_or(usize::MAX, |shards| limits::AGGREGATE * shards.len().max(1));
            let due = if sent.len() < REQUESTS { self.shared.queue().due(self.api.host.now(), enough) } else { None };
            let timer = async {
                match due {
                    Some(due) => self.api.host.sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            let done = tokio::select! {
                Some(done) = sent.next(), if !sent.is_empty() => Some(done),
                () = self.shared.work.notified() => None,
                () = timer => None,
            };
            if let Some((entries, answer)) = done {
                self.settle(entries, answer).await?;
                self.shared.progress.notify_waiters();
            }
        }
    }

    async fn settle(
        &mut self,
        entries: Vec<Entry>,
        answer: Result<PutRecordsOutput, CallError>,
    ) -> Result<(), ConnectorError> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(failed) if failed.error.kind == ErrorKind::Invalid => {
                let now = self.api.host.now();
                self.shared.queue().isolate(entries, &failed.error.message, now);
                return Ok(());
            }
            Err(failed) if failed.error.is_retryable() => {
                for part in entries.into_iter().flat_map(|entry| entry.parts) {
                    self.again(part, failed.error.kind, &failed.error.message)?;
                }
                return Ok(());
            }
            Err(failed) => return Err(failed.error),
        };
        if answer.records().len() != entries.len() {
            let message = format!(
                "Kinesis returned {} results for stream `{}`, but {} entries were sent",
                answer.records().len(),
                self.stream,
                entries.len()
            );
            return Err(ConnectorError::new(ErrorKind::Internal, message));
        }
        for (entry, result) in entries.into_iter().zip(answer.records()) {
            match result.error_code() {
                None => self.confirm(entry, result).await?,
                Some(code) => {
                    let kind = error::kind_of(code).unwrap_or(ErrorKind::Unavailable);
                    let message = format!(
                        "cannot write to stream `{}`: {} ({code})",
                        self.stream,
                        result.error_message().unwrap_or("a record was not accepted")
                    );
                    if !matches!(kind, ErrorKind::Throttled | ErrorKind::Unavailable) {
                        return Err(ConnectorError::new(kind, message));
                    }
                    for part in entry.parts {
                        self.again(part, kind, &message)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The records of an entry are in the stream. If they were aggregated for a shard that has been split or merged
    /// since, those whose keys belong elsewhere are misrouted and are sent again: readers leave them out where they are,
    /// ours by default ([`Misrouted`](crate::Misrouted)) and those of Amazon's client library always.
    async fn confirm(&mut self, entry: Entry, result: &PutRecordsResultEntry) -> Result<(), ConnectorError> {
        let mut range = None;
        if let Some(shard) = result.shard_id().and_then(shards::number)
            && entry.shard.is_some_and(|wanted| wanted != shard)
        {
            range = Some(self.range(shard).await?);
        }
        for part in entry.parts {
            if range.is_some_and(|range| !range.contains(part.hash())) {
                tracing::debug!(stream = %self.stream, "the shard has been split: its misrouted records are sent again");
                let now = self.api.host.now();
                self.shared.queue().retry(part, now, |_| Duration::ZERO);
            } else {
                self.shared.queue().confirm(&part);
            }
        }
        Ok(())
    }

    /// The range of a shard that has taken records in. It may not be listed yet; without its range nobody can say which
    /// records are misrouted, and readers would leave them out.
    async fn range(&mut self, shard: u32) -> Result<Range, ConnectorError> {
        let until = self.api.host.now() + self.api.options.retry_for.micros();
        loop {
            let known = self.shards.as_ref().and_then(|shards| shards.get(&shard)).map(|shard| shard.range);
            if let Some(range) = known {
                return Ok(range);
            }
            self.shards = Some(shards::list(&self.api, &self.stream).await?);
            let listed = self.shards.as_ref().is_some_and(|shards| shards.contains_key(&shard));
            if !listed && self.api.host.now() > until {
                let message = format!(
                    "stream `{}` has put records into shard {shard}, which it does not list after {}",
                    self.stream, self.api.options.retry_for
                );
                return Err(ConnectorError::new(ErrorKind::Unavailable, message));
            }
            if !listed {
                self.api.host.sleep(LIST_EVERY).await;
            }
        }
    }

    fn again(&self, part: Part, kind: ErrorKind, message: &str) -> Result<(), ConnectorError> {
        let now = self.api.host.now();
        self.api.calls.count_retry();
        self.api.host.note_retry();
        let since = self.shared.queue().retry(part, now, |failures| self.api.pause(failures));
        if now - since > self.api.options.retry_for.micros() {
            let message = format!("{message}; gave up after {}", self.api.options.retry_for);
            return Err(ConnectorError::new(kind, message));
        }
        Ok(())
    }
}

async fn send(api: Arc<Api>, stream: Arc<str>, entries: Vec<Entry>) -> Sent {
    let built: Result<Vec<PutRecordsRequestEntry>, _> = entries
        .iter()
        .map(|entry| {
            PutRecordsRequestEntry::builder()
                .partition_key(entry.key.as_str())
                .set_explicit_hash_key(entry.hash.map(|hash| hash.to_string()))
                .data(Blob::new(entry.data.as_slice()))
                .build()
        })
        .collect();
    let what = format!("write to stream `{stream}`");
    let answer = match built {
        Ok(records) => {
            let call = api.kinesis.put_records().stream_name(stream.as_ref()).set_records(Some(records)).send();
            api.once("PutRecords", &what, call).await
        }
        Err(error) => {
            let error = ConnectorError::new(ErrorKind::Internal, format!("cannot {what}: {error}"));
            Err(CallError { error, code: None })
        }
    };
    (entries, answer)
}

//! One reader of a consumer: hands on what came for its keys, and acknowledges it when it is durable.

use std::{sync::Arc, time::Duration};

use arrow_array::{
    Int64Array,
    builder::{BinaryViewBuilder, StringViewBuilder},
};
use async_trait::async_trait;
use futures::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use google_cloud_pubsub::subscriber::handler::{ExactlyOnce, Handler};
use pipectl_contract::{ConnectorError, ErrorKind, Read, SourceReader};
use pipectl_data::{Batch, HeadersBuilder, Micros, PayloadFormat};
use serde_json::Value;

use crate::{
    demultiplexer::{Delivery, Demultiplexer},
    ids::{Ids, Position, Seen},
    packed::Id,
};

/// A batch holds about this many bytes of payload at the most, as the contract says, or one record that is larger.
const BATCH_BYTES: usize = 1 << 20;
/// And this many records.
const BATCH_RECORDS: usize = 4_096;
/// After so long without a record a subtask says that it has read what there is. The service cannot tell; it pushes what
/// it has within milliseconds.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a commit waits for the service's confirmations; those that come later count as they come.
const CONFIRM: Duration = Duration::from_secs(5);

/// What does not change while a subtask runs.
#[derive(Debug, Clone)]
pub(crate) struct Manner {
    /// The stream's name in the Pipeline.
    pub(crate) node: String,
    /// Nothing is kept: each record is acknowledged when it is handed on.
    pub(crate) look: bool,
    /// How long nothing must come until the stream counts as read to its end.
    pub(crate) quiet: Duration,
    /// Which ids the position tells; workers that share a subscription have no position of their own.
    pub(crate) keeps_ids: bool,
    /// Records that came before are passed over.
    pub(crate) from: Option<Micros>,
}

/// A confirmation on its way: the id, the size, whether the service has taken the acknowledgement.
type Confirmation = BoxFuture<'static, (Option<Id>, usize, bool)>;

/// The reader.
pub(crate) struct Subtask {
    number: u32,
    demultiplexer: Arc<Demultiplexer>,
    manner: Manner,
    ids: Ids<Handler>,
    confirmations: FuturesUnordered<Confirmation>,
    reported: bool,
    /// Whether it has said that it is caught up, and says next that there is nothing for now.
    caught_up: bool,
    /// Since when nothing came, though it was waited for.
    since: Micros,
    /// Whether records were handed on since then: how long those took is no time of waiting.
    handed: bool,
    finishing: Option<Micros>,
    warned: bool,
}

impl Subtask {
    pub(crate) fn new(number: u32, demultiplexer: Arc<Demultiplexer>, manner: Manner, ids: Ids<Handler>) -> Self {
        let since = demultiplexer.host.now();
        let confirmations = FuturesUnordered::new();
        Self {
            number,
            demultiplexer,
            manner,
            ids,
            confirmations,
            reported: false,
            caught_up: false,
            since,
            handed: true,
            finishing: None,
            warned: false,
        }
    }

    /// What is in the queue, as a batch; `None` if nothing new is.
    fn collect(&mut self) -> Option<Batch> {
        let mut columns = Columns::default();
        while columns.bytes < BATCH_BYTES && columns.offsets.len() < BATCH_RECORDS {
            let Some(Delivery { record, size, handler }) = self.demultiplexer.pop(self.number) else { break };
            let id = Id::new(&record.id);
            match self.ids.look(&id, record.arrival, handler) {
                (Seen::New, Some(handler)) if self.manner.from.is_some_and(|from| record.arrival < from) => {
                    self.acknowledge(None, vec![handler], size, false);
                }
                (Seen::New, Some(handler)) if self.manner.look => {
                    columns.push(self.ids.skip(), &record);
                    self.acknowledge(None, vec![handler], size, false);
                }
                (Seen::New, Some(handler)) => {
                    columns.push(self.ids.take(id, record.arrival, size, handler), &record);
                    self.demultiplexer.hand(size);
                }
                // The lease had ended, or the service repeats itself.
                (Seen::Done, Some(handler)) => self.acknowledge(Some(id), vec![handler], size, false),
                (_, None) | (Seen::Waiting, Some(_)) => self.demultiplexer.settle(size, false),
            }
        }
        columns.finish(self.number)
    }

    /// Acknowledges a record in all its deliveries.
    fn acknowledge(&mut self, id: Option<Id>, handlers: Vec<Handler>, size: usize, was_handed: bool) {
        let mut exact = Vec::new();
        for handler in handlers {
            match handler {
                Handler::ExactlyOnce(handler) => exact.push(handler),
                other => other.ack(),
            }
        }
        if exact.is_empty() {
            if let Some(id) = id {
                self.ids.confirm(id, self.demultiplexer.active_time.now());
            }
            self.demultiplexer.settle(size, was_handed);
            return;
        }
        if !was_handed {
            self.demultiplexer.hand(size);
        }
        self.confirmations.push(Box::pin(async move {
            let answers = futures::future::join_all(exact.into_iter().map(ExactlyOnce::confirmed_ack)).await;
            // An older delivery's lease may have ended; one that was taken is enough.
            (id, size, answers.iter().any(Result::is_ok))
        }));
    }

    fn confirmed(&mut self, (id, size, taken): (Option<Id>, usize, bool)) {
        let now = self.demultiplexer.active_time.now();
        match id {
            Some(id) if taken => self.ids.confirm(id, now),
            Some(id) => self.ids.doubt(id, now),
            None => {}
        }
        self.demultiplexer.settle(size, true);
    }

    /// Whether nothing has come for so long that the stream counts as read to its end.
    fn is_over(&self, now: Micros) -> bool {
        let Some(since) = self.finishing else { return false };
        let quiet = i64::try_from(self.manner.quiet.as_micros()).unwrap_or(i64::MAX);
        self.demultiplexer.is_settled() && now.saturating_sub(since.max(self.demultiplexer.last())) >= quiet
    }

    fn expire(&mut self) {
        if self.ids.expire(self.demultiplexer.active_time.now()) && !self.warned {
            self.warned = true;
            tracing::warn!(
                node = self.manner.node,
                "more records are acknowledged than ids can be kept for `dedup_for`; the oldest ids are removed early"
            );
        }
    }
}

#[async_trait]
impl SourceReader for Subtask {
    async fn next(&mut self) -> Result<Read, ConnectorError> {
        if !self.reported {
            self.reported = true;
            return Ok(Read::Opened(self.number));
        }
        if std::mem::take(&mut self.caught_up) {
            return Ok(Read::Quiet);
        }
        if std::mem::take(&mut self.handed) {
            self.since = self.demultiplexer.host.now();
        }
        loop {
            if let Some(batch) = self.collect() {
                self.handed = true;
                return Ok(Read::Records(batch));
            }
            self.expire();
            let pause = self.since.saturating_add(PAUSE.as_micros() as i64);
            tokio::select! {
                biased;
                Some(confirmation) = self.confirmations.next() => self.confirmed(confirmation),
                read = self.demultiplexer.wait(self.number) => read?,
                () = self.demultiplexer.host.sleep_until(pause) => {
                    let now = self.demultiplexer.host.now();
                    self.since = now;
                    if self.is_over(now) {
                        return Ok(Read::End);
                    }
                    self.caught_up = true;
                    return Ok(Read::CaughtUp(self.number));
                }
            }
        }
    }

    fn position(&self) -> Value {
        let next = self.ids.next();
        let whole =
            self.manner.keeps_ids.then(|| serde_json::to_value(self.ids.position(self.manner.from)).ok()).flatten();
        whole.unwrap_or_else(|| serde_json::json!({ "next": next }))
    }

    fn wants_checkpoint(&self) -> bool {
        self.demultiplexer.is_half_full() || (self.finishing.is_some() && !self.demultiplexer.is_settled())
    }

    async fn writers_finished(&mut self) -> Result<(), ConnectorError> {
        self.finishing = Some(self.demultiplexer.host.now());
        Ok(())
    }

    async fn committed(&mut self, position: &Value) -> Result<(), ConnectorError> {
        let Some(before) = position.get("next").and_then(Value::as_i64) else {
            let message = format!("`{}`: {position} is not a position of a Pub/Sub reader", self.manner.node);
            return Err(ConnectorError::new(ErrorKind::Invalid, message));
        };
        for (id, handlers, size) in self.ids.commit(before, self.demultiplexer.active_time.now()) {
            self.acknowledge(Some(id), handlers, size, true);
        }
        self.expire();
        let host = self.demultiplexer.host.clone();
        let late = host.sleep(CONFIRM);
        tokio::pin!(late);
        loop {
            tokio::select! {
                biased;
                confirmation = self.confirmations.next() => match confirmation {
                    Some(confirmation) => self.confirmed(confirmation),
                    None => return Ok(()),
                },
                () = &mut late => return Ok(()),
            }
        }
    }

    async fn close(&mut self) -> Result<(), ConnectorError> {
        self.demultiplexer.close(self.ids.give_back()).await
    }
}

/// The columns of a batch while they are filled.
#[derive(Default)]
struct Columns {
    offsets: Vec<i64>,
    arrivals: Vec<Micros>,
    keys: BinaryViewBuilder,
    has_keys: bool,
    payload: BinaryViewBuilder,
    headers: HeadersBuilder,
    positions: StringViewBuilder,
    bytes: usize,
}

impl Columns {
    fn push(&mut self, offset: i64, record: &crate::message::Record) {
        self.bytes += record.size();
        self.offsets.push(offset);
        self.arrivals.push(record.arrival);
        self.has_keys |= record.key.is_some();
        self.keys.append_option(record.key.as_ref().map(String::as_bytes));
        self.payload.append_option(record.payload.as_ref());
        for (name, value) in &record.headers {
            self.headers.header(name, value.as_deref());
        }
        self.headers.end_record();
        self.positions.append_value(&record.id);
    }

    fn finish(mut self, subtask: u32) -> Option<Batch> {
        if self.offsets.is_empty() {
            return None;
        }
        let (offsets, arrivals) = (Int64Array::from(self.offsets), Int64Array::from(self.arrivals));
        let mut batch = Batch::raw(subtask, offsets, arrivals, self.payload.finish(), PayloadFormat::Json);
        batch.keys = self.has_keys.then(|| self.keys.finish());
        batch.headers = self.headers.finish();
        batch.positions = Some(self.positions.finish());
        Some(batch)
    }
}

/// A position that a subtask goes on from.
pub(crate) fn restored(node: &str, position: &Value) -> Result<Position, ConnectorError> {
    serde::Deserialize::deserialize(position).map_err(|error| {
        let message = format!(
            "`{node}`: the checkpoint holds no position of a Pub/Sub reader ({error}); start over with `--fresh`"
        );
        ConnectorError::new(ErrorKind::Invalid, message)
    })
}

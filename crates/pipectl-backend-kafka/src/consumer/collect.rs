//! From the client's messages straight to columns: each partition's records of one look at the queue become one batch.

use std::collections::BTreeMap;

use arrow_array::{Int64Array, builder::BinaryViewBuilder};
use pipectl_data::{Batch, HeadersBuilder, Micros, PayloadFormat};
use rdkafka::message::{BorrowedMessage, Message as _};

use super::headers;

/// What a record takes in a batch beside its bytes: two times, and a view each of key and payload.
const ENVELOPE: usize = 48;

/// The records of several partitions that are being collected.
#[derive(Default)]
pub(crate) struct Collector {
    partitions: BTreeMap<u32, Columns>,
    bytes: usize,
    /// Whether it was reported that headers could not be read: once is enough.
    reported: bool,
}

#[derive(Default)]
struct Columns {
    offsets: Vec<i64>,
    arrival: Vec<i64>,
    keys: BinaryViewBuilder,
    any_key: bool,
    payload: BinaryViewBuilder,
    headers: Option<HeadersBuilder>,
}

impl Collector {
    /// Takes a message in; `now` is its time of arrival if it has none.
    pub(crate) fn push(&mut self, message: &BorrowedMessage<'_>, now: impl FnOnce() -> Micros) {
        let columns = self.partitions.entry(message.partition() as u32).or_default();
        columns.arrival.push(message.timestamp().to_millis().map_or_else(now, |millis| millis * 1_000));
        let (key, payload) = (message.key(), message.payload());
        columns.any_key |= key.is_some();
        columns.keys.append_option(key);
        columns.payload.append_option(payload);
        let mut bytes = ENVELOPE + key.map_or(0, <[u8]>::len) + payload.map_or(0, <[u8]>::len);
        if let Some(headers) = message.headers() {
            let builder = columns.headers.get_or_insert_with(|| {
                let mut builder = HeadersBuilder::default();
                columns.offsets.iter().for_each(|_| builder.end_record());
                builder
            });
            let all = headers::each(headers, |name, value| {
                builder.header(name, value);
                bytes += name.len() + value.map_or(0, <[u8]>::len);
            });
            if !all && !std::mem::replace(&mut self.reported, true) {
                tracing::warn!(
                    topic = message.topic(),
                    partition = message.partition(),
                    offset = message.offset(),
                    "a record has a header whose name is not UTF-8; such headers are read as `\u{fffd}` and without their values"
                );
            }
        }
        if let Some(headers) = &mut columns.headers {
            headers.end_record();
        }
        columns.offsets.push(message.offset());
        self.bytes += bytes;
    }

    /// Roughly what it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What was collected, a batch for each partition.
    pub(crate) fn finish(&mut self) -> impl Iterator<Item = Batch> + use<> {
        self.bytes = 0;
        std::mem::take(&mut self.partitions).into_iter().map(|(partition, columns)| columns.finish(partition))
    }
}

impl Columns {
    fn finish(mut self, partition: u32) -> Batch {
        let offsets = Int64Array::from(self.offsets);
        let arrival = Int64Array::from(self.arrival);
        let mut batch = Batch::raw(partition, offsets, arrival, self.payload.finish(), PayloadFormat::default());
        if self.any_key {
            batch.keys = Some(self.keys.finish());
        }
        batch.headers = self.headers.and_then(HeadersBuilder::finish);
        batch
    }
}

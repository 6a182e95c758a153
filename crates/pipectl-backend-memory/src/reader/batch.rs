//! Records of a log as a batch of columns.

use arrow_array::{Int64Array, builder::BinaryViewBuilder};
use pipectl_data::{Batch, HeadersBuilder, PayloadFormat};

use crate::broker::log::Log;

/// A batch holds about this many bytes of payload at the most, as the contract says, or one record that is larger.
const BATCH_BYTES: u64 = 1 << 20;
/// And this many records, so that small ones do not make a batch that takes long.
const BATCH_RECORDS: usize = 4096;

/// The records of a partition from `from` on and before `until`; `None` if there is none.
pub(crate) fn read(partition: u32, log: &Log, from: i64, until: i64) -> Option<Batch> {
    let room = usize::try_from(until - from).unwrap_or(0).min(BATCH_RECORDS);
    let (mut arrivals, mut keys, mut payload) = (Vec::new(), BinaryViewBuilder::new(), BinaryViewBuilder::new());
    let (mut headers, mut bytes, mut has_keys) = (HeadersBuilder::default(), 0, false);
    for record in log.read(from).take(room) {
        if bytes > 0 && bytes + record.size() > BATCH_BYTES {
            break;
        }
        bytes += record.size();
        has_keys |= record.key.is_some();
        arrivals.push(record.arrival);
        keys.append_option(record.key.as_deref());
        payload.append_option(record.payload.as_deref());
        for (name, value) in &record.headers {
            headers.header(name, value.as_deref());
        }
        headers.end_record();
    }
    if arrivals.is_empty() {
        return None;
    }
    let offsets = Int64Array::from_iter_values(from..from + arrivals.len() as i64);
    let mut batch = Batch::raw(partition, offsets, Int64Array::from(arrivals), payload.finish(), PayloadFormat::Json);
    batch.keys = has_keys.then(|| keys.finish());
    batch.headers = headers.finish();
    Some(batch)
}

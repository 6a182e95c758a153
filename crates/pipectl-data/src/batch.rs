//! A batch of records: the envelope of each, its undecoded payload, and its columns once decoded.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryViewArray, BooleanArray, GenericByteViewArray, Int64Array, RecordBatch, RecordBatchOptions,
    StringViewArray, UInt32Array, cast::AsArray, types::ByteViewType,
};
use arrow_buffer::Buffer;
use arrow_schema::ArrowError;
use arrow_select::{concat::concat, filter::filter, filter::filter_record_batch, take::take, take::take_record_batch};

use crate::{
    Micros, START_OF_TIME,
    headers::{Headers, HeadersBuilder},
};

/// How the payload bytes of a batch are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PayloadFormat {
    /// One JSON object a record.
    #[default]
    Json,
    /// Anything else (a CSV row, a line of text): of use for dead letters, not for another stream.
    Opaque,
}

/// What a source says of its records beside their bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceNotes {
    /// The names of the values of each payload in CSV, where its file says them in an order of its own.
    pub fields: Option<Vec<String>>,
    /// Records that are not what they should be and go to the dead letters, by their [`Batch::offsets`] in ascending
    /// order: why, in one line.
    pub rejected: Vec<(i64, String)>,
}

/// Records that a source rejects, and the reason of each.
pub type Rejected = (Batch, Vec<String>);

/// Records of one partition, in order.
///
/// All columns have [`Batch::len`] rows. Payload and columns may each be missing: a source delivers payloads only, a
/// window delivers columns only.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The partition (shard) that the records come from; for what an operator makes, the operator's own number.
    pub partition: u32,
    /// The position of each record within its partition; ascending.
    pub offsets: Int64Array,
    /// When each record came into the pipeline, in microseconds UTC.
    pub arrival: Int64Array,
    /// When it happened, in microseconds UTC; `None` until a stream's `time` names the field.
    pub event_time: Option<Int64Array>,
    /// The stream's key as bytes; null for a record without one. `None` on a stream without keys.
    pub keys: Option<BinaryViewArray>,
    /// The bytes as they came in; null is a tombstone.
    pub payload: Option<BinaryViewArray>,
    /// The headers of each record; `None` if no record has any.
    pub headers: Option<Headers>,
    /// Where each record stands in the backend's own words (a sequence number of Kinesis, a message id of Pub/Sub);
    /// `None` where `offsets` are the backend's own numbers.
    pub positions: Option<StringViewArray>,
    /// How `payload` is written.
    pub format: PayloadFormat,
    /// The decoded columns.
    pub columns: Option<RecordBatch>,
    /// What the source says of them; `None` for nothing.
    pub notes: Option<Arc<SourceNotes>>,
    /// How far event time was in the records' own partition when they were read: the watermark by which they are late,
    /// whatever other partitions have reached meanwhile. [`START_OF_TIME`] where nothing is known.
    pub watermark: Micros,
}

impl Batch {
    /// Undecoded records.
    pub fn raw(
        partition: u32,
        offsets: Int64Array,
        arrival: Int64Array,
        payload: BinaryViewArray,
        format: PayloadFormat,
    ) -> Self {
        Self {
            partition,
            offsets,
            arrival,
            event_time: None,
            keys: None,
            payload: Some(payload),
            headers: None,
            positions: None,
            format,
            columns: None,
            notes: None,
            watermark: START_OF_TIME,
        }
    }

    /// The records that the source accepts, and those that it rejects with the reason of each.
    pub fn split_rejected(self) -> Result<(Self, Option<Rejected>), ArrowError> {
        let Some(notes) = self.notes.clone().filter(|notes| !notes.rejected.is_empty()) else {
            return Ok((self, None));
        };
        let reason = |offset: &i64| {
            let found = notes.rejected.binary_search_by_key(offset, |(rejected, _)| *rejected).ok()?;
            notes.rejected.get(found).map(|(_, reason)| reason.clone())
        };
        let offsets = self.offsets.values();
        let reasons: Vec<String> = offsets.iter().filter_map(reason).collect();
        let keep: Vec<bool> = offsets.iter().map(|offset| reason(offset).is_none()).collect();
        let reject: Vec<bool> = keep.iter().map(|keep| !keep).collect();
        let rejected = self.filter(&BooleanArray::from(reject))?;
        let mut kept = self.filter(&BooleanArray::from(keep))?;
        kept.notes = Some(Arc::new(SourceNotes { fields: notes.fields.clone(), rejected: Vec::new() }));
        Ok((kept, Some((rejected, reasons))))
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that it counts for in a byte budget: the envelope, the payloads' own bytes and the columns.
    pub fn byte_size(&self) -> usize {
        let envelope = 16 * self.len();
        let times = self.event_time.as_ref().map_or(0, |times| 8 * times.len());
        let keys = self.keys.as_ref().map_or(0, view_bytes);
        let payload = self.payload.as_ref().map_or(0, view_bytes);
        let columns = self.columns.as_ref().map_or(0, |columns| {
            columns.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0)).sum()
        });
        let headers = self.headers.as_ref().map_or(0, Headers::byte_size);
        let positions = self.positions.as_ref().map_or(0, view_bytes);
        envelope + times + keys + payload + headers + positions + columns
    }

    /// Only the rows where `keep` is true.
    pub fn filter(&self, keep: &BooleanArray) -> Result<Self, ArrowError> {
        self.map(|column| filter(column, keep), |columns| filter_record_batch(columns, keep))
    }

    /// The rows of these indices, in this order.
    pub fn take(&self, rows: &UInt32Array) -> Result<Self, ArrowError> {
        self.map(|column| take(column, rows, None), |columns| take_record_batch(columns, rows))
    }

    /// `length` rows from `start`, without copying.
    pub fn slice(&self, start: usize, length: usize) -> Result<Self, ArrowError> {
        self.map(|column| Ok(column.slice(start, length)), |columns| Ok(columns.slice(start, length)))
    }

    /// The same records without the bytes of others: where texts and payloads are a small part of the buffers that
    /// they are views of, they move into buffers of their own. A batch that waits then holds little more than
    /// [`Batch::byte_size`] says, however few rows a filter has left of a block.
    #[must_use]
    pub fn compact(mut self) -> Self {
        if let Some(payload) = self.payload.as_ref().filter(|payload| is_sparse(payload)) {
            self.payload = Some(payload.gc());
        }
        if let Some(keys) = self.keys.as_ref().filter(|keys| is_sparse(keys)) {
            self.keys = Some(keys.gc());
        }
        if let Some(columns) = &self.columns
            && columns.columns().iter().any(|column| compacted(column).is_some())
        {
            let arrays = columns.columns().iter().map(|column| compacted(column).unwrap_or_else(|| Arc::clone(column)));
            let options = RecordBatchOptions::new().with_row_count(Some(columns.num_rows()));
            // The types are the same, so this cannot fail; if it did, the batch would be as good as before.
            if let Ok(columns) = RecordBatch::try_new_with_options(columns.schema(), arrays.collect(), &options) {
                self.columns = Some(columns);
            }
        }
        self
    }

    /// The same records with other columns (and no longer the old ones).
    #[must_use]
    pub fn with_columns(mut self, columns: RecordBatch) -> Self {
        debug_assert_eq!(self.len(), columns.num_rows(), "columns must have a row for each record");
        self.columns = Some(columns);
        self
    }

    /// Several batches of one partition and one shape as one. `None` for no batches.
    pub fn concat(batches: &[Self]) -> Result<Option<Self>, ArrowError> {
        let Some(first) = batches.first() else { return Ok(None) };
        if batches.len() == 1 {
            return Ok(Some(first.clone()));
        }
        let columns = match &first.columns {
            Some(columns) => {
                let all: Vec<_> = batches.iter().filter_map(|batch| batch.columns.as_ref()).collect();
                Some(arrow_select::concat::concat_batches(columns.schema_ref(), all)?)
            }
            None => None,
        };
        Ok(Some(Self {
            partition: first.partition,
            offsets: concat_all(batches, |batch| Some(&batch.offsets))?.unwrap_or_else(|| first.offsets.clone()),
            arrival: concat_all(batches, |batch| Some(&batch.arrival))?.unwrap_or_else(|| first.arrival.clone()),
            event_time: concat_all(batches, |batch| batch.event_time.as_ref())?,
            keys: concat_all(batches, |batch| batch.keys.as_ref())?,
            payload: concat_all(batches, |batch| batch.payload.as_ref())?,
            headers: concat_headers(batches),
            positions: concat_all(batches, |batch| batch.positions.as_ref())?,
            format: first.format,
            columns,
            // Only of use before records are decoded, where batches are not joined.
            notes: None,
            watermark: batches.iter().map(|batch| batch.watermark).min().unwrap_or(START_OF_TIME),
        }))
    }

    fn map(
        &self,
        column: impl Fn(&dyn Array) -> Result<Arc<dyn Array>, ArrowError>,
        columns: impl Fn(&RecordBatch) -> Result<RecordBatch, ArrowError>,
    ) -> Result<Self, ArrowError> {
        Ok(Self {
            partition: self.partition,
            offsets: typed(&column(&self.offsets)?)?,
            arrival: typed(&column(&self.arrival)?)?,
            event_time: self.event_time.as_ref().map(|times| typed(&column(times)?)).transpose()?,
            keys: self.keys.as_ref().map(|keys| typed(&column(keys)?)).transpose()?,
            payload: self.payload.as_ref().map(|payload| typed(&column(payload)?)).transpose()?,
            headers: match &self.headers {
                Some(headers) => Headers::from_array(&column(headers.array())?),
                None => None,
            },
            positions: self.positions.as_ref().map(|positions| typed(&column(positions)?)).transpose()?,
            format: self.format,
            columns: self.columns.as_ref().map(columns).transpose()?,
            notes: self.notes.clone(),
            watermark: self.watermark,
        })
    }
}

/// Some batches may have headers and others none.
fn concat_headers(batches: &[Batch]) -> Option<Headers> {
    if batches.iter().all(|batch| batch.headers.is_none()) {
        return None;
    }
    let mut builder = HeadersBuilder::default();
    for batch in batches {
        for row in 0..batch.len() {
            for (name, value) in batch.headers.iter().flat_map(|headers| headers.of(row)) {
                builder.header(name, value);
            }
            builder.end_record();
        }
    }
    builder.finish()
}

/// The bytes that the views themselves stand for, not the buffers that they share with other batches.
fn view_bytes<T: ByteViewType>(array: &GenericByteViewArray<T>) -> usize {
    16 * array.len() + array.lengths().map(|length| length as usize).sum::<usize>()
}

/// Buffers this many times as large as what is seen of them are worth a copy. Parts of a block that went to several
/// tasks share it, so each may look smaller than it is.
const SPARSE: usize = 8;
/// Smaller buffers are not worth it.
const SMALL: usize = 64 * 1024;

fn is_sparse<T: ByteViewType>(array: &GenericByteViewArray<T>) -> bool {
    let held: usize = array.data_buffers().iter().map(Buffer::len).sum();
    held > SMALL && held / SPARSE > array.total_buffer_bytes_used()
}

/// A column of its own bytes only, if it is sparse.
fn compacted(column: &ArrayRef) -> Option<ArrayRef> {
    if let Some(text) = column.as_string_view_opt() {
        return is_sparse(text).then(|| Arc::new(text.gc()) as ArrayRef);
    }
    let bytes = column.as_binary_view_opt().filter(|bytes| is_sparse(bytes))?;
    Some(Arc::new(bytes.gc()))
}

fn concat_all<A: Array + Clone + 'static>(
    batches: &[Batch],
    part: impl Fn(&Batch) -> Option<&A>,
) -> Result<Option<A>, ArrowError> {
    let parts: Vec<&dyn Array> =
        batches.iter().filter_map(|batch| part(batch).map(|array| array as &dyn Array)).collect();
    if parts.len() != batches.len() {
        return Ok(None);
    }
    Ok(Some(typed(&concat(&parts)?)?))
}

fn typed<A: Array + Clone + 'static>(array: &Arc<dyn Array>) -> Result<A, ArrowError> {
    array
        .as_any()
        .downcast_ref::<A>()
        .cloned()
        .ok_or_else(|| ArrowError::CastError(format!("a kernel changed a column's type to {}", array.data_type())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DataType, Field, Schema};

    #[test]
    fn what_the_source_rejects_is_split_off() {
        let payload = BinaryViewArray::from_iter_values(["a", "b", "c", "d"]);
        let numbers = Int64Array::from_iter_values(10..14);
        let mut batch = Batch::raw(0, numbers.clone(), numbers, payload, PayloadFormat::Opaque);
        assert!(batch.clone().split_rejected().unwrap().1.is_none());
        let rejected = vec![(9, "gone".to_owned()), (11, "bad".to_owned()), (13, "worse".to_owned())];
        batch.notes = Some(Arc::new(SourceNotes { fields: Some(vec!["x".to_owned()]), rejected }));
        let (kept, rejected) = batch.slice(1, 3).unwrap().split_rejected().unwrap();
        assert_eq!(kept.offsets.values(), &[12]);
        assert!(kept.clone().split_rejected().unwrap().1.is_none());
        assert_eq!(kept.notes.unwrap().fields, Some(vec!["x".to_owned()]));
        let (dead, reasons) = rejected.unwrap();
        assert_eq!(
            (dead.offsets.values().to_vec(), reasons),
            (vec![11, 13], vec!["bad".to_owned(), "worse".to_owned()])
        );
        assert_eq!(dead.payload.unwrap().value(0), b"b");
    }

    #[test]
    fn few_rows_of_a_block_do_not_keep_it() {
        let texts = || (0..2_000).map(|number| format!("a text that is long enough for a buffer, number {number}"));
        let payload = BinaryViewArray::from_iter_values(texts());
        let numbers = Int64Array::from_iter_values(0..2_000);
        let schema = Schema::new([Field::new("text", DataType::String)]);
        let text = StringViewArray::from_iter_values(texts());
        let columns = RecordBatch::try_new(schema.arrow(), vec![Arc::new(text)]).unwrap();
        let block = Batch::raw(0, numbers.clone(), numbers, payload, PayloadFormat::Json).with_columns(columns);
        let held = |batch: &Batch| {
            let column = batch.columns.as_ref().unwrap().column(0).as_string_view().clone();
            let buffers = batch.payload.iter().flat_map(BinaryViewArray::data_buffers).chain(column.data_buffers());
            buffers.map(Buffer::len).sum::<usize>()
        };
        let half = block.slice(500, 1_000).unwrap();
        assert_eq!(held(&half.clone().compact()), held(&block), "half of a block is not worth a copy");
        let few = block.take(&UInt32Array::from(vec![3, 1_999])).unwrap();
        let compact = few.clone().compact();
        assert!(held(&few) > 200_000 && held(&compact) < 1_000, "{} {}", held(&few), held(&compact));
        assert_eq!((&compact.payload, &compact.columns), (&few.payload, &few.columns));
    }
}

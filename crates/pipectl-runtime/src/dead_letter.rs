//! Dead letters as records of their own: reason, node, position and the original bytes.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryViewArray, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
};
use pipectl_contract::{DeadLetters, OperatorError};
use pipectl_data::{Batch, PayloadFormat, Schema, encode::jsonl};
use pipectl_ir::dag::dead_letter_schema;

use crate::steps::broken;

/// The records that the dead letters' sink gets. `schema` are the columns of the batch where it has any.
pub(crate) fn to_batch(node: &str, dead: &DeadLetters) -> Result<Batch, OperatorError> {
    let DeadLetters { batch, reasons } = dead;
    let count = batch.len();
    let payloads = batch.payload.as_ref();
    let text: StringViewArray =
        (0..count).map(|row| payload(payloads, row).and_then(|bytes| std::str::from_utf8(bytes).ok())).collect();
    let bytes: BinaryViewArray =
        (0..count).map(|row| payload(payloads, row).filter(|bytes| std::str::from_utf8(bytes).is_err())).collect();
    let keys: StringViewArray = (0..count)
        .map(|row| payload(batch.keys.as_ref(), row).map(|key| String::from_utf8_lossy(key).into_owned()))
        .collect();
    let times = TimestampMicrosecondArray::new(batch.arrival.values().clone(), None);
    let event_times = match &batch.event_time {
        Some(times) => TimestampMicrosecondArray::new(times.values().clone(), times.nulls().cloned()),
        None => TimestampMicrosecondArray::new_null(count),
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringViewArray::from_iter_values(std::iter::repeat_n(node, count))),
        Arc::new(StringViewArray::from_iter_values(reasons.iter().map(|reason| reason.code))),
        Arc::new(StringViewArray::from_iter_values(reasons.iter().map(|reason| reason.message.as_str()))),
        Arc::new(Int64Array::from(vec![i64::from(batch.partition); count])),
        Arc::new(batch.offsets.clone()),
        Arc::new(times),
        Arc::new(event_times),
        Arc::new(keys),
        Arc::new(text),
        Arc::new(bytes),
        Arc::new(columns_as_json(batch)?),
    ];
    let columns = RecordBatch::try_new(dead_letter_schema().arrow(), columns).map_err(broken)?;
    Ok(Batch {
        partition: batch.partition,
        offsets: batch.offsets.clone(),
        arrival: batch.arrival.clone(),
        event_time: batch.event_time.clone(),
        keys: batch.keys.clone(),
        payload: None,
        headers: None,
        positions: None,
        format: PayloadFormat::Json,
        columns: Some(columns),
        notes: None,
        watermark: batch.watermark,
    })
}

fn payload(payloads: Option<&BinaryViewArray>, row: usize) -> Option<&[u8]> {
    payloads.filter(|payloads| payloads.is_valid(row)).map(|payloads| payloads.value(row))
}

/// What an operator had made of a record that has no payload any more (a window's row, say).
fn columns_as_json(batch: &Batch) -> Result<StringViewArray, OperatorError> {
    let Some(columns) = batch.columns.as_ref().filter(|_| batch.payload.is_none()) else {
        return Ok(StringViewArray::new_null(batch.len()));
    };
    let (mut text, mut ends) = (Vec::new(), Vec::new());
    jsonl::write_rows(columns, &Schema::of_arrow(columns.schema_ref()), &mut text, &mut ends).map_err(broken)?;
    let mut start = 0;
    Ok(ends
        .into_iter()
        .map(|end| {
            let row = String::from_utf8_lossy(&text[start..end]).trim_end().to_owned();
            start = end;
            Some(row)
        })
        .collect())
}

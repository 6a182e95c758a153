//! Alerts in a checkpoint.
//!
//! Layout: `PCAL`, the hash of all that follows (u64, little endian; the reader of Arrow IPC trusts its input), the length
//! of the header (u32, little endian), the header (JSON), then an Arrow IPC stream of the records that are held: those that
//! wait for the watermark, then the newest one of each pending alert. What is computed of them is computed again.

use std::{io::Cursor, sync::Arc};

use arrow_array::{
    ArrayRef, Int64Array, RecordBatch, UInt32Array,
    cast::AsArray,
    types::{Int64Type, UInt32Type},
};
use arrow_ipc::{reader::StreamReader, writer::StreamWriter};
use arrow_schema::{DataType as Arrow, Field, Schema as ArrowSchema};
use arrow_select::{concat::concat_batches, filter::filter_record_batch};
use pipectl_data::{Batch, Micros, PayloadFormat, START_OF_TIME, Schema, Share, key_hash};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use super::{machine::Alert, operator::AlertOperator};
use crate::OperatorError;

const MAGIC: &[u8; 4] = b"PCAL";
/// Length of what the hash does not cover: the magic and the hash itself.
const BEFORE_HASHED: usize = MAGIC.len() + 8;
const FORMAT: u32 = 1;
/// Columns before those of the records: event time, arrival, position, partition.
const ENVELOPE: usize = 4;

#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    watermark: Micros,
    sequence: i64,
    alerts: Vec<(String, Alert)>,
    /// How many records wait.
    held: usize,
    /// The keys of the records behind them.
    pending: Vec<String>,
}

fn unwritable(error: impl std::fmt::Display) -> OperatorError {
    OperatorError(format!("alerts cannot be written to a checkpoint: {error}"))
}

fn unreadable(error: impl std::fmt::Display) -> OperatorError {
    OperatorError(format!("the checkpoint of an alert cannot be read: {error}"))
}

impl AlertOperator {
    pub(super) fn write_snapshot(&self) -> Result<Vec<u8>, OperatorError> {
        let schema = self.record_schema();
        let rows = self.held.iter().map(|held| &held.rows).chain(self.pending.values());
        let batches = rows.map(|rows| record(rows, &schema)).collect::<Result<Vec<_>, _>>()?;
        let header = Header {
            format: FORMAT,
            watermark: self.watermark,
            sequence: self.sequence,
            alerts: self.alerts.iter().map(|(key, alert)| (key.clone(), *alert)).collect(),
            held: self.held.iter().map(|held| held.rows.len()).sum(),
            pending: self.pending.keys().cloned().collect(),
        };
        let header = serde_json::to_vec(&header).map_err(unwritable)?;
        let mut hashed = u32::try_from(header.len()).map_err(unwritable)?.to_le_bytes().to_vec();
        hashed.extend_from_slice(&header);
        let mut writer = StreamWriter::try_new(&mut hashed, &schema).map_err(unwritable)?;
        writer.write(&concat_batches(&schema, &batches).map_err(unwritable)?).map_err(unwritable)?;
        writer.finish().map_err(unwritable)?;
        drop(writer);
        let mut snapshot = MAGIC.to_vec();
        snapshot.extend_from_slice(&key_hash::hash(&hashed).to_le_bytes());
        snapshot.append(&mut hashed);
        Ok(snapshot)
    }

    /// Takes over what a snapshot holds; only a part of it, where the task has no more.
    pub(super) fn read_snapshot(&mut self, snapshot: &[u8], share: Option<&Share>) -> Result<(), OperatorError> {
        let damaged = || unreadable("it is damaged");
        let hash = snapshot.strip_prefix(MAGIC).and_then(|rest| rest.first_chunk::<8>()).ok_or_else(damaged)?;
        let hashed = snapshot.get(BEFORE_HASHED..).ok_or_else(damaged)?;
        if key_hash::hash(hashed) != u64::from_le_bytes(*hash) {
            return Err(damaged());
        }
        let (length, rest) = hashed.split_first_chunk::<4>().ok_or_else(damaged)?;
        let (header, body) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(damaged)?;
        let header: Header = serde_json::from_slice(header).map_err(unreadable)?;
        if header.format != FORMAT {
            return Err(unreadable(format!("it has format {}, this version reads {FORMAT}", header.format)));
        }
        let reader = StreamReader::try_new(Cursor::new(body), None).map_err(unreadable)?;
        let schema = reader.schema();
        if schema != self.record_schema() {
            return Err(unreadable("its records have other columns than the input of the alert"));
        }
        let batches = reader.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
        let records = concat_batches(&schema, &batches).map_err(unreadable)?;
        if records.num_rows() != header.held + header.pending.len() {
            return Err(damaged());
        }
        // Of several snapshots, the one that is furthest: what it has taken must not be taken again.
        self.watermark = self.watermark.max(header.watermark);
        self.sequence = self.sequence.max(header.sequence);
        let mut held = records.slice(0, header.held);
        let mut owned = None;
        if let Some(share) = share {
            held = filter_record_batch(&held, &share.owns(&held).map_err(unreadable)?).map_err(unreadable)?;
            let keys = header.alerts.iter().map(|(key, _)| self.key_object(key)).collect::<Result<Vec<_>, _>>()?;
            let keys = keys.iter().map(String::as_str);
            owned = Some(share.owns_keys(&self.key_fields(), keys).map_err(unreadable)?);
        }
        for rows in by_partition(&held)? {
            self.hold_again(&rows)?;
        }
        let mut pending = std::collections::BTreeMap::new();
        for (index, key) in header.pending.into_iter().enumerate() {
            pending.extend(by_partition(&records.slice(header.held + index, 1))?.pop().map(|row| (key, row)));
        }
        for (row, (key, alert)) in header.alerts.into_iter().enumerate() {
            let newest = pending.remove(&key);
            if owned.as_ref().is_none_or(|owned| owned.value(row)) {
                self.put(key, alert, newest);
            }
        }
        Ok(())
    }

    /// The columns of the key, in their order.
    fn key_fields(&self) -> Schema {
        Schema::new(self.key.iter().filter_map(|name| self.input.find(name).map(|(_, field)| field.clone())))
    }

    /// A key, which is a JSON array of its values, as a JSON object.
    fn key_object(&self, key: &str) -> Result<String, OperatorError> {
        let values: Vec<&RawValue> = serde_json::from_str(key).map_err(unreadable)?;
        let members =
            self.key.iter().zip(values).map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())));
        Ok(format!("{{{}}}", members.collect::<Vec<_>>().join(",")))
    }

    /// The columns of records in a checkpoint.
    fn record_schema(&self) -> Arc<ArrowSchema> {
        let envelope = [
            Field::new("#time", Arrow::Int64, true),
            Field::new("#arrival", Arrow::Int64, true),
            Field::new("#position", Arrow::Int64, true),
            Field::new("#partition", Arrow::UInt32, true),
        ];
        let columns = self.input.arrow();
        Arc::new(ArrowSchema::new(
            envelope.into_iter().map(Arc::new).chain(columns.fields().iter().cloned()).collect::<Vec<_>>(),
        ))
    }
}

/// Rows with their envelope as columns.
fn record(rows: &Batch, schema: &Arc<ArrowSchema>) -> Result<RecordBatch, OperatorError> {
    let times = rows.event_time.clone().ok_or_else(|| unwritable("records have no event time"))?;
    let mut arrays: Vec<ArrayRef> = vec![
        Arc::new(times),
        Arc::new(rows.arrival.clone()),
        Arc::new(rows.offsets.clone()),
        Arc::new(UInt32Array::from_value(rows.partition, rows.len())),
    ];
    arrays.extend(rows.columns.iter().flat_map(|columns| columns.columns().iter().cloned()));
    RecordBatch::try_new(Arc::clone(schema), arrays).map_err(unwritable)
}

/// Such rows, a batch for each stretch of one partition.
fn by_partition(records: &RecordBatch) -> Result<Vec<Batch>, OperatorError> {
    let number = |index: usize| -> Result<&Int64Array, OperatorError> {
        let column = records.columns().get(index).and_then(|column| column.as_primitive_opt::<Int64Type>());
        column.ok_or_else(|| unreadable("a column is missing"))
    };
    let (times, arrival, positions) = (number(0)?, number(1)?, number(2)?);
    let partitions = records.columns().get(3).and_then(|column| column.as_primitive_opt::<UInt32Type>());
    let partitions = partitions.ok_or_else(|| unreadable("a column is missing"))?;
    let names: Vec<usize> = (ENVELOPE..records.num_columns()).collect();
    let columns = records.project(&names).map_err(unreadable)?;
    let mut batches = Vec::new();
    let mut start = 0;
    for stretch in partitions.values().chunk_by(|one, other| one == other) {
        let length = stretch.len();
        batches.push(Batch {
            partition: stretch.first().copied().unwrap_or_default(),
            offsets: positions.slice(start, length),
            arrival: arrival.slice(start, length),
            event_time: Some(times.slice(start, length)),
            keys: None,
            payload: None,
            headers: None,
            positions: None,
            format: PayloadFormat::default(),
            columns: Some(columns.slice(start, length)),
            notes: None,
            watermark: START_OF_TIME,
        });
        start += length;
    }
    Ok(batches)
}

//! Panes in a checkpoint.
//!
//! Layout: `PCWS`, the hash of all that follows (u64, little endian; the reader of Arrow IPC trusts its input), the
//! length of the header (u32, little endian), the header (JSON), then the bytes of each pane: an Arrow IPC stream of
//! the group keys, and one of each aggregate's state. A pane that did not change since the last snapshot is not written
//! anew. Writing changes no pane.
//!
//! Format 1 had accumulators of DataFusion for `count`, `min`, `max`, `bool_and` and `bool_or`, with the same columns.

use std::{io::Cursor, sync::Arc};

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_ipc::{reader::StreamReader, writer::StreamWriter};
use arrow_schema::{ArrowError, Field, Schema as ArrowSchema};
use pipectl_data::{END_OF_TIME, Micros, START_OF_TIME, Schema, key_hash};
use pipectl_ir::query::{Query, WindowAggregate};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    operator::WindowOperator,
    pane::{Pane, State},
};
use crate::OperatorError;

const MAGIC: &[u8; 4] = b"PCWS";
/// Length of what the hash does not cover: the magic and the hash itself.
const BEFORE_HASHED: usize = MAGIC.len() + 8;
/// Of the layout above. The one before is read too.
const FORMAT: u32 = 2;
/// The version of DataFusion whose states format 1 can hold: that of the last version of pipectl that wrote it.
const DATAFUSION: &str = "55.2.0";

#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    /// Only in format 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    datafusion: Option<String>,
    /// The format of each accumulator's state; from format 2 on.
    #[serde(default)]
    accumulators: Vec<String>,
    fingerprint: u64,
    watermark: Micros,
    #[serde(default = "never")]
    closed_at_end: Micros,
    sequence: i64,
    panes: Vec<PaneHeader>,
}

#[derive(Serialize, Deserialize)]
struct PaneHeader {
    start: Micros,
    arrival: Micros,
    /// How many records it holds; unknown in checkpoints of earlier versions.
    #[serde(default)]
    rows: u64,
    groups: usize,
    bytes: usize,
}

/// What a state means: the window, keys, aggregates and filter, and the input's types. Where things stand in the text
/// does not count, nor what is made of the results afterwards.
pub(super) fn fingerprint(query: &Query, window: &WindowAggregate, input: &Schema) -> u64 {
    let types: Vec<_> = query
        .columns_used()
        .iter()
        .filter_map(|name| input.find(name))
        .map(|(_, field)| field.data_type.arrow().to_string())
        .collect();
    let parts = [
        serde_json::to_value(window.window),
        serde_json::to_value(&window.keys),
        serde_json::to_value(&window.aggregates),
        serde_json::to_value(&query.filter),
        serde_json::to_value(types),
    ];
    let mut parts = Value::Array(parts.into_iter().map(Result::unwrap_or_default).collect());
    forget_places(&mut parts);
    key_hash::hash(parts.to_string().as_bytes())
}

fn forget_places(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("place");
            members.values_mut().for_each(forget_places);
        }
        Value::Array(elements) => elements.iter_mut().for_each(forget_places),
        _ => {}
    }
}

impl WindowOperator {
    pub(super) fn write_snapshot(&mut self) -> Result<Vec<u8>, OperatorError> {
        let mut panes = Vec::with_capacity(self.panes.len());
        let mut bodies: Vec<Arc<[u8]>> = Vec::with_capacity(self.panes.len());
        let mut bytes = 0;
        for (start, pane) in &mut self.panes {
            let body = if let Some(body) = pane.encoded() {
                body
            } else {
                let body: Arc<[u8]> = encode(&pane.read()?).map_err(unwritable)?.into();
                pane.set_encoded(Arc::clone(&body));
                body
            };
            panes.push(PaneHeader {
                start: *start,
                arrival: pane.arrival,
                rows: pane.rows,
                groups: pane.groups(),
                bytes: body.len(),
            });
            bytes += pane.size();
            bodies.push(body);
        }
        self.bytes = bytes;
        let header = Header {
            format: FORMAT,
            datafusion: None,
            accumulators: self.formats()?,
            fingerprint: self.fingerprint,
            watermark: self.watermark,
            closed_at_end: self.closed_at_end,
            sequence: self.sequence,
            panes,
        };
        let header = serde_json::to_vec(&header).map_err(unwritable)?;
        let length = u32::try_from(header.len()).map_err(unwritable)?;
        let mut snapshot = Vec::with_capacity(16 + header.len() + bodies.iter().map(|body| body.len()).sum::<usize>());
        snapshot.extend_from_slice(MAGIC);
        snapshot.extend_from_slice(&[0; 8]);
        snapshot.extend_from_slice(&length.to_le_bytes());
        snapshot.extend_from_slice(&header);
        for body in bodies {
            snapshot.extend_from_slice(&body);
        }
        let hash = key_hash::hash(&snapshot[BEFORE_HASHED..]);
        snapshot[MAGIC.len()..BEFORE_HASHED].copy_from_slice(&hash.to_le_bytes());
        Ok(snapshot)
    }

    pub(super) fn read_snapshot(&mut self, snapshot: &[u8]) -> Result<(), OperatorError> {
        let broken = || OperatorError("the checkpoint of a window is damaged".to_owned());
        let rest = snapshot.strip_prefix(MAGIC).ok_or_else(broken)?;
        let (hash, rest) = rest.split_first_chunk::<8>().ok_or_else(broken)?;
        if u64::from_le_bytes(*hash) != key_hash::hash(rest) {
            return Err(broken());
        }
        let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(broken)?;
        let (header, mut rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(broken)?;
        let header: Header = serde_json::from_slice(header).map_err(|_| broken())?;
        check_format(&header)?;
        if header.fingerprint != self.fingerprint {
            return Err(OperatorError(
                "the checkpoint holds windows of another query: its window, keys, aggregates or filter have changed; \
                 restore the old query, or start from a new checkpoint"
                    .to_owned(),
            ));
        }
        self.check_accumulators(&header)?;
        self.panes.clear();
        self.bytes = 0;
        for pane in header.panes {
            let (body, after) = rest.split_at_checked(pane.bytes).ok_or_else(broken)?;
            rest = after;
            let state = decode(body, pane.groups, self.plan.calls.len()).map_err(|_| broken())?;
            let mut restored = Pane::new(&self.plan)?;
            if header.format == 1 {
                restored.merge_format_1(&self.plan, &state)?;
            } else {
                restored.merge_state(&state)?;
                restored.set_encoded(body.into());
            }
            (restored.arrival, restored.rows) = (pane.arrival, pane.rows);
            self.bytes += restored.size();
            self.panes.insert(pane.start, restored);
        }
        if !rest.is_empty() {
            return Err(broken());
        }
        if header.watermark == END_OF_TIME {
            return Err(OperatorError(
                "the checkpoint was written at the end of the input by an earlier version of pipectl, which did not \
                 record which windows had closed; use another state folder (`--state`)"
                    .to_owned(),
            ));
        }
        self.watermark = header.watermark;
        self.closed_at_end = header.closed_at_end;
        self.sequence = header.sequence;
        Ok(())
    }

    fn formats(&self) -> Result<Vec<String>, OperatorError> {
        self.plan.calls.iter().map(|call| Ok(call.create()?.format())).collect()
    }

    fn check_accumulators(&self, header: &Header) -> Result<(), OperatorError> {
        if header.format == 1 {
            return Ok(());
        }
        let mut written = header.accumulators.iter();
        for call in &self.plan.calls {
            let (accumulator, written) = (call.create()?, written.next().map_or("", String::as_str));
            if !accumulator.reads(written) {
                return Err(unreadable(&format!("with an aggregate in format {written}"), &accumulator.format()));
            }
        }
        Ok(())
    }
}

fn check_format(header: &Header) -> Result<(), OperatorError> {
    let written = match (header.format, header.datafusion.as_deref()) {
        (FORMAT, _) | (1, Some(DATAFUSION)) => return Ok(()),
        (format, Some(version)) => format!("in format {format} with DataFusion {version}"),
        (format, None) => format!("in format {format}"),
    };
    Err(unreadable(&written, &format!("formats {} and {FORMAT}", FORMAT - 1)))
}

fn unreadable(written: &str, readable: &str) -> OperatorError {
    OperatorError(format!(
        "another version of pipectl wrote the windows of the checkpoint {written}, and this one reads {readable}; \
         let the version that wrote it finish the run, or start from a new checkpoint (`--fresh`)"
    ))
}

fn never() -> Micros {
    START_OF_TIME
}

fn unwritable(error: impl std::fmt::Display) -> OperatorError {
    OperatorError(format!("the checkpoint of a window cannot be written: {error}"))
}

fn encode(state: &State) -> Result<Vec<u8>, ArrowError> {
    let mut bytes = Vec::new();
    write(&mut bytes, &state.keys, state.groups)?;
    for columns in &state.accumulators {
        let rows = columns.first().map_or(0, |column| column.len());
        write(&mut bytes, columns, rows)?;
    }
    Ok(bytes)
}

fn write(bytes: &mut Vec<u8>, columns: &[ArrayRef], rows: usize) -> Result<(), ArrowError> {
    let field = |(index, column): (usize, &ArrayRef)| Field::new(format!("c{index}"), column.data_type().clone(), true);
    let schema = Arc::new(ArrowSchema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>()));
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), columns.to_vec(), &options)?;
    let mut writer = StreamWriter::try_new(bytes, &schema)?;
    writer.write(&batch)?;
    writer.finish()
}

fn decode(body: &[u8], groups: usize, aggregates: usize) -> Result<State, ArrowError> {
    let mut reader = Cursor::new(body);
    let keys = read(&mut reader)?;
    let accumulators = (0..aggregates).map(|_| read(&mut reader)).collect::<Result<Vec<_>, _>>()?;
    if keys.iter().any(|column| column.len() != groups) || reader.position() != body.len() as u64 {
        return Err(ArrowError::ParseError("a pane has another length than its header says".to_owned()));
    }
    Ok(State { keys, groups, accumulators })
}

fn read(bytes: &mut Cursor<&[u8]>) -> Result<Vec<ArrayRef>, ArrowError> {
    let mut reader = StreamReader::try_new(bytes, None)?;
    let batch = reader.next().ok_or_else(|| ArrowError::ParseError("a pane's part is empty".to_owned()))??;
    if reader.next().is_some() {
        return Err(ArrowError::ParseError("a pane's part goes on".to_owned()));
    }
    Ok(batch.columns().to_vec())
}

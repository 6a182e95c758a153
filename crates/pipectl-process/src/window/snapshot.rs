//! Panes in a checkpoint.
//!
//! Layout: `PCWS`, the hash of all that follows (u64, little endian; the reader of Arrow IPC trusts its input), the
//! length of the header (u32, little endian), the header (JSON), then the bytes of each pane: an Arrow IPC stream of
//! the group keys, and one of each aggregate's state. A pane that did not change since the last snapshot is not written
//! anew. Writing changes no pane.
//!
//! Format 1 had accumulators of DataFusion for `count`, `min`, `max`, `bool_and` and `bool_or`, with the same columns.

use std::{collections::btree_map::Entry, io::Cursor, sync::Arc};

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_ipc::{reader::StreamReader, writer::StreamWriter};
use arrow_schema::{ArrowError, Field, Schema as ArrowSchema};
use pipectl_data::{END_OF_TIME, Micros, START_OF_TIME, Schema, Share, key_hash};
use pipectl_ir::query::{Query, WindowAggregate};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    accumulator::Groups,
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
    /// What must be the same, and what each aggregate is; unknown in checkpoints of earlier versions, whose fingerprint
    /// stands for all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    meaning: Option<Meaning>,
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

/// What a state means, in hashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meaning {
    /// The window, the keys and the condition.
    fixed: u64,
    /// The aggregates, in the order of their state.
    aggregates: Vec<u64>,
}

impl Meaning {
    /// That of a query.
    pub(super) fn of(query: &Query) -> Self {
        let signature = query.traits().state.unwrap_or_default();
        let hash = |value: &Value| key_hash::hash(value.to_string().as_bytes());
        Self {
            fixed: hash(&Value::Object(signature.fixed)),
            aggregates: signature.parts.iter().map(|part| hash(&part.meaning)).collect(),
        }
    }

    /// For each aggregate of this one, which one of another it is.
    fn find_in(&self, other: &Self) -> Option<Vec<usize>> {
        if self.fixed != other.fixed {
            return None;
        }
        self.aggregates.iter().map(|one| other.aggregates.iter().position(|other| other == one)).collect()
    }
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
                let body: Arc<[u8]> = encode(&pane.read(Groups::All(pane.groups()))?).map_err(unwritable)?.into();
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
            meaning: Some(self.meaning.clone()),
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

    /// Takes over what a snapshot holds; only a part of it, where the task has no more.
    pub(super) fn read_snapshot(&mut self, snapshot: &[u8], share: Option<&Share>) -> Result<(), OperatorError> {
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
        let places = self.places(&header).ok_or_else(|| {
            OperatorError(
                "the checkpoint holds windows of another query: its window, keys, aggregates or filter have changed; \
                 restore the old query, or start from a new checkpoint"
                    .to_owned(),
            )
        })?;
        self.check_accumulators(&header, &places)?;
        let known = header.meaning.as_ref().map_or(self.plan.calls.len(), |meaning| meaning.aggregates.len());
        let same = places.len() == known && places.iter().enumerate().all(|(at, place)| at == *place);
        for pane in header.panes {
            let (body, after) = rest.split_at_checked(pane.bytes).ok_or_else(broken)?;
            rest = after;
            let mut state = decode(body, pane.groups, known).map_err(|_| broken())?;
            if !same {
                let found = places.iter().map(|place| state.accumulators.get(*place).cloned());
                state.accumulators = found.collect::<Option<_>>().ok_or_else(broken)?;
            }
            let mut whole = Pane::new(&self.plan)?;
            if header.format == 1 {
                whole.merge_format_1(&self.plan, &state)?;
            } else {
                whole.merge_state(&state)?;
            }
            (whole.arrival, whole.rows) = (pane.arrival, pane.rows);
            match share {
                None => {
                    if header.format != 1 && same {
                        whole.set_encoded(body.into());
                    }
                    self.panes.insert(pane.start, whole);
                }
                Some(share) => self.take_share(pane.start, &whole, share)?,
            }
        }
        self.bytes = self.panes.values().map(Pane::size).sum();
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
        // Of several snapshots, the one that is furthest: what it has closed must not open again.
        self.watermark = self.watermark.max(header.watermark);
        self.closed_at_end = self.closed_at_end.max(header.closed_at_end);
        self.sequence = self.sequence.max(header.sequence);
        Ok(())
    }

    /// Takes over the groups of a pane that are this task's.
    fn take_share(&mut self, start: Micros, whole: &Pane, share: &Share) -> Result<(), OperatorError> {
        let keys = whole.keys();
        let name = |column: &Option<String>| column.clone().unwrap_or_default();
        let columns = self.key_columns.iter().zip(&keys);
        let fields = columns.map(|(column, key)| Field::new(name(column), key.data_type().clone(), true));
        let schema = Arc::new(ArrowSchema::new(fields.collect::<Vec<_>>()));
        let options = RecordBatchOptions::new().with_row_count(Some(whole.groups()));
        let rows = RecordBatch::try_new_with_options(schema, keys, &options).map_err(undistributable)?;
        let owned = share.owns(&rows).map_err(undistributable)?;
        let numbers: Vec<u32> =
            (0..).zip(owned.iter()).filter(|(_, owns)| *owns == Some(true)).map(|(row, _)| row).collect();
        let Some(first) = numbers.first() else { return Ok(()) };
        let pane = match self.panes.entry(start) {
            Entry::Vacant(entry) => entry.insert(Pane::new(&self.plan)?),
            Entry::Occupied(entry) => entry.into_mut(),
        };
        pane.merge_state(&whole.read(Groups::Some(&numbers))?)?;
        pane.arrival = pane.arrival.max(whole.arrival);
        // How many records each group has, nobody knows. One task counts them all, so that none is counted twice.
        pane.rows += if *first == 0 { whole.rows } else { 0 };
        Ok(())
    }

    /// For each aggregate, which one of the snapshot it is; `None` if the snapshot is of another query.
    fn places(&self, header: &Header) -> Option<Vec<usize>> {
        match &header.meaning {
            Some(meaning) => self.meaning.find_in(meaning),
            None if header.fingerprint == self.fingerprint => Some((0..self.plan.calls.len()).collect()),
            None => None,
        }
    }

    fn formats(&self) -> Result<Vec<String>, OperatorError> {
        self.plan.calls.iter().map(|call| Ok(call.create()?.format())).collect()
    }

    fn check_accumulators(&self, header: &Header, places: &[usize]) -> Result<(), OperatorError> {
        if header.format == 1 {
            return Ok(());
        }
        for (call, place) in self.plan.calls.iter().zip(places) {
            let (accumulator, written) = (call.create()?, header.accumulators.get(*place).map_or("", String::as_str));
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

fn undistributable(error: impl std::fmt::Display) -> OperatorError {
    OperatorError(format!("the windows of the checkpoint cannot be distributed to other tasks: {error}"))
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
        let rows = columns.first().map_or(0, Array::len);
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

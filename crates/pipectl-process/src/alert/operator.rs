//! The operator: records wait for the watermark, so that each key sees them in the order of their event times.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arrow_array::{
    Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray, UInt32Array,
    cast::AsArray,
};
use arrow_schema::SchemaRef;
use pipectl_contract::OpenContext;
use pipectl_data::{Batch, END_OF_TIME, Micros, START_OF_TIME, Schema, Share, encode::ColumnText, timestamp};
use pipectl_ir::{
    dag::{AtEnd, LatePolicy},
    query::{Query, Shape},
};
use sha2::{Digest, Sha256};

use super::{
    AlertOptions,
    machine::{Alert, Kind, Message, Rules},
    output_schema, template,
};
use crate::{
    DeadLetters, Operator, OperatorError, Output, Reason,
    sql::{Course, Frame, Outcome, Program, SqlOperator, dead_letter},
};

/// The running form of an `alert` processor.
pub struct AlertOperator {
    node: String,
    pub(super) key: Vec<String>,
    rules: Rules,
    late: LatePolicy,
    at_end: AtEnd,
    /// The columns that come in and go out.
    pub(super) input: Schema,
    output: SchemaRef,
    /// Computes the two conditions.
    frame: Frame,
    conditions: Program,
    message: SqlOperator,
    /// The number of the task.
    subtask: u32,
    /// Messages made so far: their positions.
    pub(super) sequence: i64,
    /// Records that wait for the watermark.
    pub(super) held: Vec<Held>,
    pub(super) alerts: BTreeMap<String, Alert>,
    /// The newest record of each pending alert.
    pub(super) pending: BTreeMap<String, Batch>,
    /// When time alone changes an alert.
    due: BTreeSet<(Micros, String)>,
    pub(super) watermark: Micros,
    bytes: usize,
}

/// Records that wait, and whether they meet the conditions.
pub(super) struct Held {
    pub(super) rows: Batch,
    fire: BooleanArray,
    resolve: BooleanArray,
    least: Micros,
    pub(super) bytes: usize,
}

/// A record whose turn it is. The order is that of its fields.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    time: Micros,
    partition: u32,
    position: i64,
    // Records of several inputs can have one position.
    fire: Option<bool>,
    resolve: Option<bool>,
    held: usize,
    row: usize,
}

/// A message, and the record that it is about.
struct Made {
    key: String,
    message: Message,
    row: Batch,
}

fn broken(error: impl std::fmt::Display) -> OperatorError {
    OperatorError(error.to_string())
}

impl AlertOperator {
    /// The operator of a task.
    ///
    /// # Errors
    /// If the options do not go with the input.
    pub fn new(options: &AlertOptions, context: OpenContext) -> Result<Self, OperatorError> {
        let OpenContext { node, input, subtask, late, at_end, .. } = context;
        let compile = |sql: &str| super::compile(sql, &input);
        let fire = &options.fire;
        // On lines of their own, since an expression can end in a comment.
        let conditions = match &options.resolve {
            Some(resolve) => format!("SELECT (\n{fire}\n) AS fire, (\n{resolve}\n) AS resolve FROM input"),
            None => format!("SELECT (\n{fire}\n) AS fire, NOT (\n{fire}\n) AS resolve FROM input"),
        };
        let conditions = compile(&conditions)?;
        let parts = template::parse(&options.message).map_err(|fault| broken(fault.title))?;
        let message = format!("SELECT {} AS message FROM input", template::to_sql(&options.message, &parts));
        let message = compile(&message)?;
        let (frame, program) = program(&conditions, &input)?;
        let micros =
            |duration: Option<pipectl_data::units::Duration>| duration.map_or(0, pipectl_data::units::Duration::micros);
        Ok(Self {
            node,
            key: options.key.clone(),
            rules: Rules {
                hold: micros(options.hold),
                silence: micros(options.silence),
                send_resolved: options.send_resolved,
            },
            late,
            at_end,
            output: output_schema(&input).arrow(),
            frame,
            conditions: program,
            message: SqlOperator::new(&message, &input)?,
            input,
            subtask,
            sequence: 0,
            held: Vec::new(),
            alerts: BTreeMap::new(),
            pending: BTreeMap::new(),
            due: BTreeSet::new(),
            watermark: START_OF_TIME,
            bytes: 0,
        })
    }

    /// Takes the rows of an outcome that are not late.
    fn hold(&mut self, batch: &Batch, mut outcome: Outcome, out: &mut Output) -> Result<(), OperatorError> {
        let mut dead = std::mem::take(&mut outcome.dead);
        let Some(times) = &batch.event_time else {
            return Err(broken(format!("records without event time reach `{}`", self.node)));
        };
        let times = outcome.take(times)?;
        // By the watermark of its own partition a record is late in every run.
        let watermark = self.watermark.max(batch.watermark);
        if times.null_count() > 0 || times.values().iter().any(|time| *time < watermark) {
            let mut sound = vec![true; times.len()];
            for (row, sound) in sound.iter_mut().enumerate() {
                let time = times.is_valid(row).then(|| times.value(row));
                let reason = match time {
                    Some(time) if time >= watermark => continue,
                    Some(_) if self.late == LatePolicy::Drop => None,
                    Some(time) => Some(Reason {
                        code: "late",
                        message: format!(
                            "event time {} is late: the watermark is {}",
                            timestamp::format(time),
                            timestamp::format(watermark)
                        ),
                    }),
                    None => Some(Reason { code: "no_event_time", message: "the record has no event time".to_owned() }),
                };
                *sound = false;
                match reason {
                    Some(reason) => {
                        let original = outcome.kept.as_ref().map_or(row as u32, |kept| kept.value(row));
                        dead.push((original, reason));
                    }
                    None => out.dropped_late += 1,
                }
            }
            outcome.keep_only(&BooleanArray::from(sound))?;
        }
        dead.sort_by_key(|(row, _)| *row);
        dead_letter(batch, dead, out)?;
        out.absorbed += outcome.rows as u64;
        self.keep(batch, &outcome)
    }

    /// Keeps the rows of an outcome until their turn comes.
    fn keep(&mut self, batch: &Batch, outcome: &Outcome) -> Result<(), OperatorError> {
        if outcome.rows == 0 {
            return Ok(());
        }
        let bare = Batch { keys: None, payload: None, headers: None, positions: None, notes: None, ..batch.clone() };
        let rows = match &outcome.kept {
            Some(kept) => bare.take(kept).map_err(broken)?,
            None => bare,
        };
        let [fire, resolve] = outcome.values.as_slice() else { return Err(broken("a condition is missing")) };
        let times = rows.event_time.as_ref().ok_or_else(|| broken("records lost their event times"))?;
        let least = times.values().iter().copied().min().unwrap_or(END_OF_TIME);
        let columns = self.columns(&rows)?;
        let rows = rows.with_columns(columns).compact();
        let bytes = rows.byte_size();
        self.bytes += bytes;
        let (fire, resolve) = (fire.as_boolean().clone(), resolve.as_boolean().clone());
        self.held.push(Held { rows, fire, resolve, least, bytes });
        Ok(())
    }

    /// The columns of the input, in its order.
    fn columns(&self, rows: &Batch) -> Result<RecordBatch, OperatorError> {
        let columns = rows.columns.as_ref().ok_or_else(|| broken("records without columns reach an alert"))?;
        let indices = self.input.names().map(|name| columns.schema_ref().index_of(name)).collect::<Result<Vec<_>, _>>();
        columns.project(&indices.map_err(broken)?).map_err(broken)
    }

    /// Puts rows of a checkpoint where they were.
    pub(super) fn hold_again(&mut self, rows: &Batch) -> Result<(), OperatorError> {
        let frame = self.frame.of(rows)?;
        let mut course = Course::new(&frame);
        while let Some(outcome) = self.conditions.next(&mut course)? {
            self.keep(rows, &outcome)?;
        }
        Ok(())
    }

    /// Puts an alert of a checkpoint where it was.
    pub(super) fn put(&mut self, key: String, alert: Alert, newest: Option<Batch>) {
        self.due.extend(alert.due(&self.rules).map(|at| (at, key.clone())));
        if let Some(newest) = newest {
            self.pend(&key, newest);
        }
        self.bytes += entry_bytes(&key);
        self.alerts.insert(key, alert);
    }

    fn pend(&mut self, key: &str, newest: Batch) {
        self.bytes += newest.byte_size();
        let before = self.pending.insert(key.to_owned(), newest);
        self.bytes -= before.map_or(0, |before| before.byte_size());
    }

    fn unpend(&mut self, key: &str) -> Option<Batch> {
        let newest = self.pending.remove(key)?;
        self.bytes -= newest.byte_size();
        Some(newest)
    }

    /// Takes all records before `end`, then lets time come to `now`.
    fn advance(&mut self, end: Micros, now: Micros, out: &mut Output) -> Result<(), OperatorError> {
        let mut made = Vec::new();
        let turns = self.turns(end);
        // The texts of the keys, by held batch.
        let held: BTreeSet<usize> = turns.iter().map(|turn| turn.held).collect();
        let texts = held.into_iter().filter_map(|number| {
            let held = self.held.get(number)?;
            Some(self.key_texts(&held.rows).map(|texts| (number, texts)))
        });
        let texts = texts.collect::<Result<BTreeMap<usize, Vec<String>>, _>>()?;
        for turn in &turns {
            let key = texts.get(&turn.held).and_then(|texts| texts.get(turn.row)).cloned().unwrap_or_default();
            self.take(turn, key, &mut made)?;
        }
        out.released += turns.len() as u64;
        self.forget(&turns)?;
        self.let_time_pass(now, &mut made);
        self.watermark = self.watermark.max(now);
        made.sort_by(|one, other| (one.message.at, &one.key).cmp(&(other.message.at, &other.key)));
        self.send(&made, out)
    }

    /// The records before `end`, in the order of their event times.
    fn turns(&self, end: Micros) -> Vec<Turn> {
        let mut turns = Vec::new();
        for (number, held) in self.held.iter().enumerate().filter(|(_, held)| held.least < end) {
            let Some(times) = &held.rows.event_time else { continue };
            for (row, time) in times.values().iter().enumerate().filter(|(_, time)| **time < end) {
                let truth = |values: &BooleanArray| values.is_valid(row).then(|| values.value(row));
                turns.push(Turn {
                    time: *time,
                    partition: held.rows.partition,
                    position: held.rows.offsets.value(row),
                    fire: truth(&held.fire),
                    resolve: truth(&held.resolve),
                    held: number,
                    row,
                });
            }
        }
        turns.sort_unstable();
        turns
    }

    /// What tells the keys of rows apart: their values as a JSON array.
    fn key_texts(&self, rows: &Batch) -> Result<Vec<String>, OperatorError> {
        let columns = rows.columns.as_ref().ok_or_else(|| broken("records lost their columns"))?;
        let parts = self.key.iter().map(|name| {
            let (index, field) = self.input.find(name)?;
            ColumnText::of(columns.columns().get(index)?.as_ref(), &field.data_type)
        });
        let parts = parts.collect::<Option<Vec<_>>>().ok_or_else(|| broken("a key column is missing"))?;
        let text = |row| {
            let mut text = vec![b'['];
            for (number, part) in parts.iter().enumerate() {
                if number > 0 {
                    text.push(b',');
                }
                part.write_json(row, &mut text);
            }
            text.push(b']');
            String::from_utf8(text).map_err(broken)
        };
        (0..rows.len()).map(text).collect()
    }

    /// It is the turn of a record.
    fn take(&mut self, turn: &Turn, key: String, made: &mut Vec<Made>) -> Result<(), OperatorError> {
        let row = |held: &[Held]| {
            let held = held.get(turn.held).ok_or_else(|| broken("a held record is gone"))?;
            Ok::<_, OperatorError>(held.rows.slice(turn.row, 1).map_err(broken)?.compact())
        };
        let known = self.alerts.get(&key).copied();
        let mut alert = known.unwrap_or_default();
        if known.is_none() && turn.fire != Some(true) {
            return Ok(());
        }
        if let Some(due) = alert.due(&self.rules) {
            self.due.remove(&(due, key.clone()));
        }
        if let Some(message) = alert.time(turn.time, &self.rules)
            && let Some(row) = self.unpend(&key)
        {
            made.push(Made { key: key.clone(), message, row });
        }
        if let Some(message) = alert.record(turn.time, turn.fire, turn.resolve, &self.rules) {
            made.push(Made { key: key.clone(), message, row: row(&self.held)? });
        }
        if !alert.is_pending() {
            self.unpend(&key);
        } else if turn.fire == Some(true) {
            let newest = row(&self.held)?;
            self.pend(&key, newest);
        }
        self.set(key, alert, turn.time, known.is_some());
        Ok(())
    }

    /// Keeps an alert, or forgets one that a new one would equal.
    fn set(&mut self, key: String, alert: Alert, now: Micros, known: bool) {
        if alert.is_forgettable(now, &self.rules) {
            if self.alerts.remove(&key).is_some() {
                self.bytes -= entry_bytes(&key);
            }
            return;
        }
        self.due.extend(alert.due(&self.rules).map(|at| (at, key.clone())));
        if !known {
            self.bytes += entry_bytes(&key);
        }
        self.alerts.insert(key, alert);
    }

    /// Event time alone makes pending alerts fire, and calm ones be forgotten.
    fn let_time_pass(&mut self, now: Micros, made: &mut Vec<Made>) {
        while self.due.first().is_some_and(|(at, _)| *at <= now) {
            let Some((at, key)) = self.due.pop_first() else { return };
            let Some(mut alert) = self.alerts.get(&key).copied() else { continue };
            if let Some(message) = alert.time(at, &self.rules)
                && let Some(row) = self.unpend(&key)
            {
                made.push(Made { key: key.clone(), message, row });
            }
            self.set(key, alert, at, true);
        }
    }

    /// Lets go of the records that had their turn.
    fn forget(&mut self, turns: &[Turn]) -> Result<(), OperatorError> {
        let mut gone: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for turn in turns {
            gone.entry(turn.held).or_default().insert(turn.row);
        }
        let mut left = Vec::with_capacity(self.held.len());
        for (number, held) in std::mem::take(&mut self.held).into_iter().enumerate() {
            let Some(gone) = gone.get(&number) else {
                left.push(held);
                continue;
            };
            self.bytes -= held.bytes;
            if gone.len() == held.rows.len() {
                continue;
            }
            let rows: UInt32Array =
                (0..held.rows.len()).filter(|row| !gone.contains(row)).map(|row| row as u32).collect();
            let truth = |values: &BooleanArray| {
                let taken = arrow_select::take::take(values, &rows, None).map_err(broken)?;
                Ok::<_, OperatorError>(taken.as_boolean().clone())
            };
            let (fire, resolve) = (truth(&held.fire)?, truth(&held.resolve)?);
            let rows = held.rows.take(&rows).map_err(broken)?.compact();
            let least = rows.event_time.iter().flat_map(|times| times.values().iter().copied()).min();
            let bytes = rows.byte_size();
            self.bytes += bytes;
            left.push(Held { rows, fire, resolve, least: least.unwrap_or(END_OF_TIME), bytes });
        }
        self.held = left;
        Ok(())
    }

    /// Passes messages on.
    fn send(&mut self, made: &[Made], out: &mut Output) -> Result<(), OperatorError> {
        let rows: Vec<Batch> = made.iter().map(|made| made.row.clone()).collect();
        let Some(rows) = Batch::concat(&rows).map_err(broken)? else { return Ok(()) };
        let at = Int64Array::from_iter_values(made.iter().map(|made| made.message.at));
        // The numbers of the messages, by which their texts find them.
        let numbered = Batch {
            offsets: (0..made.len() as i64).collect::<Vec<_>>().into(),
            partition: self.subtask,
            event_time: Some(at),
            watermark: START_OF_TIME,
            ..rows
        };
        let mut texts = Output::default();
        self.message.on_batch(numbered.clone(), &mut texts)?;
        out.dead_results.extend(texts.dead.into_iter().map(|DeadLetters { batch, reasons }| DeadLetters {
            // Positions are those of messages that were made.
            batch: Batch { offsets: self.positions(batch.len()), ..batch },
            reasons,
        }));
        for text in texts.batches {
            let numbers: UInt32Array = text.offsets.values().iter().map(|number| *number as u32).collect();
            let rows = numbered.take(&numbers).map_err(broken)?;
            let chosen = || numbers.values().iter().filter_map(|number| made.get(*number as usize));
            let columns = text.columns.as_ref().and_then(|columns| columns.columns().first()).cloned();
            let mut arrays: Vec<ArrayRef> = vec![
                Arc::new(StringViewArray::from_iter_values(chosen().map(|made| self.id(made)))),
                Arc::new(StringViewArray::from_iter_values(chosen().map(|made| match made.message.kind {
                    Kind::Firing => "firing",
                    Kind::Resolved => "resolved",
                }))),
                Arc::new(TimestampMicrosecondArray::from_iter_values(chosen().map(|made| made.message.at))),
                columns.ok_or_else(|| broken("a message has no text"))?,
            ];
            arrays.extend(self.columns(&rows)?.columns().iter().cloned());
            let columns = RecordBatch::try_new(Arc::clone(&self.output), arrays).map_err(broken)?;
            let offsets = self.positions(rows.len());
            out.batches.push(Batch { offsets, ..rows }.with_columns(columns));
        }
        Ok(())
    }

    /// The positions of the next messages.
    fn positions(&mut self, count: usize) -> Int64Array {
        let first = self.sequence;
        self.sequence += count as i64;
        Int64Array::from_iter_values(first..self.sequence)
    }

    /// What identifies a crossing: the same after every restart, and for its resolution.
    fn id(&self, made: &Made) -> String {
        let mut hash = Sha256::new();
        hash.update(self.node.as_bytes());
        hash.update([0]);
        hash.update(made.key.as_bytes());
        hash.update([0]);
        hash.update(made.message.since.to_be_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        // Half of it is enough to tell crossings apart.
        digest.first_chunk::<16>().map(|half| format!("{:032x}", u128::from_be_bytes(*half))).unwrap_or_default()
    }
}

/// Bytes that an alert takes in memory.
pub(super) fn entry_bytes(key: &str) -> usize {
    2 * key.len() + size_of::<Alert>() + 4 * size_of::<String>()
}

/// What computes the columns of a query without windows.
fn program(query: &Query, input: &Schema) -> Result<(Frame, Program), OperatorError> {
    let Shape::Project { columns } = &query.shape else { return Err(broken("a condition has a window")) };
    let frame = Frame::new(query, input)?;
    let mut program = Program::new(frame.layout().clone(), &query.sql, None)?;
    for column in columns {
        program.value(&column.expr)?;
    }
    Ok((frame, program))
}

impl Operator for AlertOperator {
    fn on_batch(&mut self, batch: Batch, out: &mut Output) -> Result<(), OperatorError> {
        if batch.is_empty() {
            return Ok(());
        }
        let frame = self.frame.of(&batch)?;
        let mut course = Course::new(&frame);
        while let Some(outcome) = self.conditions.next(&mut course)? {
            self.hold(&batch, outcome, out)?;
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Micros, out: &mut Output) -> Result<(), OperatorError> {
        if watermark > self.watermark { self.advance(watermark, watermark, out) } else { Ok(()) }
    }

    fn on_end(&mut self, newest: Micros, out: &mut Output) -> Result<Micros, OperatorError> {
        // Nothing says that the condition holds after the last record.
        self.advance(END_OF_TIME, newest, out)?;
        Ok(newest)
    }

    fn keeps_open_at_end(&self) -> bool {
        self.at_end == AtEnd::Keep
    }

    fn snapshot(&mut self) -> Result<Vec<u8>, OperatorError> {
        self.write_snapshot()
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), OperatorError> {
        if snapshot.is_empty() { Ok(()) } else { self.read_snapshot(snapshot, None) }
    }

    fn restore_share(&mut self, snapshot: &[u8], share: &Share) -> Result<(), OperatorError> {
        self.read_snapshot(snapshot, Some(share))
    }

    fn state_bytes(&self) -> usize {
        self.bytes
    }
}

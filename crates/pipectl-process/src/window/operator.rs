//! Rows to panes, watermarks to results.

use std::collections::BTreeMap;

use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, UInt32Array};
use arrow_select::take::take;
use pipectl_data::{Batch, END_OF_TIME, Micros, START_OF_TIME, Schema, Share, timestamp};
use pipectl_ir::{
    dag::{AtEnd, LatePolicy},
    query::{Query, Window},
};

use super::{
    accumulator::Place,
    pane::Pane,
    plan::Plan,
    snapshot::{self, Meaning},
};
use crate::{
    Operator, OperatorError, Output, Reason,
    sql::{Course, Outcome, dead_letter},
};

/// A query over windows of event time.
///
/// Within a window rows come sorted by their group key, nulls first; windows come in the order of their end. A result's
/// event time is the last microsecond of its window, so that a query over it counts it into the same stretch of time;
/// its arrival is the latest among the window's rows; its position is a running number.
pub struct WindowOperator {
    pub(super) plan: Plan,
    pub(super) window: Window,
    /// Length of a pane.
    pub(super) pane: Micros,
    pub(super) partition: u32,
    late: LatePolicy,
    /// Panes by start; none is empty.
    pub(super) panes: BTreeMap<Micros, Pane>,
    pub(super) watermark: Micros,
    /// Where an earlier run's end of the input has moved the watermark to.
    pub(super) closed_at_end: Micros,
    at_end: AtEnd,
    /// The position of the next result.
    pub(super) sequence: i64,
    pub(super) fingerprint: u64,
    pub(super) meaning: Meaning,
    /// The column of the input that each group key is, if it is one.
    pub(super) key_columns: Vec<Option<String>>,
    /// Bytes of all panes.
    pub(super) bytes: usize,
}

impl WindowOperator {
    /// The operator of `query` over batches whose columns have at least those of `input` that the query uses. Results
    /// carry the number `partition`.
    ///
    /// # Errors
    /// If the query is none over windows, or does not go with `input`.
    pub fn new(query: &Query, input: &Schema, partition: u32, late: LatePolicy) -> Result<Self, OperatorError> {
        let Some(aggregate) = query.window() else {
            return Err(OperatorError("a query without windows needs no window operator".to_owned()));
        };
        let window = aggregate.window;
        if window.size() <= 0 || window.slide() <= 0 || window.slide() > window.size() {
            return Err(OperatorError("a window must have a length, and a slide that is not longer".to_owned()));
        }
        Ok(Self {
            plan: Plan::new(query, aggregate, input)?,
            window,
            pane: gcd(window.size(), window.slide()),
            partition,
            late,
            panes: BTreeMap::new(),
            watermark: START_OF_TIME,
            closed_at_end: START_OF_TIME,
            at_end: AtEnd::default(),
            sequence: 0,
            fingerprint: snapshot::fingerprint(query, aggregate, input),
            meaning: Meaning::of(query),
            key_columns: aggregate.keys.iter().map(|key| key.column().map(str::to_owned)).collect(),
            bytes: 0,
        })
    }

    /// What becomes of open windows when the input ends.
    #[must_use]
    pub fn at_end(mut self, at_end: AtEnd) -> Self {
        self.at_end = at_end;
        self
    }

    /// The rows that go into panes: the start of the pane of each. Others are dead letters or dropped.
    fn place(&self, batch: &Batch, outcome: &mut Outcome, out: &mut Output) -> Result<Vec<Micros>, OperatorError> {
        if self.window.is_whole() {
            return Ok(vec![WHOLE; outcome.rows]);
        }
        let Some(times) = &batch.event_time else {
            return Err(OperatorError(format!(
                "records without event time reach a window (partition {})",
                batch.partition
            )));
        };
        let times = outcome.take(times)?;
        // By the watermark of its own partition a record is late in every run; that of this operator is a race between
        // partitions, and closes a window earlier only if a partition was idle.
        let watermark = self.watermark.max(batch.watermark);
        let mut starts = Vec::with_capacity(times.len());
        let mut sound = None;
        for row in 0..times.len() {
            let at = if times.is_valid(row) { Some(times.value(row)) } else { None };
            match at.and_then(|at| self.pane_of(at)) {
                Some((start, end)) if end > watermark => {
                    out.partly_late += u64::from(self.is_partly_late(start));
                    starts.push(start);
                }
                placed => {
                    let sound = sound.get_or_insert_with(|| vec![true; times.len()]);
                    sound[row] = false;
                    if placed.is_some() && self.late == LatePolicy::Drop {
                        out.dropped_late += 1;
                        continue;
                    }
                    let original = outcome.kept.as_ref().map_or(row as u32, |kept| kept.value(row));
                    outcome.dead.push((original, self.refusal(at, placed, watermark)));
                }
            }
        }
        if let Some(sound) = sound {
            outcome.keep_only(&BooleanArray::from(sound))?;
        }
        Ok(starts)
    }

    /// Whether a window that holds this pane has closed. Its record is not among the results of that window.
    #[inline]
    fn is_partly_late(&self, start: Micros) -> bool {
        // Side by side, a window that holds the record has closed only if all have.
        matches!(self.window, Window::Hop { .. }) && self.has_closed_one(start)
    }

    fn has_closed_one(&self, start: Micros) -> bool {
        let (size, slide) = (i128::from(self.window.size()), i128::from(self.window.slide()));
        let first = i128::from(self.window.offset()) + size;
        let earliest_end = first + ((i128::from(start) - first).div_euclid(slide) + 1) * slide;
        size != slide && earliest_end <= i128::from(self.watermark)
    }

    /// The start of the pane of this time, and the end of the last window that holds it. `None` at the ends of time.
    #[inline]
    fn pane_of(&self, at: Micros) -> Option<(Micros, Micros)> {
        let floor = |length: Micros| {
            let offset = self.window.offset();
            at.checked_sub(offset)?.div_euclid(length).checked_mul(length)?.checked_add(offset)
        };
        let start = floor(self.pane)?;
        let slide = self.window.slide();
        let last = if slide == self.pane { start } else { floor(slide)? };
        // The end of time itself is not a time: it is the watermark that closes everything.
        let end = last.checked_add(self.window.size()).filter(|end| *end < i64::MAX)?;
        Some((start, end))
    }

    fn refusal(&self, at: Option<Micros>, placed: Option<(Micros, Micros)>, watermark: Micros) -> Reason {
        match (at, placed) {
            (Some(at), Some((_, end))) if end <= self.closed_at_end => Reason {
                code: "late",
                message: format!(
                    "event time {} is late: its window, which ends at {}, closed when the input of an earlier run ended; \
                     `at_end: keep` leaves windows open for the next run",
                    timestamp::format(at),
                    timestamp::format(end)
                ),
            },
            (Some(at), Some((_, end))) => Reason {
                code: "late",
                message: format!(
                    "event time {} is late: its window closed at {}, the watermark is {}",
                    timestamp::format(at),
                    timestamp::format(end),
                    timestamp::format(watermark)
                ),
            },
            (Some(at), None) => {
                Reason { code: "no_event_time", message: format!("event time {at} µs is out of range") }
            }
            (None, _) => Reason { code: "no_event_time", message: "the record has no event time".to_owned() },
        }
    }

    fn absorb(
        &mut self,
        start: Micros,
        values: &[ArrayRef],
        rows: usize,
        places: Option<&[Place]>,
        arrival: Micros,
    ) -> Result<(), OperatorError> {
        let pane = match self.panes.entry(start) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => entry.insert(Pane::new(&self.plan)?),
        };
        let before = if pane.arrival == START_OF_TIME { 0 } else { pane.size() };
        pane.update(&self.plan, values, rows, places)?;
        pane.arrival = pane.arrival.max(arrival);
        self.bytes = (self.bytes + pane.size()).saturating_sub(before);
        Ok(())
    }

    /// Takes rows of a batch: the values of [`Plan::rows`].
    fn absorb_rows(&mut self, batch: &Batch, mut outcome: Outcome, out: &mut Output) -> Result<(), OperatorError> {
        out.filtered += outcome.filtered;
        let starts = self.place(batch, &mut outcome, out)?;
        let mut dead = std::mem::take(&mut outcome.dead);
        dead.sort_by_key(|(row, _)| *row);
        dead_letter(batch, dead, out)?;
        let arrival = outcome.take(&batch.arrival)?;
        let places = if self.plan.places { Some(places_of(batch, &outcome)?) } else { None };
        out.absorbed += starts.len() as u64;

        let ascending = starts.windows(2).all(|pair| pair[0] <= pair[1]);
        let (starts, values, places, arrival) = if ascending {
            (starts, outcome.values, places, arrival)
        } else {
            sorted(&starts, &outcome.values, places.as_deref(), &arrival)?
        };
        let mut from = 0;
        while let Some(start) = starts.get(from).copied() {
            let to = from + starts[from..].partition_point(|other| *other == start);
            let latest = arrival.values()[from..to].iter().copied().max().unwrap_or(START_OF_TIME);
            let places = places.as_ref().map(|places| &places[from..to]);
            if to - from == starts.len() {
                self.absorb(start, &values, to, places, latest)?;
            } else {
                let slices: Vec<ArrayRef> = values.iter().map(|column| column.slice(from, to - from)).collect();
                self.absorb(start, &slices, to - from, places, latest)?;
            }
            from = to;
        }
        Ok(())
    }
}

/// The start of the pane of the window over everything.
pub(super) const WHOLE: Micros = 0;

impl Operator for WindowOperator {
    fn on_batch(&mut self, batch: Batch, out: &mut Output) -> Result<(), OperatorError> {
        if batch.is_empty() {
            return Ok(());
        }
        let frame = self.plan.frame.of(&batch)?;
        let mut course = Course::new(&frame);
        while let Some(outcome) = self.plan.rows.next(&mut course)? {
            self.absorb_rows(&batch, outcome, out)?;
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Micros, out: &mut Output) -> Result<(), OperatorError> {
        if watermark > self.watermark && !self.window.is_whole() {
            self.close(watermark, out)?;
            self.watermark = watermark;
        }
        Ok(())
    }

    fn on_end(&mut self, newest: Micros, out: &mut Output) -> Result<Micros, OperatorError> {
        if self.window.is_whole() {
            self.close_whole(newest, out)?;
            return Ok(newest);
        }
        let before = self.watermark;
        self.on_watermark(END_OF_TIME, out)?;
        // Time has come as far as the end of the last window that the newest record belongs to.
        let known = Some(newest).filter(|newest| *newest > START_OF_TIME);
        let reached = known.and_then(|newest| self.pane_of(newest)).map_or(START_OF_TIME, |(_, end)| end);
        self.watermark = before.max(reached);
        if reached > before {
            self.closed_at_end = reached;
        }
        // The results of that window have its last microsecond as their event time.
        Ok(newest.max(reached.saturating_sub(1)))
    }

    fn keeps_open_at_end(&self) -> bool {
        self.at_end == AtEnd::Keep
    }

    fn closes_at_every_end(&self) -> bool {
        self.window.is_whole()
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

/// Where the rows of an outcome stand in event time. Rows without event time come first.
fn places_of(batch: &Batch, outcome: &Outcome) -> Result<Vec<Place>, OperatorError> {
    let times = batch.event_time.as_ref().map(|times| outcome.take(times)).transpose()?;
    let positions = outcome.take(&batch.offsets)?;
    let time = |row| times.as_ref().filter(|times| times.is_valid(row)).map_or(START_OF_TIME, |times| times.value(row));
    let place =
        |(row, position): (usize, &i64)| Place { time: time(row), partition: batch.partition, position: *position };
    Ok(positions.values().iter().enumerate().map(place).collect())
}

/// What is known of rows: the start of the pane, the values, the place and the arrival of each.
type Rows = (Vec<Micros>, Vec<ArrayRef>, Option<Vec<Place>>, Int64Array);

/// Rows by pane; rows of one pane keep their order.
fn sorted(
    starts: &[Micros],
    values: &[ArrayRef],
    places: Option<&[Place]>,
    arrival: &Int64Array,
) -> Result<Rows, OperatorError> {
    let broken = |error: arrow_schema::ArrowError| OperatorError(error.to_string());
    let mut order: Vec<u32> = (0..starts.len() as u32).collect();
    order.sort_by_key(|row| starts[*row as usize]);
    let starts = order.iter().map(|row| starts[*row as usize]).collect();
    let arrival = order.iter().map(|row| arrival.value(*row as usize)).collect::<Vec<_>>().into();
    let places = places.map(|places| order.iter().map(|row| places[*row as usize]).collect());
    let order = UInt32Array::from(order);
    let values = values.iter().map(|column| take(column, &order, None)).collect::<Result<_, _>>().map_err(broken)?;
    Ok((starts, values, places, arrival))
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

//! Closing windows: their results, in order.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray};
use arrow_schema::DataType as Arrow;
use pipectl_data::{Batch, Micros, PayloadFormat, START_OF_TIME, civil};

use super::{
    operator::{WHOLE, WindowOperator},
    pane::Pane,
};
use crate::{
    OperatorError, Output,
    sql::{Course, dead_letter},
};

/// Results of several small windows go on together, up to so many rows.
const ROWS: usize = 8_192;

impl WindowOperator {
    /// Gives the results of all windows that end at or before `watermark`.
    pub(super) fn close(&mut self, watermark: Micros, out: &mut Output) -> Result<(), OperatorError> {
        let (size, slide) = (i128::from(self.window.size()), i128::from(self.window.slide()));
        let offset = i128::from(self.window.offset());
        // Ends of windows lie at offset + size + k * slide; this is the first one after `time`.
        let end_after = |time: i128| offset + size + ((time - offset - size).div_euclid(slide) + 1) * slide;
        let mut results = Vec::new();
        let mut end = end_after(i128::from(self.watermark));
        while let Some((first, _)) = self.panes.first_key_value() {
            let first = i128::from(*first);
            if first < end - size {
                // No later window reaches back to this pane.
                if let Some((_, pane)) = self.panes.pop_first() {
                    self.bytes = self.bytes.saturating_sub(pane.size());
                    out.released += pane.rows;
                }
                continue;
            }
            if first >= end {
                end = end_after(first);
            }
            if end > i128::from(watermark) {
                break;
            }
            self.result(end - size, end, &mut results, out)?;
            end += slide;
        }
        for group in grouped(results) {
            if let Some(batch) = Batch::concat(&group).map_err(|error| OperatorError(error.to_string()))? {
                out.batches.push(batch);
            }
        }
        Ok(())
    }

    /// Gives the result of the window over everything, if anything has come; `newest` is the newest event time.
    pub(super) fn close_whole(&mut self, newest: Micros, out: &mut Output) -> Result<(), OperatorError> {
        let Some(pane) = self.panes.remove(&WHOLE) else { return Ok(()) };
        self.bytes = self.bytes.saturating_sub(pane.size());
        out.released += pane.rows;
        let (columns, rows) = pane.results()?;
        // No column shows these bounds.
        let event_time = (newest > START_OF_TIME).then_some(newest);
        let mut results = Vec::new();
        self.rows_of((columns, rows, pane.arrival), (WHOLE, WHOLE), event_time, &mut results, out)?;
        out.batches.extend(results);
        Ok(())
    }

    /// The result of the window from `start` to `end`, of which a pane exists.
    fn result(
        &mut self,
        start: i128,
        end: i128,
        results: &mut Vec<Batch>,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let out_of_range = |_| OperatorError("a window reaches beyond the ends of time".to_owned());
        let (start, end) =
            (Micros::try_from(start).map_err(out_of_range)?, Micros::try_from(end).map_err(out_of_range)?);
        let contents = self.contents(start, end, out)?;
        // Records of the last years can have a window that ends beyond them; no time is later than the last one.
        let last = if start <= civil::MAX { (end - 1).min(civil::MAX) } else { end - 1 };
        self.rows_of(contents, (start, end), Some(last), results, out)
    }

    /// What the query makes of the contents of a window.
    fn rows_of(
        &mut self,
        (mut columns, rows, arrival): (Vec<ArrayRef>, usize, Micros),
        (start, end): (Micros, Micros),
        event_time: Option<Micros>,
        results: &mut Vec<Batch>,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        columns.push(Arc::new(TimestampMicrosecondArray::from_value(start, rows)));
        columns.push(Arc::new(TimestampMicrosecondArray::from_value(end, rows)));
        let broken =
            |error: arrow_schema::ArrowError| OperatorError(format!("a window's result does not fit: {error}"));
        let frame = RecordBatch::try_new(Arc::clone(self.plan.results.schema()), columns).map_err(broken)?;
        let batch = Batch {
            partition: self.partition,
            offsets: Int64Array::from_iter_values(self.sequence..self.sequence + rows as i64),
            arrival: Int64Array::from_value(arrival, rows),
            event_time: event_time.map(|time| Int64Array::from_value(time, rows)),
            keys: None,
            payload: None,
            headers: None,
            positions: None,
            format: PayloadFormat::default(),
            columns: None,
            notes: None,
            watermark: START_OF_TIME,
        };
        // Positions are given before HAVING, so that they do not depend on what it keeps.
        self.sequence += rows as i64;
        let mut course = Course::new(&frame);
        while let Some(outcome) = self.plan.output.next(&mut course)? {
            if !outcome.dead.is_empty() {
                let mut dead = Output::default();
                dead_letter(&batch.clone().with_columns(self.named(&frame)?), outcome.dead, &mut dead)?;
                out.dead_results.append(&mut dead.dead);
            }
            if outcome.rows == 0 {
                continue;
            }
            let options = RecordBatchOptions::new().with_row_count(Some(outcome.rows));
            let columns = RecordBatch::try_new_with_options(self.plan.schema.clone(), outcome.values, &options)
                .map_err(broken)?;
            let rows = match &outcome.kept {
                None => batch.clone(),
                Some(kept) => batch.take(kept).map_err(broken)?,
            };
            results.push(rows.with_columns(columns));
        }
        Ok(())
    }

    /// Keys and aggregates of a window by ascending key, and the latest arrival.
    fn contents(
        &mut self,
        start: Micros,
        end: Micros,
        out: &mut Output,
    ) -> Result<(Vec<ArrayRef>, usize, Micros), OperatorError> {
        if self.pane == self.window.size() {
            let Some(pane) = self.panes.remove(&start) else {
                return Err(OperatorError("a window has no pane".to_owned()));
            };
            self.bytes = self.bytes.saturating_sub(pane.size());
            out.released += pane.rows;
            let (columns, rows) = pane.results()?;
            return Ok((columns, rows, pane.arrival));
        }
        let mut panes = self.panes.range(start..end).map(|(_, pane)| pane);
        let (first, second) = (panes.next(), panes.next());
        if let (Some(only), None) = (first, second) {
            let (columns, rows) = only.results()?;
            return Ok((columns, rows, only.arrival));
        }
        let mut whole = Pane::new(&self.plan)?;
        for pane in first.into_iter().chain(second).chain(panes) {
            whole.merge(pane)?;
        }
        let (columns, rows) = whole.results()?;
        Ok((columns, rows, whole.arrival))
    }

    /// A frame of results with names that people understand, for the dead letters.
    fn named(&self, frame: &RecordBatch) -> Result<RecordBatch, OperatorError> {
        use crate::sql::Slot;
        let names = self.plan.results.slots().iter().map(|(slot, _)| match slot {
            Slot::Key(index) => format!("key_{}", index + 1),
            Slot::Aggregate(index) => format!("aggregate_{}", index + 1),
            Slot::WindowStart => "window_start".to_owned(),
            _ => "window_end".to_owned(),
        });
        let mut fields = Vec::new();
        let mut columns = Vec::new();
        for (name, column) in names.zip(frame.columns()) {
            // A sum that is too long for an int64 has no type that a record can have; its digits do.
            let column = match column.data_type() {
                Arrow::Decimal128(..) | Arrow::Decimal256(..) | Arrow::LargeUtf8 => {
                    arrow_cast::cast(column, &Arrow::Utf8View).map_err(|error| OperatorError(error.to_string()))?
                }
                _ => Arc::clone(column),
            };
            fields.push(arrow_schema::Field::new(name, column.data_type().clone(), true));
            columns.push(column);
        }
        RecordBatch::try_new(Arc::new(arrow_schema::Schema::new(fields)), columns)
            .map_err(|error| OperatorError(error.to_string()))
    }
}

/// Neighbors together, up to [`ROWS`] rows.
fn grouped(results: Vec<Batch>) -> Vec<Vec<Batch>> {
    let mut groups: Vec<Vec<Batch>> = Vec::new();
    let mut rows = ROWS;
    for batch in results {
        if rows + batch.len() > ROWS {
            groups.push(Vec::new());
            rows = 0;
        }
        rows += batch.len();
        if let Some(group) = groups.last_mut() {
            group.push(batch);
        }
    }
    groups
}

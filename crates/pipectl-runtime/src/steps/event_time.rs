//! Event times and watermarks.
//!
//! The watermark of a partition follows the newest event time at the distance `lateness`. Which rows are late must not
//! depend on how records were cut into batches, so a batch is cut where a row lies behind the watermark that the rows
//! before it have made: the rows before go on, then the watermark, then the rest.

use arrow_array::{Array, BooleanArray, Int64Array, cast::AsArray, types::TimestampMicrosecondType};
use pipectl_data::{Batch, Micros, START_OF_TIME};
use pipectl_ir::dag::EventTime;
use pipectl_process::{DeadLetters, OperatorError, Reason};

use super::broken;

/// Takes the event time from a column.
pub(crate) struct EventTimeStep {
    field: String,
    lateness: Micros,
    newest: Micros,
}

/// What comes out, in order.
pub(crate) enum Timed {
    /// Records with event times.
    Batch(Batch),
    /// The watermark after them.
    Watermark(Micros),
    /// Records without an event time.
    Dead(DeadLetters),
}

impl EventTimeStep {
    /// For this declaration.
    pub(crate) fn new(time: &EventTime) -> Self {
        Self { field: time.field.clone(), lateness: time.lateness, newest: START_OF_TIME }
    }

    /// The newest event time seen.
    pub(crate) fn snapshot(&self) -> Vec<u8> {
        self.newest.to_le_bytes().to_vec()
    }

    /// Goes on from a snapshot.
    pub(crate) fn restore(&mut self, snapshot: &[u8]) -> Result<(), OperatorError> {
        let bytes = snapshot.try_into().map_err(|_| broken("the saved event time has a wrong length"))?;
        self.newest = i64::from_le_bytes(bytes);
        Ok(())
    }

    /// The watermark that follows from it.
    pub(crate) fn watermark(&self) -> Micros {
        self.newest.saturating_sub(self.lateness)
    }

    /// Times a batch.
    pub(crate) fn on_batch(&mut self, mut batch: Batch, out: &mut Vec<Timed>) -> Result<(), OperatorError> {
        let missing = || broken(format!("column `{}` of the event time is missing", self.field));
        let column =
            batch.columns.as_ref().and_then(|columns| columns.column_by_name(&self.field)).ok_or_else(missing)?;
        let times = column.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(missing)?;
        let mut times = Int64Array::new(times.values().clone(), times.nulls().cloned());
        if times.null_count() > 0 {
            let valid = BooleanArray::from((0..times.len()).map(|row| times.is_valid(row)).collect::<Vec<_>>());
            let null = BooleanArray::from(valid.iter().map(|valid| valid != Some(true)).collect::<Vec<_>>());
            let dead = batch.filter(&null).map_err(broken)?;
            let reason = Reason {
                code: "no_event_time",
                message: format!("`{}` is null, so the record has no event time", self.field),
            };
            let reasons = vec![reason; dead.len()];
            out.push(Timed::Dead(DeadLetters { batch: dead, reasons }));
            batch = batch.filter(&valid).map_err(broken)?;
            times = times.iter().flatten().collect();
        }
        if batch.is_empty() {
            return Ok(());
        }
        batch.event_time = Some(times.clone());
        let before = self.watermark();
        let mut start = 0;
        let mut emitted = before;
        for (row, time) in times.values().iter().enumerate() {
            let watermark = self.watermark();
            if *time < watermark && watermark > emitted {
                out.push(Timed::Batch(batch.slice(start, row - start).map_err(broken)?));
                out.push(Timed::Watermark(watermark));
                emitted = watermark;
                start = row;
            }
            self.newest = self.newest.max(*time);
        }
        let rest = if start == 0 { batch } else { batch.slice(start, times.len() - start).map_err(broken)? };
        out.push(Timed::Batch(rest));
        let watermark = self.watermark();
        if watermark > emitted {
            out.push(Timed::Watermark(watermark));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{RecordBatch, TimestampMicrosecondArray};
    use pipectl_data::{DataType, Field, PayloadFormat, Schema};
    use std::sync::Arc;

    fn batch(times: &[Option<i64>]) -> Batch {
        let schema = Schema::new([Field::new("at", DataType::Timestamp)]);
        let column = TimestampMicrosecondArray::from(times.to_vec());
        let numbers: Int64Array = (0..times.len() as i64).collect();
        let columns = RecordBatch::try_new(schema.arrow(), vec![Arc::new(column)]).unwrap();
        Batch {
            partition: 0,
            offsets: numbers.clone(),
            arrival: numbers,
            event_time: None,
            keys: None,
            payload: None,
            headers: None,
            positions: None,
            format: PayloadFormat::Json,
            columns: Some(columns),
        }
    }

    /// Each record with the watermark that it met.
    fn met(cuts: &[usize], times: &[i64]) -> Vec<(i64, i64)> {
        let mut step = EventTimeStep::new(&EventTime { field: "at".to_owned(), lateness: 5 });
        let (mut watermark, mut seen, mut start) = (START_OF_TIME, Vec::new(), 0);
        for end in cuts.iter().copied().chain([times.len()]) {
            let part: Vec<_> = times[start..end].iter().copied().map(Some).collect();
            start = end;
            let mut out = Vec::new();
            step.on_batch(batch(&part), &mut out).unwrap();
            for timed in out {
                match timed {
                    Timed::Watermark(next) => watermark = next,
                    Timed::Batch(batch) => {
                        seen.extend(
                            batch.event_time.unwrap().values().iter().map(|time| (*time, watermark.min(*time + 1))),
                        );
                    }
                    Timed::Dead(_) => {}
                }
            }
        }
        seen
    }

    #[test]
    fn what_is_late_does_not_depend_on_batches() {
        let times = [10, 12, 30, 11, 26, 24, 25, 40, 34, 35, 60, 3];
        let late = |cuts: &[usize]| -> Vec<i64> {
            met(cuts, &times).into_iter().filter(|(time, watermark)| time < watermark).map(|(time, _)| time).collect()
        };
        assert_eq!(late(&[]), [11, 24, 34, 3]);
        for cut in 1..times.len() {
            assert_eq!(late(&[cut]), late(&[]), "cut at {cut}");
        }
    }

    #[test]
    fn records_without_a_time_are_dead_letters() {
        let mut step = EventTimeStep::new(&EventTime { field: "at".to_owned(), lateness: 0 });
        let mut out = Vec::new();
        step.on_batch(batch(&[Some(1), None, Some(2)]), &mut out).unwrap();
        assert!(matches!(&out[0], Timed::Dead(dead) if dead.batch.offsets.values() == &[1]));
        assert!(matches!(&out[1], Timed::Batch(batch) if batch.len() == 2));
        assert!(matches!(&out[2], Timed::Watermark(2)));
    }
}

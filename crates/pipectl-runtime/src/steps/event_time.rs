//! Event times and watermarks.
//!
//! The watermark of a partition follows the newest event time at the distance `lateness`; that of a task is the smallest
//! of its partitions, those that are idle left out, and never goes back. Which rows are late must depend neither on how
//! records were cut into batches, nor on how fast other partitions are read: a batch is cut where a row lies behind the
//! watermark that the rows before it have made in its own partition, and each part carries that watermark as it was at
//! its first row. The rows before go on, then the watermark of the task if it has grown, then the rest.

use std::{collections::BTreeMap, sync::Arc};

use arrow_array::{Array, BooleanArray, Int64Array, cast::AsArray, types::TimestampMicrosecondType};
use pipectl_contract::{DeadLetters, OperatorError, Reason};
use pipectl_data::{Batch, Micros, START_OF_TIME, timestamp};
use pipectl_ir::dag::{EventTime, Lateness};

use super::{Together, broken};

/// Takes the event time from a column.
pub(crate) struct EventTimeStep {
    field: String,
    /// `None` holds the watermark back until the input ends.
    lateness: Option<Micros>,
    max_ahead: Option<Micros>,
    per_partition: bool,
    partitions: BTreeMap<u32, Track>,
    /// The newest event time of partitions that are gone.
    newest_gone: Micros,
    /// The watermark that was emitted last.
    emitted: Micros,
    /// What other subtasks have reached, where the records are results of windows.
    together: Option<Arc<Together>>,
}

/// What several tasks have snapshot, as one: as far as the one that is furthest behind, and the newest event time of all.
/// Partitions are opened anew by whoever reads them now.
pub(crate) fn merge_event_times(snapshots: &[Vec<u8>]) -> Vec<u8> {
    let mut emitted: Option<Micros> = None;
    let mut newest = START_OF_TIME;
    for snapshot in snapshots {
        let Some((first, rest)) = snapshot.split_first_chunk::<8>() else { continue };
        let first = i64::from_le_bytes(*first);
        emitted = Some(emitted.map_or(first, |emitted| emitted.min(first)));
        for entry in rest.chunks_exact(12) {
            if let Some(time) = entry.last_chunk::<8>() {
                newest = newest.max(i64::from_le_bytes(*time));
            }
        }
    }
    let Some(emitted) = emitted else { return Vec::new() };
    let mut merged = emitted.to_le_bytes().to_vec();
    if newest > START_OF_TIME {
        merged.extend(GONE.to_le_bytes());
        merged.extend(newest.to_le_bytes());
    }
    merged
}

/// The number under which a snapshot holds the newest event time of partitions that are gone.
const GONE: u32 = u32::MAX;

/// How far a partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Track {
    /// The newest event time seen.
    newest: Micros,
    /// Whether it is left out because nothing comes.
    idle: bool,
}

/// What a reader reports of a partition, as far as time is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartitionChange {
    /// Records of it may come: the watermark waits for it.
    Opened,
    /// Nothing has come for a while: the watermark does not wait for it until something does.
    Idle,
    /// Nothing of it comes any more.
    Gone,
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
    /// For this declaration. `per_partition` keeps the partitions of the input apart; only the readers of a durable stream report
    /// when one of them is idle, so everywhere else the input counts as one.
    pub(crate) fn new(time: &EventTime, per_partition: bool) -> Self {
        Self {
            per_partition,
            field: time.field.clone(),
            lateness: match time.lateness {
                Lateness::For(lateness) => Some(lateness),
                Lateness::UntilTheEnd => None,
            },
            max_ahead: time.max_ahead,
            partitions: BTreeMap::new(),
            newest_gone: START_OF_TIME,
            emitted: START_OF_TIME,
            together: None,
        }
    }

    /// For records that are results of windows, of which other subtasks have others.
    #[must_use]
    pub(crate) fn together(mut self, together: Option<Arc<Together>>) -> Self {
        self.together = together;
        self
    }

    /// The windows before this have closed by `input`, and their results have come. Answers the watermark if it has grown by
    /// what other subtasks have reached at that point.
    pub(crate) fn on_input_watermark(&mut self, input: Micros) -> Option<Micros> {
        let reached = self.together.as_ref()?.reach(input, self.newest());
        let watermark = Some(reached).filter(|reached| *reached > START_OF_TIME)?.saturating_sub(self.lateness?);
        (watermark > self.emitted).then(|| {
            self.emitted = watermark;
            watermark
        })
    }

    /// The last watermark, then each partition (u32) with its newest event time (i64), all little-endian.
    pub(crate) fn snapshot(&self) -> Vec<u8> {
        let mut bytes = self.emitted.to_le_bytes().to_vec();
        let gone = (self.newest_gone > START_OF_TIME).then_some((GONE, self.newest_gone));
        for (partition, newest) in self.partitions.iter().map(|(number, track)| (*number, track.newest)).chain(gone) {
            bytes.extend(partition.to_le_bytes());
            bytes.extend(newest.to_le_bytes());
        }
        bytes
    }

    /// Goes on from a snapshot.
    pub(crate) fn restore(&mut self, snapshot: &[u8]) -> Result<(), OperatorError> {
        let broken = || broken("the saved event times have a wrong length");
        let (emitted, mut rest) = snapshot.split_first_chunk::<8>().ok_or_else(broken)?;
        self.emitted = i64::from_le_bytes(*emitted);
        self.partitions.clear();
        while let Some((partition, after)) = rest.split_first_chunk::<4>() {
            let (newest, after) = after.split_first_chunk::<8>().ok_or_else(broken)?;
            let newest = i64::from_le_bytes(*newest);
            match u32::from_le_bytes(*partition) {
                GONE => self.newest_gone = newest,
                partition => {
                    self.partitions.insert(partition, Track { newest, idle: false });
                }
            }
            rest = after;
        }
        if rest.is_empty() { Ok(()) } else { Err(broken()) }
    }

    /// The watermark as it was reported last.
    pub(crate) fn watermark(&self) -> Micros {
        self.emitted
    }

    /// Whether there are partitions and all of them are idle.
    pub(crate) fn is_idle(&self) -> bool {
        !self.partitions.is_empty() && self.partitions.values().all(|track| track.idle)
    }

    /// The newest event time of all partitions; [`START_OF_TIME`] if there was none.
    pub(crate) fn newest(&self) -> Micros {
        self.partitions.values().map(|track| track.newest).fold(self.newest_gone, Micros::max)
    }

    /// All inputs of the pipeline have been idle for this long: event time goes on as the clock does, from the newest
    /// event time. Answers the watermark.
    pub(crate) fn on_idle_time(&mut self, elapsed: Micros) -> Micros {
        let newest = self.newest();
        if let Some(lateness) = self.lateness.filter(|_| newest > START_OF_TIME) {
            self.emitted = self.emitted.max(newest.saturating_add(elapsed).saturating_sub(lateness));
        }
        self.emitted
    }

    /// A partition opens, falls idle or goes; answers the watermark if it has grown by that.
    pub(crate) fn on_partition(&mut self, partition: u32, change: PartitionChange) -> Option<Micros> {
        match change {
            PartitionChange::Opened => {
                self.partitions.entry(partition).or_insert(Track { newest: START_OF_TIME, idle: false });
            }
            PartitionChange::Idle => {
                self.partitions.entry(partition).or_insert(Track { newest: START_OF_TIME, idle: true }).idle = true;
            }
            PartitionChange::Gone => {
                if let Some(track) = self.partitions.remove(&partition) {
                    self.newest_gone = self.newest_gone.max(track.newest);
                }
            }
        }
        self.advance()
    }

    /// The smallest watermark of the partitions that are not idle, if it has grown.
    fn advance(&mut self) -> Option<Micros> {
        let low = self.partitions.values().filter(|track| !track.idle).map(|track| track.newest).min()?;
        let watermark = low.saturating_sub(self.lateness?);
        (watermark > self.emitted).then(|| {
            self.emitted = watermark;
            watermark
        })
    }

    /// The watermark that would be reported now, with this partition's newest event time.
    fn would_be(&self, others: Option<Micros>, newest: Micros) -> Micros {
        let Some(lateness) = self.lateness else { return self.emitted };
        others.map_or(newest, |others| others.min(newest)).saturating_sub(lateness).max(self.emitted)
    }

    /// The records that are not further ahead of their arrival than allowed; the others are dead letters. One clock that
    /// is wrong must not make the records of all others late.
    fn without_far_ahead(
        &self,
        batch: Batch,
        times: Int64Array,
        max_ahead: Micros,
        out: &mut Vec<Timed>,
    ) -> Result<(Batch, Int64Array), OperatorError> {
        let ahead = |(time, arrival): (&Micros, &Micros)| *time > arrival.saturating_add(max_ahead);
        let pairs = || times.values().iter().zip(batch.arrival.values());
        if !pairs().any(ahead) {
            return Ok((batch, times));
        }
        let far: BooleanArray = pairs().map(|pair| Some(ahead(pair))).collect();
        let near: BooleanArray = pairs().map(|pair| Some(!ahead(pair))).collect();
        let reasons = pairs().filter(|pair| ahead(*pair)).map(|(time, arrival)| Reason {
            code: "too_far_ahead",
            message: format!(
                "`{}` is {}, further ahead of the arrival at {} than `max_ahead` allows",
                self.field,
                timestamp::format(*time),
                timestamp::format(*arrival)
            ),
        });
        let reasons = reasons.collect();
        out.push(Timed::Dead(DeadLetters { batch: batch.filter(&far).map_err(broken)?, reasons }));
        let kept = pairs().filter(|pair| !ahead(*pair)).map(|(time, _)| *time).collect::<Vec<_>>();
        Ok((batch.filter(&near).map_err(broken)?, kept.into()))
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
        if let Some(max_ahead) = self.max_ahead {
            (batch, times) = self.without_far_ahead(batch, times, max_ahead, out)?;
        }
        if batch.is_empty() {
            return Ok(());
        }
        batch.event_time = Some(times.clone());
        let partition = if self.per_partition { batch.partition } else { 0 };
        let others = self.partitions.iter().filter(|(number, track)| **number != partition && !track.idle);
        let others = others.map(|(_, track)| track.newest).min();
        let mut newest = self.partitions.get(&partition).map_or(START_OF_TIME, |track| track.newest);
        let own = |newest: Micros| self.lateness.map_or(START_OF_TIME, |lateness| newest.saturating_sub(lateness));
        let (mut emitted, mut watermark) = (self.emitted, own(newest));
        let mut start = 0;
        for (row, time) in times.values().iter().enumerate() {
            if *time < newest {
                let now = own(newest);
                if *time < now && now > watermark {
                    if row > start {
                        let part = batch.slice(start, row - start).map_err(broken)?;
                        out.push(Timed::Batch(Batch { watermark, ..part }));
                    }
                    let reached = self.would_be(others, newest);
                    if reached > emitted {
                        out.push(Timed::Watermark(reached));
                        emitted = reached;
                    }
                    (start, watermark) = (row, now);
                }
            }
            newest = newest.max(*time);
        }
        self.emitted = emitted;
        self.partitions.insert(partition, Track { newest, idle: false });
        let rest = if start == 0 { batch } else { batch.slice(start, times.len() - start).map_err(broken)? };
        out.push(Timed::Batch(Batch { watermark, ..rest }));
        out.extend(self.advance().map(Timed::Watermark));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{RecordBatch, TimestampMicrosecondArray};
    use pipectl_data::{DataType, Field, PayloadFormat, Schema};

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
            notes: None,
            watermark: START_OF_TIME,
        }
    }

    /// Each record with the watermark that it met.
    fn met(cuts: &[usize], times: &[i64]) -> Vec<(i64, i64)> {
        let mut step = EventTimeStep::new(&EventTime::new("at", 5), false);
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
    fn what_is_late_does_not_depend_on_other_partitions() {
        let (slow, fast) = ([10, 30, 12, 26, 24, 25], [100, 120, 101, 116, 114, 130]);
        // In which order the two are read, in blocks of two.
        for order in [[0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0], [0, 1, 0, 1, 0, 1], [1, 0, 0, 1, 1, 0]] {
            let mut step = EventTimeStep::new(&EventTime::new("at", 5), true);
            let mut late = Vec::new();
            let mut read = [0, 0];
            for partition in order {
                let times = [slow, fast][partition];
                let part: Vec<_> = times[read[partition]..read[partition] + 2].iter().copied().map(Some).collect();
                read[partition] += 2;
                let mut out = Vec::new();
                step.on_batch(Batch { partition: partition as u32, ..batch(&part) }, &mut out).unwrap();
                for timed in out {
                    if let Timed::Batch(batch) = timed {
                        let times = batch.event_time.unwrap();
                        late.extend(times.values().iter().copied().filter(|time| *time < batch.watermark));
                    }
                }
            }
            late.sort_unstable();
            assert_eq!(late, [12, 24, 101, 114], "{order:?}");
        }
    }

    #[test]
    fn records_without_a_time_are_dead_letters() {
        let mut step = EventTimeStep::new(&EventTime::new("at", 0), false);
        let mut out = Vec::new();
        step.on_batch(batch(&[Some(1), None, Some(2)]), &mut out).unwrap();
        assert!(matches!(&out[0], Timed::Dead(dead) if dead.batch.offsets.values() == &[1]));
        assert!(matches!(&out[1], Timed::Batch(batch) if batch.len() == 2));
        assert!(matches!(&out[2], Timed::Watermark(2)));
    }
}

//! Reads one partition: waits until records are due, and writes them into one buffer.

use std::sync::Arc;

use arrow_array::{BinaryViewArray, Int64Array, builder::make_view};
use arrow_buffer::{Buffer, ScalarBuffer};
use async_trait::async_trait;
use pipectl_contract::{ConnectorError, ErrorKind, Read, SourceFormat, SourceReader};
use pipectl_data::{Batch, PayloadFormat};
use pipectl_host::{Host, Micros};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    check,
    fault::Faults,
    model::{self, Generator, Slot},
    options::{Pace, SimulateOptions},
    schedule::{Schedule, Share},
};

/// 2026-01-01T00:00:00Z: what `fast` starts from.
const FAST_START: Micros = 1_767_225_600_000_000;
/// At most so many records in a batch, and so many bytes of payload before the last.
const BATCH_RECORDS: usize = 8192;
const BATCH_BYTES: usize = (1 << 20) - 4096;
/// Records that are due within a tick come together. Virtual time has nobody who waits, so its ticks are longer.
const TICK: Micros = 50_000;
const VIRTUAL_TICK: Micros = 1_000_000;
/// How long to wait before saying that nothing came.
const QUIET: Micros = 1_000_000;

/// Where a reader goes on.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Position {
    /// The number of the next record.
    record: u64,
    /// The time on the clock that the schedule counts from; only at real pace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    opened: Option<Micros>,
}

/// One reader for each partition, from the start or from where a checkpoint left them.
pub(crate) fn open(
    options: &SimulateOptions,
    host: &Host,
    node: &str,
    positions: &[Value],
) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError> {
    let count = options.partitions as usize;
    if !positions.is_empty() && positions.len() != count {
        return Err(ConnectorError::new(
            ErrorKind::Conflict,
            format!(
                "source `{node}`: the checkpoint has {} partitions but the spec says `partitions: {count}`; \
                 restore `partitions: {}`, or start over with `--fresh`",
                positions.len(),
                positions.len()
            ),
        ));
    }
    let now = host.now();
    let faults = Faults::new(options);
    (0..options.partitions)
        .map(|partition| {
            let opened = (options.pace == Pace::Real).then_some(now);
            let position = match positions.get(partition as usize) {
                Some(position) => Position::deserialize(position).map_err(|error| {
                    ConnectorError::new(
                        ErrorKind::Invalid,
                        format!("source `{node}`: the checkpoint's position of partition {partition} cannot be read: {error}"),
                    )
                })?,
                None => Position { record: 0, opened },
            };
            let opened = opened.map(|now| position.opened.unwrap_or(now));
            let share = Share { partition, partitions: options.partitions, keys: options.keys() };
            let schedule = Schedule {
                share,
                turns: model::turns(options.model),
                period: 1e6 / options.rate.0,
                records: options.records.unwrap_or(u64::MAX),
                span: options.span.map_or(Micros::MAX, pipectl_data::units::Duration::micros),
            };
            let mut reader = Reader {
                host: host.clone(),
                generator: model::generator(options, share),
                schedule,
                faults,
                opened,
                start: check::start(options).or(opened).unwrap_or(FAST_START),
                tick: if host.is_simulated() { VIRTUAL_TICK } else { TICK },
                format: match options.model.format() {
                    SourceFormat::Json => PayloadFormat::Json,
                    SourceFormat::Csv { .. } | SourceFormat::Text => PayloadFormat::Opaque,
                },
                next: position.record,
                room: (0, 0),
            };
            reader.replay();
            Ok(Box::new(reader) as Box<dyn SourceReader>)
        })
        .collect()
}

struct Reader {
    host: Host,
    generator: Box<dyn Generator>,
    schedule: Schedule,
    faults: Faults,
    /// The time on the clock that the schedule counts from; `None` if it does not follow the clock.
    opened: Option<Micros>,
    /// The time of the schedule's start within the data.
    start: Micros,
    tick: Micros,
    format: PayloadFormat,
    next: u64,
    /// How many bytes and records the last batch had, so that the next one takes neither too much memory nor grows
    /// while it is written.
    room: (usize, usize),
}

impl Reader {
    /// Brings the model to where it was, from the start of the block.
    fn replay(&mut self) {
        let block = self.generator.block();
        let mut scratch = Vec::new();
        for index in self.next - self.next % block..self.next {
            scratch.clear();
            self.generator.write(self.slot(index, 0), &mut scratch);
        }
    }

    fn slot(&self, index: u64, offset: Micros) -> Slot {
        let number = self.schedule.number(index);
        let stamp = self.start.saturating_add(offset);
        Slot { index, number, time: self.faults.event_time(number, stamp) }
    }

    /// Makes the records whose offset is at most `until`, as many as a batch holds.
    fn batch(&mut self, until: Micros) -> Result<Batch, ConnectorError> {
        let first = self.next;
        let mut bytes = Vec::with_capacity(self.room.0);
        let mut ends = Vec::with_capacity(self.room.1);
        let mut arrivals = Vec::with_capacity(self.room.1);
        let arrival_start = self.opened.unwrap_or(self.start);
        while ends.len() < BATCH_RECORDS && bytes.len() < BATCH_BYTES {
            let Some(offset) = self.schedule.offset(self.next).filter(|offset| *offset <= until) else { break };
            let from = bytes.len();
            let slot = self.slot(self.next, offset);
            self.generator.write(slot, &mut bytes);
            self.faults.spoil(slot.number, &mut bytes, from);
            ends.push(bytes.len());
            arrivals.push(arrival_start.saturating_add(offset));
            self.next += 1;
        }
        self.room = (bytes.len() + bytes.len() / 16, ends.len());
        let offsets: Int64Array = (first..self.next).map(|index| index as i64).collect();
        Ok(Batch::raw(self.schedule.share.partition, offsets, arrivals.into(), views(bytes, &ends)?, self.format))
    }
}

/// Payloads that lie one after another, as views of one buffer.
fn views(bytes: Vec<u8>, ends: &[usize]) -> Result<BinaryViewArray, ConnectorError> {
    let mut start = 0;
    let views: Vec<u128> = ends
        .iter()
        .map(|end| {
            let view = make_view(bytes.get(start..*end).unwrap_or_default(), 0, start as u32);
            start = *end;
            view
        })
        .collect();
    BinaryViewArray::try_new(ScalarBuffer::from(views), Arc::from([Buffer::from_vec(bytes)]), None)
        .map_err(|error| ConnectorError::new(ErrorKind::Internal, format!("cannot build a batch: {error}")))
}

#[async_trait]
impl SourceReader for Reader {
    async fn next(&mut self) -> Result<Read, ConnectorError> {
        let Some(offset) = self.schedule.offset(self.next) else { return Ok(Read::End) };
        let Some(opened) = self.opened else { return Ok(Read::Records(self.batch(Micros::MAX)?)) };
        // Ticks are counted from the schedule's start, so that a restart finds the same ones.
        let ticks = offset.div_euclid(self.tick).saturating_add(i64::from(offset.rem_euclid(self.tick) != 0));
        let due = opened.saturating_add(ticks.saturating_mul(self.tick));
        let patience = self.host.now().saturating_add(QUIET);
        self.host.sleep_until(due.min(patience)).await;
        let now = self.host.now();
        if now < due {
            return Ok(Read::Quiet);
        }
        Ok(Read::Records(self.batch(now.saturating_sub(opened))?))
    }

    fn position(&self) -> Value {
        let position = Position { record: self.next, opened: self.opened };
        serde_json::to_value(position).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;

//! Bounds that a person sets from outside: so many records of each source, or so much time.

use async_trait::async_trait;
use pipectl_contract::{ConnectorError, Read, SourceReader};
use pipectl_data::{Micros, units::Duration};
use pipectl_host::Host;
use serde_json::Value;

/// The bounds of a run. At a bound, a source ends as if its input had ended: windows close.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Records of each reader.
    pub records: Option<u64>,
    /// Microseconds since the first arrival; with a clock that runs on, since the start.
    pub time: Option<Micros>,
}

impl Limits {
    /// Puts the bounds around a reader.
    pub(crate) fn around(self, node: &str, reader: Box<dyn SourceReader>, host: &Host) -> Box<dyn SourceReader> {
        if self == Self::default() {
            return reader;
        }
        let (node, host, start) = (node.to_owned(), host.clone(), host.now());
        Box::new(Limited { node, reader, host, limits: self, taken: 0, start, end: None })
    }
}

struct Limited {
    node: String,
    reader: Box<dyn SourceReader>,
    host: Host,
    limits: Limits,
    taken: u64,
    start: Micros,
    /// The arrival time at which it ends; known with the first record.
    end: Option<Micros>,
}

#[async_trait]
impl SourceReader for Limited {
    async fn next(&mut self) -> Result<Read, ConnectorError> {
        if self.limits.records.is_some_and(|limit| self.taken >= limit) {
            return Ok(Read::End);
        }
        let read = match self.limits.time {
            None => self.reader.next().await?,
            Some(time) => {
                let wall = self.start.saturating_add(time);
                tokio::select! {
                    biased;
                    read = self.reader.next() => read?,
                    () = self.host.sleep_until(wall) => return Ok(Read::End),
                }
            }
        };
        let Read::Records(batch) = read else {
            if let (Read::End, Some(time)) = (&read, self.limits.time) {
                let limit = Duration(std::time::Duration::from_micros(time.unsigned_abs()));
                tracing::info!(source = %self.node, "the source ended before the time limit, {limit}");
            }
            return Ok(read);
        };
        let mut keep = batch.len();
        if let (Some(time), Some(first)) = (self.limits.time, batch.arrival.values().first()) {
            let end = *self.end.get_or_insert_with(|| first.saturating_add(time));
            keep = batch.arrival.values().partition_point(|arrival| *arrival < end);
        }
        if let Some(records) = self.limits.records {
            keep = keep.min(usize::try_from(records - self.taken).unwrap_or(usize::MAX));
        }
        self.taken += keep as u64;
        if keep == batch.len() {
            return Ok(Read::Records(batch));
        }
        if keep == 0 {
            return Ok(Read::End);
        }
        self.limits.records = Some(self.taken);
        let kept = batch
            .slice(0, keep)
            .map_err(|error| ConnectorError::new(pipectl_contract::ErrorKind::Internal, error.to_string()))?;
        Ok(Read::Records(kept))
    }

    fn position(&self) -> Value {
        self.reader.position()
    }

    fn wants_checkpoint(&self) -> bool {
        self.reader.wants_checkpoint()
    }

    async fn writers_finished(&mut self) -> Result<(), ConnectorError> {
        self.reader.writers_finished().await
    }

    async fn committed(&mut self, position: &Value) -> Result<(), ConnectorError> {
        self.reader.committed(position).await
    }

    async fn close(&mut self) -> Result<(), ConnectorError> {
        self.reader.close().await
    }
}

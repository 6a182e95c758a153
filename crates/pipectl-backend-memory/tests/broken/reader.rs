//! A reader that is broken on purpose.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use pipectl_backend_memory::Broker;
use pipectl_contract::{ConnectorError, ErrorKind, Read, SourceReader};
use pipectl_data::Batch;
use pipectl_host::Host;
use serde_json::Value;

use crate::Fault;

pub(crate) struct BrokenReader {
    /// Taken only at the end of its life.
    pub(crate) inner: Option<Box<dyn SourceReader>>,
    pub(crate) fault: Fault,
    pub(crate) host: Host,
    pub(crate) broker: Broker,
    pub(crate) committed: bool,
    pub(crate) finished: bool,
    pub(crate) closed: bool,
    pub(crate) last: Option<Batch>,
    pub(crate) idle: BTreeMap<u32, usize>,
}

impl BrokenReader {
    fn inner(&mut self) -> &mut dyn SourceReader {
        self.inner.as_mut().unwrap().as_mut()
    }

    fn records(&mut self, batch: Batch) -> Read {
        match self.fault {
            Fault::LosesAfterCommit if std::mem::take(&mut self.committed) => {
                if batch.len() == 1 {
                    return Read::Quiet;
                }
                Read::Records(batch.slice(1, batch.len() - 1).unwrap())
            }
            _ => {
                self.last = Some(batch.clone());
                Read::Records(batch)
            }
        }
    }
}

impl Drop for BrokenReader {
    fn drop(&mut self) {
        if self.fault == Fault::ForgetsDeadWorkers && !self.closed {
            std::mem::forget(self.inner.take());
        }
    }
}

#[async_trait]
impl SourceReader for BrokenReader {
    async fn next(&mut self) -> Result<Read, ConnectorError> {
        if self.fault == Fault::GivesUpWhenDown && self.broker.is_down() {
            return Err(ConnectorError::new(ErrorKind::Unavailable, "it is down, and that is that"));
        }
        if self.fault == Fault::EndsTooEarly && self.finished {
            return Ok(Read::End);
        }
        if self.fault == Fault::RepeatsAfterCommit
            && std::mem::take(&mut self.committed)
            && let Some(last) = self.last.take()
        {
            return Ok(Read::Records(last));
        }
        let read = self.inner().next().await?;
        if self.fault == Fault::LosesWhenInterrupted && matches!(read, Read::Records(_)) {
            self.host.sleep(Duration::from_millis(20)).await;
        }
        if self.fault == Fault::CommitsTooEarly && matches!(read, Read::Records(_)) {
            let position = self.inner().position();
            self.inner().committed(&position).await?;
        }
        Ok(match (self.fault, read) {
            (Fault::OverlooksNewPartitions, Read::Records(batch)) if batch.partition >= 4 => Read::Quiet,
            (Fault::OpensSilently, Read::Opened(_))
            | (Fault::NeverIdle, Read::CaughtUp(_))
            | (Fault::NeverCloses, Read::Closed(_)) => Read::Quiet,
            (Fault::EndsUnasked, Read::Quiet) => Read::End,
            (Fault::NeverEnds, Read::End) => {
                // As if it went on waiting for records.
                self.host.sleep(Duration::from_millis(100)).await;
                Read::Quiet
            }
            (Fault::TellsIdleOnce, Read::CaughtUp(partition)) => {
                let times = self.idle.entry(partition).or_default();
                *times += 1;
                if *times > 1 { Read::Quiet } else { Read::CaughtUp(partition) }
            }
            (_, Read::Records(batch)) => self.records(batch),
            (_, read) => read,
        })
    }

    fn position(&self) -> Value {
        self.inner.as_ref().unwrap().position()
    }

    fn wants_checkpoint(&self) -> bool {
        self.inner.as_ref().unwrap().wants_checkpoint()
    }

    async fn writers_finished(&mut self) -> Result<(), ConnectorError> {
        self.finished = true;
        self.inner().writers_finished().await
    }

    async fn close(&mut self) -> Result<(), ConnectorError> {
        self.closed = true;
        self.inner().close().await
    }

    async fn committed(&mut self, position: &Value) -> Result<(), ConnectorError> {
        self.committed = true;
        match self.fault {
            Fault::ForgetsToCommit => Ok(()),
            Fault::CommitsTooMuch => {
                let position = self.inner().position();
                self.inner().committed(&position).await
            }
            Fault::CommitsAhead => {
                let mut position = position.clone();
                for mark in position.as_object_mut().unwrap().values_mut() {
                    let next = mark["next"].as_i64().unwrap();
                    mark["next"] = Value::from(next + 5);
                }
                self.inner().committed(&position).await
            }
            _ => self.inner().committed(position).await,
        }
    }
}

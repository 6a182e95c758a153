//! Writes records into a broker. Everything is confirmed at once, so a checkpoint has nothing to wait for.

use std::sync::Arc;

use arrow_array::Array;
use async_trait::async_trait;
use pipectl_contract::{ConnectorError, Rejection, SinkWriter};
use pipectl_data::{Batch, units::Size};
use pipectl_host::Host;

use crate::{
    Broker,
    broker::{Cell, log::Record, retry},
    failure,
};

pub(crate) struct Producer {
    pub(crate) broker: Broker,
    pub(crate) cell: Arc<Cell>,
    pub(crate) host: Host,
    pub(crate) node: String,
    pub(crate) max_record: u64,
}

#[async_trait]
impl SinkWriter for Producer {
    async fn write(&mut self, batch: &Batch) -> Result<Vec<Rejection>, ConnectorError> {
        let mut rejections = Vec::new();
        for row in 0..batch.len() {
            let record = record(batch, row, self.host.now());
            let size = record.size();
            if size > self.max_record {
                let (size, limit) = (Size(size), Size(self.max_record));
                let reason = format!("it has {size}, and stream `{}` accepts records of up to {limit}", self.node);
                rejections.push(Rejection { row, reason });
                continue;
            }
            // A record that is refused for now holds back those after it, so the order of each key stays.
            retry(&self.host, || self.broker.admit_record()).await?;
            let mut stream = self.cell.lock();
            if stream.deleted {
                return Err(failure::deleted(&stream.name));
            }
            stream.append(record);
        }
        self.cell.lock().trim(self.host.now());
        self.cell.ring();
        Ok(rejections)
    }

    async fn checkpoint(&mut self) -> Result<Vec<u8>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn committed(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }
}

fn record(batch: &Batch, row: usize, arrival: i64) -> Record {
    let bytes = |column: Option<&arrow_array::BinaryViewArray>| {
        column.filter(|column| column.is_valid(row)).map(|column| column.value(row).into())
    };
    let headers = batch.headers.iter().flat_map(|headers| headers.of(row));
    Record {
        arrival,
        key: bytes(batch.keys.as_ref()),
        payload: bytes(batch.payload.as_ref()),
        headers: headers.map(|(name, value)| (name.into(), value.map(Into::into))).collect(),
    }
}

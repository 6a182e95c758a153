//! A producer that is broken on purpose.

use arrow_array::{Array, BinaryViewArray, UInt32Array};
use async_trait::async_trait;
use pipectl_backend_memory::Broker;
use pipectl_contract::{ConnectorError, Rejection, SinkWriter};
use pipectl_data::Batch;

use crate::Fault;

pub(crate) struct BrokenWriter {
    pub(crate) inner: Box<dyn SinkWriter>,
    pub(crate) fault: Fault,
    pub(crate) broker: Broker,
}

fn payloads(batch: &Batch) -> Vec<Option<Vec<u8>>> {
    let payload = batch.payload.as_ref().unwrap();
    (0..payload.len()).map(|row| payload.is_valid(row).then(|| payload.value(row).to_vec())).collect()
}

fn reversed(batch: &Batch) -> Batch {
    batch.take(&UInt32Array::from_iter_values((0..batch.len() as u32).rev())).unwrap()
}

#[async_trait]
impl SinkWriter for BrokenWriter {
    async fn write(&mut self, batch: &Batch) -> Result<Vec<Rejection>, ConnectorError> {
        let mut batch = batch.clone();
        let throttled = self.broker.refusals_left() > 0;
        match self.fault {
            Fault::ForgetsHeaders => batch.headers = None,
            Fault::ForgetsKeys => batch.keys = None,
            Fault::MakesTombstonesEmpty => {
                let filled = payloads(&batch).into_iter().map(Option::unwrap_or_default);
                batch.payload = Some(BinaryViewArray::from_iter_values(filled));
            }
            Fault::CutsLargePayloads => {
                let cut = payloads(&batch).into_iter().map(|payload| {
                    payload.map(|mut payload| {
                        payload.truncate(500_000);
                        payload
                    })
                });
                batch.payload = Some(cut.collect());
            }
            Fault::CutsLongBatches => batch = batch.slice(0, batch.len().min(500)).unwrap(),
            Fault::ReordersKeys => batch = reversed(&batch),
            Fault::ReordersOnRetry if throttled => batch = reversed(&batch),
            Fault::LosesOnThrottle if throttled => batch = batch.slice(0, batch.len() - 1).unwrap(),
            Fault::RepeatsOnPartialFailure if throttled => {
                self.inner.write(&batch).await?;
            }
            Fault::RejectsWholeBatches if payloads(&batch).iter().flatten().any(|payload| payload.len() > 1 << 20) => {
                let all = (0..batch.len()).map(|row| Rejection { row, reason: "one of them is too large".into() });
                return Ok(all.collect());
            }
            _ => {}
        }
        let rejections = self.inner.write(&batch).await?;
        Ok(if self.fault == Fault::SwallowsOversize { Vec::new() } else { rejections })
    }

    async fn checkpoint(&mut self) -> Result<Vec<u8>, ConnectorError> {
        self.inner.checkpoint().await
    }

    async fn committed(&mut self) -> Result<(), ConnectorError> {
        self.inner.committed().await
    }

    async fn finish(&mut self) -> Result<(), ConnectorError> {
        self.inner.finish().await
    }
}

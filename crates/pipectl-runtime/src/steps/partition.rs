//! A partition of a memory stream: gives each record its position, in the order in which records came in.

use arrow_array::Int64Array;
use pipectl_contract::{Operator, OperatorError, Output};
use pipectl_data::Batch;

use super::broken;

/// Numbers records from 0.
pub(crate) struct Partition {
    number: u32,
    next: i64,
}

impl Partition {
    /// The partition of this number.
    pub(crate) fn new(number: u32) -> Self {
        Self { number, next: 0 }
    }
}

/// Where partitions of another number go on: behind all that there were, so that no position comes twice.
pub(crate) fn furthest_position(snapshots: &[Vec<u8>]) -> Vec<u8> {
    let positions =
        snapshots.iter().filter_map(|snapshot| Some(i64::from_le_bytes(snapshot.as_slice().try_into().ok()?)));
    positions.max().map(|next| next.to_le_bytes().to_vec()).unwrap_or_default()
}

/// Passes records on, so that they are counted.
pub(crate) struct Pass;

/// Leaves the bytes behind that records came in with.
pub(crate) struct DropPayload;

impl Operator for DropPayload {
    fn on_batch(&mut self, batch: Batch, out: &mut Output) -> Result<(), OperatorError> {
        out.batches.push(Batch { payload: None, ..batch });
        Ok(())
    }
}

impl Operator for Pass {
    fn on_batch(&mut self, batch: Batch, out: &mut Output) -> Result<(), OperatorError> {
        out.batches.push(batch);
        Ok(())
    }
}

impl Operator for Partition {
    fn on_batch(&mut self, mut batch: Batch, out: &mut Output) -> Result<(), OperatorError> {
        let end = self.next + batch.len() as i64;
        batch.partition = self.number;
        batch.offsets = Int64Array::from_iter_values(self.next..end);
        self.next = end;
        out.batches.push(batch);
        Ok(())
    }

    fn snapshot(&mut self) -> Result<Vec<u8>, OperatorError> {
        Ok(self.next.to_le_bytes().to_vec())
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), OperatorError> {
        let bytes = snapshot.try_into().map_err(|_| broken("the saved position of a partition has a wrong length"))?;
        self.next = i64::from_le_bytes(bytes);
        Ok(())
    }
}

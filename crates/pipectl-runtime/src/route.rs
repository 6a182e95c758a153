//! The sending side of a route: chooses the receiving task of each record.

use std::sync::Arc;

use arrow_array::{BinaryViewArray, UInt32Array};
use pipectl_contract::OperatorError;
use pipectl_data::{Batch, tasks_of};
use pipectl_ir::physical::{RouteBy, SPREAD_BLOCK};

use crate::{
    message::Message,
    meters::Wait,
    queue::{Closed, Sender},
    steps,
};

/// One task's end of a route.
#[derive(Debug)]
pub(crate) struct RouteSender {
    by: RouteBy,
    senders: Vec<Sender>,
    /// Records sent so far, for [`RouteBy::Spread`].
    sent: u64,
}

impl RouteSender {
    /// A route to these tasks.
    pub(crate) fn new(by: RouteBy, senders: Vec<Sender>) -> Self {
        Self { by, senders, sent: 0 }
    }

    /// Has the task's waits for room measured.
    pub(crate) fn measure(&mut self, wait: &Arc<Wait>) {
        for sender in &mut self.senders {
            sender.measure(Arc::clone(wait));
        }
    }

    /// Records sent so far: part of the task's state, since it decides where the next ones go.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Goes on from a checkpoint.
    pub(crate) fn restore(&mut self, sent: u64) {
        self.sent = sent;
    }

    /// Sends to all receiving tasks.
    pub(crate) async fn broadcast(&self, message: &Message) -> Result<(), Closed> {
        for sender in &self.senders {
            sender.send(message.clone()).await?;
        }
        Ok(())
    }

    /// Cuts a batch into one part for each receiving task that gets any of it. The parts are compact: what waits in a
    /// queue must not keep more than the queue has counted.
    pub(crate) fn split(&mut self, batch: Batch) -> Result<Vec<(usize, Batch)>, OperatorError> {
        let first = self.sent;
        self.sent += batch.len() as u64;
        let count = self.senders.len();
        if count == 1 || matches!(self.by, RouteBy::Forward | RouteBy::Gather) {
            return Ok(vec![(0, batch.compact())]);
        }
        let target: Vec<usize> = match &self.by {
            RouteBy::Forward | RouteBy::Gather => Vec::new(),
            RouteBy::Key => {
                let keys =
                    batch.keys.as_ref().ok_or_else(|| steps::broken("a batch without keys reached a keyed route"))?;
                by_hash(keys, count)
            }
            RouteBy::Columns(columns) => by_hash(&steps::keys(&batch, columns)?, count),
            RouteBy::Spread => {
                (0..batch.len() as u64).map(|row| ((first + row) / SPREAD_BLOCK) as usize % count).collect()
            }
        };
        let mut rows: Vec<Vec<u32>> = vec![Vec::new(); count];
        for (row, target) in target.into_iter().enumerate() {
            rows[target].push(row as u32);
        }
        rows.into_iter()
            .enumerate()
            .filter(|(_, rows)| !rows.is_empty())
            .map(|(target, rows)| Ok((target, batch.take(&UInt32Array::from(rows)).map_err(steps::broken)?.compact())))
            .collect()
    }

    /// Sends a part to the task that [`RouteSender::split`] chose.
    pub(crate) async fn send(&self, target: usize, batch: Batch) -> Result<(), Closed> {
        match self.senders.get(target) {
            Some(sender) => sender.send(Message::Batch(batch)).await,
            None => Err(Closed),
        }
    }
}

fn by_hash(keys: &BinaryViewArray, count: usize) -> Vec<usize> {
    tasks_of(keys, count as u32).map(|task| task as usize).collect()
}

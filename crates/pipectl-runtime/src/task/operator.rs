//! A task in the middle: takes records from routes, runs its steps.

use crate::{
    chain::{Chain, Halt},
    gate::{Event, Gate},
    message::Message,
    state::TaskState,
    task::{TaskEvent, TaskHandle},
};

/// The parts of the task.
pub(crate) struct OperatorTask {
    /// What comes in.
    pub(crate) gate: Gate,
    /// What is done with it.
    pub(crate) chain: Chain,
    /// The handle to the coordinator.
    pub(crate) handle: TaskHandle,
}

impl OperatorTask {
    /// Runs until the senders are gone.
    pub(crate) async fn run(mut self) -> Result<(), Halt> {
        self.chain.announce(self.gate.watermark()).await?;
        loop {
            match self.gate.next().await {
                Event::Batch(batch) => self.chain.batch(batch).await?,
                Event::Watermark(watermark) => self.chain.watermark(watermark).await?,
                Event::Idle => self.chain.broadcast(&Message::Idle).await?,
                Event::IdleTime(time) => self.chain.idle_time(time).await?,
                Event::Barrier(id) => {
                    let (parts, sent) = self.chain.snapshot()?;
                    let state = TaskState {
                        counts: self.chain.counts.totals(),
                        watermark: self.gate.watermark(),
                        position: None,
                        sent,
                        parts,
                    };
                    self.chain.broadcast(&Message::Barrier(id)).await?;
                    self.handle.report(TaskEvent::Snapshot { task: self.handle.task, id, state: state.encode()? });
                }
                Event::End(end) => {
                    self.chain.end(end).await?;
                    self.handle.report(TaskEvent::Ended { task: self.handle.task, end });
                }
                Event::Closed => return Ok(()),
            }
        }
    }
}

//! A task in the middle: takes records from routes, runs its steps.

use std::{future::poll_fn, task::Poll};

use pipectl_contract::Output;

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
            match self.next().await? {
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

    /// The next event of the inputs, with everything passed on that is done meanwhile. Records and watermarks come while
    /// others are under way, anything else when nothing is.
    async fn next(&mut self) -> Result<Event, Halt> {
        loop {
            let next = poll_fn(|context| {
                if let Poll::Ready(answer) = self.chain.poll_answer(context) {
                    return Poll::Ready(answer.map(Next::Answer));
                }
                if !self.chain.has_room() {
                    return Poll::Pending;
                }
                self.gate.poll(context).map(|event| Ok(Next::Event(event)))
            });
            match next.await? {
                Next::Answer(out) => self.chain.answer(out).await?,
                Next::Event(event) => {
                    if !matches!(event, Event::Batch(_) | Event::Watermark(_) | Event::Closed) {
                        self.settle().await?;
                    }
                    return Ok(event);
                }
            }
        }
    }

    /// Waits until nothing is under way.
    async fn settle(&mut self) -> Result<(), Halt> {
        while self.chain.is_waiting() {
            let out = poll_fn(|context| self.chain.poll_answer(context)).await?;
            self.chain.answer(out).await?;
        }
        Ok(())
    }
}

enum Next {
    Answer(Output),
    Event(Event),
}

//! A task at the end: drives one writer of a sink.

use arrow_array::UInt32Array;
use pipectl_contract::SinkWriter;
use pipectl_data::Batch;
use pipectl_host::Host;
use pipectl_process::{DeadLetters, Reason};
use tokio::sync::mpsc;

use crate::{
    chain::Halt,
    counters::TaskCounts,
    dead_letter,
    error::RunError,
    gate::{Event, Gate},
    message::Message,
    retry::retrying,
    route::RouteSender,
    state::TaskState,
    steps::broken,
    task::{Command, Line, TaskEvent},
};

/// The parts of the task.
pub(crate) struct SinkTask {
    /// The sink's name.
    pub(crate) name: String,
    /// Number of its node.
    pub(crate) node: usize,
    /// What comes in.
    pub(crate) gate: Gate,
    /// Where it goes.
    pub(crate) writer: Box<dyn SinkWriter>,
    /// Where records go that the sink will never accept; `None` for the dead letters' own sink.
    pub(crate) dead_letters: Option<RouteSender>,
    /// Its counts.
    pub(crate) counts: TaskCounts,
    /// The door to the clock.
    pub(crate) host: Host,
    /// What the coordinator says.
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
    /// The line to the coordinator.
    pub(crate) line: Line,
    /// Whether the writer was opened with the state of a checkpoint.
    pub(crate) restored: bool,
    /// Whether a call that failed for now is made again. A stream's producer has tried for as long as its options say
    /// when it answers an error, and does not know then what became of each record: it is not called again, and what
    /// comes after the last checkpoint is read anew.
    pub(crate) again: bool,
    /// Whether it may keep open work from one checkpoint to the next. One of several workers may not: the group goes on
    /// behind the checkpoint whoever comes after it, and would never see what only this worker's checkpoint holds.
    pub(crate) keeps: bool,
}

enum Turn {
    Command(Option<Command>),
    Time,
    Event(Event),
}

impl SinkTask {
    /// Runs until the coordinator hangs up or the senders are gone.
    pub(crate) async fn run(mut self) -> Result<(), Halt> {
        if self.restored {
            self.publish().await?;
        }
        let mut asked = false;
        // Whether a checkpoint waits to be decided: what comes after it must not be in its transaction.
        let mut held = false;
        loop {
            let deadline = self.writer.deadline();
            let turn = tokio::select! {
                biased;
                command = self.commands.recv() => Turn::Command(command),
                () = wait(&self.host, deadline), if deadline.is_some() => Turn::Time,
                event = self.gate.next(), if !held => Turn::Event(event),
            };
            match turn {
                Turn::Command(None) | Turn::Event(Event::Closed) => return Ok(()),
                Turn::Command(Some(Command::Committed(id))) => {
                    self.publish().await?;
                    held = false;
                    self.line.tell(TaskEvent::Published { task: self.line.task, id });
                }
                Turn::Command(Some(Command::Barrier(_) | Command::Stop | Command::WritersFinished))
                | Turn::Event(Event::Watermark(_) | Event::Idle) => {}
                Turn::Time => {
                    retrying!(self, self.writer.on_time());
                }
                Turn::Event(Event::Batch(batch)) => self.write(batch).await?,
                Turn::Event(Event::Barrier(id)) => {
                    asked = false;
                    self.barrier(id).await?;
                    held = self.writer.decides();
                }
                Turn::Event(Event::End(end)) => {
                    retrying!(self, self.writer.finish());
                    self.bury_refused().await?;
                    if let Some(route) = &self.dead_letters {
                        route.broadcast(&Message::End(end)).await?;
                    }
                    self.line.tell(TaskEvent::Ended { task: self.line.task, end });
                }
            }
            if !asked && self.writer.wants_checkpoint() {
                asked = true;
                self.line.tell(TaskEvent::WantsCheckpoint);
            }
        }
    }

    async fn publish(&mut self) -> Result<(), RunError> {
        retrying!(self, self.writer.committed());
        Ok(())
    }

    async fn write(&mut self, batch: Batch) -> Result<(), Halt> {
        let rejected = retrying!(self, self.writer.write(&batch));
        let counts = self.counts.node(self.node);
        counts.input += batch.len() as u64;
        counts.output += (batch.len() - rejected.len()) as u64;
        counts.dead_lettered += rejected.len() as u64;
        self.counts.publish();
        if !rejected.is_empty() {
            let rows: UInt32Array = rejected.iter().map(|rejection| rejection.row as u32).collect();
            let failed = |error: pipectl_process::OperatorError| RunError::operator(&self.name, &error);
            let batch = batch.take(&rows).map_err(|error| failed(broken(error)))?;
            self.bury(batch, rejected.into_iter().map(|rejection| rejection.reason)).await?;
        }
        self.bury_refused().await
    }

    /// Records that were accepted and then refused: they have not gone out after all.
    async fn bury_refused(&mut self) -> Result<(), Halt> {
        for refused in self.writer.refused() {
            let count = refused.batch.len() as u64;
            let counts = self.counts.node(self.node);
            counts.output -= count;
            counts.dead_lettered += count;
            self.counts.publish();
            let reasons = std::iter::repeat_n(refused.reason, refused.batch.len());
            self.bury(refused.batch, reasons).await?;
        }
        Ok(())
    }

    async fn bury(&mut self, batch: Batch, reasons: impl Iterator<Item = String>) -> Result<(), Halt> {
        let failed = |error: pipectl_process::OperatorError| RunError::operator(&self.name, &error);
        let reasons: Vec<_> = reasons.map(|message| Reason { code: "sink_rejected", message }).collect();
        let Some(route) = &mut self.dead_letters else {
            let reason = reasons.first().map_or("", |reason| reason.message.as_str());
            return Err(RunError::failed(format!("the dead letters' sink refused a record: {reason}")).into());
        };
        let dead = DeadLetters { batch, reasons };
        let batch = dead_letter::to_batch(&self.name, &dead).map_err(failed)?;
        for (target, part) in route.split(batch).map_err(failed)? {
            route.send(target, part).await?;
        }
        Ok(())
    }

    async fn barrier(&mut self, id: u64) -> Result<(), Halt> {
        if !self.keeps {
            retrying!(self, self.writer.finish());
        }
        let part = retrying!(self, self.writer.checkpoint());
        self.bury_refused().await?;
        let state = TaskState {
            counts: self.counts.totals(),
            watermark: self.gate.watermark(),
            position: None,
            sent: self.dead_letters.iter().map(RouteSender::sent).collect(),
            parts: vec![part],
        };
        if let Some(route) = &self.dead_letters {
            route.broadcast(&Message::Barrier(id)).await?;
        }
        self.line.tell(TaskEvent::Snapshot { task: self.line.task, id, state: state.encode()? });
        Ok(())
    }
}

async fn wait(host: &Host, deadline: Option<pipectl_data::Micros>) {
    if let Some(deadline) = deadline {
        host.sleep_until(deadline).await;
    }
}

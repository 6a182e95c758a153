//! A task at the start: drives one reader, runs the steps fused to it, sends the barriers.

use pipectl_contract::{Read, SourceReader};
use pipectl_data::{END_OF_TIME, Micros};
use pipectl_host::Host;
use tokio::sync::mpsc;

use crate::{
    chain::{Chain, Halt},
    error::RunError,
    message::{End, Message},
    state::TaskState,
    task::{Command, Line, TaskEvent},
};

/// The parts of the task.
pub(crate) struct SourceTask {
    /// The source's name.
    pub(crate) name: String,
    /// Number of the source's node.
    pub(crate) node: usize,
    /// See `SourcePlan::leaves`.
    pub(crate) leaves: bool,
    /// See `SourcePlan::idle_after`.
    pub(crate) idle_after: Option<Micros>,
    /// Where records come from.
    pub(crate) reader: Box<dyn SourceReader>,
    /// What is done with them.
    pub(crate) chain: Chain,
    /// The door to the clock.
    pub(crate) host: Host,
    /// What the coordinator says.
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
    /// The line to the coordinator.
    pub(crate) line: Line,
}

enum Turn {
    Command(Option<Command>),
    Read(Read),
}

impl SourceTask {
    /// Runs until the coordinator hangs up.
    pub(crate) async fn run(mut self) -> Result<(), Halt> {
        self.chain.announce(pipectl_data::START_OF_TIME).await?;
        let mut ended = false;
        let mut last_record = self.host.now();
        let mut idle = false;
        // Positions at barriers whose checkpoint is not yet known to be durable.
        let mut barriers = std::collections::VecDeque::new();
        loop {
            let turn = tokio::select! {
                biased;
                command = self.commands.recv() => Turn::Command(command),
                read = self.reader.next(), if !ended => {
                    Turn::Read(read.map_err(|error| RunError::connector(&self.name, &error))?)
                }
            };
            match turn {
                Turn::Command(None) => return Ok(()),
                Turn::Command(Some(Command::Stop)) if ended => {}
                Turn::Command(Some(Command::Stop)) => {
                    ended = true;
                    self.end(End::Stopped).await?;
                }
                Turn::Command(Some(Command::Barrier(id))) => {
                    barriers.push_back((id, self.reader.position()));
                    self.barrier(id).await?;
                }
                Turn::Command(Some(Command::Committed(id))) => {
                    while let Some((barrier, position)) = barriers.pop_front_if(|(barrier, _)| *barrier <= id) {
                        if barrier == id {
                            let committed = self.reader.committed(&position).await;
                            committed.map_err(|error| RunError::connector(&self.name, &error))?;
                        }
                    }
                }
                Turn::Read(Read::Records(batch)) => {
                    (last_record, idle) = (self.host.now(), false);
                    let counts = self.chain.counts.node(self.node);
                    counts.input += batch.len() as u64;
                    if self.leaves {
                        counts.output += batch.len() as u64;
                    }
                    self.chain.batch(batch).await?;
                }
                Turn::Read(Read::Quiet) => {
                    let waited = self.host.now().saturating_sub(last_record);
                    if !idle && self.idle_after.is_some_and(|limit| waited >= limit) {
                        idle = true;
                        self.chain.broadcast(&Message::Idle).await?;
                    }
                }
                Turn::Read(Read::Opened(_) | Read::CaughtUp(_) | Read::Closed(_) | Read::Lost(_)) => {}
                Turn::Read(Read::End) => {
                    ended = true;
                    self.chain.watermark(END_OF_TIME).await?;
                    self.end(End::Finished).await?;
                }
            }
        }
    }

    async fn end(&mut self, end: End) -> Result<(), Halt> {
        self.chain.broadcast(&Message::End(end)).await?;
        self.line.tell(TaskEvent::Ended { task: self.line.task, end });
        Ok(())
    }

    async fn barrier(&mut self, id: u64) -> Result<(), Halt> {
        let (parts, sent) = self.chain.snapshot()?;
        let state = TaskState {
            counts: self.chain.counts.totals(),
            position: Some(self.reader.position()),
            sent,
            parts,
            ..TaskState::default()
        };
        self.chain.broadcast(&Message::Barrier(id)).await?;
        self.line.tell(TaskEvent::Snapshot { task: self.line.task, id, state: state.encode()? });
        Ok(())
    }
}

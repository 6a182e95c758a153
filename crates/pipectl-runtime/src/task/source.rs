//! A task at the start: drives one reader, runs the steps fused to it, sends the barriers.

use pipectl_contract::OperatorError;
use pipectl_contract::{Read, SourceReader};
use pipectl_data::{Batch, Micros, START_OF_TIME};
use pipectl_host::Host;
use tokio::sync::mpsc;

use crate::{
    chain::{Chain, Halt},
    error::RunError,
    message::{End, Frontier, IdleTime, Message},
    state::TaskState,
    steps::PartitionChange,
    task::{Command, TaskEvent, TaskHandle},
};

/// The parts of the task.
pub(crate) struct SourceTask {
    /// The source's name.
    pub(crate) name: String,
    /// Number of the source's node.
    pub(crate) node: usize,
    /// Whether it reads a durable stream.
    pub(crate) durable: bool,
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
    /// The handle to the coordinator.
    pub(crate) handle: TaskHandle,
    /// Whether the coordinator waits until positions are written.
    pub(crate) answers: bool,
}

/// How each partition of the input stands.
#[derive(Default)]
struct Partitions(std::collections::BTreeMap<u32, Standing>);

/// How a partition stands.
#[derive(Clone, Copy)]
struct Standing {
    /// When it last had something.
    since: Micros,
    /// Whether it counts as idle since.
    idle: bool,
    /// When its reader last said that it is read to its present end.
    caught_up: Micros,
}

impl Partitions {
    fn active(&mut self, partition: u32, now: Micros) {
        self.0.insert(partition, Standing { since: now, idle: false, caught_up: Micros::MIN });
    }

    /// A partition is read to its present end: whether that makes it idle now.
    fn falls_idle(&mut self, partition: u32, now: Micros, idle_after: Option<Micros>) -> bool {
        let fresh = Standing { since: now, idle: false, caught_up: now };
        let standing = self.0.entry(partition).or_insert(fresh);
        standing.caught_up = now;
        let falls = !standing.idle && idle_after.is_some_and(|limit| now.saturating_sub(standing.since) >= limit);
        standing.idle |= falls;
        falls
    }

    /// Whether there are partitions, and all are idle and known to be read to their ends. A service that does not answer may
    /// well hold more: what was known of its partitions grows old.
    fn all_idle(&self, now: Micros) -> bool {
        let known = |standing: &Standing| now.saturating_sub(standing.caught_up) <= CAUGHT_UP_FOR;
        !self.0.is_empty() && self.0.values().all(|standing| standing.idle && known(standing))
    }
}

/// For how long a reader's word that a partition is read to its end counts, in microseconds. Readers repeat it after each
/// wait.
const CAUGHT_UP_FOR: Micros = 5_000_000;

/// After how long without records a source counts as idle where its spec does not say, in microseconds: only for a pipeline
/// all of whose inputs are idle.
const IDLE_AFTER: Micros = 10_000_000;

enum Turn {
    Command(Option<Command>),
    Read(Read),
}

impl SourceTask {
    /// Runs until the coordinator hangs up.
    pub(crate) async fn run(mut self) -> Result<(), Halt> {
        self.chain.announce(START_OF_TIME).await?;
        let mut ended = false;
        let mut last_record = self.host.now();
        let mut idle = false;
        // Whether the coordinator knows that this source is idle.
        let mut reported_idle = false;
        let mut partitions = Partitions::default();
        let mut asked = false;
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
                Turn::Command(None) => {
                    if let Err(error) = self.reader.close().await {
                        tracing::warn!(node = self.name, "{error}");
                    }
                    return Ok(());
                }
                Turn::Command(Some(Command::Stop)) if ended => {}
                Turn::Command(Some(Command::Stop)) => {
                    ended = true;
                    self.end(End::Stopped).await?;
                }
                Turn::Command(Some(Command::WritersFinished)) => {
                    let reported = self.reader.writers_finished().await;
                    reported.map_err(|error| RunError::connector(&self.name, &error))?;
                }
                Turn::Command(Some(Command::IdleTime(elapsed))) => {
                    let now = self.host.now();
                    if reported_idle && self.durable && !partitions.all_idle(now) {
                        self.report_active(&mut reported_idle);
                    }
                    if reported_idle && !ended {
                        let watermark = START_OF_TIME;
                        self.chain.idle_time(IdleTime { elapsed, watermark }).await?;
                    }
                }
                Turn::Command(Some(Command::Barrier(id))) => {
                    asked = false;
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
                    if self.answers {
                        self.handle.report(TaskEvent::Acknowledged { id });
                    }
                }
                Turn::Read(Read::Records(batch)) => {
                    (last_record, idle) = (self.host.now(), false);
                    self.report_active(&mut reported_idle);
                    partitions.active(batch.partition, last_record);
                    self.chain.counts.meters().read(self.node, payload_bytes(&batch));
                    self.chain.counts.node(self.node).input += batch.len() as u64;
                    let (batch, rejected) = batch
                        .split_rejected()
                        .map_err(|error| RunError::operator(&self.name, &OperatorError(error.to_string())))?;
                    if let Some((rejected, reasons)) = rejected {
                        self.chain.reject(self.node, rejected, reasons).await?;
                    }
                    if self.leaves {
                        self.chain.counts.node(self.node).output += batch.len() as u64;
                    }
                    if !batch.is_empty() {
                        self.chain.batch(batch).await?;
                    }
                }
                Turn::Read(Read::Quiet) => {
                    let waited = self.host.now().saturating_sub(last_record);
                    if !idle && self.idle_after.is_some_and(|limit| waited >= limit) {
                        idle = true;
                        self.chain.broadcast(&Message::Idle).await?;
                    }
                    // Of a durable stream, only its partitions report whether they are read to their ends.
                    if !self.durable {
                        self.report_idle(&mut reported_idle, last_record);
                    }
                }
                Turn::Read(Read::Opened(partition)) => {
                    self.report_active(&mut reported_idle);
                    partitions.active(partition, self.host.now());
                    self.chain.partition(partition, PartitionChange::Opened).await?;
                }
                Turn::Read(Read::CaughtUp(partition)) => {
                    if partitions.falls_idle(partition, self.host.now(), self.idle_after)
                        && self.chain.partition(partition, PartitionChange::Idle).await?
                    {
                        self.chain.broadcast(&Message::Idle).await?;
                    }
                    if partitions.all_idle(self.host.now()) {
                        self.report_idle(&mut reported_idle, last_record);
                    }
                }
                Turn::Read(Read::Closed(partition) | Read::Lost(partition)) => {
                    partitions.0.remove(&partition);
                    self.chain.partition(partition, PartitionChange::Gone).await?;
                }
                Turn::Read(Read::End) => {
                    ended = true;
                    self.end(End::Finished(Frontier::default())).await?;
                }
            }
            if !asked && !ended && self.reader.wants_checkpoint() {
                asked = true;
                self.handle.report(TaskEvent::WantsCheckpoint);
            }
        }
    }

    /// Lets the coordinator know that records may come again, if it thinks that none do.
    fn report_active(&self, reported: &mut bool) {
        if std::mem::take(reported) {
            self.handle.report(TaskEvent::Idle { task: self.handle.task, since: None });
        }
    }

    /// Lets the coordinator know once that nothing has come for a while.
    fn report_idle(&self, reported: &mut bool, since: Micros) {
        let limit = self.idle_after.unwrap_or(IDLE_AFTER);
        if !*reported && self.host.now().saturating_sub(since) >= limit {
            *reported = true;
            self.handle.report(TaskEvent::Idle { task: self.handle.task, since: Some(since) });
        }
    }

    async fn end(&mut self, end: End) -> Result<(), Halt> {
        self.chain.end(end).await?;
        self.handle.report(TaskEvent::Ended { task: self.handle.task, end });
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
        self.handle.report(TaskEvent::Snapshot { task: self.handle.task, id, state: state.encode()? });
        Ok(())
    }
}

/// What a batch's records take at their source.
fn payload_bytes(batch: &Batch) -> usize {
    batch.payload.as_ref().map_or(0, |payload| payload.lengths().map(|length| length as usize).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_counts_as_idle_only_while_its_reader_says_that_it_is_read_to_its_end() {
        let mut partitions = Partitions::default();
        let (second, limit) = (1_000_000, Some(10_000_000));
        assert!(!partitions.all_idle(0), "there is none yet");
        partitions.active(0, 0);
        partitions.active(1, 5 * second);
        assert!(partitions.falls_idle(0, 11 * second, limit) && !partitions.all_idle(11 * second));
        assert!(partitions.falls_idle(1, 15 * second, limit) && partitions.all_idle(15 * second));
        // The service no longer answers.
        assert!(!partitions.all_idle(17 * second));
        partitions.falls_idle(0, 20 * second, limit);
        partitions.falls_idle(1, 20 * second, limit);
        assert!(partitions.all_idle(20 * second));
        partitions.active(1, 21 * second);
        assert!(!partitions.all_idle(21 * second));
    }
}

//! A subtask: what its client has fetched becomes batches, and what happens to its partitions becomes what a reader tells.
//!
//! Nothing here blocks but a look at the client's queue, which is in memory. Questions to the brokers run beside it, one
//! at a time, in `job`; dropping the future of `next` loses neither records nor answers.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures::future::{BoxFuture, Either, select};
use pipectl_contract::{ConnectorError, ErrorKind, Read, SourceReader, StartAt};
use pipectl_data::{Batch, Micros};
use pipectl_host::Host;
use rdkafka::consumer::Consumer as _;
use serde_json::Value;
use tokio::{runtime::Handle, sync::Notify};

use super::{
    collect::Collector,
    group::{Client, list, placed},
    handover::Handover,
    places::{Lookup, Placed},
    position,
    questions::{Answer, asked, newcomers},
};
use crate::error;

/// How long a reader waits for records before it says that there are none.
const QUIET: Duration = Duration::from_millis(200);
/// How often the brokers are asked for a sign of life while they do not answer.
pub(super) const TROUBLED: Duration = Duration::from_secs(2);

/// How long a client may take to leave its group; then the brokers find out by themselves.
const LEAVE: Duration = Duration::from_secs(10);

/// Who else reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Nobody; positions are those of our checkpoint.
    Owned,
    /// The members of the group.
    Shared,
    /// Whoever may: we only look.
    Look,
}

/// What a subtask is to do.
pub(crate) struct Plan {
    /// The door to the clock.
    pub(crate) host: Host,
    /// Who else reads.
    pub(crate) sharing: Sharing,
    /// Which subtask, from 0.
    pub(crate) subtask: u32,
    /// How many there are.
    pub(crate) subtasks: u32,
    /// Where partitions begin that have no position.
    pub(crate) start: StartAt,
    /// The positions of the checkpoint, those of other subtasks among them.
    pub(crate) known: BTreeMap<u32, i64>,
    /// How often new partitions are looked for.
    pub(crate) discover_every: Duration,
    /// How long brokers may be away.
    pub(crate) retry_for: Duration,
    /// How long a partition may wait to be handed over.
    pub(crate) handover: Duration,
}

/// A partition of the subtask.
#[derive(Debug)]
pub(crate) struct Partition {
    /// The next record after what was handed on.
    pub(crate) next: i64,
    /// Where reading it began.
    pub(crate) first: i64,
    /// What the group has; -1 for nothing.
    pub(crate) committed: i64,
    /// Whether all that is there has been handed on.
    pub(super) caught_up: bool,
    /// Where it ends, once nobody writes any more.
    pub(super) end: Option<i64>,
}

pub(super) enum Ready {
    Batch(Batch),
    Tell(Read),
}

/// A subtask.
pub(crate) struct Reader {
    pub(super) plan: Plan,
    pub(super) lookup: Option<Lookup>,
    wake: Arc<Notify>,
    pub(super) partitions: BTreeMap<u32, Partition>,
    pub(super) ready: VecDeque<Ready>,
    pub(super) collector: Collector,
    pub(super) job: Option<BoxFuture<'static, Answer>>,
    pub(super) handover: Option<Handover>,
    /// How many partitions the topic had when reading began: those after them came later.
    pub(super) at_first: u32,
    pub(super) joined: bool,
    pub(super) finishing: bool,
    pub(super) must_check: bool,
    pub(super) trouble: Option<(Micros, ConnectorError)>,
    /// When brokers began to refuse what was asked for, and when they last did.
    pub(super) refusals: Option<(Micros, Micros)>,
    pub(super) next_discovery: Micros,
}

impl Reader {
    /// Opens a subtask: its client is there, and its partitions if they are ours to choose.
    pub(crate) async fn open(plan: Plan, lookup: Lookup, wake: Arc<Notify>) -> Result<Self, ConnectorError> {
        let (look, start, known) = (lookup.clone(), plan.start.clone(), plan.known.clone());
        let (subtask, subtasks, sharing) = (plan.subtask, plan.subtasks, plan.sharing);
        look.serve();
        let (at_first, placed) = asked(&plan.host, plan.retry_for, move || {
            let count = look.partitions()?;
            let mine: Vec<u32> = (subtask..count).step_by(subtasks as usize).collect();
            let placed = match sharing {
                Sharing::Shared => Vec::new(),
                Sharing::Owned | Sharing::Look => look.place(&mine, &known, &start, count)?,
            };
            Ok((count, placed))
        })
        .await?;
        let next_discovery = plan.host.now() + micros(plan.discover_every);
        let mut reader = Self {
            plan,
            lookup: Some(lookup),
            wake,
            partitions: BTreeMap::new(),
            ready: VecDeque::new(),
            collector: Collector::default(),
            job: None,
            handover: None,
            at_first,
            joined: sharing != Sharing::Shared,
            finishing: false,
            must_check: false,
            trouble: None,
            refusals: None,
            next_discovery,
        };
        if sharing == Sharing::Shared {
            let lookup = reader.lookup()?;
            let topic = lookup.topic.clone();
            lookup.client.subscribe(&[&topic]).map_err(|problem| error::client(reader.what(), problem))?;
        } else {
            reader.take_on(placed)?;
        }
        Ok(reader)
    }

    pub(super) fn lookup(&self) -> Result<&Lookup, ConnectorError> {
        self.lookup.as_ref().ok_or_else(|| ConnectorError::new(ErrorKind::Internal, "the reader is closed"))
    }

    pub(super) fn client(&self) -> Result<Arc<Client>, ConnectorError> {
        Ok(Arc::clone(&self.lookup()?.client))
    }

    pub(super) fn topic(&self) -> &str {
        self.lookup.as_ref().map_or("", |lookup| &lookup.topic)
    }

    pub(super) fn what(&self) -> String {
        format!("read topic `{}`", self.topic())
    }

    /// Begins to read partitions.
    pub(super) fn take_on(&mut self, partitions: Vec<Placed>) -> Result<(), ConnectorError> {
        let lookup = self.lookup()?;
        let assignment = placed(&lookup.topic, partitions.iter().map(|partition| (partition.number, partition.next)))?;
        lookup.client.incremental_assign(&assignment).map_err(|problem| error::client(self.what(), problem))?;
        for Placed { number, next, known, bounds } in partitions {
            let end = self.finishing.then_some(bounds.high);
            let committed = if known { next } else { -1 };
            self.partitions.insert(number, Partition { first: next, next, committed, caught_up: false, end });
            self.ready.push_back(Ready::Tell(Read::Opened(number)));
        }
        Ok(())
    }

    /// Stops to read partitions: nothing more of them is handed on.
    pub(super) fn let_go(&mut self, partitions: &[u32]) -> Result<(), ConnectorError> {
        self.forget_fetched(partitions);
        for number in partitions {
            if self.partitions.remove(number).is_some() {
                self.ready.push_back(Ready::Tell(Read::Lost(*number)));
            }
        }
        let lookup = self.lookup()?;
        let list = list(&lookup.topic, partitions.iter().copied());
        lookup
            .client
            .incremental_unassign(&list)
            // A partition stays paused when it goes, and would still be when the group gives it back.
            .and_then(|()| lookup.client.resume(&list))
            .map_err(|problem| error::client(self.what(), problem))
    }

    /// Drops what was fetched of partitions and not handed on yet.
    pub(super) fn forget_fetched(&mut self, partitions: &[u32]) {
        self.ready.retain(|ready| match ready {
            Ready::Batch(batch) => !partitions.contains(&batch.partition),
            Ready::Tell(Read::CaughtUp(number) | Read::Opened(number)) => !partitions.contains(number),
            Ready::Tell(_) => true,
        });
    }

    fn hand_on(&mut self, ready: Ready) -> Option<Read> {
        match ready {
            Ready::Batch(batch) => {
                let partition = self.partitions.get_mut(&batch.partition)?;
                partition.next = batch.offsets.values().last().map_or(partition.next, |last| last + 1);
                partition.caught_up = false;
                Some(Read::Records(batch))
            }
            Ready::Tell(Read::CaughtUp(number)) => {
                self.partitions.get_mut(&number)?.caught_up = true;
                Some(Read::CaughtUp(number))
            }
            Ready::Tell(read) => Some(read),
        }
    }

    fn has_ended(&self) -> bool {
        let pending = self.job.is_some()
            || self.handover.is_some()
            || self.lookup.as_ref().is_some_and(|lookup| lookup.client.context().has_event());
        self.finishing
            && self.joined
            && !pending
            && self
                .partitions
                .values()
                .all(|partition| partition.end.is_some_and(|end| partition.next >= end || partition.caught_up))
    }
}

pub(super) fn micros(duration: Duration) -> Micros {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}

#[async_trait]
impl SourceReader for Reader {
    async fn next(&mut self) -> Result<Read, ConnectorError> {
        let quiet_at = self.plan.host.now() + micros(QUIET);
        loop {
            while let Some(ready) = self.ready.pop_front() {
                if let Some(read) = self.hand_on(ready) {
                    return Ok(read);
                }
            }
            self.serve()?;
            self.drain()?;
            if !self.ready.is_empty() {
                continue;
            }
            if self.has_ended() {
                return Ok(Read::End);
            }
            let host = self.plan.host.clone();
            let job = &mut self.job;
            let answer = tokio::select! {
                answer = async {
                    match job {
                        Some(job) => job.await,
                        None => std::future::pending().await,
                    }
                } => Some(answer),
                () = self.wake.notified() => None,
                () = host.sleep_until(quiet_at) => {
                    self.quiet()?;
                    None
                }
            };
            if let Some(answer) = answer {
                self.job = None;
                self.answered(answer)?;
            }
        }
    }

    fn position(&self) -> Value {
        position::write(self.partitions.iter().map(|(number, partition)| (*number, partition.next)))
    }

    fn wants_checkpoint(&self) -> bool {
        self.handover.is_some()
    }

    async fn writers_finished(&mut self) -> Result<(), ConnectorError> {
        let lookup = self.lookup()?.clone();
        let have: Vec<u32> = self.partitions.keys().copied().collect();
        let (subtask, subtasks, sharing) = (self.plan.subtask, self.plan.subtasks, self.plan.sharing);
        let (new, bounds) = asked(&self.plan.host, self.plan.retry_for, move || {
            let new = newcomers(&lookup, subtask, subtasks, sharing, &have)?;
            let bounds = if have.is_empty() { BTreeMap::new() } else { lookup.bounds(&have)? };
            Ok((new, bounds))
        })
        .await?;
        self.finishing = true;
        // What the client says of the end was true before; what lies between may be the marks of transactions, which
        // only it sees. It says it again when it begins anew.
        let mut again = Vec::new();
        for (number, partition) in &mut self.partitions {
            let Some(bounds) = bounds.get(number) else { continue };
            partition.end = Some(bounds.high);
            if partition.caught_up && partition.next < bounds.high {
                partition.caught_up = false;
                again.push(*number);
            }
        }
        let lookup = self.lookup()?;
        let again = list(&lookup.topic, again);
        if again.count() > 0 {
            lookup
                .client
                .pause(&again)
                .and_then(|()| lookup.client.resume(&again))
                .map_err(|problem| error::client(self.what(), problem))?;
        }
        if new.is_empty() { Ok(()) } else { self.take_on(new) }
    }

    async fn committed(&mut self, position: &Value) -> Result<(), ConnectorError> {
        self.commit(position).await
    }

    async fn close(&mut self) -> Result<(), ConnectorError> {
        self.job = None;
        let Some(lookup) = self.lookup.take() else { return Ok(()) };
        lookup.client.context().close();
        let topic = lookup.topic.clone();
        // Leaving a group is a conversation; the client holds it when it is dropped. After a restart of the brokers it was
        // seen to wait for their answer without an end.
        let left = self.plan.host.blocking(move || drop(lookup));
        let late = self.plan.host.sleep(LEAVE);
        if let Either::Right(_) = select(std::pin::pin!(left), std::pin::pin!(late)).await {
            tracing::warn!(topic, "the brokers did not confirm that this worker left the group; they will detect it");
        }
        Ok(())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let Some(lookup) = self.lookup.take() else { return };
        lookup.client.context().close();
        if Handle::try_current().is_ok() {
            // The same conversation, for which nobody must wait here.
            let host = self.plan.host.clone();
            drop(self.plan.host.spawn(async move { host.blocking(move || drop(lookup)).await }));
        }
    }
}

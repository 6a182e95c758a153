//! A lane: what its client has fetched becomes batches, and what happens to its partitions becomes what a reader tells.
//!
//! Nothing here blocks but a look at the client's queue, which is in memory. Questions to the brokers run beside it, one
//! at a time, in `job`; dropping the future of `next` loses neither records nor answers.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures::future::BoxFuture;
use pipectl_contract::{ConnectorError, ErrorKind, Read, SourceReader, StartAt};
use pipectl_data::{Batch, Micros};
use pipectl_host::Host;
use rdkafka::{consumer::Consumer as _, error::KafkaError, types::RDKafkaErrorCode as Code};
use serde_json::Value;
use tokio::sync::Notify;

use super::{
    collect::Collector,
    group::{Client, Event, list, placed},
    handover::Handover,
    places::{Bounds, Lookup, Placed},
    position,
};
use crate::{error, retry};

/// A look at the queue ends with so many bytes: a batch is no larger.
const BATCH: usize = 1 << 20;
/// How long a reader waits for records before it says that there are none.
const QUIET: Duration = Duration::from_millis(200);
/// How often the brokers are asked for a sign of life while they do not answer.
const TROUBLED: Duration = Duration::from_secs(2);

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

/// What a lane is to do.
pub(crate) struct Plan {
    /// The door to the clock.
    pub(crate) host: Host,
    /// Who else reads.
    pub(crate) sharing: Sharing,
    /// Which lane, from 0.
    pub(crate) lane: u32,
    /// How many there are.
    pub(crate) lanes: u32,
    /// Where partitions begin that have no position.
    pub(crate) start: StartAt,
    /// The positions of the checkpoint, those of other lanes among them.
    pub(crate) known: BTreeMap<u32, i64>,
    /// How often new partitions are looked for.
    pub(crate) discover_every: Duration,
    /// How long brokers may be away.
    pub(crate) retry_for: Duration,
    /// How long a partition may wait to be handed over.
    pub(crate) handover: Duration,
}

/// A partition of the lane.
#[derive(Debug)]
pub(crate) struct Partition {
    /// The next record after what was handed on.
    pub(crate) next: i64,
    /// Where reading it began.
    pub(crate) first: i64,
    /// What the group has; -1 for nothing.
    pub(crate) committed: i64,
    /// Whether all that is there has been handed on.
    caught_up: bool,
    /// Where it ends, once nobody writes any more.
    end: Option<i64>,
}

enum Ready {
    Batch(Batch),
    Tell(Read),
}

pub(super) enum Answer {
    Assigned(Result<Vec<Placed>, ConnectorError>),
    Discovered(Result<Vec<Placed>, ConnectorError>),
    Checked(Result<BTreeMap<u32, Bounds>, ConnectorError>),
}

/// A lane.
pub(crate) struct Reader {
    pub(super) plan: Plan,
    lookup: Option<Lookup>,
    wake: Arc<Notify>,
    pub(super) partitions: BTreeMap<u32, Partition>,
    ready: VecDeque<Ready>,
    collector: Collector,
    job: Option<BoxFuture<'static, Answer>>,
    pub(super) handover: Option<Handover>,
    /// How many partitions the topic had when reading began: those after them came later.
    at_first: u32,
    joined: bool,
    finishing: bool,
    must_check: bool,
    trouble: Option<(Micros, ConnectorError)>,
    next_discovery: Micros,
}

impl Reader {
    /// Opens a lane: its client is there, and its partitions if they are ours to choose.
    pub(crate) async fn open(plan: Plan, lookup: Lookup, wake: Arc<Notify>) -> Result<Self, ConnectorError> {
        let (look, start, known) = (lookup.clone(), plan.start.clone(), plan.known.clone());
        let (lane, lanes, sharing) = (plan.lane, plan.lanes, plan.sharing);
        look.serve();
        let (at_first, placed) = asked(&plan.host, plan.retry_for, move || {
            let count = look.partitions()?;
            let mine: Vec<u32> = (lane..count).step_by(lanes as usize).collect();
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

    fn what(&self) -> String {
        format!("read topic `{}`", self.topic())
    }

    /// Begins to read partitions.
    fn take_on(&mut self, partitions: Vec<Placed>) -> Result<(), ConnectorError> {
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

    /// Looks at everything that the client has for us.
    fn drain(&mut self) -> Result<(), ConnectorError> {
        let client = self.client()?;
        let watch = client.context().watch();
        let host = self.plan.host.clone();
        loop {
            let served = watch.served();
            match client.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    self.collector.push(&message, || host.now());
                    if self.collector.bytes() >= BATCH {
                        break;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.collected();
                    self.trouble = None;
                    self.ready.push_back(Ready::Tell(Read::CaughtUp(partition as u32)));
                }
                Some(Err(problem)) => self.on_error(problem)?,
                // An event that is no record ends a look as an empty queue does.
                None if watch.served() == served => break,
                None => {}
            }
        }
        self.collected();
        Ok(())
    }

    fn collected(&mut self) {
        for batch in self.collector.finish() {
            if self.partitions.contains_key(&batch.partition) {
                self.trouble = None;
                self.ready.push_back(Ready::Batch(batch));
            }
        }
    }

    /// The client mends nearly everything by itself; what it cannot mend, and what lasts too long, is an error.
    fn on_error(&mut self, problem: KafkaError) -> Result<(), ConnectorError> {
        let fatal = matches!(problem, KafkaError::MessageConsumptionFatal(_));
        match problem.rdkafka_error_code() {
            Some(Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation) => {
                self.must_check = true;
                return Ok(());
            }
            Some(Code::PollExceeded) => {
                tracing::warn!(
                    topic = self.topic(),
                    "nothing was read for longer than max.poll.interval.ms, so the group has taken the partitions away"
                );
                return Ok(());
            }
            _ => {}
        }
        let problem = self.client()?.context().watch().explain(self.what(), problem);
        if fatal || problem.kind == ErrorKind::Denied {
            return Err(problem);
        }
        if self.trouble.is_none() {
            tracing::debug!(%problem, "reading goes on when the brokers do");
            self.trouble = Some((self.plan.host.now(), problem));
            self.next_discovery = self.next_discovery.min(self.plan.host.now() + micros(TROUBLED));
        }
        Ok(())
    }

    /// Does what the group wants, and asks the brokers what has to be known.
    fn serve(&mut self) -> Result<(), ConnectorError> {
        self.hand_over()?;
        while self.handover.is_none() && self.job.is_none() {
            let lookup = self.lookup()?.clone();
            match lookup.client.context().event() {
                Some(Event::Assigned(partitions)) => {
                    self.joined = true;
                    let (start, at_first) = (self.plan.start.clone(), self.at_first);
                    let placed = move || {
                        if partitions.is_empty() {
                            return Ok(Vec::new());
                        }
                        let known = lookup.committed(lookup.partitions()?)?;
                        let placed = lookup.place(&partitions, &known, &start, at_first)?;
                        lookup.pin(placed)
                    };
                    self.ask(placed, Answer::Assigned);
                }
                Some(Event::Revoked { partitions, lost }) => self.revoke(partitions, lost)?,
                None if self.must_check => {
                    self.must_check = false;
                    let numbers: Vec<u32> = self.partitions.keys().copied().collect();
                    self.ask(move || lookup.bounds(&numbers), Answer::Checked);
                }
                None if self.plan.host.now() >= self.next_discovery => self.discover(lookup),
                None => break,
            }
        }
        Ok(())
    }

    fn discover(&mut self, lookup: Lookup) {
        let every = if self.trouble.is_some() { TROUBLED } else { self.plan.discover_every };
        self.next_discovery = self.plan.host.now() + micros(every);
        let have: Vec<u32> = self.partitions.keys().copied().collect();
        let (lane, lanes, sharing) = (self.plan.lane, self.plan.lanes, self.plan.sharing);
        self.ask(move || newcomers(&lookup, lane, lanes, sharing, &have), Answer::Discovered);
    }

    fn ask<T: Send + 'static>(
        &mut self,
        question: impl Fn() -> Result<T, ConnectorError> + Clone + Send + Sync + 'static,
        answer: fn(Result<T, ConnectorError>) -> Answer,
    ) {
        let (host, bound) = (self.plan.host.clone(), self.plan.retry_for);
        self.job = Some(Box::pin(async move { answer(asked(&host, bound, question).await) }));
    }

    fn answered(&mut self, answer: Answer) -> Result<(), ConnectorError> {
        match answer {
            Answer::Assigned(placed) => self.take_on(placed?),
            Answer::Discovered(Ok(placed)) => {
                self.trouble = None;
                if placed.is_empty() { Ok(()) } else { self.take_on(placed) }
            }
            // It was asked again for as long as brokers may be away.
            Answer::Discovered(Err(problem)) | Answer::Checked(Err(problem)) => Err(problem),
            Answer::Checked(Ok(bounds)) => self.begin_again(&bounds),
        }
    }

    /// The brokers did not have what was asked for: looks where that is so, and begins again from what is there.
    fn begin_again(&mut self, bounds: &BTreeMap<u32, Bounds>) -> Result<(), ConnectorError> {
        let numbers: Vec<u32> = self.partitions.keys().copied().collect();
        self.forget_fetched(&numbers);
        let lookup = self.lookup()?.clone();
        for (number, partition) in &mut self.partitions {
            if let Some(bounds) = bounds.get(number) {
                partition.next = lookup.within(*number, partition.next, *bounds)?;
                partition.first = partition.first.min(partition.next);
            }
            partition.caught_up = false;
        }
        let places = self.partitions.iter().map(|(number, partition)| (*number, partition.next));
        let assignment = placed(&lookup.topic, places)?;
        lookup
            .client
            .incremental_unassign(&list(&lookup.topic, numbers))
            .and_then(|()| lookup.client.incremental_assign(&assignment))
            .map_err(|problem| error::client(self.what(), problem))
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

    fn quiet(&mut self) -> Result<(), ConnectorError> {
        match &self.trouble {
            Some((since, _)) if self.plan.host.now() - since > micros(self.plan.retry_for) => {
                return Err(self.trouble.take().map_or_else(
                    || ConnectorError::new(ErrorKind::Internal, "trouble without a cause"),
                    |(_, problem)| problem,
                ));
            }
            // Brokers that do not answer may well have more for us.
            Some(_) => {}
            None => {
                for (number, partition) in &self.partitions {
                    if partition.caught_up {
                        self.ready.push_back(Ready::Tell(Read::CaughtUp(*number)));
                    }
                }
            }
        }
        self.ready.push_back(Ready::Tell(Read::Quiet));
        Ok(())
    }
}

/// Partitions of the lane that are not read yet. A group sees to that itself; it is enough that the topic answers.
fn newcomers(
    lookup: &Lookup,
    lane: u32,
    lanes: u32,
    sharing: Sharing,
    have: &[u32],
) -> Result<Vec<Placed>, ConnectorError> {
    let count = lookup.partitions()?;
    if sharing == Sharing::Shared {
        return Ok(Vec::new());
    }
    let new: Vec<u32> = (lane..count).step_by(lanes as usize).filter(|number| !have.contains(number)).collect();
    lookup.place(&new, &BTreeMap::new(), &StartAt::Earliest, count)
}

/// Asks the brokers where waiting harms nobody, again and again while they are away.
async fn asked<T: Send + 'static>(
    host: &Host,
    bound: Duration,
    question: impl Fn() -> Result<T, ConnectorError> + Clone + Send + 'static,
) -> Result<T, ConnectorError> {
    retry::within(host, bound, || {
        let question = question.clone();
        async move { host.blocking(question).await }
    })
    .await
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
        let (lane, lanes, sharing) = (self.plan.lane, self.plan.lanes, self.plan.sharing);
        let (new, bounds) = asked(&self.plan.host, self.plan.retry_for, move || {
            let new = newcomers(&lookup, lane, lanes, sharing, &have)?;
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
        if let Some(lookup) = self.lookup.take() {
            lookup.client.context().close();
            // Leaving a group is a conversation; the client holds it when it is dropped.
            self.plan.host.blocking(move || drop(lookup)).await;
        }
        Ok(())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(lookup) = &self.lookup {
            lookup.client.context().close();
        }
    }
}

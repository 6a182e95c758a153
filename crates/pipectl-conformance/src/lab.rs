//! What a case works with: a connection, streams and groups of its own, and the common steps of writing and reading.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use pipectl_contract::{
    Capabilities, Connection, ConnectorError, Consumption, Ownership, Partitions, ProducerContext, Refused, Rejection,
    SinkWriter, StartAt, StreamTarget,
};
use pipectl_host::Host;

use crate::{
    harness::{Budget, Harness, Lever},
    report::LeftOut,
    sample::{Sample, batch},
    seen::{Seen, SeenRecord, judge},
    worker::{Commits, Worker, WorkerOptions},
};

/// How many readers a consumer has where a case does not say.
const LANES: u32 = 2;

/// Why a case ends early.
#[derive(Debug)]
pub enum Stop {
    /// It does not hold.
    Failed(String),
    /// It cannot be tried.
    LeftOut(LeftOut, String),
}

impl Stop {
    /// It does not hold.
    pub fn failed(why: impl Into<String>) -> Self {
        Self::Failed(why.into())
    }
}

impl From<ConnectorError> for Stop {
    fn from(error: ConnectorError) -> Self {
        Self::Failed(format!("{:?} error: {error}", error.kind))
    }
}

/// Fails a case unless something holds.
pub(crate) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Stop> {
    if holds { Ok(()) } else { Err(Stop::Failed(otherwise())) }
}

/// How records of a stream are to be read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reading {
    pub(crate) subtasks: Option<u32>,
    pub(crate) start: StartAt,
    pub(crate) impatience: Option<Duration>,
    pub(crate) never_commits: bool,
}

/// The surroundings of one case.
pub struct Lab {
    pub(crate) harness: Arc<dyn Harness>,
    pub(crate) connection: Arc<dyn Connection>,
    pub(crate) host: Host,
    pub(crate) budget: Budget,
    pub(crate) capabilities: Capabilities,
    case: &'static str,
    run: String,
    made: Mutex<Vec<StreamTarget>>,
    breaches: Mutex<Vec<String>>,
}

impl Lab {
    /// Connects for a case.
    pub(crate) async fn open(harness: &Arc<dyn Harness>, case: &'static str, run: &str) -> Result<Self, Stop> {
        Ok(Self {
            connection: harness.connect().await?,
            host: harness.host(),
            budget: harness.budget(),
            capabilities: harness.capabilities(),
            harness: Arc::clone(harness),
            case,
            run: run.to_owned(),
            made: Mutex::default(),
            breaches: Mutex::default(),
        })
    }

    /// Removes what the case has made, and answers where the contract was not kept.
    pub(crate) async fn clear(&self) -> Vec<String> {
        let made = std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner));
        for stream in made {
            if let Err(error) = self.connection.delete(&stream).await {
                tracing::warn!(stream = stream.name, %error, "a stream of a test was not removed");
            }
        }
        std::mem::take(&mut *self.breaches.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A stream's target under a name that nobody else uses.
    pub(crate) fn target(&self, partitions: u32) -> StreamTarget {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let case: String = self.case.chars().map(|letter| if letter == '_' { '-' } else { letter }).take(32).collect();
        let name = format!("pc-{}-{}{}", self.run, case.trim_end_matches('-'), made.len());
        let target = self.harness.target(&name, partitions);
        made.push(target.clone());
        target
    }

    /// A new stream.
    pub(crate) async fn stream(&self) -> Result<StreamTarget, Stop> {
        self.stream_of(self.budget.partitions).await
    }

    /// A new stream with so many partitions.
    pub(crate) async fn stream_of(&self, partitions: u32) -> Result<StreamTarget, Stop> {
        let target = self.target(partitions);
        self.connection.create(&target).await?;
        Ok(target)
    }

    /// Where a group has to exist before records are written that it is to see, opens and closes it.
    pub(crate) async fn announce(&self, stream: &StreamTarget, group: &str, ownership: Ownership) -> Result<(), Stop> {
        if self.harness.group_comes_first() {
            let worker = self.worker(stream, group, ownership, Reading::default()).await?;
            self.keep(worker.close().await?);
        }
        Ok(())
    }

    /// Records as many as the peer can carry, in `keys` keys.
    pub(crate) fn samples(&self, part: f64, keys: usize) -> Vec<Sample> {
        let count = (self.budget.records as f64 * part) as usize;
        Sample::range(0, count.max(4 * keys.max(1)).max(8), keys)
    }

    /// Opens a producer.
    pub(crate) async fn producer(&self, stream: &StreamTarget) -> Result<Box<dyn SinkWriter>, Stop> {
        let context = ProducerContext::new(&stream.name, 16 << 20);
        Ok(self.connection.producer(stream, context).await?)
    }

    /// Writes records that must all be taken.
    pub(crate) async fn write(&self, stream: &StreamTarget, samples: &[Sample]) -> Result<(), Stop> {
        let (rejections, refused) = self.try_write(stream, samples, 250).await?;
        let reasons = rejections.into_iter().map(|(_, rejection)| rejection.reason);
        let reasons: Vec<String> = reasons.chain(refused.into_iter().map(|refused| refused.reason)).collect();
        ensure(reasons.is_empty(), || format!("{} records were not taken: {}", reasons.len(), reasons[0]))
    }

    /// Writes records, `chunk` a batch, and answers which were not taken: by the number of the batch, or later.
    pub(crate) async fn try_write(
        &self,
        stream: &StreamTarget,
        samples: &[Sample],
        chunk: usize,
    ) -> Result<(Vec<(usize, Rejection)>, Vec<Refused>), Stop> {
        let mut producer = self.producer(stream).await?;
        let (mut rejections, mut refused) = (Vec::new(), Vec::new());
        for (number, chunk) in samples.chunks(chunk).enumerate() {
            rejections.extend(producer.write(&batch(chunk)).await?.into_iter().map(|rejection| (number, rejection)));
            refused.extend(producer.refused());
        }
        producer.checkpoint().await?;
        refused.extend(producer.refused());
        producer.committed().await?;
        producer.finish().await?;
        refused.extend(producer.refused());
        Ok((rejections, refused))
    }

    /// Opens a consumer and begins to read.
    pub(crate) async fn worker(
        &self,
        stream: &StreamTarget,
        group: &str,
        ownership: Ownership,
        reading: Reading,
    ) -> Result<Worker, Stop> {
        self.worker_of(&self.connection, stream, group, ownership, reading).await
    }

    /// The same, as soon as each partition is where it stays. The subtasks of a group are members of it that come one after
    /// the other, and a service may give the first of them everything until it knows of the next. What goes from subtask to
    /// subtask without a commit comes again, and would say nothing of the commits that a case is about.
    pub(crate) async fn settled(
        &self,
        stream: &StreamTarget,
        group: &str,
        ownership: Ownership,
        reading: Reading,
    ) -> Result<Worker, Stop> {
        let (partitions, subtasks) = (self.budget.partitions as usize, reading.subtasks.unwrap_or(LANES) as usize);
        let mut worker = self.worker(stream, group, ownership, reading).await?;
        if self.has_partitions() {
            let spread = |seen: &Seen| seen.open.values().collect::<BTreeSet<_>>().len() == subtasks.min(partitions);
            worker
                .until("every reader to have its partitions", |seen| seen.open.len() == partitions && spread(seen))
                .await?;
        }
        Ok(worker)
    }

    /// Opens a consumer over a connection of its own.
    pub(crate) async fn worker_of(
        &self,
        connection: &Arc<dyn Connection>,
        stream: &StreamTarget,
        group: &str,
        ownership: Ownership,
        reading: Reading,
    ) -> Result<Worker, Stop> {
        let options = WorkerOptions {
            group: format!("{}-{group}", stream.name),
            subtasks: reading.subtasks.unwrap_or(LANES),
            ownership,
            start: reading.start,
            commits: if reading.never_commits { Commits::Never } else { Commits::OnWish },
            impatience: reading.impatience,
            checkpoint_every: self.budget.checkpoint_every,
            patience: self.budget.patience,
            partitions: self.has_partitions(),
        };
        Ok(Worker::start(&self.host, connection, stream, options).await?)
    }

    /// Reads everything there is: up to the end where that is known, otherwise until nothing comes any more.
    pub(crate) async fn read_all(&self, worker: &mut Worker, at_least: usize) -> Result<(), Stop> {
        if at_least > 0 {
            worker.until(&format!("{at_least} different records"), |seen| seen.distinct() >= at_least).await?;
        }
        if self.capabilities.end_is_known {
            worker.writers_finished().await?;
            worker.until_end().await
        } else {
            worker.until_quiet(self.budget.quiet).await
        }
    }

    /// Reads a whole stream as a group of its own and closes.
    pub(crate) async fn look(&self, stream: &StreamTarget, at_least: usize) -> Result<Seen, Stop> {
        let mut worker = self.worker(stream, "look", owned(), Reading::default()).await?;
        self.read_all(&mut worker, at_least).await?;
        worker.close().await
    }

    /// Notes where a consumer has not kept the contract; the case fails by that in the end.
    pub(crate) fn keep(&self, seen: Seen) -> Vec<SeenRecord> {
        self.breaches.lock().unwrap_or_else(PoisonError::into_inner).extend(seen.breaches);
        seen.records
    }

    /// Every record has come; only the named ones may have come twice. Where each record is acknowledged by itself, an
    /// acknowledgement can get lost, so there any may.
    pub(crate) fn expect_all(
        &self,
        expected: &BTreeSet<usize>,
        came: &[usize],
        may_repeat: &BTreeSet<usize>,
        when: &str,
    ) -> Result<(), Stop> {
        let lease = self.capabilities.consumption == Consumption::Lease;
        judge(expected, came, |id| lease || may_repeat.contains(&id))
            .map_err(|why| Stop::Failed(format!("{when}: {why}")))
    }

    /// Whether there are partitions to see.
    pub(crate) fn has_partitions(&self) -> bool {
        self.capabilities.partitions != Partitions::None
    }

    /// Lets enough time pass for the service to give later records another time.
    pub(crate) async fn pause(&self) {
        self.host.sleep(self.budget.pause).await;
    }

    /// Leaves the case out if the peer has no such lever.
    pub(crate) fn pulled(&self, lever: Lever) -> Result<(), Stop> {
        match lever {
            Lever::Done => Ok(()),
            Lever::Unheard(why) => Err(Stop::LeftOut(LeftOut::Capability, why)),
            Lever::Lacking(why) => Err(Stop::LeftOut(LeftOut::Peer, format!("{}: {why}", self.harness.peer()))),
        }
    }
}

/// Every record has come once, and no other has.
pub(crate) fn expect(samples: &[Sample], seen: &Seen, when: &str) -> Result<(), Stop> {
    judge(&ids(samples), &seen.ids(), |_| false).map_err(|why| Stop::Failed(format!("{when}: {why}")))
}

/// The numbers of samples.
pub(crate) fn ids(samples: &[Sample]) -> BTreeSet<usize> {
    let tag = |sample: &Sample| crate::sample::Tag::read(sample.payload.as_deref());
    samples.iter().filter_map(tag).map(|tag| tag.id).collect()
}

/// A first start of a consumer that owns the stream.
pub(crate) fn owned() -> Ownership {
    Ownership::Owned { positions: Vec::new() }
}

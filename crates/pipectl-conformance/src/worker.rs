//! Drives the readers of a consumer as the runtime does: a task for each subtask, a barrier that asks each for its position
//! between two reads, and commits when the checkpoint that holds those is durable.

use std::{sync::Arc, time::Duration};

use futures::future::{Either, select};
use pipectl_contract::{
    Connection, ConnectorError, ConsumerContext, Ownership, Read, SourceReader, StartAt, StreamTarget,
};
use pipectl_host::{Host, JoinHandle};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::{lab::Stop, seen::Seen};

/// How long a worker reads before it is another one's turn.
const TURN: Duration = Duration::from_millis(20);

/// When a worker takes a checkpoint by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commits {
    /// Only when it is told to.
    Never,
    /// When a reader wishes one.
    OnWish,
}

/// How a worker reads.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// The consumer group.
    pub group: String,
    /// How many subtasks.
    pub subtasks: u32,
    /// Who else reads.
    pub ownership: Ownership,
    /// Where reading begins.
    pub start: StartAt,
    /// When it takes checkpoints.
    pub commits: Commits,
    /// Readers are interrupted after this long, again and again, as checkpoints do.
    pub impatience: Option<Duration>,
    /// The time between two checkpoints that the consumer is reported.
    pub checkpoint_every: Duration,
    /// How long anything may take.
    pub patience: Duration,
    /// Whether the backend has partitions to see.
    pub partitions: bool,
}

enum Request {
    Position,
    Committed(Value),
    Finished,
    Close,
}

enum Event {
    Read(Read),
    Wish,
    Position(Value),
    Done,
    Failed(ConnectorError),
}

/// Where a consumer was at a barrier.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// The position of each subtask.
    pub positions: Vec<Value>,
    covered: Vec<usize>,
}

/// A running consumer.
pub struct Worker {
    /// What it has delivered.
    pub seen: Seen,
    host: Host,
    options: WorkerOptions,
    requests: Vec<mpsc::UnboundedSender<Request>>,
    events: mpsc::UnboundedReceiver<(usize, Event)>,
    tasks: Vec<JoinHandle<()>>,
    wished: bool,
}

impl Worker {
    /// Opens the consumer and begins to read.
    pub async fn start(
        host: &Host,
        connection: &Arc<dyn Connection>,
        stream: &StreamTarget,
        options: WorkerOptions,
    ) -> Result<Self, ConnectorError> {
        let context = ConsumerContext {
            node: stream.name.clone(),
            group: options.group.clone(),
            subtasks: options.subtasks,
            ownership: options.ownership.clone(),
            start: options.start.clone(),
            memory: 64 << 20,
            checkpoint_every: options.checkpoint_every,
        };
        let readers = connection.consumer(stream, context).await?;
        let (reported, events) = mpsc::unbounded_channel();
        let (mut requests, mut tasks) = (Vec::new(), Vec::new());
        let mut seen = Seen::default();
        if readers.len() != options.subtasks as usize {
            seen.breaches.push(format!("{} readers were opened for {} subtasks", readers.len(), options.subtasks));
        }
        for (subtask, reader) in readers.into_iter().enumerate() {
            let (order, ordered) = mpsc::unbounded_channel();
            requests.push(order);
            tasks.push(host.spawn(drive(host.clone(), subtask, reader, ordered, reported.clone(), options.impatience)));
        }
        Ok(Self { seen, host: host.clone(), options, requests, events, tasks, wished: false })
    }

    /// Reads until `enough` says so, or fails with what it was waiting for.
    pub async fn until(&mut self, what: &str, mut enough: impl FnMut(&Seen) -> bool) -> Result<(), Stop> {
        let deadline = self.deadline();
        loop {
            if self.wished && self.options.commits == Commits::OnWish {
                self.checkpoint_and_commit().await?;
            }
            if enough(&self.seen) {
                return Ok(());
            }
            if !self.step(deadline).await? {
                return Err(self.impatient(what));
            }
        }
    }

    /// Reads for a moment, so that several workers can be driven in turn.
    pub async fn turn(&mut self) -> Result<(), Stop> {
        let end = self.host.now() + TURN.as_micros() as i64;
        while self.step(end).await? && self.host.now() < end {}
        if self.wished && self.options.commits == Commits::OnWish {
            self.checkpoint_and_commit().await?;
        }
        Ok(())
    }

    /// Reads until nothing has come for `quiet`.
    pub async fn until_quiet(&mut self, quiet: Duration) -> Result<(), Stop> {
        let deadline = self.deadline();
        loop {
            let count = self.seen.records.len();
            let calm = self.host.now() + quiet.as_micros() as i64;
            while self.step(calm).await? {
                if self.wished && self.options.commits == Commits::OnWish {
                    self.checkpoint_and_commit().await?;
                }
            }
            if self.seen.records.len() == count {
                return Ok(());
            }
            if self.host.now() > deadline {
                return Err(self.impatient("an end of the records"));
            }
        }
    }

    /// Asks every subtask for its position, each between two of its reads.
    pub async fn checkpoint(&mut self) -> Result<Checkpoint, Stop> {
        self.wished = false;
        self.request(|_| Request::Position);
        let subtasks = self.requests.len();
        let (mut positions, mut covered, mut missing) = (vec![Value::Null; subtasks], vec![0; subtasks], subtasks);
        let deadline = self.deadline();
        while missing > 0 {
            match self.event(deadline).await? {
                Some((subtask, Event::Position(position))) => {
                    positions[subtask] = position;
                    covered[subtask] = self.seen.by_subtask.get(&subtask).copied().unwrap_or(0);
                    missing -= 1;
                }
                Some(_) => {}
                None => return Err(self.impatient("positions of all readers")),
            }
        }
        Ok(Checkpoint { positions, covered })
    }

    /// A checkpoint has become durable.
    pub async fn commit(&mut self, checkpoint: &Checkpoint) -> Result<(), Stop> {
        self.request(|subtask| Request::Committed(checkpoint.positions[subtask].clone()));
        self.confirmed_with("commits of all readers", Seen::note_confirmed).await?;
        self.seen.note_commit(&checkpoint.covered);
        Ok(())
    }

    /// A whole checkpoint.
    pub async fn checkpoint_and_commit(&mut self) -> Result<Checkpoint, Stop> {
        let checkpoint = self.checkpoint().await?;
        self.commit(&checkpoint).await?;
        Ok(checkpoint)
    }

    /// Nobody writes any more: reports the readers so.
    pub async fn writers_finished(&mut self) -> Result<(), Stop> {
        self.request(|_| Request::Finished);
        self.confirmed("readers that know that the writers have finished").await
    }

    /// Reads until every reader has said that this is the end.
    pub async fn until_end(&mut self) -> Result<(), Stop> {
        let subtasks = self.requests.len();
        self.until("the end of all readers", |seen| seen.ended.len() == subtasks).await
    }

    /// Stops in order.
    pub async fn close(mut self) -> Result<Seen, Stop> {
        self.request(|_| Request::Close);
        self.confirmed("readers that close").await?;
        Ok(self.end().await)
    }

    /// Ends as a process does that is killed: nothing is committed, nothing is closed.
    pub async fn kill(self) -> Seen {
        for task in &self.tasks {
            task.abort();
        }
        self.end().await
    }

    async fn end(mut self) -> Seen {
        self.requests.clear();
        for task in std::mem::take(&mut self.tasks) {
            // A task that was aborted answers an error, which is what was wanted.
            let _ended = task.await;
        }
        std::mem::take(&mut self.seen)
    }

    fn request(&self, make: impl Fn(usize) -> Request) {
        for (subtask, requests) in self.requests.iter().enumerate() {
            // A subtask that has gone has reported why, and that is found when its answer is waited for.
            let _gone = requests.send(make(subtask));
        }
    }

    async fn confirmed(&mut self, what: &str) -> Result<(), Stop> {
        self.confirmed_with(what, |_, _| {}).await
    }

    async fn confirmed_with(&mut self, what: &str, note: impl Fn(&mut Seen, usize)) -> Result<(), Stop> {
        let mut missing = self.requests.len();
        let deadline = self.deadline();
        while missing > 0 {
            match self.event(deadline).await? {
                Some((subtask, Event::Done)) => {
                    note(&mut self.seen, subtask);
                    missing -= 1;
                }
                Some(_) => {}
                None => return Err(self.impatient(what)),
            }
        }
        Ok(())
    }

    async fn step(&mut self, deadline: i64) -> Result<bool, Stop> {
        Ok(self.event(deadline).await?.is_some())
    }

    /// The next event, with reads noted; `None` at the deadline.
    async fn event(&mut self, deadline: i64) -> Result<Option<(usize, Event)>, Stop> {
        let host = self.host.clone();
        let (subtask, event) = tokio::select! {
            biased;
            event = self.events.recv() => match event {
                Some(event) => event,
                None => return Err(Stop::failed("all readers have stopped")),
            },
            () = host.sleep_until(deadline) => return Ok(None),
        };
        match event {
            Event::Failed(error) => Err(Stop::from(error)),
            Event::Wish => {
                self.wished = true;
                Ok(Some((subtask, Event::Wish)))
            }
            Event::Read(read) => {
                let ended = matches!(read, Read::End);
                self.seen.note(subtask, read, self.options.partitions);
                Ok(Some((subtask, if ended { Event::Read(Read::End) } else { Event::Read(Read::Quiet) })))
            }
            other => Ok(Some((subtask, other))),
        }
    }

    fn deadline(&self) -> i64 {
        self.host.now() + self.options.patience.as_micros() as i64
    }

    fn impatient(&self, what: &str) -> Stop {
        let (count, distinct) = (self.seen.records.len(), self.seen.distinct());
        let patience = self.options.patience;
        Stop::failed(format!("waited {patience:?} for {what}; {count} records have come, {distinct} of them different"))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Reads with two workers until `enough` says so, or fails with what it was waiting for.
pub(crate) async fn until_both(
    one: &mut Worker,
    other: &mut Worker,
    what: &str,
    enough: impl Fn(&Seen, &Seen) -> bool,
) -> Result<(), Stop> {
    let deadline = one.deadline();
    while !enough(&one.seen, &other.seen) {
        if one.host.now() > deadline {
            let (one, other) = (one.seen.distinct(), other.seen.distinct());
            return Err(Stop::failed(format!(
                "waited for {what}; one worker has read {one} records, the other {other}"
            )));
        }
        one.turn().await?;
        other.turn().await?;
    }
    Ok(())
}

/// A subtask's task. It ends without closing the reader when nobody gives requests any more.
async fn drive(
    host: Host,
    subtask: usize,
    mut reader: Box<dyn SourceReader>,
    mut requests: mpsc::UnboundedReceiver<Request>,
    reported: mpsc::UnboundedSender<(usize, Event)>,
    impatience: Option<Duration>,
) {
    let mut ended = false;
    loop {
        let event = tokio::select! {
            biased;
            order = requests.recv() => match order {
                None => return,
                Some(Request::Position) => Event::Position(reader.position()),
                Some(Request::Committed(position)) => done(reader.committed(&position).await),
                Some(Request::Finished) => done(reader.writers_finished().await),
                Some(Request::Close) => {
                    let closed = done(reader.close().await);
                    let _gone = reported.send((subtask, closed));
                    return;
                }
            },
            read = patiently(&host, reader.as_mut(), impatience), if !ended => match read {
                None => continue,
                Some(Ok(read)) => {
                    ended = matches!(read, Read::End);
                    Event::Read(read)
                }
                Some(Err(error)) => {
                    ended = true;
                    Event::Failed(error)
                }
            },
        };
        let read = matches!(event, Event::Read(_));
        if reported.send((subtask, event)).is_err()
            || (read && reader.wants_checkpoint() && reported.send((subtask, Event::Wish)).is_err())
        {
            return;
        }
    }
}

fn done(result: Result<(), ConnectorError>) -> Event {
    match result {
        Ok(()) => Event::Done,
        Err(error) => Event::Failed(error),
    }
}

/// The next read, or nothing if it takes longer than the caller has patience: the future is then dropped.
async fn patiently(
    host: &Host,
    reader: &mut dyn SourceReader,
    impatience: Option<Duration>,
) -> Option<Result<Read, ConnectorError>> {
    let Some(impatience) = impatience else { return Some(reader.next().await) };
    match select(reader.next(), Box::pin(host.sleep(impatience))).await {
        Either::Left((read, _)) => Some(read),
        Either::Right(_) => None,
    }
}

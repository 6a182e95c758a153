//! One reader of a consumer: drives the shards of its numbers, hands their records on, and knows its position.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use pipectl_contract::{ConnectorError, Read};
use pipectl_host::Micros;

use super::{
    decode,
    fetch::{Job, Next, Step},
    group::{Group, Mode},
    keeper,
};
use crate::{
    limits,
    position::{At, Mark},
    shards::Shard,
};

/// A shard that has nothing new is asked again after this.
const IDLE: Duration = Duration::from_millis(250);
/// How often a shard without anything new is told to be caught up, and a reader to be quiet.
const CAUGHT_UP_INTERVAL: Micros = 1_000_000;
/// A shard whose records are not known yet is read as if they were this large.
const ASSUMED_RECORD_BYTES: usize = 1_024;
/// How long one subtask leaves listing the shards to another.
const LISTING: Micros = 2_000_000;
/// How often the children of a closed shard are looked for before it is believed that there are none.
const CHILD_SEARCHES: u32 = 20;

/// What a subtask waits for.
enum Done {
    Listed(Result<(), ConnectorError>),
    Read { shard: u32, generation: u64, step: Result<Step, ConnectorError> },
}

/// A shard that is read.
struct Reader {
    shard: Arc<Shard>,
    /// After what was fetched; what was handed on may be behind it.
    mark: Mark,
    next: Option<Next>,
    /// Reports the answers of this reader from those of a former one of the same shard.
    generation: u64,
    busy: bool,
    /// Bytes that the step under way may bring.
    expected: usize,
    not_before: Micros,
    record_size: usize,
    consumer: Option<Arc<str>>,
    /// When the last step began that found nothing more.
    drained: Micros,
    reported: Micros,
}

impl Reader {
    /// From now on it asks for records instead of listening for them; what still arrives of its former generation is left out
    /// and asked for again.
    fn ask(&mut self, generation: u64, now: Micros) {
        self.generation = generation;
        (self.consumer, self.next, self.busy, self.not_before) = (None, None, false, now);
    }
}

/// A shard read to its end, until its children are known to those who will read them.
struct Ending {
    since: Micros,
    looks: u32,
    mark: Mark,
}

/// Something to hand on, and where the shard is read to with it.
struct Ready {
    read: Read,
    shard: u32,
    mark: Option<Mark>,
    bytes: usize,
}

pub(super) struct Subtask {
    pub(super) group: Arc<Group>,
    index: u32,
    /// How far each shard was handed on.
    pub(super) marks: BTreeMap<u32, Mark>,
    readers: BTreeMap<u32, Reader>,
    ending: BTreeMap<u32, Ending>,
    /// Shards that wait for a checkpoint to go to another worker.
    pub(super) leaving: BTreeSet<u32>,
    ready: VecDeque<Ready>,
    ready_bytes: usize,
    work: FuturesUnordered<BoxFuture<'static, Done>>,
    generations: u64,
    pub(super) finishing: Option<Micros>,
    quiet_at: Micros,
}

impl Subtask {
    pub(super) fn new(group: Arc<Group>, index: u32, marks: BTreeMap<u32, Mark>) -> Self {
        let quiet_at = group.api.host.now() + CAUGHT_UP_INTERVAL;
        Self {
            group,
            index,
            marks,
            readers: BTreeMap::new(),
            ending: BTreeMap::new(),
            leaving: BTreeSet::new(),
            ready: VecDeque::new(),
            ready_bytes: 0,
            work: FuturesUnordered::new(),
            generations: 0,
            finishing: None,
            quiet_at,
        }
    }

    /// Dropped at any wait, it loses nothing: what is under way is kept in `work`, what has come in `ready`.
    pub(super) async fn next(&mut self) -> Result<Read, ConnectorError> {
        loop {
            if let Some(read) = self.hand_on() {
                return Ok(read);
            }
            let group = Arc::clone(&self.group);
            let changed = group.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            keeper::failure(&group)?;
            let now = group.api.host.now();
            let wake = self.follow(now).min(self.quiet_at);
            if !self.ready.is_empty() {
                continue;
            }
            if self.is_finished() {
                group.state().finished.insert(self.index);
                group.changed.notify_waiters();
                return Ok(Read::End);
            }
            if now >= self.quiet_at {
                self.quiet_at = now + CAUGHT_UP_INTERVAL;
                return Ok(Read::Quiet);
            }
            tokio::select! {
                Some(done) = self.work.next(), if !self.work.is_empty() => match done {
                    Done::Listed(listed) => listed?,
                    Done::Read { shard, generation, step } => self.arrived(shard, generation, step)?,
                },
                () = &mut changed => {}
                () = group.api.host.sleep_until(wake) => {}
            }
        }
    }

    fn hand_on(&mut self) -> Option<Read> {
        let ready = self.ready.pop_front()?;
        self.ready_bytes -= ready.bytes;
        if let Some(mark) = ready.mark {
            self.marks.insert(ready.shard, mark);
        }
        if let Read::Closed(shard) = ready.read {
            // A look keeps no checkpoints: what is read is done with.
            if matches!(self.group.mode, Mode::Look) {
                self.group.state().done.insert(shard);
            }
            self.group.changed.notify_waiters();
        }
        if let Read::Records(_) = ready.read {
            self.quiet_at = self.group.api.host.now() + CAUGHT_UP_INTERVAL;
        }
        Some(ready.read)
    }

    fn push(&mut self, shard: u32, read: Read, mark: Option<Mark>) {
        let bytes = if let Read::Records(batch) = &read { batch.byte_size() } else { 0 };
        self.ready_bytes += bytes;
        self.ready.push_back(Ready { read, shard, mark, bytes });
    }

    fn is_mine(&self, shard: u32) -> bool {
        shard % self.group.subtasks == self.index
    }

    /// Follows what has changed (shards that came, leases that went) and starts what can be started; answers when to
    /// look again at the latest.
    fn follow(&mut self, now: Micros) -> Micros {
        let group = Arc::clone(&self.group);
        if matches!(group.mode, Mode::Shared { .. }) {
            self.follow_leases();
        }
        let mut state = group.state();
        let list_at = state.listed_at + group.api.options.discover_every.micros();
        if now >= state.listing_until && (state.relist || now >= list_at) {
            (state.listing_until, state.relist) = (now + LISTING, false);
            let group = Arc::clone(&group);
            self.work.push(Box::pin(async move { Done::Listed(group.list().await) }));
        }
        let shards: Vec<Arc<Shard>> = state.shards.values().filter(|s| self.is_mine(s.number)).cloned().collect();
        for shard in shards {
            let number = shard.number;
            // A subscription should tell of the end of its shard; whether it does or not, asking finds it.
            if let Some(reader) = self.readers.get_mut(&number)
                && !shard.open
                && reader.consumer.is_some()
                && reader.drained > Micros::MIN
            {
                self.generations += 1;
                reader.ask(self.generations, now);
            }
            let held = state.held.get(&number).cloned();
            let may_read = match group.mode {
                Mode::Shared { .. } => held.as_ref().is_some_and(|held| !held.wanted),
                Mode::Owned | Mode::Look => true,
            };
            let known = self.marks.get(&number).cloned();
            if !may_read
                || self.readers.contains_key(&number)
                || self.ending.contains_key(&number)
                || self.leaving.contains(&number)
                || known.as_ref().is_some_and(|mark| mark.at == At::End)
            {
                continue;
            }
            if state.announced.insert(number) {
                self.push(number, Read::Opened(number), None);
                group.changed.notify_waiters();
            }
            if !state.may_start(&shard) {
                continue;
            }
            let mark = held.map_or_else(|| known.unwrap_or_default(), |held| held.mark);
            self.marks.insert(number, mark.clone());
            self.generations += 1;
            let next = state.pinned.remove(&number).filter(|_| matches!(mark.at, At::Time(_))).map(Next::Iterator);
            let reader = Reader {
                shard,
                mark,
                consumer: group.fan_out.clone().filter(|_| next.is_none() && self.finishing.is_none()),
                next,
                generation: self.generations,
                busy: false,
                expected: 0,
                not_before: now,
                record_size: ASSUMED_RECORD_BYTES,
                drained: Micros::MIN,
                reported: Micros::MIN,
            };
            self.readers.insert(number, reader);
        }
        let list_at = (state.listed_at + group.api.options.discover_every.micros()).max(state.listing_until);
        let list_at = if state.relist { state.listing_until } else { list_at };
        let closed = self.close(&mut state, now);
        drop(state);
        for (shard, mark) in closed {
            self.push(shard, Read::Closed(shard), Some(mark));
        }
        self.marks.retain(|shard, mark| mark.at != At::End || group.state().shards.contains_key(shard));
        let soon = if self.ending.is_empty() { Micros::MAX } else { now + IDLE.as_micros() as Micros };
        self.start(now).min(soon).min(list_at).max(now + 1_000)
    }

    /// Shards at their end whose children are known to those who will read them, so that no watermark runs ahead of them.
    fn close(&mut self, state: &mut super::group::State, now: Micros) -> Vec<(u32, Mark)> {
        let mut closed = Vec::new();
        for (&shard, ending) in &mut self.ending {
            if state.listed_at <= ending.since {
                state.relist = true;
                continue;
            }
            let children: Vec<u32> = state.children(shard).collect();
            if children.is_empty() && ending.looks < CHILD_SEARCHES {
                (ending.looks, ending.since) = (ending.looks + 1, now);
                continue;
            }
            let reported = |child: &u32| {
                state.announced.contains(child) || state.finished.contains(&(child % self.group.subtasks))
            };
            if matches!(self.group.mode, Mode::Shared { .. }) || children.iter().all(reported) {
                closed.push((shard, ending.mark.clone()));
            }
        }
        for (shard, _) in &closed {
            self.ending.remove(shard);
        }
        closed
    }

    /// Gives up what is another worker's, or must be.
    fn follow_leases(&mut self) {
        let group = Arc::clone(&self.group);
        let fences: Vec<(u32, Option<u64>)> = self.marks.iter().map(|(shard, mark)| (*shard, mark.fence)).collect();
        for (shard, fence) in fences {
            let held = group.state().held.get(&shard).cloned();
            match held {
                Some(held) if Some(held.fence) == fence => {
                    if held.wanted && !self.leaving.contains(&shard) && !self.ending.contains_key(&shard) {
                        self.drop_reader(shard);
                        self.leaving.insert(shard);
                    }
                }
                _ => self.lose(shard),
            }
        }
    }

    /// A shard is not this worker's any more.
    pub(super) fn lose(&mut self, shard: u32) {
        self.drop_reader(shard);
        self.ending.remove(&shard);
        self.leaving.remove(&shard);
        self.group.state().announced.remove(&shard);
        // One that was read to its end has been reported already.
        if self.marks.remove(&shard).is_some_and(|mark| mark.at != At::End) {
            self.push(shard, Read::Lost(shard), None);
        }
    }

    fn drop_reader(&mut self, shard: u32) {
        self.readers.remove(&shard);
        self.ready.retain(|ready| ready.shard != shard);
        self.ready_bytes = self.ready.iter().map(|ready| ready.bytes).sum();
    }

    /// Starts the next step of each shard for which there is memory; answers when one more can be.
    fn start(&mut self, now: Micros) -> Micros {
        let share = usize::try_from(self.group.memory / u64::from(self.group.subtasks)).unwrap_or(usize::MAX);
        let mut expected: usize =
            self.readers.values().filter(|reader| reader.busy).map(|reader| reader.expected).sum();
        let each = share / self.readers.len().max(1);
        let mut wake = Micros::MAX;
        for (&number, reader) in &mut self.readers {
            if reader.busy {
                continue;
            }
            if reader.not_before > now {
                wake = wake.min(reader.not_before);
                continue;
            }
            let limit = (each / reader.record_size.max(1)).clamp(1, limits::READ_RECORDS);
            let more = limit * reader.record_size;
            let anything = expected + self.ready_bytes;
            if anything > 0 && anything + more > share {
                continue;
            }
            expected += more;
            (reader.busy, reader.expected) = (true, more);
            let job = Job {
                api: Arc::clone(&self.group.api),
                stream: Arc::clone(&self.group.stream),
                shard: Arc::clone(&reader.shard),
                at: reader.mark.at.clone(),
                next: reader.next.take(),
                consumer: reader.consumer.clone(),
                limit,
            };
            let generation = reader.generation;
            self.work.push(Box::pin(async move { Done::Read { shard: number, generation, step: job.run().await } }));
        }
        wake
    }

    fn arrived(
        &mut self,
        number: u32,
        generation: u64,
        step: Result<Step, ConnectorError>,
    ) -> Result<(), ConnectorError> {
        let now = self.group.api.host.now();
        let misrouted = self.group.options.misrouted();
        let Some(reader) = self.readers.get_mut(&number).filter(|reader| reader.generation == generation) else {
            return Ok(());
        };
        reader.busy = false;
        let fetched = match step? {
            Step::Records(fetched) => fetched,
            Step::Gone(why) => {
                let at = reader.mark.at.clone();
                self.group.data_loss(number, &at, &why)?;
                let listed = self.group.state().shards.contains_key(&number);
                if listed && at != At::Start {
                    // The place is gone, the shard is not: on with the oldest that it has.
                    reader.mark.at = At::Start;
                } else {
                    let mark = Mark { at: At::End, ..reader.mark.clone() };
                    self.readers.remove(&number);
                    self.ending.insert(number, Ending { since: now, looks: CHILD_SEARCHES, mark });
                }
                return Ok(());
            }
        };
        if let (Some(first), last) = (fetched.records.first(), fetched.records.len()) {
            let bytes: usize = fetched.records.iter().map(|record| record.data().as_ref().len() + 100).sum();
            tracing::trace!(shard = number, records = last, from = first.sequence_number(), "read");
            reader.record_size = bytes / last + 1;
        }
        let empty = fetched.records.is_empty();
        let batches = decode::batches(&fetched.records, &reader.shard, &mut reader.mark, misrouted);
        let mark = reader.mark.clone();
        let report = fetched.caught_up() && (!empty || now - reader.reported.max(0) >= CAUGHT_UP_INTERVAL);
        if fetched.caught_up() {
            reader.drained = fetched.began;
            reader.not_before = if reader.consumer.is_some() { now } else { now + IDLE.as_micros() as Micros };
        }
        if report {
            reader.reported = now;
        }
        let ended = fetched.next.is_none();
        reader.next = fetched.next;
        for (batch, mark) in batches {
            self.push(number, Read::Records(batch), Some(mark));
        }
        if ended {
            self.readers.remove(&number);
            let mark = Mark { at: At::End, ..mark };
            self.ending.insert(number, Ending { since: now, looks: 0, mark });
            self.group.state().relist = true;
        } else if report {
            // Misrouted that were left out are behind it too.
            self.push(number, Read::CaughtUp(number), Some(mark));
        }
        Ok(())
    }

    /// Nobody writes any more: what is there now is all. A subscription may tell of what was before this moment, so from
    /// here on shards are asked.
    pub(super) fn finish(&mut self) {
        let now = self.group.api.host.now();
        self.finishing = Some(now);
        self.group.state().relist = true;
        for reader in self.readers.values_mut().filter(|reader| reader.consumer.is_some()) {
            self.generations += 1;
            reader.ask(self.generations, now);
        }
        self.group.changed.notify_waiters();
    }

    fn is_finished(&self) -> bool {
        let Some(asked) = self.finishing else { return false };
        let state = self.group.state();
        if state.listed_at <= asked || !self.ending.is_empty() || !self.leaving.is_empty() {
            return false;
        }
        state.shards.keys().filter(|shard| self.is_mine(**shard)).all(|shard| {
            let drained = self.readers.get(shard).is_some_and(|reader| reader.drained > asked);
            let read = self.marks.get(shard).is_some_and(|mark| mark.at == At::End) || state.done.contains(shard);
            drained || read || (state.foreign.contains(shard) && !state.held.contains_key(shard))
        })
    }
}

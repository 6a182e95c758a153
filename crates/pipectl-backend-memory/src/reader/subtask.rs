//! One reader: goes round its partitions, and waits when there is nothing to read.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use pipectl_contract::{ConnectorError, Read, SourceReader};
use serde_json::Value;
use tokio::sync::watch;

use super::{Mark, Marks, Mode, Team, batch, marks};
use crate::{
    broker::{lock, stream::Stream},
    failure,
};

/// How long a reader waits for records before it says that it is quiet.
const WAIT: Duration = Duration::from_millis(100);

/// How reading stands in one partition.
#[derive(Debug, Default)]
struct Cursor {
    next: i64,
    epoch: u64,
    /// What a durable checkpoint holds.
    committed: i64,
    /// Its turn has come (what it was made from is done).
    open: bool,
    told_caught_up: bool,
    told_closed: bool,
    /// The group wants it elsewhere: it is read no further.
    leaving: bool,
    /// It has no position yet, so records before the asked moment are passed over.
    fresh: bool,
    /// Where it ended when its writers had finished.
    until: Option<i64>,
}

/// A reader.
pub(crate) struct Subtask {
    team: Arc<Team>,
    number: u32,
    cursors: BTreeMap<u32, Cursor>,
    events: VecDeque<Read>,
    changed: watch::Receiver<u64>,
    /// The partition to look at first, so that each has its turn.
    turn: u32,
    finished: bool,
}

impl Subtask {
    pub(crate) fn new(team: Arc<Team>, number: u32) -> Self {
        let changed = team.cell.listen();
        let mut cursors = BTreeMap::new();
        if !matches!(team.mode, Mode::Shared { .. }) {
            let mine = team.begin.iter().filter(|(partition, _)| *partition % team.subtasks == number);
            for (partition, next) in mine {
                let fresh = team.unplaced.contains(partition);
                let cursor = Cursor { next: *next, committed: *next, fresh, ..Cursor::default() };
                cursors.insert(*partition, cursor);
            }
        }
        Self { team, number, cursors, events: VecDeque::new(), changed, turn: 0, finished: false }
    }

    /// Takes notice of partitions that have come, whose turn has come, or that are somebody else's now.
    fn refresh(&mut self, stream: &mut Stream) {
        match self.team.mode {
            Mode::Shared { member } => self.refresh_shared(stream, member),
            Mode::Owned | Mode::Look => self.refresh_owned(stream),
        }
    }

    fn refresh_owned(&mut self, stream: &Stream) {
        let known = stream.logs.len() as u32;
        let until = |partition: u32| self.finished.then(|| stream.logs[partition as usize].end());
        for partition in (0..known).filter(|partition| partition % self.team.subtasks == self.number) {
            let cursor = self
                .cursors
                .entry(partition)
                .or_insert_with(|| Cursor { until: until(partition), ..Cursor::default() });
            if !cursor.open && stream.is_ready(partition, &self.team.done()) {
                cursor.open = true;
                // One that an earlier run has read to its end is nothing to speak of.
                cursor.told_closed = stream.logs[partition as usize].is_done_at(cursor.next);
                if !cursor.told_closed {
                    self.events.push_back(Read::Opened(partition));
                }
            }
        }
    }

    fn refresh_shared(&mut self, stream: &mut Stream, member: u64) {
        stream.settle(&self.team.group, self.team.host.now());
        let known = stream.logs.len() as u32;
        let Some(group) = stream.groups.get_mut(&self.team.group) else { return };
        for partition in (0..known).filter(|partition| partition % self.team.subtasks == self.number) {
            let owner = group.owner(partition).filter(|owner| owner.member == member);
            if let Some(cursor) = self.cursors.get_mut(&partition) {
                cursor.leaving = owner.is_some_and(|owner| owner.leaving);
                let lost = owner.is_none_or(|owner| owner.epoch != cursor.epoch);
                let idle = cursor.leaving && cursor.next == cursor.committed;
                if lost || idle {
                    group.release(partition, member, cursor.epoch);
                    let closed = cursor.told_closed;
                    self.cursors.remove(&partition);
                    if !closed {
                        self.events.push_back(Read::Lost(partition));
                    }
                    if idle {
                        self.team.cell.ring();
                        continue;
                    }
                }
            }
            let Some(owner) = owner.filter(|_| !self.cursors.contains_key(&partition)) else { continue };
            if owner.leaving {
                // It was given and taken back before this subtask looked: nothing was read, so nothing is to be waited for.
                group.release(partition, member, owner.epoch);
                self.team.cell.ring();
            } else {
                let log = &stream.logs[partition as usize];
                let next = group.committed.get(&partition).copied().unwrap_or(0).max(log.first());
                let cursor = Cursor {
                    next,
                    committed: next,
                    epoch: owner.epoch,
                    open: true,
                    fresh: self.team.unplaced.contains(&partition) && self.team.begin.get(&partition) == Some(&next),
                    until: self.finished.then(|| log.end()),
                    ..Cursor::default()
                };
                self.cursors.insert(partition, cursor);
                self.events.push_back(Read::Opened(partition));
            }
        }
    }

    /// The next records of the partition whose turn it is, or what has become of one.
    fn read(&mut self, stream: &Stream) -> Option<Read> {
        let order: Vec<u32> =
            self.cursors.range(self.turn..).chain(self.cursors.range(..self.turn)).map(|(number, _)| *number).collect();
        for partition in order {
            let Some(cursor) = self.cursors.get_mut(&partition) else { continue };
            if !cursor.open || cursor.leaving || cursor.told_closed {
                continue;
            }
            let log = &stream.logs[partition as usize];
            if cursor.next < log.first() {
                tracing::warn!(
                    stream = self.team.node,
                    partition,
                    lost = log.first() - cursor.next,
                    "records expired by the retention of the stream before they were read"
                );
                cursor.next = log.first();
            }
            if let Some(time) = self.team.not_before.filter(|_| cursor.fresh) {
                cursor.next = cursor.next.max(log.since(time));
            }
            let until = cursor.until.unwrap_or_else(|| log.end());
            if let Some(batch) = batch::read(partition, log, cursor.next, until) {
                cursor.next += batch.len() as i64;
                (cursor.told_caught_up, cursor.fresh) = (false, false);
                self.turn = partition + 1;
                return Some(Read::Records(batch));
            }
            if log.is_done_at(cursor.next) {
                cursor.told_closed = true;
                return Some(Read::Closed(partition));
            }
            if !cursor.told_caught_up {
                cursor.told_caught_up = true;
                return Some(Read::CaughtUp(partition));
            }
        }
        None
    }

    /// Whether, after the writers have finished, everything of this subtask is read.
    fn is_at_end(&self, stream: &Stream) -> bool {
        let read = |(partition, cursor): (&u32, &Cursor)| {
            let end = cursor.until.unwrap_or_else(|| stream.logs[*partition as usize].end());
            cursor.next >= end && !cursor.leaving
        };
        self.finished && self.cursors.iter().all(read) && !self.has_orphans(stream)
    }

    /// Whether nobody reads a partition that this subtask may be given: it must not leave before that is settled.
    fn has_orphans(&self, stream: &Stream) -> bool {
        let Mode::Shared { .. } = self.team.mode else { return false };
        let Some(group) = stream.groups.get(&self.team.group) else { return false };
        let mut mine = (0..stream.logs.len() as u32).filter(|partition| partition % self.team.subtasks == self.number);
        mine.any(|partition| {
            let committed = group.committed.get(&partition).copied().unwrap_or(0);
            let empty = committed.max(stream.logs[partition as usize].first()) >= stream.logs[partition as usize].end();
            !empty && !group.is_tended(partition)
        })
    }

    /// In a look, what was read is done with.
    fn note_progress(&self) {
        if matches!(self.team.mode, Mode::Look) {
            let mut done = lock(&self.team.done);
            for (partition, cursor) in &self.cursors {
                done.insert(*partition, cursor.next);
            }
        }
    }
}

#[async_trait]
impl SourceReader for Subtask {
    async fn next(&mut self) -> Result<Read, ConnectorError> {
        // Nothing is taken before the last await of a round, so a dropped future loses nothing.
        let mut waited = false;
        loop {
            self.changed.mark_unchanged();
            if !self.team.broker.is_down() {
                let cell = Arc::clone(&self.team.cell);
                let mut stream = cell.lock();
                if stream.deleted {
                    return Err(failure::deleted(&stream.name));
                }
                stream.trim(self.team.host.now());
                self.refresh(&mut stream);
                if let Some(event) = self.events.pop_front() {
                    return Ok(event);
                }
                if let Some(read) = self.read(&stream) {
                    self.note_progress();
                    return Ok(read);
                }
                if self.is_at_end(&stream) {
                    return Ok(Read::End);
                }
            }
            if waited {
                self.cursors.values_mut().for_each(|cursor| cursor.told_caught_up = false);
                return Ok(Read::Quiet);
            }
            let host = self.team.host.clone();
            tokio::select! {
                _ = self.changed.changed() => {}
                () = host.sleep(WAIT) => waited = true,
            }
        }
    }

    fn position(&self) -> Value {
        let marks: Marks = self
            .cursors
            .iter()
            .map(|(partition, cursor)| (*partition, Mark { next: cursor.next, epoch: cursor.epoch }))
            .collect();
        serde_json::to_value(marks).unwrap_or_default()
    }

    fn wants_checkpoint(&self) -> bool {
        self.cursors.values().any(|cursor| (cursor.leaving || cursor.told_closed) && cursor.committed < cursor.next)
    }

    async fn writers_finished(&mut self) -> Result<(), ConnectorError> {
        self.team.broker.reach(&self.team.host).await?;
        let cell = Arc::clone(&self.team.cell);
        let mut stream = cell.lock();
        self.refresh(&mut stream);
        self.finished = true;
        for (partition, cursor) in &mut self.cursors {
            cursor.until = Some(stream.logs[*partition as usize].end());
        }
        Ok(())
    }

    async fn committed(&mut self, position: &Value) -> Result<(), ConnectorError> {
        let marks = marks(position, &self.team.node)?;
        self.team.broker.reach(&self.team.host).await?;
        {
            let mut stream = self.team.cell.lock();
            match self.team.mode {
                Mode::Look => return Ok(()),
                Mode::Owned => {
                    if let Some(group) = stream.groups.get_mut(&self.team.group) {
                        group.committed.extend(marks.iter().map(|(partition, mark)| (*partition, mark.next)));
                    }
                }
                Mode::Shared { member } => {
                    if let Some(group) = stream.groups.get_mut(&self.team.group) {
                        for (partition, mark) in &marks {
                            if !group.commit(*partition, member, mark.epoch, mark.next) {
                                tracing::debug!(stream = self.team.node, partition, "not committed: it moved");
                            }
                        }
                    }
                }
            }
        }
        let mut done = lock(&self.team.done);
        for (partition, mark) in marks {
            let known = done.entry(partition).or_insert(mark.next);
            *known = mark.next.max(*known);
            if let Some(cursor) = self.cursors.get_mut(&partition).filter(|cursor| cursor.epoch == mark.epoch) {
                cursor.committed = mark.next.max(cursor.committed);
            }
        }
        drop(done);
        self.team.cell.ring();
        Ok(())
    }

    async fn close(&mut self) -> Result<(), ConnectorError> {
        let Mode::Shared { member } = self.team.mode else { return Ok(()) };
        {
            let mut stream = self.team.cell.lock();
            if let Some(group) = stream.groups.get_mut(&self.team.group) {
                group.leave(member);
                for (partition, cursor) in &self.cursors {
                    group.release(*partition, member, cursor.epoch);
                }
            }
            self.cursors.clear();
        }
        self.team.cell.ring();
        Ok(())
    }
}

//! What a subtask knows of the records that it took in: which wait for their checkpoint, which are acknowledged, and so
//! whether a record that comes (again) is a new one.
//!
//! An id goes through three states. *Open*: handed on; its effect is in the next checkpoint, but the service has not
//! confirmed an acknowledgement. *Done*: acknowledged; it stays for a stated time, since an acknowledgement can be lost
//! on its way. Then it is forgotten. Both are part of a subtask's position, so that a restart knows them too.

use std::collections::{HashMap, VecDeque};

use pipectl_data::Micros;

use crate::packed::{self, Id};

/// The most ids that all subtasks together keep of acknowledged records (about 4 MB of a checkpoint).
const MOST_DONE: usize = 1_000_000;

/// What is kept of one record.
#[derive(Debug)]
struct Entry<H> {
    /// When the service took the record in; for one of a restored position, the newest of all of them. A record with the
    /// same id that is newer is another one: an emulator that was started anew counts from 1 again.
    newest: Micros,
    state: State<H>,
}

#[derive(Debug)]
enum State<H> {
    /// Handed on, with what acknowledges it: once for each time that it was delivered.
    Taken { handlers: Vec<H>, size: usize },
    /// Its effect is durable, its acknowledgement not known to have arrived: after a restart, or when the service said
    /// that it came too late. Kept until then.
    Open(Micros),
    /// Acknowledged; kept until then.
    Done(Micros),
}

/// What a record that comes in is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Never seen: to be handed on.
    New,
    /// Handed on and not yet acknowledged; what acknowledges this delivery was kept too.
    Waiting,
    /// Its effect is durable: to be acknowledged at once.
    Done,
}

/// What a subtask knows.
#[derive(Debug)]
pub(crate) struct Ids<H> {
    entries: HashMap<Id, Entry<H>>,
    /// Those handed on, by their number.
    taken: VecDeque<(i64, Id)>,
    /// When an entry may be forgotten; an entry that has changed since is left alone.
    leaving: VecDeque<(Micros, Id)>,
    /// The number of the next record.
    next: i64,
    newest: Micros,
    keep_done: Micros,
    keep_open: Micros,
    most_done: usize,
}

impl<H> Ids<H> {
    /// Knows nothing yet. `keep_done`: how long an id stays after its acknowledgement; `keep_open`: how long one whose
    /// acknowledgement is not known. Microseconds both.
    pub(crate) fn new(keep_done: Micros, keep_open: Micros, subtasks: u32) -> Self {
        Self {
            entries: HashMap::new(),
            taken: VecDeque::new(),
            leaving: VecDeque::new(),
            next: 0,
            newest: i64::MIN,
            keep_done,
            keep_open: keep_open.max(keep_done),
            most_done: (MOST_DONE / subtasks.max(1) as usize).max(1),
        }
    }

    /// The number of the next record.
    pub(crate) fn next(&self) -> i64 {
        self.next
    }

    /// How many are kept.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Looks at a record that came. One that is waiting keeps `handler`; otherwise it comes back.
    pub(crate) fn look(&mut self, id: &Id, arrival: Micros, handler: H) -> (Seen, Option<H>) {
        match self.entries.get_mut(id).filter(|entry| arrival <= entry.newest) {
            None => (Seen::New, Some(handler)),
            Some(Entry { state: State::Taken { handlers, .. }, .. }) => {
                handlers.push(handler);
                (Seen::Waiting, None)
            }
            Some(_) => (Seen::Done, Some(handler)),
        }
    }

    /// Takes a new record in and gives it its number.
    pub(crate) fn take(&mut self, id: Id, arrival: Micros, size: usize, handler: H) -> i64 {
        let number = self.next;
        self.next += 1;
        self.newest = self.newest.max(arrival);
        let state = State::Taken { handlers: vec![handler], size };
        self.entries.insert(id.clone(), Entry { newest: arrival, state });
        self.taken.push_back((number, id));
        number
    }

    /// The number of a record that is shown and not kept.
    pub(crate) fn skip(&mut self) -> i64 {
        self.next += 1;
        self.next - 1
    }

    /// The records before this number are in a durable checkpoint: gives what acknowledges them, with their sizes.
    /// Until the answer is reported ([`Ids::confirm`], [`Ids::doubt`]) they count as open.
    pub(crate) fn commit(&mut self, before: i64, now: Micros) -> Vec<(Id, Vec<H>, usize)> {
        let mut durable = Vec::new();
        let until = now.saturating_add(self.keep_open);
        while let Some((_, id)) = self.taken.pop_front_if(|(number, _)| *number < before) {
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            match std::mem::replace(&mut entry.state, State::Open(until)) {
                State::Taken { handlers, size } => durable.push((id, handlers, size)),
                other => entry.state = other,
            }
        }
        durable
    }

    /// An acknowledgement is sent, or confirmed where the service does that. It stays even then: subscriptions that deliver
    /// exactly once have been seen to repeat themselves (<https://github.com/googleapis/google-cloud-go/issues/11642>).
    pub(crate) fn confirm(&mut self, id: Id, now: Micros) {
        let until = now.saturating_add(self.keep_done);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.state = State::Done(until);
            self.leaving.push_back((until, id));
        }
    }

    /// An acknowledgement did not get through: the record will come again.
    pub(crate) fn doubt(&mut self, id: Id, now: Micros) {
        let until = now.saturating_add(self.keep_open);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.state = State::Open(until);
            self.leaving.push_back((until, id));
        }
    }

    /// Forgets what has been kept long enough, or is too much. Answers whether ids left before their time.
    pub(crate) fn expire(&mut self, now: Micros) -> bool {
        let mut early = false;
        while let Some((until, _)) = self.leaving.front() {
            let over = self.leaving.len() > self.most_done;
            if *until > now && !over {
                break;
            }
            let Some((until, id)) = self.leaving.pop_front() else { break };
            let same = |entry: &Entry<H>| matches!(entry.state, State::Open(at) | State::Done(at) if at == until);
            if self.entries.get(&id).is_some_and(same) {
                self.entries.remove(&id);
                early |= until > now;
            }
        }
        early
    }

    /// What would have acknowledged the records that were handed on, in their order.
    pub(crate) fn give_back(&mut self) -> Vec<H> {
        let mut given = Vec::new();
        for (_, id) in &self.taken {
            if let Some(Entry { state: State::Taken { handlers, .. }, .. }) = self.entries.get_mut(id) {
                given.append(handlers);
            }
        }
        given
    }

    /// What a restart needs.
    pub(crate) fn position(&self, from: Option<Micros>) -> Position {
        let of = |wanted: bool| {
            let entries = self.entries.iter().filter(|(_, entry)| matches!(entry.state, State::Done(_)) == wanted);
            packed::write(entries.map(|(id, _)| id))
        };
        Position { next: self.next, newest: self.newest, from, open: of(false), done: of(true) }
    }

    /// Goes on from a position. The times for which ids stay begin anew: while nothing ran, nothing was delivered.
    pub(crate) fn restore(&mut self, position: &Position, now: Micros) -> Option<()> {
        (self.next, self.newest) = (position.next, position.newest);
        for (ids, done) in [(&position.done, true), (&position.open, false)] {
            for id in packed::read(ids)? {
                let until = now.saturating_add(if done { self.keep_done } else { self.keep_open });
                let state = if done { State::Done(until) } else { State::Open(until) };
                self.entries.insert(id.clone(), Entry { newest: position.newest, state });
                self.leaving.push_back((until, id));
            }
        }
        Some(())
    }
}

/// A subtask's position as it stands in a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Position {
    /// The number of the next record of the subtask.
    pub(crate) next: i64,
    /// When the newest of the records below came in.
    newest: Micros,
    /// Records that came before are passed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<Micros>,
    /// Ids of records whose effect is in this checkpoint and whose acknowledgement is not known, packed.
    open: packed::Packed,
    /// Ids of records acknowledged a short time ago, packed.
    done: packed::Packed,
}

#[cfg(test)]
mod tests;

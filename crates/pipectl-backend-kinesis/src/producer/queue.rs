//! What waits to be written: a queue for each key, of which at most one part is on its way at a time, so that no retry
//! can put a key's records out of order. Records of a request come without any promise of order among themselves
//! (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html>), so a key has one entry in it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use arrow_array::{Array, UInt32Array};
use pipectl_contract::{ConnectorError, Refused};
use pipectl_data::Batch;
use pipectl_host::Micros;

use crate::{
    kpl, limits,
    shards::{self, Shard},
};

/// So many bytes are enough to send without waiting for more.
const ENOUGH: usize = 4 << 20;

/// A record that waits. Its bytes stay in its batch until it is sent.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) batch: Arc<Batch>,
    pub(super) row: usize,
    pub(super) key: Arc<str>,
    pub(super) hash: u128,
    /// Without one, the hash is by chance and must be said.
    pub(super) has_key: bool,
    pub(super) size: usize,
    pub(super) queued: Micros,
}

impl Item {
    fn data(&self) -> &[u8] {
        self.batch.payload.as_ref().filter(|payload| payload.is_valid(self.row)).map_or(&[], |p| p.value(self.row))
    }

    fn explicit_hash(&self) -> Option<u128> {
        (!self.has_key).then_some(self.hash)
    }

    /// What it counts for while it is unconfirmed.
    fn weight(&self) -> u64 {
        self.size as u64 + 64
    }
}

/// The records of one key, or one record that must keep no order.
#[derive(Debug, Default)]
struct KeyQueue {
    key: Option<Arc<str>>,
    items: VecDeque<Item>,
    bytes: usize,
    busy: bool,
    failures: usize,
    failing_since: Option<Micros>,
    /// Its next record goes in a request of its own, to find out which one the service refuses.
    alone: bool,
}

/// Items of one queue within an entry.
#[derive(Debug)]
pub(super) struct Part {
    queue: u64,
    items: Vec<Item>,
}

impl Part {
    /// The hash key of all its items.
    pub(super) fn hash(&self) -> u128 {
        self.items.first().map_or(0, |item| item.hash)
    }
}

/// One entry of a request.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) hash: Option<u128>,
    pub(super) data: Vec<u8>,
    /// The shard that it was made for, if that matters.
    pub(super) shard: Option<u32>,
    pub(super) parts: Vec<Part>,
}

impl Entry {
    fn single(part: Part) -> Option<Self> {
        let item = part.items.first()?;
        let (key, hash, data) = (item.key.to_string(), item.explicit_hash(), item.data().to_vec());
        Some(Self { key, hash, data, shard: None, parts: vec![part] })
    }

    fn size(&self) -> usize {
        self.key.len() + self.data.len()
    }
}

/// An aggregated record that is being filled.
#[derive(Debug, Default)]
struct Open {
    builder: kpl::Builder,
    parts: Vec<Part>,
}

impl Open {
    fn close(self, shard: &Shard) -> Option<Entry> {
        // One record alone is better off as it is.
        if let [part] = self.parts.as_slice()
            && part.items.len() == 1
        {
            return self.parts.into_iter().next().and_then(Entry::single);
        }
        let key = self.parts.first()?.items.first()?.key.to_string();
        let (hash, data) = (Some(shard.range.from), self.builder.finish());
        Some(Entry { key, hash, data, shard: Some(shard.number), parts: self.parts })
    }
}

#[derive(Debug)]
pub(super) struct Queue {
    queues: HashMap<u64, KeyQueue>,
    by_key: HashMap<Arc<str>, u64>,
    next_number: u64,
    /// Subtasks that may send, the one whose first record has waited longest before all others.
    ready: BTreeSet<(Micros, u64)>,
    /// Subtasks whose last try failed, by when they may try again.
    delayed: BTreeSet<(Micros, u64)>,
    /// Bytes in queues that are ready.
    waiting: usize,
    unconfirmed: u64,
    max_buffer: Micros,
    hurry: bool,
    flush: bool,
    stopped: bool,
    error: Option<ConnectorError>,
    refused: Vec<Refused>,
}

impl Queue {
    pub(super) fn new(max_buffer: Micros) -> Self {
        Self {
            queues: HashMap::new(),
            by_key: HashMap::new(),
            next_number: 0,
            ready: BTreeSet::new(),
            delayed: BTreeSet::new(),
            waiting: 0,
            unconfirmed: 0,
            max_buffer,
            hurry: false,
            flush: false,
            stopped: false,
            error: None,
            refused: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, item: Item, ordered: bool) {
        self.unconfirmed += item.weight();
        let known = (ordered && item.has_key).then(|| self.by_key.get(&item.key).copied()).flatten();
        let id = known.unwrap_or_else(|| {
            let id = self.next_number;
            self.next_number += 1;
            let key = (ordered && item.has_key).then(|| Arc::clone(&item.key));
            if let Some(key) = &key {
                self.by_key.insert(Arc::clone(key), id);
            }
            self.queues.insert(id, KeyQueue { key, ..KeyQueue::default() });
            self.ready.insert((item.queued, id));
            id
        });
        let Some(queue) = self.queues.get_mut(&id) else { return };
        queue.bytes += item.size;
        if !queue.busy {
            self.waiting += item.size;
        }
        queue.items.push_back(item);
    }

    pub(super) fn unconfirmed_bytes(&self) -> u64 {
        self.unconfirmed
    }

    /// Send all that is here without waiting for more.
    pub(super) fn flush(&mut self) {
        self.flush = self.unconfirmed > 0;
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    pub(super) fn stop(&mut self, error: ConnectorError) {
        self.stopped = true;
        self.error = Some(error);
    }

    pub(super) fn take_error(&mut self) -> Option<ConnectorError> {
        self.error.take()
    }

    pub(super) fn take_refused(&mut self) -> Vec<Refused> {
        std::mem::take(&mut self.refused)
    }

    /// When there will be something to send, if nothing else happens.
    pub(super) fn due(&self, now: Micros, enough: usize) -> Option<Micros> {
        let ready = self.ready.first().map(|(queued, _)| {
            let full = self.ready.len() >= limits::REQUEST_RECORDS || self.waiting >= enough.min(ENOUGH);
            if self.flush || self.hurry || full { now } else { queued + self.max_buffer }
        });
        let delayed = self.delayed.first().map(|(at, _)| *at);
        ready.into_iter().chain(delayed).min()
    }

    /// The entries of a request, if it is time for one. With `shards` they are aggregated.
    pub(super) fn take(&mut self, now: Micros, shards: Option<&BTreeMap<u32, Shard>>) -> Option<Vec<Entry>> {
        while let Some((at, queue)) = self.delayed.first().copied()
            && at <= now
        {
            self.delayed.remove(&(at, queue));
            self.make_ready(queue);
            self.hurry = true;
        }
        let enough = shards.map_or(ENOUGH, |shards| limits::AGGREGATE * shards.len().max(1));
        if self.ready.is_empty() || self.due(now, enough)? > now {
            return None;
        }
        let mut entries: Vec<Entry> = Vec::new();
        let mut open: BTreeMap<u32, Open> = BTreeMap::new();
        let mut bytes = 0;
        while let Some(&(_, id)) = self.ready.first() {
            let Some(queue) = self.queues.get_mut(&id) else {
                self.ready.pop_first();
                continue;
            };
            let Some(first) = queue.items.front() else {
                self.ready.pop_first();
                continue;
            };
            let room = bytes + first.size.max(limits::AGGREGATE) <= limits::REQUEST_BYTES
                && entries.len() + open.len() < limits::REQUEST_RECORDS;
            let first_of_all = entries.is_empty() && open.is_empty();
            if !first_of_all && (!room || queue.alone) {
                break;
            }
            self.ready.pop_first();
            self.waiting -= queue.bytes;
            queue.busy = true;
            if queue.alone {
                take_one(id, queue, &mut entries);
                break;
            }
            let shard = shards.and_then(|shards| shards::taking(shards, first.hash));
            match shard.filter(|_| kpl::Builder::default().size_with(&first.key, None, first.size) <= limits::AGGREGATE)
            {
                None => bytes += take_one(id, queue, &mut entries),
                Some(shard) => bytes += fill(id, queue, shard, &mut open, &mut entries),
            }
        }
        let shards = shards.into_iter().flatten();
        entries.extend(shards.filter_map(|(number, shard)| open.remove(number)?.close(shard)));
        if self.ready.is_empty() {
            self.hurry = false;
        }
        (!entries.is_empty()).then_some(entries)
    }

    /// These records are in the stream.
    pub(super) fn confirm(&mut self, part: &Part) {
        self.unconfirmed -= part.items.iter().map(Item::weight).sum::<u64>();
        if let Some(queue) = self.queues.get_mut(&part.queue) {
            (queue.failures, queue.failing_since, queue.alone) = (0, None, false);
        }
        self.make_ready(part.queue);
        if self.unconfirmed == 0 {
            self.flush = false;
        }
    }

    /// These records must be sent again, before all others of their key. Answers since when that queue has been failing.
    pub(super) fn retry(&mut self, part: Part, now: Micros, pause: impl FnOnce(usize) -> Duration) -> Micros {
        let Some(queue) = self.queues.get_mut(&part.queue) else { return now };
        for item in part.items.into_iter().rev() {
            queue.bytes += item.size;
            queue.items.push_front(item);
        }
        let at = now + pause(queue.failures).as_micros() as Micros;
        queue.failures += 1;
        self.delayed.insert((at, part.queue));
        *queue.failing_since.get_or_insert(now)
    }

    /// One of the request's entries is wrong, and the service does not say which: each goes alone from now on. A request
    /// of a single record tells.
    pub(super) fn isolate(&mut self, entries: Vec<Entry>, reason: &str, now: Micros) {
        let mut parts: Vec<Part> = entries.into_iter().flat_map(|entry| entry.parts).collect();
        if let [part] = parts.as_slice()
            && part.items.len() == 1
        {
            for part in parts.drain(..) {
                for item in &part.items {
                    let row = UInt32Array::from(vec![item.row as u32]);
                    if let Ok(batch) = item.batch.take(&row) {
                        self.refused.push(Refused { batch: batch.compact(), reason: reason.to_owned() });
                    }
                }
                self.confirm(&part);
            }
            return;
        }
        for part in parts {
            if let Some(queue) = self.queues.get_mut(&part.queue) {
                queue.alone = true;
            }
            self.retry(part, now, |_| Duration::ZERO);
        }
    }

    /// A queue has nothing on its way any more.
    fn make_ready(&mut self, id: u64) {
        let Some(queue) = self.queues.get_mut(&id) else { return };
        queue.busy = false;
        if let Some(first) = queue.items.front() {
            self.ready.insert((first.queued, id));
            self.waiting += queue.bytes;
            return;
        }
        if let Some(key) = &queue.key {
            self.by_key.remove(key);
        }
        self.queues.remove(&id);
    }
}

/// The queue's first record as an entry of its own; answers its bytes.
fn take_one(id: u64, queue: &mut KeyQueue, entries: &mut Vec<Entry>) -> usize {
    let Some(item) = queue.items.pop_front() else { return 0 };
    queue.bytes -= item.size;
    let Some(entry) = Entry::single(Part { queue: id, items: vec![item] }) else { return 0 };
    let size = entry.size();
    entries.push(entry);
    size
}

/// As many of the queue's records as fit into one aggregated record for its shard; answers their bytes at most.
fn fill(
    id: u64,
    queue: &mut KeyQueue,
    shard: &Shard,
    open: &mut BTreeMap<u32, Open>,
    entries: &mut Vec<Entry>,
) -> usize {
    let fits = |open: &Open, item: &Item| {
        open.builder.size_with(&item.key, item.explicit_hash(), item.data().len()) <= limits::AGGREGATE
    };
    let full = |open: &Open| queue.items.front().is_some_and(|item| !fits(open, item));
    if open.get(&shard.number).is_some_and(full)
        && let Some(entry) = open.remove(&shard.number).and_then(|open| open.close(shard))
    {
        entries.push(entry);
    }
    let open = open.entry(shard.number).or_default();
    let (mut bytes, mut items) = (0, Vec::new());
    while let Some(item) = queue.items.pop_front_if(|item| fits(open, item)) {
        open.builder.push(&item.key, item.explicit_hash(), item.data());
        queue.bytes -= item.size;
        bytes += item.size + 64;
        items.push(item);
    }
    open.parts.push(Part { queue: id, items });
    bytes
}

#[cfg(test)]
mod tests;

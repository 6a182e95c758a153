//! What readers have delivered, record by record, and whether they kept to the contract in how they did it.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::{Array, BinaryViewArray};
use pipectl_contract::Read;
use pipectl_data::{Batch, Micros};

use crate::sample::{Header, Sample, Tag};

/// A batch holds at most about 1 MiB of payload (the contract); twice that is no longer about.
const BATCH_BYTES: usize = 2 << 20;

/// A record as it was read.
#[derive(Debug, Clone)]
pub struct SeenRecord {
    /// Which reader brought it, and as its how manieth.
    pub(crate) subtask: usize,
    pub(crate) nth: usize,
    pub(crate) partition: u32,
    /// The position as a text, the backend's own or its offset.
    pub(crate) position: String,
    pub(crate) arrival: Micros,
    pub(crate) sample: Sample,
    pub(crate) tag: Option<Tag>,
    /// Whether a commit has covered it, while its partition was this worker's.
    pub(crate) committed: bool,
    /// Whether its partition went to another worker before a commit has covered it.
    pub(crate) lost: bool,
}

/// Everything that a consumer has delivered.
#[derive(Debug, Default)]
pub struct Seen {
    pub(crate) records: Vec<SeenRecord>,
    /// How many records each subtask has brought.
    pub(crate) by_subtask: BTreeMap<usize, usize>,
    /// Partitions of which a subtask has reported that they are open (and not closed or lost since).
    pub(crate) open: BTreeMap<u32, usize>,
    pub(crate) closed: BTreeSet<u32>,
    /// Partitions that went to another worker at some time.
    pub(crate) ever_lost: BTreeSet<u32>,
    /// How often each partition was told to be read to its present end.
    pub(crate) caught_up: BTreeMap<u32, usize>,
    /// How often each subtask was quiet.
    pub(crate) quiet: BTreeMap<usize, usize>,
    pub(crate) ended: BTreeSet<usize>,
    /// Where the contract was not kept.
    pub(crate) breaches: Vec<String>,
    last_offset: BTreeMap<u32, i64>,
    /// What each subtask's last commit has covered, as long as it has brought no record since.
    fresh: BTreeMap<usize, BTreeSet<usize>>,
}

impl Seen {
    /// Notes what a subtask has reported. `partitions` says whether the backend has any to see.
    pub(crate) fn note(&mut self, subtask: usize, read: Read, partitions: bool) {
        if self.ended.contains(&subtask) {
            self.breaches.push(format!("reader {subtask} went on after its end"));
        }
        match read {
            Read::Records(batch) => self.note_batch(subtask, &batch, partitions),
            Read::Quiet => *self.quiet.entry(subtask).or_default() += 1,
            Read::Opened(partition) => {
                if let Some(other) = self.open.insert(partition, subtask) {
                    self.breaches.push(format!("partition {partition} was opened by readers {other} and {subtask}"));
                }
                self.closed.remove(&partition);
                self.last_offset.remove(&partition);
            }
            Read::CaughtUp(partition) => *self.caught_up.entry(partition).or_default() += 1,
            Read::Closed(partition) => {
                self.open.remove(&partition);
                self.closed.insert(partition);
            }
            Read::Lost(partition) => {
                self.open.remove(&partition);
                self.ever_lost.insert(partition);
                self.note_lost(subtask, partition);
            }
            Read::End => {
                self.ended.insert(subtask);
            }
        }
    }

    /// A later commit covers nothing of what was read of the partition; and where this is the first word after a commit,
    /// that one came too late already, and the new owner has fenced it off.
    fn note_lost(&mut self, subtask: usize, partition: u32) {
        let fresh = self.fresh.get(&subtask);
        for (place, record) in self.records.iter_mut().enumerate() {
            let too_late = fresh.is_some_and(|fresh| fresh.contains(&place));
            if record.subtask == subtask && record.partition == partition && (!record.committed || too_late) {
                (record.committed, record.lost) = (false, true);
            }
        }
    }

    /// A subtask has confirmed a commit; what it brings from now on comes after it.
    pub(crate) fn note_confirmed(&mut self, subtask: usize) {
        self.fresh.insert(subtask, BTreeSet::new());
    }

    /// All subtasks have confirmed a commit, which covers the first so many records of each.
    pub(crate) fn note_commit(&mut self, covered: &[usize]) {
        for (place, record) in self.records.iter_mut().enumerate() {
            if record.nth < covered[record.subtask] && !record.lost && !record.committed {
                record.committed = true;
                // Not where the subtask has gone on while others confirmed.
                if let Some(fresh) = self.fresh.get_mut(&record.subtask) {
                    fresh.insert(place);
                }
            }
        }
    }

    fn note_batch(&mut self, subtask: usize, batch: &Batch, partitions: bool) {
        self.fresh.remove(&subtask);
        let partition = batch.partition;
        if partitions && self.open.get(&partition) != Some(&subtask) {
            self.breaches
                .push(format!("records of partition {partition} came on reader {subtask}, which had not opened it"));
        }
        let Some(payload) = &batch.payload else {
            self.breaches.push(format!("a batch of partition {partition} has no payload"));
            return;
        };
        let bytes: usize = payload.lengths().map(|length| length as usize).sum();
        if bytes > BATCH_BYTES && batch.len() > 1 {
            self.breaches.push(format!("a batch of partition {partition} holds {bytes} bytes of payload"));
        }
        if batch.is_empty() {
            self.breaches.push(format!("a batch of partition {partition} is empty"));
        }
        for row in 0..batch.len() {
            let offset = batch.offsets.value(row);
            if partitions && self.last_offset.insert(partition, offset).is_some_and(|last| last >= offset) {
                self.breaches.push(format!("offset {offset} of partition {partition} came after a higher one"));
            }
            let nth = self.by_subtask.entry(subtask).or_default();
            let sample = Sample {
                key: value(batch.keys.as_ref(), row),
                payload: value(Some(payload), row),
                headers: batch.headers.iter().flat_map(|headers| headers.of(row)).map(header).collect(),
            };
            self.records.push(SeenRecord {
                subtask,
                nth: *nth,
                partition,
                position: match &batch.positions {
                    Some(positions) => positions.value(row).to_owned(),
                    None => offset.to_string(),
                },
                arrival: batch.arrival.value(row),
                tag: Tag::read(sample.payload.as_deref()),
                sample,
                committed: false,
                lost: false,
            });
            *nth += 1;
        }
    }

    /// The numbers of all numbered records, in the order in which they came.
    pub fn ids(&self) -> Vec<usize> {
        self.records.iter().filter_map(|record| record.tag).map(|tag| tag.id).collect()
    }

    /// How many different numbered records have come.
    pub fn distinct(&self) -> usize {
        self.records.iter().filter_map(|record| record.tag).map(|tag| tag.id).collect::<BTreeSet<_>>().len()
    }

    /// The numbers of those that no commit covers and whose partition went to another worker.
    pub(crate) fn lost_uncommitted(&self) -> BTreeSet<usize> {
        let lost = self.records.iter().filter(|record| !record.committed && self.ever_lost.contains(&record.partition));
        lost.filter_map(|record| record.tag).map(|tag| tag.id).collect()
    }

    /// The numbers of those that no commit covers.
    pub(crate) fn uncommitted(&self) -> BTreeSet<usize> {
        self.records
            .iter()
            .filter(|record| !record.committed)
            .filter_map(|record| record.tag)
            .map(|tag| tag.id)
            .collect()
    }
}

fn value(column: Option<&BinaryViewArray>, row: usize) -> Option<Vec<u8>> {
    column.filter(|column| column.is_valid(row)).map(|column| column.value(row).to_vec())
}

fn header((name, value): (&str, Option<&[u8]>)) -> Header {
    (name.to_owned(), value.map(<[u8]>::to_vec))
}

/// Judges the numbers that have come against those that were written.
pub(crate) fn judge(
    expected: &BTreeSet<usize>,
    came: &[usize],
    may_repeat: impl Fn(usize) -> bool,
) -> Result<(), String> {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for id in came {
        *counts.entry(*id).or_default() += 1;
    }
    let lost: Vec<usize> = expected.iter().filter(|id| !counts.contains_key(id)).copied().collect();
    let strange: Vec<usize> = counts.keys().filter(|id| !expected.contains(id)).copied().collect();
    let repeated: Vec<usize> =
        counts.iter().filter(|(id, count)| **count > 1 && !may_repeat(**id)).map(|(id, _)| *id).collect();
    let mut complaints = Vec::new();
    for (what, ids) in
        [("were lost", lost), ("came although they should not", strange), ("came more than once", repeated)]
    {
        if !ids.is_empty() {
            let some: Vec<String> = ids.iter().take(5).map(ToString::to_string).collect();
            let more = if ids.len() > some.len() { ", …" } else { "" };
            complaints.push(format!("{} records {what} (numbers {}{more})", ids.len(), some.join(", ")));
        }
    }
    if complaints.is_empty() {
        return Ok(());
    }
    Err(format!("of {} records, {}", expected.len(), complaints.join("; ")))
}

/// Whether the records of each key came in the order in which they were written. A record that comes once more is no
/// matter; one that comes for the first time after a later one is.
pub(crate) fn judge_order(records: &[SeenRecord]) -> Result<(), String> {
    let mut highest: BTreeMap<usize, usize> = BTreeMap::new();
    let mut known = BTreeSet::new();
    for tag in records.iter().filter_map(|record| record.tag) {
        if !known.insert(tag.id) {
            continue;
        }
        if let Some(last) = highest.insert(tag.key, tag.nth).filter(|last| *last > tag.nth) {
            return Err(format!("key {}: its record {} came after its record {last}", tag.key, tag.nth));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use pipectl_contract::Read;

    use super::Seen;
    use crate::sample::{Sample, batch};

    fn with_four_records() -> Seen {
        let mut seen = Seen::default();
        seen.note(0, Read::Opened(0), true);
        seen.note(0, Read::Records(batch(&Sample::range(0, 4, 1))), true);
        seen
    }

    #[test]
    fn a_commit_covers_what_was_read_before_its_barrier() {
        let mut seen = with_four_records();
        seen.note_confirmed(0);
        seen.note_commit(&[3]);
        assert_eq!(seen.uncommitted(), [3].into());
        // A commit that was in time stays one, whoever reads the partition later.
        seen.note(0, Read::Opened(1), true);
        seen.note_batch(0, &pipectl_data::Batch { partition: 1, ..batch(&Sample::range(4, 5, 1)) }, true);
        seen.note(0, Read::Lost(0), true);
        assert_eq!(seen.lost_uncommitted(), [3].into());
    }

    #[test]
    fn a_commit_after_the_loss_of_a_partition_covers_nothing_of_it() {
        let mut seen = with_four_records();
        seen.note(0, Read::Lost(0), true);
        seen.note_confirmed(0);
        seen.note_commit(&[4]);
        assert_eq!(seen.uncommitted(), (0..4).collect());
    }

    #[test]
    fn a_commit_that_is_followed_by_the_loss_at_once_came_too_late() {
        let mut seen = with_four_records();
        seen.note_confirmed(0);
        seen.note_commit(&[4]);
        seen.note(0, Read::Lost(0), true);
        assert_eq!(seen.lost_uncommitted(), (0..4).collect());
    }
}

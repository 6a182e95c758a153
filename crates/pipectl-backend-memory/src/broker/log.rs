//! One partition: records that are only ever added, and go when they are too old or too many.

use std::{collections::VecDeque, ops::RangeInclusive, time::Duration};

use pipectl_data::Micros;

/// A header: its name, and a value that may be missing.
pub(crate) type Header = (Box<str>, Option<Box<[u8]>>);

/// A record as it was written.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) arrival: Micros,
    pub(crate) key: Option<Box<[u8]>>,
    pub(crate) payload: Option<Box<[u8]>>,
    pub(crate) headers: Vec<Header>,
}

impl Record {
    /// What it counts for in limits: key, payload, and names and values of headers.
    pub(crate) fn size(&self) -> u64 {
        let bytes = |bytes: &Option<Box<[u8]>>| bytes.as_ref().map_or(0, |bytes| bytes.len());
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + bytes(value)).sum();
        (bytes(&self.key) + bytes(&self.payload) + headers) as u64
    }
}

/// A partition.
#[derive(Debug)]
pub(crate) struct Log {
    /// The hashes of the keys that belong here.
    pub(crate) range: RangeInclusive<u64>,
    /// The partitions that it was split or merged from.
    pub(crate) parents: Vec<u32>,
    /// Whether it takes records; a split one does not, but can still be read.
    pub(crate) open: bool,
    first: i64,
    records: VecDeque<Record>,
    bytes: u64,
}

impl Log {
    pub(crate) fn new(range: RangeInclusive<u64>, parents: Vec<u32>) -> Self {
        Self { range, parents, open: true, first: 0, records: VecDeque::new(), bytes: 0 }
    }

    /// The offset of the oldest record that is still here.
    pub(crate) fn first(&self) -> i64 {
        self.first
    }

    /// The offset that the next record gets.
    pub(crate) fn end(&self) -> i64 {
        self.first + self.records.len() as i64
    }

    /// Whether everything that will ever be in it lies before `offset`.
    pub(crate) fn is_done_at(&self, offset: i64) -> bool {
        !self.open && offset >= self.end()
    }

    /// Adds a record. The clock of arrival never runs backwards within a partition.
    pub(crate) fn append(&mut self, mut record: Record) {
        if let Some(last) = self.records.back() {
            record.arrival = record.arrival.max(last.arrival);
        }
        self.bytes += record.size();
        self.records.push_back(record);
    }

    /// Lets go of what is older than `retention` at `now`, and of the oldest while there is more than `keep` bytes.
    pub(crate) fn trim(&mut self, now: Micros, retention: Option<Duration>, keep: Option<u64>) {
        let oldest = retention.map_or(Micros::MIN, |retention| {
            now.saturating_sub(i64::try_from(retention.as_micros()).unwrap_or(Micros::MAX))
        });
        let keep = keep.unwrap_or(u64::MAX);
        while let Some(record) = self.records.front()
            && (record.arrival < oldest || self.bytes > keep)
        {
            self.bytes -= record.size();
            self.first += 1;
            self.records.pop_front();
        }
    }

    /// The first offset whose record came in at `time` or later; the end if there is none yet.
    pub(crate) fn since(&self, time: Micros) -> i64 {
        self.first + self.records.partition_point(|record| record.arrival < time) as i64
    }

    /// The records from `offset` on.
    pub(crate) fn read(&self, offset: i64) -> impl Iterator<Item = &Record> {
        let skip = usize::try_from(offset - self.first).unwrap_or(0);
        self.records.range(skip.min(self.records.len())..)
    }
}

/// What hashes each of `partitions` equal parts has: the same placement as [`pipectl_data::key_hash::partition`].
pub(crate) fn equal_ranges(partitions: u32) -> impl Iterator<Item = RangeInclusive<u64>> {
    let from = move |part: u32| ((u128::from(part)) << 64).div_ceil(u128::from(partitions.max(1)));
    (0..partitions).map(move |part| from(part) as u64..=(from(part + 1) - 1) as u64)
}

#[cfg(test)]
mod tests {
    use pipectl_data::key_hash;

    use super::*;

    fn record(arrival: Micros, payload: &str) -> Record {
        Record { arrival, key: None, payload: Some(payload.as_bytes().into()), headers: Vec::new() }
    }

    #[test]
    fn ranges_place_keys_as_the_versioned_hash_does() {
        for partitions in [1, 2, 3, 4, 7, 64] {
            let ranges: Vec<_> = equal_ranges(partitions).collect();
            assert_eq!((*ranges[0].start(), *ranges[ranges.len() - 1].end()), (0, u64::MAX));
            for key in 0..500 {
                let key = format!("key-{key}");
                let hash = key_hash::hash(key.as_bytes());
                let found: Vec<_> = (0..).zip(&ranges).filter(|(_, range)| range.contains(&hash)).collect();
                assert_eq!(found.len(), 1);
                assert_eq!(found[0].0, key_hash::partition(key.as_bytes(), partitions));
            }
        }
    }

    #[test]
    fn old_and_surplus_records_go_and_offsets_stay() {
        let mut log = Log::new(0..=u64::MAX, Vec::new());
        for second in 0..10 {
            log.append(record(second * 1_000_000, "four"));
        }
        log.trim(10_000_000, Some(Duration::from_secs(7)), None);
        assert_eq!((log.first(), log.end()), (3, 10));
        log.trim(10_000_000, None, Some(8));
        assert_eq!((log.first(), log.end()), (8, 10));
        assert_eq!((log.since(0), log.since(9_000_000), log.since(10_000_000)), (8, 9, 10));
        assert_eq!(log.read(0).count(), 2);
        assert_eq!(log.read(9).count(), 1);
        assert_eq!(log.read(99).count(), 0);
    }
}

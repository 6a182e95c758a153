//! A stream: its partitions, who has read how far, and how it splits and merges.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use pipectl_contract::{ConnectorError, ErrorKind, PartitionState, StartAt, StreamState};
use pipectl_data::{Micros, key_hash};

use super::{
    group::Group,
    log::{Log, Record, equal_ranges},
};

/// A stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(crate) logs: Vec<Log>,
    pub(crate) retention: Option<Duration>,
    pub(crate) keep: Option<u64>,
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) deleted: bool,
    created: Micros,
    /// Records without a key go to one partition after the other.
    turn: u64,
}

impl Stream {
    pub(crate) fn new(name: &str, partitions: u32, created: Micros) -> Self {
        Self {
            name: name.to_owned(),
            logs: equal_ranges(partitions).map(|range| Log::new(range, Vec::new())).collect(),
            retention: None,
            keep: None,
            groups: BTreeMap::new(),
            deleted: false,
            created,
            turn: 0,
        }
    }

    /// Puts a record where its key belongs.
    pub(crate) fn append(&mut self, record: Record) {
        let place = if let Some(key) = &record.key {
            let hash = key_hash::hash(key);
            self.logs.iter_mut().find(|log| log.open && log.range.contains(&hash))
        } else {
            let open = self.logs.iter().filter(|log| log.open).count().max(1) as u64;
            self.turn += 1;
            self.logs.iter_mut().filter(|log| log.open).nth(((self.turn - 1) % open) as usize)
        };
        if let Some(log) = place {
            log.append(record);
        }
    }

    /// Lets go of what has been kept long enough.
    pub(crate) fn trim(&mut self, now: Micros) {
        for log in &mut self.logs {
            log.trim(now, self.retention, self.keep);
        }
    }

    /// How many partitions take records.
    pub(crate) fn open_partitions(&self) -> u32 {
        self.logs.iter().filter(|log| log.open).count() as u32
    }

    /// Splits the widest partitions or merges the narrowest neighbors until `wanted` of them take records. The order of
    /// each key holds across it, because a reader finishes parents first.
    pub(crate) fn reshard(&mut self, wanted: u32) {
        while self.open_partitions() < wanted.max(1) && self.split() {}
        while self.open_partitions() > wanted.max(1) && self.merge() {}
    }

    fn split(&mut self) -> bool {
        let width = |log: &Log| log.range.end() - log.range.start();
        let widest = (0_u32..)
            .zip(&self.logs)
            .filter(|(_, log)| log.open && width(log) > 0)
            .max_by_key(|(number, log)| (width(log), std::cmp::Reverse(*number)));
        let Some((number, log)) = widest else { return false };
        let (start, end) = (*log.range.start(), *log.range.end());
        let middle = start + (end - start) / 2;
        self.logs[number as usize].open = false;
        self.logs.push(Log::new(start..=middle, vec![number]));
        self.logs.push(Log::new(middle + 1..=end, vec![number]));
        true
    }

    fn merge(&mut self) -> bool {
        let mut open: Vec<u32> = (0..).zip(&self.logs).filter(|(_, log)| log.open).map(|(number, _)| number).collect();
        open.sort_by_key(|number| *self.logs[*number as usize].range.start());
        let width = |pair: &&[u32]| {
            u128::from(*self.logs[pair[1] as usize].range.end())
                - u128::from(*self.logs[pair[0] as usize].range.start())
        };
        let Some(&[left, right]) = open.windows(2).min_by_key(width) else { return false };
        let range = *self.logs[left as usize].range.start()..=*self.logs[right as usize].range.end();
        self.logs[left as usize].open = false;
        self.logs[right as usize].open = false;
        self.logs.push(Log::new(range, vec![left, right]));
        true
    }

    /// Whether everything that a partition will ever hold lies before what `read` says of it.
    pub(crate) fn is_done(&self, partition: u32, read: &BTreeMap<u32, i64>) -> bool {
        self.logs
            .get(partition as usize)
            .is_none_or(|log| log.is_done_at(read.get(&partition).copied().unwrap_or(0).max(log.first())))
    }

    /// Whether a partition's turn has come: all that it was made from is done.
    pub(crate) fn is_ready(&self, partition: u32, read: &BTreeMap<u32, i64>) -> bool {
        let parents = self.logs.get(partition as usize).map_or(&[][..], |log| &log.parents);
        parents.iter().all(|parent| self.is_done(*parent, read) && self.is_ready(*parent, read))
    }

    /// Where reading a partition begins.
    pub(crate) fn start(&self, partition: u32, start: &StartAt) -> i64 {
        let Some(log) = self.logs.get(partition as usize) else { return 0 };
        match start {
            StartAt::Earliest => log.first(),
            StartAt::Latest => log.end(),
            StartAt::Time(time) => log.since(*time),
            StartAt::Positions(positions) => {
                positions.get(&partition).and_then(|text| text.parse().ok()).unwrap_or(0).max(log.first())
            }
        }
    }

    /// Lets the members of a group have their partitions.
    pub(crate) fn settle(&mut self, group: &str, now: Micros) {
        let Some(mut state) = self.groups.remove(group) else { return };
        let partitions: BTreeSet<u32> = (0..self.logs.len() as u32)
            .filter(|number| self.is_ready(*number, &state.committed) && !self.is_done(*number, &state.committed))
            .collect();
        state.settle(&partitions, now);
        self.groups.insert(group.to_owned(), state);
    }

    /// Forgets how far a group has come, unless it has members.
    pub(crate) fn forget(&mut self, group: &str) -> Result<(), ConnectorError> {
        if self.groups.get(group).is_some_and(Group::has_members) {
            return Err(ConnectorError::new(
                ErrorKind::Conflict,
                format!("group `{group}` has members; stop every worker of the pipeline first"),
            ));
        }
        self.groups.remove(group);
        Ok(())
    }

    /// What a person would like to know.
    pub(crate) fn describe(&self, group: Option<&str>) -> StreamState {
        let group = group.and_then(|group| self.groups.get(group));
        let partition = |(number, log): (u32, &Log)| PartitionState {
            number,
            name: number.to_string(),
            open: log.open,
            parents: log.parents.clone(),
            earliest: Some(log.first().to_string()),
            end: Some(log.end().to_string()),
            lag: group.map(|group| {
                let next = group.committed.get(&number).copied().unwrap_or(0).max(log.first());
                u64::try_from(log.end() - next).unwrap_or(0)
            }),
            behind: None,
        };
        let mut settings = BTreeMap::new();
        if let Some(keep) = self.keep {
            settings.insert("keep".to_owned(), pipectl_data::units::Size(keep).to_string());
        }
        StreamState {
            name: self.name.clone(),
            partitions: (0..).zip(&self.logs).map(partition).collect(),
            retention: self.retention,
            encryption: None,
            created: Some(self.created),
            lag: None,
            settings,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> Record {
        let key = format!("key-{number}").into_bytes();
        Record { arrival: 0, key: Some(key.into()), payload: None, headers: Vec::new() }
    }

    #[test]
    fn splits_and_merges_cover_every_key_once() {
        let mut stream = Stream::new("s", 2, 0);
        for (wanted, total) in [(4, 6), (4, 6), (3, 7), (1, 9), (5, 17)] {
            stream.reshard(wanted);
            assert_eq!((stream.open_partitions(), stream.logs.len()), (wanted, total));
            let before: i64 = stream.logs.iter().map(Log::end).sum();
            for number in 0..200 {
                stream.append(key(number));
            }
            assert_eq!(stream.logs.iter().map(Log::end).sum::<i64>(), before + 200);
        }
    }

    #[test]
    fn children_wait_for_their_parents() {
        let mut stream = Stream::new("s", 1, 0);
        stream.append(key(1));
        stream.reshard(2);
        let read = |next| BTreeMap::from([(0, next)]);
        assert!(!stream.is_ready(1, &read(0)) && !stream.is_done(0, &read(0)));
        assert!(stream.is_ready(1, &read(1)) && stream.is_done(0, &read(1)) && !stream.is_done(1, &read(1)));
    }

    #[test]
    fn records_without_a_key_are_spread() {
        let mut stream = Stream::new("s", 3, 0);
        for _ in 0..9 {
            stream.append(Record { key: None, ..key(0) });
        }
        assert!(stream.logs.iter().all(|log| log.end() == 3));
    }
}

//! Reports of shards that wait for a reader for too long, each once until somebody reads it.

use std::collections::{BTreeMap, BTreeSet};

use pipectl_host::Micros;

/// Since when shards have had no reader.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    since: BTreeMap<u32, Micros>,
    reported: BTreeSet<u32>,
}

impl Alarm {
    /// Takes in which shards have no reader now; answers those to tell of, and for how long they have had none.
    pub(super) fn look(&mut self, unread: &BTreeSet<u32>, now: Micros, patience: Micros) -> Vec<(u32, Micros)> {
        self.since.retain(|shard, _| unread.contains(shard));
        self.reported.retain(|shard| unread.contains(shard));
        let mut due = Vec::new();
        for shard in unread {
            let waited = now - *self.since.entry(*shard).or_insert(now);
            if waited >= patience && self.reported.insert(*shard) {
                due.push((*shard, waited));
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_without_a_reader_is_reported_once_until_it_is_fixed() {
        let mut alarm = Alarm::default();
        let mut look = |unread: &[u32], now| alarm.look(&unread.iter().copied().collect(), now, 50);
        assert_eq!(look(&[1], 0), []);
        assert_eq!(look(&[1, 2], 49), []);
        assert_eq!(look(&[1, 2], 50), [(1, 50)]);
        assert_eq!(look(&[1, 2], 100), [(2, 51)]);
        assert_eq!(look(&[1, 2], 1_000), []);
        // It found a reader for a moment: from then on it counts anew.
        assert_eq!(look(&[2], 1_010), []);
        assert_eq!(look(&[1, 2], 1_020), []);
        assert_eq!(look(&[1, 2], 1_069), []);
        assert_eq!(look(&[1, 2], 1_071), [(1, 51)]);
    }
}

//! Which record of the whole source comes when, and from which partition.

use pipectl_host::Micros;

/// How a partition's records are numbered within the whole source.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Turns {
    /// The partitions take turns.
    Partitions,
    /// The keys take turns, and a partition has the records of its keys.
    Keys,
}

/// A partition's share of the keys: those whose number leaves the partition's number when divided by the number of
/// partitions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    pub(crate) partition: u32,
    pub(crate) partitions: u32,
    pub(crate) keys: u32,
}

impl Share {
    /// How many keys the partition has. At least one, as the check sees to it.
    pub(crate) fn len(self) -> u64 {
        u64::from(self.keys.saturating_sub(self.partition).div_ceil(self.partitions.max(1)).max(1))
    }

    /// The number among all keys of the partition's own `local`.
    pub(crate) fn key(self, local: u64) -> u64 {
        u64::from(self.partition) + u64::from(self.partitions) * local
    }
}

/// The times of one partition's records, as offsets from the start in microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    pub(crate) share: Share,
    pub(crate) turns: Turns,
    /// Microseconds between two records of the whole source.
    pub(crate) period: f64,
    /// How many records the whole source has.
    pub(crate) records: u64,
    /// Before which offset they must lie.
    pub(crate) span: Micros,
}

impl Schedule {
    /// The number within the whole source of the partition's record `index`.
    pub(crate) fn number(&self, index: u64) -> u64 {
        match self.turns {
            Turns::Partitions => {
                index.saturating_mul(u64::from(self.share.partitions)).saturating_add(u64::from(self.share.partition))
            }
            Turns::Keys => {
                let (round, local) = (index / self.share.len(), index % self.share.len());
                round.saturating_mul(u64::from(self.share.keys)).saturating_add(self.share.key(local))
            }
        }
    }

    /// The offset of the partition's record `index`, or `None` if there is no such record.
    ///
    /// One multiplication of doubles, which is the same everywhere and exact to the microsecond for 280 years.
    pub(crate) fn offset(&self, index: u64) -> Option<Micros> {
        let number = self.number(index);
        let offset = (number as f64 * self.period) as Micros;
        (number < self.records && offset < self.span).then_some(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(turns: Turns, partitions: u32, keys: u32) -> Vec<u64> {
        let mut all: Vec<u64> = (0..partitions)
            .flat_map(|partition| {
                let share = Share { partition, partitions, keys };
                let schedule = Schedule { share, turns, period: 500_000.0, records: 100, span: Micros::MAX };
                (0..).map_while(move |index| schedule.offset(index).map(|_| schedule.number(index)))
            })
            .collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn partitions_share_the_records_without_gap_or_overlap() {
        let expected: Vec<u64> = (0..100).collect();
        for (partitions, keys) in [(1, 1), (1, 10), (3, 10), (4, 4), (7, 13)] {
            assert_eq!(numbers(Turns::Partitions, partitions, keys), expected);
            assert_eq!(numbers(Turns::Keys, partitions, keys), expected);
        }
    }

    #[test]
    fn a_span_ends_the_records() {
        let share = Share { partition: 0, partitions: 1, keys: 1 };
        let schedule =
            Schedule { share, turns: Turns::Partitions, period: 500_000.0, records: u64::MAX, span: 2_000_000 };
        assert_eq!(schedule.offset(3), Some(1_500_000));
        assert_eq!(schedule.offset(4), None);
    }
}

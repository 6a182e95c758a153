//! Which groups have a value. In most windows all have, and then nothing is kept for each.

use arrow_buffer::NullBuffer;

use super::{Bits, Groups, Input};

/// The groups that have a value.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// All groups up to this number have one, as long as there are no bits.
    all: usize,
    /// The bit of each group that has one.
    bits: Option<Bits>,
}

impl Seen {
    /// Takes the rows of an update of values with these nulls.
    pub(crate) fn update(&mut self, input: &Input<'_>, nulls: Option<&NullBuffer>) {
        if input.takes_all(nulls) && self.takes_all(input.groups, input.total) {
            return;
        }
        let bits = self.bits(input.total);
        input.each(nulls, |_, group| bits.set(group));
    }

    /// Takes the groups of a state whose values have these nulls.
    pub(crate) fn merge(&mut self, groups: &[usize], nulls: Option<&NullBuffer>, total: usize) {
        let input = Input { args: &[], groups, filter: None, total, places: None };
        self.update(&input, nulls);
    }

    pub(crate) fn get(&self, group: usize) -> bool {
        self.bits.as_ref().map_or(group < self.all, |bits| bits.get(group))
    }

    /// The groups to read, `None` for those without a value.
    pub(crate) fn of(&self, groups: Groups<'_>) -> impl Iterator<Item = Option<usize>> {
        groups.iter().map(|group| self.get(group).then_some(group))
    }

    /// Bytes held.
    pub(crate) fn size(&self) -> usize {
        self.bits.as_ref().map_or(0, Bits::size)
    }

    /// Whether all groups up to `total` have a value once these have one.
    fn takes_all(&mut self, groups: &[usize], total: usize) -> bool {
        if self.bits.is_none() && total > self.all {
            let (mut new, mut missing) = (Bits::default(), total - self.all);
            new.grow(missing);
            for group in groups {
                missing -= usize::from(group.checked_sub(self.all).is_some_and(|group| new.insert(group)));
            }
            if missing == 0 {
                self.all = total;
            }
        }
        self.bits.is_none() && total == self.all
    }

    /// The bits, with room for `total`.
    fn bits(&mut self, total: usize) -> &mut Bits {
        let bits = self.bits.get_or_insert_with(|| {
            let mut bits = Bits::default();
            bits.grow(self.all);
            (0..self.all).for_each(|group| bits.set(group));
            bits
        });
        bits.grow(total);
        bits
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array};

    use super::*;

    fn seen(seen: &Seen, total: usize) -> Vec<usize> {
        seen.of(Groups::All(total)).flatten().collect()
    }

    #[test]
    fn nothing_is_kept_as_long_as_every_group_has_a_value() {
        let mut all = Seen::default();
        for (groups, total) in [(&[0, 1, 0][..], 2), (&[], 2), (&[1], 2), (&[3, 2, 0, 3], 4)] {
            all.merge(groups, None, total);
            assert!(all.bits.is_none() && all.all == total, "{all:?}");
        }
        assert_eq!(seen(&all, 4), [0, 1, 2, 3]);
    }

    #[test]
    fn groups_without_a_value_are_told_apart() {
        let values = Int64Array::from(vec![Some(1), None, Some(3)]);
        let filter = BooleanArray::from(vec![true, true, false]);
        let args: [ArrayRef; 0] = [];
        let update = |seen: &mut Seen, groups: &[usize], filter, total| {
            seen.update(&Input { args: &args, groups, filter, total, places: None }, values.nulls());
        };
        let mut some = Seen::default();
        some.merge(&[0, 1], None, 2);
        update(&mut some, &[2, 3, 4], None, 5);
        assert_eq!(seen(&some, 5), [0, 1, 2, 4]);
        update(&mut some, &[3, 5, 6], Some(&filter), 7);
        assert_eq!(seen(&some, 7), [0, 1, 2, 3, 4]);
        // A new group that no row has, as under DISTINCT when its only value is null.
        let mut gap = Seen::default();
        gap.merge(&[1, 1], None, 2);
        assert_eq!(seen(&gap, 2), [1]);
        gap.merge(&[], None, 3);
        gap.merge(&[0], None, 3);
        assert_eq!(seen(&gap, 3), [0, 1]);
    }
}

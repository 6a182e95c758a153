//! Aggregates of a pane as typed columns by group. A checkpoint, and a window that consists of several panes, read
//! them and leave them as they are.

mod bits;
mod count;
mod distinct;
mod extreme;
mod float_sum;
mod joined;
mod log;
mod mean;
mod moments;
mod pick;
mod quantile;
mod seen;
mod slots;
mod sum;
#[cfg(test)]
mod tests;
mod wide;

use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray};
use arrow_buffer::NullBuffer;

pub(crate) use bits::Bits;
pub(crate) use count::Count;
pub(crate) use distinct::Distinct;
pub(crate) use extreme::extreme;
pub(crate) use float_sum::FloatSum;
pub(crate) use joined::Joined;
pub(crate) use log::{Log, first_rows};
pub(crate) use mean::{DecimalMean, IntMean};
pub(crate) use moments::{Measure, Moments};
pub(crate) use pick::{by, pick};
pub(crate) use quantile::{Quantile, quantile};
pub(crate) use seen::Seen;
pub(crate) use sum::{DecimalSum, INT_SUM, IntSum};
pub(crate) use wide::mean_scale;

use crate::OperatorError;

/// One aggregate for all groups of a pane.
///
/// Groups have numbers from 0. What [`Accumulator::read`] gives, merged into a new accumulator, makes one that goes on
/// exactly as this one does, to the last bit.
pub(crate) trait Accumulator: Send {
    /// Takes rows.
    fn update(&mut self, input: &Input<'_>) -> Result<(), OperatorError>;
    /// Takes what another one read; `groups` says which of the `total` groups of this one each of its groups is.
    fn merge(&mut self, state: &[ArrayRef], groups: &[usize], total: usize) -> Result<(), OperatorError>;
    /// The state of some groups, as columns: a row for each group, or, of what keeps the values of a group, a row for
    /// each value that begins with the position of its group among `groups`. Nothing changes.
    fn read(&self, groups: Groups<'_>) -> Result<Vec<ArrayRef>, OperatorError>;
    /// The results of some groups, in their order. Nothing changes.
    fn evaluate(&self, groups: Groups<'_>) -> Result<ArrayRef, OperatorError>;
    /// The name and version of the layout of the state, for checkpoints.
    fn format(&self) -> String;
    /// Whether it reads states of a format: its own, and the one before where that differs.
    fn reads(&self, format: &str) -> bool {
        self.format() == format
    }
    /// Bytes held.
    fn size(&self) -> usize;
}

/// Rows for an accumulator.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    /// The arguments of each row; none for `count(*)`.
    pub(crate) args: &'a [ArrayRef],
    /// The group of each row.
    pub(crate) groups: &'a [usize],
    /// Which rows count; never null. All count if there is no filter.
    pub(crate) filter: Option<&'a BooleanArray>,
    /// The number of groups.
    pub(crate) total: usize,
    /// Where each row stands in event time; only for aggregates that ask for it.
    pub(crate) places: Option<&'a [Place]>,
}

/// Where a row stands among all rows, whatever order they come in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Its event time.
    pub(crate) time: i64,
    /// Its partition.
    pub(crate) partition: u32,
    /// Its position in the partition.
    pub(crate) position: i64,
}

impl Input<'_> {
    /// Calls `take` with the row and the group of each row that counts and is not null.
    #[inline]
    pub(crate) fn each(&self, nulls: Option<&NullBuffer>, mut take: impl FnMut(usize, usize)) {
        let rows = self.groups.iter().copied().enumerate();
        match (self.filter, nulls.filter(|nulls| nulls.null_count() > 0)) {
            (None, None) => rows.for_each(|(row, group)| take(row, group)),
            (Some(filter), None) => {
                rows.filter(|(row, _)| filter.value(*row)).for_each(|(row, group)| take(row, group));
            }
            (None, Some(nulls)) => {
                rows.filter(|(row, _)| nulls.is_valid(*row)).for_each(|(row, group)| take(row, group));
            }
            (Some(filter), Some(nulls)) => rows
                .filter(|(row, _)| filter.value(*row) && nulls.is_valid(*row))
                .for_each(|(row, group)| take(row, group)),
        }
    }

    /// Calls `take` with the value and the group of each row that counts and is not null.
    #[inline]
    pub(crate) fn each_value<T: ArrowPrimitiveType>(
        &self,
        values: &PrimitiveArray<T>,
        mut take: impl FnMut(T::Native, usize),
    ) {
        if self.takes_all(values.nulls()) {
            values.values().iter().zip(self.groups).for_each(|(value, group)| take(*value, *group));
        } else {
            self.each(values.nulls(), |row, group| take(values.value(row), group));
        }
    }

    /// Whether every row counts and is not null.
    fn takes_all(&self, nulls: Option<&NullBuffer>) -> bool {
        self.filter.is_none() && nulls.is_none_or(|nulls| nulls.null_count() == 0)
    }

    /// An argument of this type.
    pub(crate) fn arg<A: Array + 'static>(&self, index: usize) -> Result<&A, OperatorError> {
        column(self.args, index)
    }

    /// The places of the rows.
    pub(crate) fn places(&self) -> Result<&[Place], OperatorError> {
        self.places.ok_or_else(|| OperatorError("an aggregate is without the event times of its rows".to_owned()))
    }
}

/// The groups to read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Groups<'a> {
    /// The groups from 0 to this number.
    All(usize),
    /// These groups.
    Some(&'a [u32]),
}

impl Groups<'_> {
    pub(crate) fn len(self) -> usize {
        match self {
            Self::All(total) => total,
            Self::Some(groups) => groups.len(),
        }
    }

    #[inline]
    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        (0..self.len()).map(move |at| match self {
            Self::All(_) => at,
            Self::Some(groups) => groups.get(at).map_or(usize::MAX, |group| *group as usize),
        })
    }
}

/// A column of this type.
pub(crate) fn column<A: Array + 'static>(columns: &[ArrayRef], index: usize) -> Result<&A, OperatorError> {
    let column = columns.get(index).ok_or_else(|| OperatorError("an aggregate misses a column".to_owned()))?;
    column.as_any().downcast_ref::<A>().ok_or_else(|| {
        OperatorError(format!("column {index} of an aggregate has another type than expected: {}", column.data_type()))
    })
}

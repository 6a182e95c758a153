//! Sum and mean of floats, right wherever the result is a float64.
//!
//! Partial sums may leave the range of float64 although the result does not: the mean of two values of 1.797e308, or a
//! sum in which such values cancel out. A sum that would overflow goes on at 1/2^64 of its size, which loses nothing that
//! adding to so large a number would keep, until it is small enough again. A sum that does not fit in the end is
//! infinite, and the query's last step makes a dead letter of the window's row.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, UInt64Array, cast::AsArray};

use super::{Accumulator, Groups, Input, column};
use crate::OperatorError;

/// 2^-64.
const SHRINK: f64 = 1.0 / 18_446_744_073_709_551_616.0;
/// A shrunken sum below this is a float64 again, with room: 2^936.
const SMALL: f64 = f64::from_bits((1023 + 936) << 52);

/// The sum of a group's values.
#[derive(Debug, Clone, Copy, Default)]
struct Total {
    count: u64,
    /// The sum, or [`SHRINK`] times the sum.
    sum: f64,
    shrunk: bool,
}

impl Total {
    fn add(&mut self, value: f64) {
        self.count += 1;
        let sum = self.sum + value;
        if !self.shrunk && sum.is_finite() {
            self.sum = sum;
        } else {
            self.add_large(value * SHRINK);
        }
    }

    #[cold]
    fn add_large(&mut self, shrunken: f64) {
        let sum = if self.shrunk { self.sum } else { self.sum * SHRINK };
        self.sum = sum + shrunken;
        self.shrunk = true;
        if self.sum.abs() < SMALL {
            self.sum /= SHRINK;
            self.shrunk = false;
        }
    }

    fn merge(&mut self, other: Self) {
        if self.count == 0 {
            *self = other;
        } else if other.count > 0 {
            let sum = self.sum + other.sum;
            self.count += other.count;
            if self.shrunk || other.shrunk || !sum.is_finite() {
                self.add_large(if other.shrunk { other.sum } else { other.sum * SHRINK });
            } else {
                self.sum = sum;
            }
        }
    }

    fn result(self, mean: bool) -> Option<f64> {
        let divisor = if mean { self.count as f64 } else { 1.0 };
        let scale = if self.shrunk { SHRINK } else { 1.0 };
        (self.count > 0).then(|| self.sum / divisor / scale)
    }
}

/// Sums or means by group.
pub(crate) struct FloatSum {
    mean: bool,
    groups: Vec<Total>,
}

impl FloatSum {
    pub(crate) fn new(mean: bool) -> Self {
        Self { mean, groups: Vec::new() }
    }

    fn totals(&self, groups: Groups<'_>) -> impl Iterator<Item = Total> {
        groups.iter().map(|group| self.groups.get(group).copied().unwrap_or_default())
    }
}

impl Accumulator for FloatSum {
    fn update(&mut self, input: &Input<'_>) -> Result<(), OperatorError> {
        self.groups.resize(input.total, Total::default());
        let values: &Float64Array = input.arg(0)?;
        input.each_value(values, |value, group| {
            if let Some(sum) = self.groups.get_mut(group) {
                sum.add(value);
            }
        });
        Ok(())
    }

    /// The sum, for means the count before it; null without values. A last column says which sums are shrunken; states
    /// of earlier versions have it only where one is.
    fn merge(&mut self, state: &[ArrayRef], groups: &[usize], total: usize) -> Result<(), OperatorError> {
        self.groups.resize(total, Total::default());
        let first = usize::from(self.mean);
        let counts = if self.mean { Some(column::<UInt64Array>(state, 0)?) } else { None };
        let sums: &Float64Array = column(state, first)?;
        let shrunk = state.get(first + 1).and_then(|shrunk| shrunk.as_boolean_opt());
        for (row, group) in groups.iter().enumerate().take(sums.len()) {
            let count = match counts {
                Some(counts) if counts.is_valid(row) => counts.value(row),
                None if sums.is_valid(row) => 1,
                _ => 0,
            };
            let shrunk = shrunk.is_some_and(|shrunk| shrunk.value(row));
            if let Some(sum) = self.groups.get_mut(*group)
                && sums.is_valid(row)
                && count > 0
            {
                sum.merge(Total { count, sum: sums.value(row), shrunk });
            }
        }
        Ok(())
    }

    fn read(&self, groups: Groups<'_>) -> Result<Vec<ArrayRef>, OperatorError> {
        let mut columns: Vec<ArrayRef> = Vec::new();
        if self.mean {
            columns.push(Arc::new(UInt64Array::from_iter_values(self.totals(groups).map(|sum| sum.count))));
        }
        let sums = self.totals(groups).map(|sum| (sum.count > 0).then_some(sum.sum));
        columns.push(Arc::new(sums.collect::<Float64Array>()));
        columns.push(Arc::new(self.totals(groups).map(|sum| Some(sum.shrunk)).collect::<BooleanArray>()));
        Ok(columns)
    }

    fn evaluate(&self, groups: Groups<'_>) -> Result<ArrayRef, OperatorError> {
        Ok(Arc::new(self.totals(groups).map(|sum| sum.result(self.mean)).collect::<Float64Array>()))
    }

    fn format(&self) -> String {
        if self.mean { "float_mean/1" } else { "float_sum/1" }.to_owned()
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<Total>()
    }
}

#[cfg(test)]
mod tests {
    use super::Total;

    fn total(values: &[f64]) -> Total {
        let mut total = Total::default();
        for value in values {
            total.add(*value);
        }
        total
    }

    #[test]
    fn partial_sums_may_overflow() {
        const MAX: f64 = f64::MAX;
        assert_eq!(total(&[MAX, MAX]).result(true), Some(MAX));
        assert_eq!(total(&[MAX, MAX, -MAX]).result(false), Some(MAX));
        assert_eq!(total(&[MAX, MAX, -MAX, -MAX, 1.0, 2.5]).result(false), Some(3.5));
        assert_eq!(total(&[-MAX; 1000]).result(true), Some(-MAX));
        assert_eq!(total(&[MAX, 1e292]).result(false), Some(f64::INFINITY));
        assert_eq!(total(&[]).result(true), None);
        assert_eq!(total(&[0.1, 0.2, 0.3]).result(false), Some(0.1 + 0.2 + 0.3));
    }

    #[test]
    fn merging_is_adding() {
        const MAX: f64 = f64::MAX;
        for (left, right) in [
            (&[MAX, MAX][..], &[-MAX, -MAX][..]),
            (&[MAX], &[MAX]),
            (&[1.0], &[MAX, MAX, -MAX]),
            (&[], &[MAX, MAX]),
            (&[MAX, MAX], &[]),
            (&[0.5, 0.25], &[8.0]),
        ] {
            let mut merged = total(left);
            merged.merge(total(right));
            let all: Vec<f64> = left.iter().chain(right).copied().collect();
            assert_eq!(merged.result(true), total(&all).result(true), "{all:?}");
        }
    }
}

//! Variance and standard deviation, by Welford's method
//! (<https://en.wikipedia.org/wiki/Algorithms_for_calculating_variance>, Chan et al. for merging).
//!
//! A state that is merged into an empty one stays as it is, so that a checkpoint does not change the last digits of a
//! result.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, UInt64Array};

use super::{Accumulator, Groups, Input, column};
use crate::OperatorError;

/// What to make of the moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Measure {
    /// Divided by n - 1 instead of n.
    pub(crate) sample: bool,
    /// The square root of the variance.
    pub(crate) root: bool,
}

#[derive(Clone, Copy, Default)]
struct Moment {
    count: u64,
    mean: f64,
    /// Sum of squared distances from the mean.
    squares: f64,
}

pub(crate) struct Moments {
    measure: Measure,
    groups: Vec<Moment>,
}

impl Moments {
    pub(crate) fn new(measure: Measure) -> Self {
        Self { measure, groups: Vec::new() }
    }

    fn moments(&self, groups: Groups<'_>) -> impl Iterator<Item = Moment> {
        groups.iter().map(|group| self.groups.get(group).copied().unwrap_or_default())
    }

    fn result(&self, moment: Moment) -> Option<f64> {
        let divisor = if self.measure.sample { moment.count.checked_sub(1)? } else { moment.count };
        if divisor == 0 {
            return None;
        }
        let variance = moment.squares / divisor as f64;
        Some(if self.measure.root { variance.sqrt() } else { variance })
    }
}

impl Moment {
    fn add(&mut self, value: f64) {
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
    }

    fn merge(&mut self, other: Self) {
        if self.count == 0 {
            *self = other;
        } else if other.count > 0 {
            let count = self.count + other.count;
            let distance = other.mean - self.mean;
            let share = other.count as f64 / count as f64;
            self.mean += distance * share;
            self.squares += other.squares + distance * distance * self.count as f64 * share;
            self.count = count;
        }
    }
}

impl Accumulator for Moments {
    fn update(&mut self, input: &Input<'_>) -> Result<(), OperatorError> {
        self.groups.resize(input.total, Moment::default());
        let values: &Float64Array = input.arg(0)?;
        input.each_value(values, |value, group| {
            if let Some(moment) = self.groups.get_mut(group) {
                moment.add(value);
            }
        });
        Ok(())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[usize], total: usize) -> Result<(), OperatorError> {
        self.groups.resize(total, Moment::default());
        let counts: &UInt64Array = column(state, 0)?;
        let (means, squares): (&Float64Array, &Float64Array) = (column(state, 1)?, column(state, 2)?);
        for (row, group) in groups.iter().enumerate().take(counts.len()) {
            if let Some(moment) = self.groups.get_mut(*group) {
                moment.merge(Moment { count: counts.value(row), mean: means.value(row), squares: squares.value(row) });
            }
        }
        Ok(())
    }

    fn read(&self, groups: Groups<'_>) -> Result<Vec<ArrayRef>, OperatorError> {
        Ok(vec![
            Arc::new(UInt64Array::from_iter_values(self.moments(groups).map(|moment| moment.count))),
            Arc::new(Float64Array::from_iter_values(self.moments(groups).map(|moment| moment.mean))),
            Arc::new(Float64Array::from_iter_values(self.moments(groups).map(|moment| moment.squares))),
        ])
    }

    fn evaluate(&self, groups: Groups<'_>) -> Result<ArrayRef, OperatorError> {
        Ok(Arc::new(self.moments(groups).map(|moment| self.result(moment)).collect::<Float64Array>()))
    }

    fn format(&self) -> String {
        "moments/1".to_owned()
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<Moment>()
    }
}

//! Variance and standard deviation, by Welford's method
//! (<https://en.wikipedia.org/wiki/Algorithms_for_calculating_variance>, Chan et al. for merging).
//!
//! DataFusion's accumulator rounds when a state is merged into an empty one, so a checkpoint would change the result's
//! last digits; this one takes such a state over as it is.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, UInt64Array,
    cast::AsArray,
    types::{Float64Type, UInt64Type},
};
use datafusion_common::{DataFusionError, Result};

use super::aggregate::Aggregate;

/// What to make of the moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Measure {
    /// Divided by n - 1 instead of n.
    pub(super) sample: bool,
    /// The square root of the variance.
    pub(super) root: bool,
}

#[derive(Clone, Copy, Default)]
struct Moment {
    count: u64,
    mean: f64,
    /// Sum of squared distances from the mean.
    squares: f64,
}

pub(super) struct Moments {
    measure: Measure,
    groups: Vec<Moment>,
}

impl Moments {
    pub(super) fn new(measure: Measure) -> Self {
        Self { measure, groups: Vec::new() }
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

impl Aggregate for Moments {
    fn update(
        &mut self,
        args: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.groups.resize(total, Moment::default());
        let Some(values) = args.first().and_then(|values| values.as_primitive_opt::<Float64Type>()) else {
            return Err(DataFusionError::Internal("the variance of what is no float64".to_owned()));
        };
        for (row, (group, value)) in groups.iter().zip(values.values()).enumerate() {
            if values.is_valid(row)
                && filter.is_none_or(|mask| mask.value(row))
                && let Some(moment) = self.groups.get_mut(*group)
            {
                moment.add(*value);
            }
        }
        Ok(())
    }

    fn merge(&mut self, frozen: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.groups.resize(total, Moment::default());
        let [counts, means, squares] = frozen else {
            return Err(DataFusionError::Internal("the state of a variance has three columns".to_owned()));
        };
        let counts = counts.as_primitive::<UInt64Type>();
        let (means, squares) = (means.as_primitive::<Float64Type>(), squares.as_primitive::<Float64Type>());
        for (row, group) in groups.iter().enumerate().take(counts.len()) {
            if let Some(moment) = self.groups.get_mut(*group) {
                moment.merge(Moment { count: counts.value(row), mean: means.value(row), squares: squares.value(row) });
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let groups = std::mem::take(&mut self.groups);
        Ok(Arc::new(groups.into_iter().map(|moment| self.result(moment)).collect::<Float64Array>()))
    }

    fn freeze(&mut self) -> Result<Vec<ArrayRef>> {
        let groups = std::mem::take(&mut self.groups);
        Ok(vec![
            Arc::new(UInt64Array::from_iter_values(groups.iter().map(|moment| moment.count))),
            Arc::new(Float64Array::from_iter_values(groups.iter().map(|moment| moment.mean))),
            Arc::new(Float64Array::from_iter_values(groups.iter().map(|moment| moment.squares))),
        ])
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<Moment>()
    }
}

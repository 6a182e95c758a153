//! Means of whole numbers and of decimals: summed up exactly and rounded once, at the end.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, Decimal128Array, Decimal256Array, Float64Array, Int64Array, UInt64Array, cast::AsArray,
    types::Float64Type,
};
use arrow_buffer::i256;
use arrow_schema::DataType;

use super::{
    Accumulator, Groups, INT_SUM, Input, column,
    wide::{WideSums, mean_scale, scaled_quotient},
};
use crate::OperatorError;

#[derive(Debug, Clone, Copy, Default)]
struct Total {
    count: u64,
    sum: i128,
}

impl Total {
    /// The float64 nearest to the mean.
    fn mean(self) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        if self.sum == 0 {
            return Some(0.0);
        }
        // Moved up, the sum has 64 bits more than the count, so the quotient has more than a float64 holds. Its last bit
        // says whether something is left, so that it is rounded as the true quotient.
        let sum = self.sum.unsigned_abs();
        let moved = sum.leading_zeros();
        let (sum, count) = (sum << moved, u128::from(self.count));
        let quotient = (sum / count) | u128::from(!sum.is_multiple_of(count));
        let power = f64::from_bits(u64::from(1023 - moved) << 52);
        let mean = quotient as f64 * power;
        Some(if self.sum < 0 { -mean } else { mean })
    }
}

/// Means of whole numbers by group.
#[derive(Default)]
pub(crate) struct IntMean(Vec<Total>);

impl IntMean {
    #[inline]
    fn add(&mut self, group: usize, count: u64, sum: i128) {
        if let Some(total) = self.0.get_mut(group) {
            total.count += count;
            total.sum = total.sum.saturating_add(sum);
        }
    }

    fn totals(&self, groups: Groups<'_>) -> impl Iterator<Item = Total> {
        groups.iter().map(|group| self.0.get(group).copied().unwrap_or_default())
    }
}

/// The float64 nearest to the mean of two whole numbers.
pub(crate) fn middle(low: i64, high: i64) -> f64 {
    Total { count: 2, sum: i128::from(low) + i128::from(high) }.mean().unwrap_or_default()
}

impl Accumulator for IntMean {
    fn update(&mut self, input: &Input<'_>) -> Result<(), OperatorError> {
        self.0.resize(input.total, Total::default());
        let values: &Int64Array = input.arg(0)?;
        input.each_value(values, |value, group| self.add(group, 1, i128::from(value)));
        Ok(())
    }

    /// Counts and sums. Checkpoints of earlier versions have the sums as floats, which are whole numbers too.
    fn merge(&mut self, state: &[ArrayRef], groups: &[usize], total: usize) -> Result<(), OperatorError> {
        self.0.resize(total, Total::default());
        let counts: &UInt64Array = column(state, 0)?;
        let sum: Box<dyn Fn(usize) -> i128> =
            if let Some(sums) = state.get(1).and_then(|sums| sums.as_primitive_opt::<Float64Type>()) {
                Box::new(|row| if sums.is_valid(row) { sums.value(row) as i128 } else { 0 })
            } else {
                let sums: &Decimal128Array = column(state, 1)?;
                Box::new(|row| sums.value(row))
            };
        for (row, group) in groups.iter().enumerate().take(counts.len()) {
            self.add(*group, counts.value(row), sum(row));
        }
        Ok(())
    }

    fn read(&self, groups: Groups<'_>) -> Result<Vec<ArrayRef>, OperatorError> {
        let sums = Decimal128Array::from_iter_values(self.totals(groups).map(|total| total.sum));
        Ok(vec![
            Arc::new(UInt64Array::from_iter_values(self.totals(groups).map(|total| total.count))),
            Arc::new(sums.with_data_type(INT_SUM)),
        ])
    }

    fn evaluate(&self, groups: Groups<'_>) -> Result<ArrayRef, OperatorError> {
        Ok(Arc::new(self.totals(groups).map(Total::mean).collect::<Float64Array>()))
    }

    fn format(&self) -> String {
        "int_mean/1".to_owned()
    }

    fn size(&self) -> usize {
        self.0.capacity() * size_of::<Total>()
    }
}

/// Means of decimals by group, rounded half away from zero at [`mean_scale`].
pub(crate) struct DecimalMean {
    scale: i8,
    counts: Vec<u64>,
    sums: WideSums,
}

impl DecimalMean {
    pub(crate) fn new(scale: i8) -> Self {
        Self { scale, counts: Vec::new(), sums: WideSums::default() }
    }

    fn grow(&mut self, total: usize) {
        self.counts.resize(total, 0);
        self.sums.grow(total);
    }

    fn count(&self, group: usize) -> u64 {
        self.counts.get(group).copied().unwrap_or_default()
    }

    fn mean(&self, group: usize) -> Option<i256> {
        let count = self.count(group);
        let digits = u32::try_from(mean_scale(self.scale) - self.scale).unwrap_or_default();
        (count > 0).then(|| scaled_quotient(self.sums.exact(group), digits, i256::from_i128(count.into())))
    }
}

impl Accumulator for DecimalMean {
    fn update(&mut self, input: &Input<'_>) -> Result<(), OperatorError> {
        self.grow(input.total);
        let values: &Decimal128Array = input.arg(0)?;
        input.each_value(values, |value, group| {
            if let Some(count) = self.counts.get_mut(group) {
                *count += 1;
            }
            self.sums.add(group, value);
        });
        Ok(())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[usize], total: usize) -> Result<(), OperatorError> {
        self.grow(total);
        let counts: &UInt64Array = column(state, 0)?;
        let (low, carries): (&Decimal128Array, &Int64Array) = (column(state, 1)?, column(state, 2)?);
        for (row, group) in groups.iter().enumerate().take(counts.len()) {
            if let Some(count) = self.counts.get_mut(*group) {
                *count += counts.value(row);
            }
            self.sums.merge(*group, (low.value(row), carries.value(row)));
        }
        Ok(())
    }

    fn read(&self, groups: Groups<'_>) -> Result<Vec<ArrayRef>, OperatorError> {
        let low = Decimal128Array::from_iter_values(groups.iter().map(|group| self.sums.parts(group).0));
        let carries = groups.iter().map(|group| self.sums.parts(group).1);
        Ok(vec![
            Arc::new(UInt64Array::from_iter_values(groups.iter().map(|group| self.count(group)))),
            Arc::new(low.with_data_type(DataType::Decimal128(38, self.scale))),
            Arc::new(Int64Array::from_iter_values(carries)),
        ])
    }

    fn evaluate(&self, groups: Groups<'_>) -> Result<ArrayRef, OperatorError> {
        let means = groups.iter().map(|group| self.mean(group)).collect::<Decimal256Array>();
        Ok(Arc::new(means.with_data_type(DataType::Decimal256(76, mean_scale(self.scale)))))
    }

    fn format(&self) -> String {
        "decimal_mean/1".to_owned()
    }

    fn size(&self) -> usize {
        self.counts.capacity() * size_of::<u64>() + self.sums.size()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Float64Array, Int64Array, UInt64Array, cast::AsArray, types::Float64Type};
    use proptest::prelude::*;

    use arrow_schema::DataType;

    use super::{Accumulator, Groups, Input, IntMean, Total};
    use crate::window::accumulator::Distinct;

    #[test]
    fn rounded_once() {
        let max = i128::from(i64::MAX);
        for (count, sum, expected) in [
            (0, 0, None),
            (3, 0, Some(0.0)),
            (3, 2, Some(2.0 / 3.0)),
            (3, -2, Some(-2.0 / 3.0)),
            (2, 3, Some(1.5)),
            (1, max, Some(max as f64)),
            (1 << 62, max << 62, Some(max as f64)),
            // Halfway between two floats, and just beyond.
            (2, 2 * 9_007_199_254_740_993, Some(9_007_199_254_740_992.0)),
            (2, 2 * 9_007_199_254_740_993 + 1, Some(9_007_199_254_740_994.0)),
            (u64::MAX, 1, Some(1.0 / u64::MAX as f64)),
        ] {
            assert_eq!(Total { count, sum }.mean(), expected, "{sum} / {count}");
        }
    }

    #[test]
    fn a_state_of_floats_is_read() {
        let mut mean = IntMean::default();
        let state: [ArrayRef; 2] =
            [Arc::new(UInt64Array::from(vec![2, 0])), Arc::new(Float64Array::from(vec![Some(8.0), None]))];
        mean.merge(&state, &[0, 1], 2).unwrap();
        let args: [ArrayRef; 1] = [Arc::new(Int64Array::from(vec![4, 5]))];
        mean.update(&Input { args: &args, groups: &[0, 1], filter: None, total: 2, places: None }).unwrap();
        assert_eq!(mean.evaluate(Groups::All(2)).unwrap().as_primitive::<Float64Type>().values(), &[4.0, 5.0]);
    }

    #[test]
    fn a_distinct_state_of_floats_is_read() {
        let mut mean = Distinct::new(&[DataType::Int64], Box::new(IntMean::default())).unwrap();
        let state: [ArrayRef; 2] =
            [Arc::new(UInt64Array::from(vec![0, 0])), Arc::new(Float64Array::from(vec![1.0, 9_007_199_254_740_994.0]))];
        mean.merge(&state, &[0], 1).unwrap();
        let args: [ArrayRef; 1] = [Arc::new(Int64Array::from(vec![1, 9_007_199_254_740_994, -9_007_199_254_740_994]))];
        mean.update(&Input { args: &args, groups: &[0, 0, 0], filter: None, total: 1, places: None }).unwrap();
        assert_eq!(mean.evaluate(Groups::All(1)).unwrap().as_primitive::<Float64Type>().values(), &[1.0 / 3.0]);
    }

    proptest! {
        #[test]
        fn small_sums_are_divided_as_floats(sum in -(1_i64 << 53)..(1 << 53), count in 1_u64..(1 << 53)) {
            let expected = sum as f64 / count as f64;
            prop_assert_eq!(Total { count, sum: sum.into() }.mean(), Some(expected));
        }
    }
}

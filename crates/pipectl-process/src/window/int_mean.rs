//! The mean of whole numbers: summed up in 128 bits and rounded once, at the end.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, Float64Array, UInt64Array,
    cast::AsArray,
    types::{Decimal128Type, Float64Type, Int64Type, UInt64Type},
};
use datafusion_common::{DataFusionError, Result};

use super::{aggregate::Aggregate, sum};

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

/// Means by group.
#[derive(Default)]
pub(super) struct IntMean(Vec<Total>);

impl IntMean {
    fn add(&mut self, group: usize, count: u64, sum: i128) {
        if let Some(total) = self.0.get_mut(group) {
            total.count += count;
            total.sum = total.sum.saturating_add(sum);
        }
    }
}

impl Aggregate for IntMean {
    fn update(
        &mut self,
        args: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.0.resize(total, Total::default());
        let Some(values) = args.first().and_then(|values| values.as_primitive_opt::<Int64Type>()) else {
            return Err(DataFusionError::Internal("the mean of what is no int64".to_owned()));
        };
        for (row, (group, value)) in groups.iter().zip(values.values()).enumerate() {
            if values.is_valid(row) && filter.is_none_or(|mask| mask.value(row)) {
                self.add(*group, 1, i128::from(*value));
            }
        }
        Ok(())
    }

    /// Counts and sums. Checkpoints of earlier versions have the sums as floats, which are whole numbers too.
    fn merge(&mut self, frozen: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.0.resize(total, Total::default());
        let misfit = || DataFusionError::Internal("the state of a mean has other columns".to_owned());
        let [counts, sums, ..] = frozen else { return Err(misfit()) };
        let counts = counts.as_primitive_opt::<UInt64Type>().ok_or_else(misfit)?;
        let sum: Box<dyn Fn(usize) -> i128> = if let Some(sums) = sums.as_primitive_opt::<Decimal128Type>() {
            Box::new(|row| sums.value(row))
        } else {
            let sums = sums.as_primitive_opt::<Float64Type>().ok_or_else(misfit)?;
            Box::new(|row| sums.value(row) as i128)
        };
        for (row, group) in groups.iter().enumerate().take(counts.len()) {
            if counts.is_valid(row) && sums.is_valid(row) {
                self.add(*group, counts.value(row), sum(row));
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let groups = std::mem::take(&mut self.0);
        Ok(Arc::new(groups.into_iter().map(Total::mean).collect::<Float64Array>()))
    }

    fn freeze(&mut self) -> Result<Vec<ArrayRef>> {
        let groups = std::mem::take(&mut self.0);
        let sums = Decimal128Array::from_iter_values(groups.iter().map(|total| total.sum));
        Ok(vec![
            Arc::new(UInt64Array::from_iter_values(groups.iter().map(|total| total.count))),
            Arc::new(sums.with_data_type(sum::TYPE)),
        ])
    }

    fn size(&self) -> usize {
        self.0.capacity() * size_of::<Total>()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Float64Array, Int64Array, UInt64Array, cast::AsArray, types::Float64Type};
    use proptest::prelude::*;

    use arrow_schema::DataType;

    use super::{IntMean, Total};
    use crate::window::aggregate::{Aggregate, Distinct};

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
        let merged = |sums: ArrayRef| {
            let mut mean = IntMean::default();
            let frozen: [ArrayRef; 2] = [Arc::new(UInt64Array::from(vec![2, 0])), sums];
            mean.merge(&frozen, &[0, 1], 2).unwrap();
            mean.update(&[Arc::new(Int64Array::from(vec![4, 5]))], &[0, 1], None, 2).unwrap();
            mean
        };
        let mut mean = merged(Arc::new(Float64Array::from(vec![Some(8.0), None])));
        let frozen = mean.freeze().unwrap();
        assert_eq!(frozen.len(), 2);
        let mut again = IntMean::default();
        again.merge(&frozen, &[1, 0], 2).unwrap();
        assert_eq!(again.finish().unwrap().as_primitive::<Float64Type>().values(), &[5.0, 4.0]);
    }

    #[test]
    fn a_distinct_state_of_floats_is_read() {
        let mut mean = Distinct::new(&[DataType::Int64], Box::new(IntMean::default())).unwrap();
        let frozen: [ArrayRef; 2] =
            [Arc::new(UInt64Array::from(vec![0, 0])), Arc::new(Float64Array::from(vec![1.0, 9_007_199_254_740_994.0]))];
        mean.merge(&frozen, &[0], 1).unwrap();
        let values: ArrayRef = Arc::new(Int64Array::from(vec![1, 9_007_199_254_740_994, -9_007_199_254_740_994]));
        mean.update(&[values], &[0, 0, 0], None, 1).unwrap();
        assert_eq!(mean.finish().unwrap().as_primitive::<Float64Type>().values(), &[1.0 / 3.0]);
    }

    proptest! {
        #[test]
        fn small_sums_are_divided_as_floats(sum in -(1_i64 << 53)..(1 << 53), count in 1_u64..(1 << 53)) {
            let expected = sum as f64 / count as f64;
            prop_assert_eq!(Total { count, sum: sum.into() }.mean(), Some(expected));
        }
    }
}

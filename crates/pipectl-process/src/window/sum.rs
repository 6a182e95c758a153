//! The sum of whole numbers in 128 bits: DataFusion's own wraps round silently.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, Decimal128Array,
    cast::AsArray,
    types::{Decimal128Type, Int64Type},
};
use datafusion_common::{DataFusionError, Result};

use super::aggregate::Aggregate;

/// The largest decimal, 38 digits; a sum of fewer than 2^63 values stays far below.
const PRECISION: u8 = 38;

/// The type of the result; the query's last step makes an int64 of it, or a dead letter.
pub(super) const TYPE: arrow_schema::DataType = arrow_schema::DataType::Decimal128(PRECISION, 0);

/// Sums by group; `None` until a value is seen.
#[derive(Default)]
pub(super) struct SumOfInts(Vec<Option<i128>>);

impl SumOfInts {
    fn add(&mut self, group: usize, value: i128) {
        if let Some(sum) = self.0.get_mut(group) {
            *sum = Some(sum.unwrap_or(0).saturating_add(value));
        }
    }

    fn column(&mut self) -> Result<ArrayRef> {
        let sums = std::mem::take(&mut self.0).into_iter().collect::<Decimal128Array>();
        Ok(Arc::new(sums.with_precision_and_scale(PRECISION, 0)?))
    }
}

impl Aggregate for SumOfInts {
    fn update(
        &mut self,
        args: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.0.resize(total, None);
        let Some(values) = args.first().and_then(|values| values.as_primitive_opt::<Int64Type>()) else {
            return Err(DataFusionError::Internal("sum of what is no int64".to_owned()));
        };
        for (row, (group, value)) in groups.iter().zip(values.values()).enumerate() {
            if values.is_valid(row) && filter.is_none_or(|mask| mask.value(row)) {
                self.add(*group, i128::from(*value));
            }
        }
        Ok(())
    }

    fn merge(&mut self, frozen: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.0.resize(total, None);
        let Some(sums) = frozen.first().and_then(|sums| sums.as_primitive_opt::<Decimal128Type>()) else {
            return Err(DataFusionError::Internal("the state of a sum is no decimal".to_owned()));
        };
        for (row, group) in groups.iter().enumerate().take(sums.len()) {
            if sums.is_valid(row) {
                self.add(*group, sums.value(row));
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        self.column()
    }

    fn freeze(&mut self) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.column()?])
    }

    fn size(&self) -> usize {
        self.0.capacity() * size_of::<Option<i128>>()
    }
}

//! Exact sums of whole numbers and of decimals.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Decimal128Array, Decimal256Array, Int64Array};
use arrow_schema::DataType;

use super::{Accumulator, Groups, Input, Seen, column, wide::WideSums};
use crate::OperatorError;

/// The type of a sum of whole numbers: 38 digits, which fewer than 2^63 values stay far below. The query's last step
/// makes an int64 of it, or a dead letter.
pub(crate) const INT_SUM: DataType = DataType::Decimal128(38, 0);

/// Sums of whole numbers by group.
#[derive(Default)]
pub(crate) struct IntSum {
    sums: Vec<i128>,
    seen: Seen,
}

impl IntSum {
    #[inline]
    fn add(&mut self, group: usize, value: i128) {
        if let Some(sum) = self.sums.get_mut(group) {
            *sum = sum.saturating_add(value);
        }
    }
}

impl Accumulator for IntSum {
    fn update(&mut self, input: &Input<'_>) -> Result<(), OperatorError> {
        self.sums.resize(input.total, 0);
        let values: &Int64Array = input.arg(0)?;
        self.seen.update(input, values.nulls());
        input.each_value(values, |value, group| self.add(group, i128::from(value)));
        Ok(())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[usize], total: usize) -> Result<(), OperatorError> {
        self.sums.resize(total, 0);
        let sums: &Decimal128Array = column(state, 0)?;
        let groups = &groups[..groups.len().min(sums.len())];
        self.seen.merge(groups, sums.nulls(), total);
        for (row, group) in groups.iter().enumerate() {
            if sums.is_valid(row) {
                self.add(*group, sums.value(row));
            }
        }
        Ok(())
    }

    fn read(&self, groups: Groups<'_>) -> Result<Vec<ArrayRef>, OperatorError> {
        Ok(vec![self.evaluate(groups)?])
    }

    fn evaluate(&self, groups: Groups<'_>) -> Result<ArrayRef, OperatorError> {
        let sum = |group: Option<usize>| self.sums.get(group?).copied();
        Ok(Arc::new(self.seen.of(groups).map(sum).collect::<Decimal128Array>().with_data_type(INT_SUM)))
    }

    fn format(&self) -> String {
        "int_sum/1".to_owned()
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<i128>() + self.seen.size()
    }
}

/// Sums of decimals by group, of any size: the query's last step makes a decimal of 38 digits of them, or a dead letter.
pub(crate) struct DecimalSum {
    scale: i8,
    sums: WideSums,
    seen: Seen,
}

impl DecimalSum {
    pub(crate) fn new(scale: i8) -> Self {
        Self { scale, sums: WideSums::default(), seen: Seen::default() }
    }
}

impl Accumulator for DecimalSum {
    fn update(&mut self, input: &Input<'_>) -> Result<(), OperatorError> {
        self.sums.grow(input.total);
        let values: &Decimal128Array = input.arg(0)?;
        self.seen.update(input, values.nulls());
        input.each_value(values, |value, group| self.sums.add(group, value));
        Ok(())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[usize], total: usize) -> Result<(), OperatorError> {
        self.sums.grow(total);
        let (low, carries): (&Decimal128Array, &Int64Array) = (column(state, 0)?, column(state, 1)?);
        let groups = &groups[..groups.len().min(low.len())];
        self.seen.merge(groups, low.nulls(), total);
        for (row, group) in groups.iter().enumerate() {
            if low.is_valid(row) {
                self.sums.merge(*group, (low.value(row), carries.value(row)));
            }
        }
        Ok(())
    }

    fn read(&self, groups: Groups<'_>) -> Result<Vec<ArrayRef>, OperatorError> {
        let low = self.seen.of(groups).map(|group| group.map(|group| self.sums.parts(group).0));
        let low = low.collect::<Decimal128Array>().with_data_type(DataType::Decimal128(38, self.scale));
        let carries = groups.iter().map(|group| self.sums.parts(group).1);
        Ok(vec![Arc::new(low), Arc::new(Int64Array::from_iter_values(carries))])
    }

    fn evaluate(&self, groups: Groups<'_>) -> Result<ArrayRef, OperatorError> {
        let sums = self.seen.of(groups).map(|group| group.map(|group| self.sums.exact(group)));
        let sums = sums.collect::<Decimal256Array>();
        Ok(Arc::new(sums.with_data_type(DataType::Decimal256(76, self.scale))))
    }

    fn format(&self) -> String {
        "decimal_sum/1".to_owned()
    }

    fn size(&self) -> usize {
        self.sums.size() + self.seen.size()
    }
}

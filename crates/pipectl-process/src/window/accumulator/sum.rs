//! Exact sums of whole numbers and of decimals.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Decimal128Array, Decimal256Array, Int64Array};
use arrow_schema::DataType;

use super::{Accumulator, Bits, Groups, Input, column, wide::WideSums};
use crate::OperatorError;

/// The type of a sum of whole numbers: 38 digits, which fewer than 2^63 values stay far below. The query's last step
/// makes an int64 of it, or a dead letter.
pub(crate) const INT_SUM: DataType = DataType::Decimal128(38, 0);

/// Sums of whole numbers by group.
#[derive(Default)]
pub(crate) struct IntSum {
    sums: Vec<i128>,
    seen: Bits,
}

impl IntSum {
    fn grow(&mut self, total: usize) {
        self.sums.resize(total, 0);
        self.seen.grow(total);
    }

    #[inline]
    fn add(&mut self, group: usize, value: i128) {
        if let Some(sum) = self.sums.get_mut(group) {
            *sum = sum.saturating_add(value);
            self.seen.set(group);
        }
    }
}

impl Accumulator for IntSum {
    fn update(&mut self, input: &Input<'_>) -> Result<(), OperatorError> {
        self.grow(input.total);
        let values: &Int64Array = input.arg(0)?;
        input.each(values.nulls(), |row, group| self.add(group, i128::from(values.value(row))));
        Ok(())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[usize], total: usize) -> Result<(), OperatorError> {
        self.grow(total);
        let sums: &Decimal128Array = column(state, 0)?;
        for (row, group) in groups.iter().enumerate().take(sums.len()) {
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
        let sum = |group| if self.seen.get(group) { self.sums.get(group).copied() } else { None };
        Ok(Arc::new(groups.iter().map(sum).collect::<Decimal128Array>().with_data_type(INT_SUM)))
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
    seen: Bits,
}

impl DecimalSum {
    pub(crate) fn new(scale: i8) -> Self {
        Self { scale, sums: WideSums::default(), seen: Bits::default() }
    }

    fn grow(&mut self, total: usize) {
        self.sums.grow(total);
        self.seen.grow(total);
    }
}

impl Accumulator for DecimalSum {
    fn update(&mut self, input: &Input<'_>) -> Result<(), OperatorError> {
        self.grow(input.total);
        let values: &Decimal128Array = input.arg(0)?;
        input.each(values.nulls(), |row, group| {
            self.sums.add(group, values.value(row));
            self.seen.set(group);
        });
        Ok(())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[usize], total: usize) -> Result<(), OperatorError> {
        self.grow(total);
        let (low, carries): (&Decimal128Array, &Int64Array) = (column(state, 0)?, column(state, 1)?);
        for (row, group) in groups.iter().enumerate().take(low.len()) {
            if low.is_valid(row) {
                self.sums.merge(*group, (low.value(row), carries.value(row)));
                self.seen.set(*group);
            }
        }
        Ok(())
    }

    fn read(&self, groups: Groups<'_>) -> Result<Vec<ArrayRef>, OperatorError> {
        let low = groups.iter().map(|group| self.seen.get(group).then(|| self.sums.parts(group).0));
        let low = low.collect::<Decimal128Array>().with_data_type(DataType::Decimal128(38, self.scale));
        let carries = groups.iter().map(|group| self.sums.parts(group).1);
        Ok(vec![Arc::new(low), Arc::new(Int64Array::from_iter_values(carries))])
    }

    fn evaluate(&self, groups: Groups<'_>) -> Result<ArrayRef, OperatorError> {
        let sums = groups.iter().map(|group| self.seen.get(group).then(|| self.sums.exact(group)));
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

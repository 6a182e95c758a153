//! The smallest or largest value; of truth values, whether all or any are true.

use std::cmp::Ordering;

use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

use super::{
    Accumulator, Bits, Groups, Input, column,
    slots::{Slots, seen, with_slots},
};
use crate::OperatorError;

/// The accumulator of the values that compare as `wanted` with all others, of a column of this type.
pub(crate) fn extreme(kind: &DataType, wanted: Ordering) -> Result<Box<dyn Accumulator>, OperatorError> {
    with_slots!(kind, S => {
        Box::new(Extreme { wanted, values: <S as Slots>::new(kind), seen: Bits::default() }) as Box<dyn Accumulator>
    })
}

struct Extreme<S> {
    wanted: Ordering,
    values: S,
    seen: Bits,
}

impl<S: Slots> Extreme<S> {
    fn grow(&mut self, total: usize) {
        self.values.grow(total);
        self.seen.grow(total);
    }

    #[inline]
    fn take(&mut self, group: usize, values: &S::Array, row: usize) {
        if self.seen.insert(group) || self.values.compare(group, values, row) == self.wanted {
            self.values.put(group, values, row);
        }
    }
}

impl<S: Slots> Accumulator for Extreme<S> {
    fn update(&mut self, input: &Input<'_>) -> Result<(), OperatorError> {
        self.grow(input.total);
        let values: &S::Array = input.arg(0)?;
        input.each(values.nulls(), |row, group| self.take(group, values, row));
        Ok(())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[usize], total: usize) -> Result<(), OperatorError> {
        self.grow(total);
        let values: &S::Array = column(state, 0)?;
        for (row, group) in groups.iter().enumerate().take(values.len()) {
            if values.is_valid(row) {
                self.take(*group, values, row);
            }
        }
        Ok(())
    }

    fn read(&self, groups: Groups<'_>) -> Result<Vec<ArrayRef>, OperatorError> {
        Ok(vec![self.evaluate(groups)?])
    }

    fn evaluate(&self, groups: Groups<'_>) -> Result<ArrayRef, OperatorError> {
        self.values.column(seen(groups, &self.seen))
    }

    fn format(&self) -> String {
        "extreme/1".to_owned()
    }

    fn size(&self) -> usize {
        self.values.size() + self.seen.size()
    }
}

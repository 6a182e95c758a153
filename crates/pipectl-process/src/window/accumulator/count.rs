//! Counts rows, or values that are not null.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array};

use super::{Accumulator, Groups, Input, column};
use crate::OperatorError;

/// Counts by group.
#[derive(Default)]
pub(crate) struct Count(Vec<i64>);

impl Accumulator for Count {
    fn update(&mut self, input: &Input<'_>) -> Result<(), OperatorError> {
        self.0.resize(input.total, 0);
        let nulls = input.args.first().and_then(|values| values.nulls());
        input.each(nulls, |_, group| {
            if let Some(count) = self.0.get_mut(group) {
                *count += 1;
            }
        });
        Ok(())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[usize], total: usize) -> Result<(), OperatorError> {
        self.0.resize(total, 0);
        let counts: &Int64Array = column(state, 0)?;
        for (count, group) in counts.values().iter().zip(groups) {
            if let Some(sum) = self.0.get_mut(*group) {
                *sum += count;
            }
        }
        Ok(())
    }

    fn read(&self, groups: Groups<'_>) -> Result<Vec<ArrayRef>, OperatorError> {
        Ok(vec![self.evaluate(groups)?])
    }

    fn evaluate(&self, groups: Groups<'_>) -> Result<ArrayRef, OperatorError> {
        let count = |group| self.0.get(group).copied().unwrap_or_default();
        Ok(Arc::new(Int64Array::from_iter_values(groups.iter().map(count))))
    }

    fn format(&self) -> String {
        "count/1".to_owned()
    }

    fn size(&self) -> usize {
        self.0.capacity() * size_of::<i64>()
    }
}

//! The smallest or largest value; of truth values, whether all or any are true.

use std::{cmp::Ordering, sync::Arc};

use arrow_array::{Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, PrimitiveArray};
use arrow_schema::DataType;

use super::{
    Accumulator, Bits, Groups, Input, Seen, column,
    slots::{Bools, Bytes, BytesOf, Fixed, Slots, seen, with_slots},
};
use crate::OperatorError;

/// The accumulator of the values that compare as `wanted` with all others, of a column of this type.
pub(crate) fn extreme(kind: &DataType, wanted: Ordering) -> Result<Box<dyn Accumulator>, OperatorError> {
    with_slots!(kind, S => <S as HasExtreme>::extreme(kind, wanted))
}

/// How the extreme of values that are kept this way is found.
trait HasExtreme {
    fn extreme(kind: &DataType, wanted: Ordering) -> Box<dyn Accumulator>;
}

impl<T: ArrowPrimitiveType> HasExtreme for Fixed<T> {
    fn extreme(kind: &DataType, wanted: Ordering) -> Box<dyn Accumulator> {
        Box::new(Number::<T> { kind: kind.clone(), wanted, values: Vec::new(), seen: Seen::default() })
    }
}

impl HasExtreme for Bools {
    fn extreme(kind: &DataType, wanted: Ordering) -> Box<dyn Accumulator> {
        Box::new(Extreme { wanted, values: Self::new(kind), seen: Bits::default() })
    }
}

impl<T: BytesOf> HasExtreme for Bytes<T> {
    fn extreme(kind: &DataType, wanted: Ordering) -> Box<dyn Accumulator> {
        Box::new(Extreme { wanted, values: Self::new(kind), seen: Bits::default() })
    }
}

/// The extreme of numbers. Each group begins with the value that every other one replaces.
struct Number<T: ArrowPrimitiveType> {
    kind: DataType,
    wanted: Ordering,
    values: Vec<T::Native>,
    seen: Seen,
}

impl<T: ArrowPrimitiveType> Number<T> {
    fn take(&mut self, input: &Input<'_>, values: &PrimitiveArray<T>) {
        let first = match self.wanted {
            Ordering::Less => T::Native::MAX_TOTAL_ORDER,
            _ => T::Native::MIN_TOTAL_ORDER,
        };
        self.values.resize(input.total, first);
        self.seen.update(input, values.nulls());
        // One loop for each, so that no row asks which one it is.
        match self.wanted {
            Ordering::Less => input.each_value(values, |value, group| {
                if let Some(least) = self.values.get_mut(group).filter(|least| value.is_lt(**least)) {
                    *least = value;
                }
            }),
            _ => input.each_value(values, |value, group| {
                if let Some(most) = self.values.get_mut(group).filter(|most| value.is_gt(**most)) {
                    *most = value;
                }
            }),
        }
    }
}

impl<T: ArrowPrimitiveType> Accumulator for Number<T> {
    fn update(&mut self, input: &Input<'_>) -> Result<(), OperatorError> {
        self.take(input, input.arg(0)?);
        Ok(())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[usize], total: usize) -> Result<(), OperatorError> {
        let values: &PrimitiveArray<T> = column(state, 0)?;
        let groups = &groups[..groups.len().min(values.len())];
        self.take(&Input { args: state, groups, filter: None, total, places: None }, values);
        Ok(())
    }

    fn read(&self, groups: Groups<'_>) -> Result<Vec<ArrayRef>, OperatorError> {
        Ok(vec![self.evaluate(groups)?])
    }

    fn evaluate(&self, groups: Groups<'_>) -> Result<ArrayRef, OperatorError> {
        let values = self.seen.of(groups).map(|group| group.and_then(|group| self.values.get(group).copied()));
        Ok(Arc::new(values.collect::<PrimitiveArray<T>>().with_data_type(self.kind.clone())))
    }

    fn format(&self) -> String {
        "extreme/1".to_owned()
    }

    fn size(&self) -> usize {
        self.values.capacity() * size_of::<T::Native>() + self.seen.size()
    }
}

/// The extreme of values that are compared where they are kept.
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

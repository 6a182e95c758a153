//! The face of an aggregate within a pane, and the two general ways to fill it: a DataFusion accumulator, and one that
//! sees each different value once.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, UInt64Array,
    cast::AsArray,
    types::{Float64Type, Int64Type, UInt64Type},
};
use arrow_schema::{DataType as Arrow, Field, Schema, SchemaRef};
use arrow_select::filter::filter;
use datafusion_common::Result;
use datafusion_expr::{EmitTo, GroupsAccumulator};
use datafusion_physical_expr::{GroupsAccumulatorAdapter, aggregate::AggregateFunctionExpr};
use datafusion_physical_plan::aggregates::{
    group_values::{GroupValues, new_group_values},
    order::GroupOrdering,
};

/// One aggregate for all groups of a pane.
///
/// Groups have numbers from 0; `total` is how many there are. What [`Aggregate::freeze`] gives, merged into a fresh
/// aggregate with the same numbers, makes one that goes on exactly as this one would have, to the last bit.
pub(super) trait Aggregate: Send {
    /// Takes rows: their arguments, the group of each, and which of them count (all, if there is no filter).
    fn update(
        &mut self,
        args: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()>;
    /// Takes the frozen form of another one; `groups` says which group of this one each of its groups is.
    fn merge(&mut self, frozen: &[ArrayRef], groups: &[usize], total: usize) -> Result<()>;
    /// The results, one a group. The aggregate is spent.
    fn finish(&mut self) -> Result<ArrayRef>;
    /// The state as columns. The aggregate is spent.
    fn freeze(&mut self) -> Result<Vec<ArrayRef>>;
    /// Bytes held.
    fn size(&self) -> usize;
}

/// A DataFusion accumulator.
pub(super) struct Plain(Box<dyn GroupsAccumulator>);

impl Plain {
    pub(super) fn new(function: &Arc<AggregateFunctionExpr>) -> Result<Self> {
        if function.groups_accumulator_supported() {
            return function.create_groups_accumulator().map(Self);
        }
        let function = Arc::clone(function);
        Ok(Self(Box::new(GroupsAccumulatorAdapter::new(move || function.create_accumulator()))))
    }
}

impl Aggregate for Plain {
    fn update(
        &mut self,
        args: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.0.update_batch(args, groups, filter, total)
    }

    fn merge(&mut self, frozen: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.0.merge_batch(frozen, groups, total)
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        self.0.evaluate(EmitTo::All)
    }

    fn freeze(&mut self) -> Result<Vec<ArrayRef>> {
        self.0.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}

/// Lets another aggregate see each different value of a group once.
///
/// Its state is the pairs of group and value in the order of their first sight; merging plays them again, so it is
/// exact for every inner aggregate, and the order in which hash tables keep things never shows.
pub(super) struct Distinct {
    types: Vec<Arrow>,
    seen: Box<dyn GroupValues>,
    inner: Box<dyn Aggregate>,
}

impl Distinct {
    pub(super) fn new(values: &[Arrow], inner: Box<dyn Aggregate>) -> Result<Self> {
        Ok(Self { types: values.to_vec(), seen: new_group_values(pairs(values), &GroupOrdering::None)?, inner })
    }
}

/// Values of a frozen state. Checkpoints of earlier versions have the whole numbers of a mean as floats.
fn as_type(values: &ArrayRef, wanted: &Arrow) -> ArrayRef {
    match values.as_primitive_opt::<Float64Type>() {
        Some(floats) if *wanted == Arrow::Int64 => Arc::new(floats.unary::<_, Int64Type>(|value| value as i64)),
        _ => Arc::clone(values),
    }
}

/// Which rows are the first with their number, where numbers from `known` to `total` are new. They may come in any order:
/// the table gives rows whose hashes collide their numbers later than others.
fn first_sights(numbers: &[usize], known: usize, total: usize) -> Vec<bool> {
    let mut seen = vec![false; total.saturating_sub(known)];
    let mut first = |number: &usize| {
        let new = number.checked_sub(known).and_then(|new| seen.get_mut(new));
        new.is_some_and(|seen| !std::mem::replace(seen, true))
    };
    numbers.iter().map(&mut first).collect()
}

fn pairs(values: &[Arrow]) -> SchemaRef {
    let fields = std::iter::once(Field::new("group", Arrow::UInt64, false))
        .chain(values.iter().enumerate().map(|(index, kind)| Field::new(format!("value{index}"), kind.clone(), true)));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

impl Aggregate for Distinct {
    fn update(
        &mut self,
        args: &[ArrayRef],
        groups: &[usize],
        filter_: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        // Rows that do not count, and nulls, which no aggregate counts, must not be remembered as seen.
        let counts: BooleanArray = (0..groups.len())
            .map(|row| Some(filter_.is_none_or(|mask| mask.value(row)) && args.iter().all(|arg| arg.is_valid(row))))
            .collect();
        let numbers: ArrayRef = Arc::new(UInt64Array::from_iter_values(groups.iter().map(|group| *group as u64)));
        let columns = std::iter::once(&numbers)
            .chain(args)
            .map(|column| Ok(filter(column, &counts)?))
            .collect::<Result<Vec<_>>>()?;
        let known = self.seen.len();
        let mut pairs = Vec::new();
        self.seen.intern(&columns, &mut pairs)?;
        let mut first = first_sights(&pairs, known, self.seen.len()).into_iter();
        let mask: BooleanArray =
            counts.iter().map(|counts| Some(counts == Some(true) && first.next() == Some(true))).collect();
        self.inner.update(args, groups, Some(&mask), total)
    }

    fn merge(&mut self, frozen: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        let Some((numbers, values)) = frozen.split_first() else {
            return Err(datafusion_common::DataFusionError::Internal("a state without groups".to_owned()));
        };
        let numbers = numbers.as_primitive::<UInt64Type>();
        let groups = numbers
            .values()
            .iter()
            .map(|old| groups.get(*old as usize).copied())
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| {
                datafusion_common::DataFusionError::Internal("a state of groups that do not exist".to_owned())
            })?;
        let values: Vec<_> = values.iter().zip(&self.types).map(|(values, wanted)| as_type(values, wanted)).collect();
        self.update(&values, &groups, None, total)
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        self.inner.finish()
    }

    fn freeze(&mut self) -> Result<Vec<ArrayRef>> {
        self.seen.emit(EmitTo::All)
    }

    fn size(&self) -> usize {
        self.seen.size() + self.inner.size()
    }
}

#[cfg(test)]
mod tests {
    use super::first_sights;

    #[test]
    fn first_sights_are_found_in_any_order_of_numbers() {
        assert_eq!(first_sights(&[3, 4, 3, 5, 1], 3, 6), [true, true, false, true, false]);
        assert_eq!(first_sights(&[5, 3, 5, 4, 3, 0], 3, 6), [true, true, false, true, false, false]);
        assert_eq!(first_sights(&[0, 1], 2, 2), [false, false]);
    }
}

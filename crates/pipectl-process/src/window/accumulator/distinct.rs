//! Lets another aggregate take each different value of a group once.
//!
//! The state is the pairs of group and value in the order in which they were first seen; merging takes them again, so
//! that it is exact for every aggregate, and the order of the hash table does not show.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, UInt32Array, UInt64Array,
    cast::AsArray,
    types::{Float64Type, Int64Type},
};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, Schema};
use arrow_select::take::take;
use datafusion_physical_plan::aggregates::{
    group_values::{GroupValues, new_group_values},
    order::GroupOrdering,
};

use super::{Accumulator, Groups, Input, Log, column, first_rows, log::entries_of};
use crate::OperatorError;

/// The accumulator of different values.
pub(crate) struct Distinct {
    kinds: Vec<DataType>,
    /// Finds the number of a pair.
    index: Box<dyn GroupValues>,
    /// The group of each pair.
    groups: Vec<u32>,
    /// The values of each pair.
    values: Log,
    inner: Box<dyn Accumulator>,
    /// Scratch: numbers of pairs, and the rows of those that are new.
    numbers: Vec<usize>,
    new: Vec<usize>,
}

impl Distinct {
    /// Values of these types for `inner`.
    pub(crate) fn new(kinds: &[DataType], inner: Box<dyn Accumulator>) -> Result<Self, OperatorError> {
        Ok(Self {
            kinds: kinds.to_vec(),
            index: index(kinds)?,
            groups: Vec::new(),
            values: Log::new(kinds.iter())?,
            inner,
            numbers: Vec::new(),
            new: Vec::new(),
        })
    }
}

/// A table of pairs of a group and values of these types.
pub(crate) fn index(kinds: &[DataType]) -> Result<Box<dyn GroupValues>, OperatorError> {
    let fields = std::iter::once(Field::new("group", DataType::UInt64, false))
        .chain(kinds.iter().enumerate().map(|(at, kind)| Field::new(format!("value{at}"), kind.clone(), true)));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    new_group_values(schema, &GroupOrdering::None).map_err(table)
}

pub(crate) fn table(error: impl std::fmt::Display) -> OperatorError {
    OperatorError(format!("a table of values failed: {error}"))
}

/// Rows of columns.
pub(crate) fn rows_of(columns: &[ArrayRef], rows: &UInt32Array) -> Result<Vec<ArrayRef>, OperatorError> {
    let taken = columns.iter().map(|column| take(column, rows, None)).collect::<Result<_, _>>();
    taken.map_err(|error| OperatorError(format!("rows of an aggregate cannot be taken: {error}")))
}

/// Checkpoints of earlier versions have the whole numbers of a mean as floats.
fn as_kind(values: &ArrayRef, wanted: &DataType) -> ArrayRef {
    match values.as_primitive_opt::<Float64Type>() {
        Some(floats) if *wanted == DataType::Int64 => Arc::new(floats.unary::<_, Int64Type>(|value| value as i64)),
        _ => Arc::clone(values),
    }
}

impl Accumulator for Distinct {
    fn update(&mut self, input: &Input<'_>) -> Result<(), OperatorError> {
        // Rows that do not count, and nulls, which no aggregate counts, must not be remembered as seen.
        let nulls = input.args.iter().fold(None, |nulls, arg| NullBuffer::union(nulls.as_ref(), arg.nulls()));
        let mut counted: Vec<u32> = Vec::with_capacity(input.groups.len());
        let mut groups: Vec<usize> = Vec::with_capacity(input.groups.len());
        input.each(nulls.as_ref(), |row, group| {
            counted.push(row as u32);
            groups.push(group);
        });
        let args = if counted.len() == input.groups.len() {
            input.args.to_vec()
        } else {
            rows_of(input.args, &counted.into())?
        };
        let ids: ArrayRef = Arc::new(UInt64Array::from_iter_values(groups.iter().map(|group| *group as u64)));
        let pairs: Vec<ArrayRef> = std::iter::once(ids).chain(args.iter().cloned()).collect();
        let known = self.index.len();
        self.numbers.clear();
        self.index.intern(&pairs, &mut self.numbers).map_err(table)?;
        first_rows(&self.numbers, known..self.index.len(), &mut self.new);
        let groups: Vec<usize> = self.new.iter().filter_map(|row| groups.get(*row).copied()).collect();
        self.groups.extend(groups.iter().map(|group| *group as u32));
        self.values.append(&args, &self.new)?;
        let new = UInt32Array::from_iter_values(self.new.iter().map(|row| *row as u32));
        let args = rows_of(&args, &new)?;
        self.inner.update(&Input { args: &args, groups: &groups, filter: None, total: input.total, places: None })
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[usize], total: usize) -> Result<(), OperatorError> {
        let positions: &UInt64Array = column(state, 0)?;
        let groups = positions.values().iter().map(|position| groups.get(*position as usize).copied());
        let groups = groups
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| OperatorError("a state is of groups that do not exist".to_owned()))?;
        let values = state.iter().skip(1).zip(&self.kinds).map(|(values, wanted)| as_kind(values, wanted));
        let args: Vec<ArrayRef> = values.collect();
        self.update(&Input { args: &args, groups: &groups, filter: None, total, places: None })
    }

    fn read(&self, groups: Groups<'_>) -> Result<Vec<ArrayRef>, OperatorError> {
        let (positions, entries) = entries_of(&self.groups, groups);
        let mut values = self.values.columns();
        if entries.len() < self.groups.len() {
            values = rows_of(&values, &entries.into())?;
        }
        let positions: ArrayRef = Arc::new(UInt64Array::from(positions));
        Ok(std::iter::once(positions).chain(values).collect())
    }

    fn evaluate(&self, groups: Groups<'_>) -> Result<ArrayRef, OperatorError> {
        self.inner.evaluate(groups)
    }

    fn format(&self) -> String {
        "distinct/1".to_owned()
    }

    fn size(&self) -> usize {
        self.index.size() + self.groups.capacity() * size_of::<u32>() + self.values.size() + self.inner.size()
    }
}

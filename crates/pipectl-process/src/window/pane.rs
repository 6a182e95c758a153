//! One stretch of time: group keys and aggregates.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array, UInt64Array, cast::AsArray, types::UInt64Type};
use arrow_ord::sort::{SortColumn, lexsort_to_indices};
use arrow_select::take::take;
use datafusion_physical_plan::aggregates::{
    group_values::{GroupValues, new_group_values},
    order::GroupOrdering,
};
use pipectl_data::{Micros, START_OF_TIME};

use super::{
    accumulator::{Accumulator, Groups, Input, Log, Place, first_rows},
    plan::{Call, Plan},
};
use crate::OperatorError;

/// A pane.
pub(super) struct Pane {
    /// The latest arrival among its rows.
    pub(super) arrival: Micros,
    /// How many records it holds.
    pub(super) rows: u64,
    /// Finds the group of a key; nothing is ever read from it. `None` without group keys: then there is one group.
    index: Option<Box<dyn GroupValues>>,
    /// The keys of the groups, in the order of their numbers.
    keys: Log,
    /// How many groups there are.
    total: usize,
    accumulators: Vec<Box<dyn Accumulator>>,
    /// What the last checkpoint wrote, as long as nothing changes.
    encoded: Option<Arc<[u8]>>,
    /// Scratch: the groups of a batch's rows, and the rows of those that are new.
    numbers: Vec<usize>,
    new: Vec<usize>,
}

/// What a pane holds, as columns.
pub(super) struct State {
    pub(super) keys: Vec<ArrayRef>,
    /// How many groups.
    pub(super) groups: usize,
    /// The columns of each aggregate's state.
    pub(super) accumulators: Vec<Vec<ArrayRef>>,
}

impl Pane {
    pub(super) fn new(plan: &Plan) -> Result<Self, OperatorError> {
        let index = if plan.keys.fields().is_empty() {
            None
        } else {
            Some(new_group_values(plan.keys.clone(), &GroupOrdering::None).map_err(broken)?)
        };
        Ok(Self {
            arrival: START_OF_TIME,
            rows: 0,
            keys: Log::new(plan.keys.fields().iter().map(|field| field.data_type()))?,
            total: usize::from(index.is_none()),
            index,
            accumulators: plan.calls.iter().map(Call::create).collect::<Result<_, _>>()?,
            encoded: None,
            numbers: Vec::new(),
            new: Vec::new(),
        })
    }

    /// How many groups it has.
    pub(super) fn groups(&self) -> usize {
        self.total
    }

    /// Finds the group of each row, and remembers the keys of new groups.
    fn number(&mut self, keys: &[ArrayRef], rows: usize) -> Result<(), OperatorError> {
        self.numbers.clear();
        if let Some(index) = &mut self.index {
            index.intern(keys, &mut self.numbers).map_err(broken)?;
            let known = std::mem::replace(&mut self.total, index.len());
            first_rows(&self.numbers, known..self.total, &mut self.new);
            self.keys.append(keys, &self.new)?;
        } else {
            self.numbers.resize(rows, 0);
        }
        self.encoded = None;
        Ok(())
    }

    /// Takes rows: the values of [`Plan::rows`], and where they stand in event time if [`Plan::places`] says so.
    pub(super) fn update(
        &mut self,
        plan: &Plan,
        values: &[ArrayRef],
        rows: usize,
        places: Option<&[Place]>,
    ) -> Result<(), OperatorError> {
        let misfit = || OperatorError("a row lacks the values of its aggregates".to_owned());
        let keys = values.get(..plan.keys.fields().len()).ok_or_else(misfit)?;
        self.number(keys, rows)?;
        for (call, accumulator) in plan.calls.iter().zip(&mut self.accumulators) {
            let args = values.get(call.args.clone()).ok_or_else(misfit)?;
            let filter = call.filter.and_then(|index| values.get(index)).map(mask).transpose()?;
            let filter = filter.as_ref();
            accumulator.update(&Input { args, groups: &self.numbers, filter, total: self.total, places })?;
        }
        self.rows += rows as u64;
        Ok(())
    }

    /// Takes what another pane holds; it stays as it is.
    pub(super) fn merge(&mut self, other: &Self) -> Result<(), OperatorError> {
        self.merge_state(&other.read(Groups::All(other.total))?)?;
        self.arrival = self.arrival.max(other.arrival);
        self.rows += other.rows;
        Ok(())
    }

    /// Takes what another pane held.
    pub(super) fn merge_state(&mut self, state: &State) -> Result<(), OperatorError> {
        self.number(&state.keys, state.groups)?;
        for (accumulator, columns) in self.accumulators.iter_mut().zip(&state.accumulators) {
            accumulator.merge(columns, &self.numbers, self.total)?;
        }
        Ok(())
    }

    /// Takes what a pane of an earlier version held: there, `DISTINCT` kept the different values of all aggregates.
    pub(super) fn merge_format_1(&mut self, plan: &Plan, state: &State) -> Result<(), OperatorError> {
        self.number(&state.keys, state.groups)?;
        for ((call, accumulator), columns) in plan.calls.iter().zip(&mut self.accumulators).zip(&state.accumulators) {
            match (columns.as_slice(), call.is_needlessly_distinct()) {
                ([positions, values], true) => {
                    let positions: &UInt64Array =
                        positions.as_primitive_opt::<UInt64Type>().ok_or_else(other_groups)?;
                    let groups = positions.values().iter().map(|at| self.numbers.get(*at as usize).copied());
                    let groups = groups.collect::<Option<Vec<_>>>().ok_or_else(other_groups)?;
                    accumulator.merge(&[Arc::clone(values)], &groups, self.total)?;
                }
                _ => accumulator.merge(columns, &self.numbers, self.total)?,
            }
        }
        Ok(())
    }

    /// The keys of the groups, in the order of their numbers.
    pub(super) fn keys(&self) -> Vec<ArrayRef> {
        self.keys.columns()
    }

    /// What it holds of these groups; nothing changes.
    pub(super) fn read(&self, groups: Groups<'_>) -> Result<State, OperatorError> {
        let accumulators = self.accumulators.iter().map(|accumulator| accumulator.read(groups));
        let accumulators = accumulators.collect::<Result<_, _>>()?;
        let keys = self.keys.columns();
        let (keys, groups) = match groups {
            Groups::All(total) => (keys, total),
            Groups::Some(numbers) => {
                let rows = UInt32Array::from(numbers.to_vec());
                let keys = keys.iter().map(|column| take(column, &rows, None).map_err(broken));
                (keys.collect::<Result<_, _>>()?, numbers.len())
            }
        };
        Ok(State { keys, groups, accumulators })
    }

    /// The keys and the results of all groups by ascending key, as the order of the table must not show, and how many
    /// they are; nothing changes.
    pub(super) fn results(&self) -> Result<(Vec<ArrayRef>, usize), OperatorError> {
        let evaluate = |groups| self.accumulators.iter().map(move |accumulator| accumulator.evaluate(groups));
        if self.index.is_none() {
            return Ok((evaluate(Groups::All(1)).collect::<Result<_, _>>()?, 1));
        }
        let unsorted = |error: arrow_schema::ArrowError| OperatorError(format!("results cannot be sorted: {error}"));
        let keys = self.keys.columns();
        let by: Vec<SortColumn> =
            keys.iter().map(|values| SortColumn { values: Arc::clone(values), options: None }).collect();
        let order = lexsort_to_indices(&by, None).map_err(unsorted)?;
        let keys = keys.iter().map(|column| take(column, &order, None).map_err(unsorted));
        let columns = keys.chain(evaluate(Groups::Some(order.values()))).collect::<Result<Vec<_>, _>>()?;
        Ok((columns, order.len()))
    }

    /// What the last checkpoint wrote, if nothing has changed since.
    pub(super) fn encoded(&self) -> Option<Arc<[u8]>> {
        self.encoded.clone()
    }

    /// Remembers what a checkpoint writes.
    pub(super) fn set_encoded(&mut self, bytes: Arc<[u8]>) {
        self.encoded = Some(bytes);
    }

    /// Bytes held.
    pub(super) fn size(&self) -> usize {
        self.index.as_ref().map_or(0, |index| index.size())
            + self.keys.size()
            + self.accumulators.iter().map(|accumulator| accumulator.size()).sum::<usize>()
            + self.encoded.as_deref().map_or(0, <[u8]>::len)
    }
}

fn mask(filter: &ArrayRef) -> Result<BooleanArray, OperatorError> {
    let filter = filter
        .as_any()
        .downcast_ref::<BooleanArray>()
        .ok_or_else(|| OperatorError("a FILTER is no truth value".to_owned()))?;
    Ok(if filter.null_count() > 0 { arrow_select::filter::prep_null_mask_filter(filter) } else { filter.clone() })
}

fn broken(error: impl std::fmt::Display) -> OperatorError {
    OperatorError(format!("the table of groups failed: {error}"))
}

fn other_groups() -> OperatorError {
    OperatorError("the checkpoint of a window has groups that do not exist".to_owned())
}

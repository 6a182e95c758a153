//! One stretch of time: group keys and aggregates, live or frozen.

use arrow_array::{Array, ArrayRef, BooleanArray};
use datafusion_expr::EmitTo;
use datafusion_physical_plan::aggregates::{
    group_values::{GroupValues, new_group_values},
    order::GroupOrdering,
};
use pipectl_data::{Micros, START_OF_TIME};

use super::{
    aggregate::Aggregate,
    plan::{Plan, broken},
};
use crate::OperatorError;

/// A pane.
pub(super) struct Pane {
    state: State,
    /// The latest arrival among its rows.
    pub(super) arrival: Micros,
    /// How many records it holds.
    pub(super) rows: u64,
}

enum State {
    Live(Live),
    Frozen(Frozen),
}

/// Groups that take rows.
pub(super) struct Live {
    /// `None` without group keys: then there is one group.
    groups: Option<Box<dyn GroupValues>>,
    aggregates: Vec<Box<dyn Aggregate>>,
    /// Scratch for the groups of a batch's rows.
    numbers: Vec<usize>,
}

/// Groups as columns.
pub(super) struct Frozen {
    pub(super) keys: Vec<ArrayRef>,
    /// How many groups.
    pub(super) groups: usize,
    /// The columns of each aggregate's state.
    pub(super) states: Vec<Vec<ArrayRef>>,
    /// The checkpoint's bytes, once written.
    pub(super) encoded: Option<std::sync::Arc<[u8]>>,
}

impl Pane {
    pub(super) fn new(plan: &Plan) -> Result<Self, OperatorError> {
        Ok(Self { state: State::Live(Live::new(plan)?), arrival: START_OF_TIME, rows: 0 })
    }

    pub(super) fn frozen(frozen: Frozen, arrival: Micros, rows: u64) -> Self {
        Self { state: State::Frozen(frozen), arrival, rows }
    }

    /// Takes rows: the values of [`Plan::rows`].
    pub(super) fn update(&mut self, plan: &Plan, values: &[ArrayRef], rows: usize) -> Result<(), OperatorError> {
        self.thaw(plan)?.update(plan, values, rows)?;
        self.rows += rows as u64;
        Ok(())
    }

    /// The groups, ready to take rows.
    pub(super) fn thaw(&mut self, plan: &Plan) -> Result<&mut Live, OperatorError> {
        if let State::Frozen(frozen) = &self.state {
            let mut live = Live::new(plan)?;
            live.merge(frozen)?;
            self.state = State::Live(live);
        }
        match &mut self.state {
            State::Live(live) => Ok(live),
            State::Frozen(_) => Err(OperatorError("a pane stayed frozen".to_owned())),
        }
    }

    /// The groups as columns; they stay so until rows come.
    pub(super) fn freeze(&mut self) -> Result<&mut Frozen, OperatorError> {
        if let State::Live(live) = &mut self.state {
            self.state = State::Frozen(live.freeze()?);
        }
        match &mut self.state {
            State::Frozen(frozen) => Ok(frozen),
            State::Live(_) => Err(OperatorError("a pane stayed live".to_owned())),
        }
    }

    /// Bytes held.
    pub(super) fn size(&self) -> usize {
        match &self.state {
            State::Live(live) => live.size(),
            State::Frozen(frozen) => {
                let columns = frozen.keys.iter().chain(frozen.states.iter().flatten());
                columns.map(Array::get_array_memory_size).sum::<usize>()
                    + frozen.encoded.as_deref().map_or(0, <[u8]>::len)
            }
        }
    }
}

impl Live {
    pub(super) fn new(plan: &Plan) -> Result<Self, OperatorError> {
        let groups = if plan.keys.fields().is_empty() {
            None
        } else {
            Some(new_group_values(plan.keys.clone(), &GroupOrdering::None).map_err(broken)?)
        };
        let aggregates = plan.calls.iter().map(super::plan::Call::create).collect::<Result<_, _>>()?;
        Ok(Self { groups, aggregates, numbers: Vec::new() })
    }

    /// Finds the group of each row; answers how many groups there are.
    fn number(&mut self, keys: &[ArrayRef], rows: usize) -> Result<usize, OperatorError> {
        self.numbers.clear();
        if let Some(groups) = &mut self.groups {
            groups.intern(keys, &mut self.numbers).map_err(broken)?;
            return Ok(groups.len());
        }
        self.numbers.resize(rows, 0);
        Ok(1)
    }

    fn update(&mut self, plan: &Plan, values: &[ArrayRef], rows: usize) -> Result<(), OperatorError> {
        let misfit = || OperatorError("a row lacks the values of its aggregates".to_owned());
        let keys = values.get(..plan.keys.fields().len()).ok_or_else(misfit)?;
        let total = self.number(keys, rows)?;
        for (call, aggregate) in plan.calls.iter().zip(&mut self.aggregates) {
            let args = values.get(call.args.clone()).ok_or_else(misfit)?;
            let filter = call.filter.and_then(|index| values.get(index));
            let filter = filter.map(mask).transpose()?;
            if args.is_empty() {
                // `count(*)`: something that is never null.
                let ones: ArrayRef = std::sync::Arc::new(arrow_array::Int64Array::from_value(1, rows));
                aggregate.update(&[ones], &self.numbers, filter.as_ref(), total).map_err(broken)?;
            } else {
                aggregate.update(args, &self.numbers, filter.as_ref(), total).map_err(broken)?;
            }
        }
        Ok(())
    }

    /// Takes the groups of a frozen pane.
    pub(super) fn merge(&mut self, frozen: &Frozen) -> Result<(), OperatorError> {
        let total = self.number(&frozen.keys, frozen.groups)?;
        for (aggregate, state) in self.aggregates.iter_mut().zip(&frozen.states) {
            aggregate.merge(state, &self.numbers, total).map_err(broken)?;
        }
        Ok(())
    }

    /// The keys and the results of all groups; nothing is left.
    pub(super) fn finish(&mut self) -> Result<(Vec<ArrayRef>, usize), OperatorError> {
        let mut columns = Vec::new();
        let mut rows = 1;
        if let Some(groups) = &mut self.groups {
            rows = groups.len();
            columns = groups.emit(EmitTo::All).map_err(broken)?;
        }
        for aggregate in &mut self.aggregates {
            columns.push(aggregate.finish().map_err(broken)?);
        }
        Ok((columns, rows))
    }

    fn freeze(&mut self) -> Result<Frozen, OperatorError> {
        let mut frozen = Frozen { keys: Vec::new(), groups: 1, states: Vec::new(), encoded: None };
        if let Some(groups) = &mut self.groups {
            frozen.groups = groups.len();
            frozen.keys = groups.emit(EmitTo::All).map_err(broken)?;
        }
        for aggregate in &mut self.aggregates {
            frozen.states.push(aggregate.freeze().map_err(broken)?);
        }
        Ok(frozen)
    }

    fn size(&self) -> usize {
        self.groups.as_ref().map_or(0, |groups| groups.size())
            + self.aggregates.iter().map(|aggregate| aggregate.size()).sum::<usize>()
    }
}

fn mask(filter: &ArrayRef) -> Result<BooleanArray, OperatorError> {
    let filter = filter
        .as_any()
        .downcast_ref::<BooleanArray>()
        .ok_or_else(|| OperatorError("a FILTER is no truth value".to_owned()))?;
    Ok(if filter.null_count() > 0 { arrow_select::filter::prep_null_mask_filter(filter) } else { filter.clone() })
}

//! A windowed query lowered: what is computed of each row, which aggregates a pane has, what is made of their results.

use std::{ops::Range, sync::Arc};

use arrow_schema::{DataType as Arrow, Field, Schema as ArrowSchema, SchemaRef};
use pipectl_data::{DataType, Schema};
use pipectl_ir::query::{Query, WindowAggregate};

use super::{
    accumulator::Accumulator,
    kind::{Kind, arguments},
};
use crate::{
    OperatorError,
    sql::{Frame, Layout, Program, Slot},
};

/// The lowered query.
pub(super) struct Plan {
    /// Reads a batch.
    pub(super) frame: Frame,
    /// Filters rows; its values are the group keys, then each aggregate's filter and arguments.
    pub(super) rows: Program,
    /// Types of the group keys.
    pub(super) keys: SchemaRef,
    /// The aggregates.
    pub(super) calls: Vec<Call>,
    /// Whether an aggregate needs to know where rows stand in event time.
    pub(super) places: bool,
    /// Frames of results: keys, aggregates, start and end of the window.
    pub(super) results: Layout,
    /// `HAVING` and the output columns, over such frames.
    pub(super) output: Program,
    /// The schema of the output.
    pub(super) schema: SchemaRef,
}

/// One aggregate.
pub(super) struct Call {
    kind: Kind,
    distinct: bool,
    /// Types of the arguments.
    types: Vec<Arrow>,
    /// Which values of a row are its arguments.
    pub(super) args: Range<usize>,
    /// Which value of a row is its filter.
    pub(super) filter: Option<usize>,
}

impl Call {
    /// A new accumulator.
    pub(super) fn create(&self) -> Result<Box<dyn Accumulator>, OperatorError> {
        self.kind.create(self.distinct.then_some(&self.types))
    }

    /// Whether `DISTINCT` stands in the query and makes no difference.
    pub(super) fn is_needlessly_distinct(&self) -> bool {
        self.distinct && !self.kind.counts_repeats()
    }
}

impl Plan {
    pub(super) fn new(query: &Query, window: &WindowAggregate, input: &Schema) -> Result<Self, OperatorError> {
        let frame = Frame::new(query, input)?;
        let mut rows = Program::new(frame.layout().clone(), &query.sql, query.filter.as_ref())?;
        let mut values = 0;
        for key in &window.keys {
            rows.key(&key.expr)?;
            values += 1;
        }
        let mut calls = Vec::new();
        let mut slots: Vec<(Slot, Arrow)> =
            window.keys.iter().enumerate().map(|(index, key)| (Slot::Key(index), key.expr.data_type.arrow())).collect();
        for (index, call) in window.aggregates.iter().enumerate() {
            // The filter comes first: arguments are computed only of the rows that it lets through.
            let mut filter = None;
            if let Some(condition) = &call.filter {
                rows.value(condition)?;
                filter = Some(values);
                values += 1;
            }
            let start = values;
            let args = arguments(call);
            for (at, arg) in args.iter().enumerate() {
                // Minus zero and zero are one value where values are compared: with DISTINCT, and in min_by.
                rows.value_if(arg, call.distinct || at > 0, filter)?;
                values += 1;
            }
            let types: Vec<Arrow> = args.iter().map(|arg| arg.data_type.arrow()).collect();
            let kind = Kind::of(call, &types)?;
            slots.push((Slot::Aggregate(index), kind.result()));
            calls.push(Call { kind, distinct: call.distinct, types, args: start..values, filter });
        }
        slots.push((Slot::WindowStart, DataType::Timestamp.arrow()));
        slots.push((Slot::WindowEnd, DataType::Timestamp.arrow()));
        let results = Layout::new(slots);
        let mut output = Program::new(results.clone(), &query.sql, window.having.as_ref())?;
        for column in &window.columns {
            output.value(&column.expr)?;
        }
        let key = |(index, key): (usize, &pipectl_ir::query::GroupKey)| {
            Field::new(format!("key{index}"), key.expr.data_type.arrow(), true)
        };
        let keys = Arc::new(ArrowSchema::new(window.keys.iter().enumerate().map(key).collect::<Vec<_>>()));
        let places = calls.iter().any(|call| call.kind.needs_places());
        Ok(Self { frame, rows, keys, calls, places, results, output, schema: query.output_schema().arrow() })
    }
}

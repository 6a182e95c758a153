//! A windowed query lowered: what is computed of each row, which aggregates a pane has, what is made of their results.

use std::{ops::Range, sync::Arc};

use arrow_schema::{DataType as Arrow, Field, Schema as ArrowSchema, SchemaRef};
use datafusion_common::ScalarValue;
use datafusion_expr::AggregateUDF;
use datafusion_functions_aggregate::{
    bool_and_or::{bool_and_udaf, bool_or_udaf},
    count::count_udaf,
    min_max::{max_udaf, min_udaf},
};
use datafusion_physical_expr::{
    PhysicalExpr,
    aggregate::{AggregateExprBuilder, AggregateFunctionExpr},
    expressions::{Column, Literal},
};
use pipectl_data::{DataType, Schema};
use pipectl_ir::query::{AggregateCall, Expr, ExprKind, Query, WindowAggregate};

use super::{
    aggregate::{Aggregate, Distinct, Plain},
    float_sum::FloatSum,
    int_mean::IntMean,
    moments::{Measure, Moments},
    sum::{self, SumOfInts},
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

enum Kind {
    Plain(Arc<AggregateFunctionExpr>),
    SumOfInts,
    IntMean,
    FloatSum { mean: bool },
    Moments(Measure),
}

impl Call {
    /// A fresh aggregate.
    pub(super) fn create(&self) -> Result<Box<dyn Aggregate>, OperatorError> {
        let inner: Box<dyn Aggregate> = match &self.kind {
            Kind::Plain(function) => Box::new(Plain::new(function).map_err(broken)?),
            Kind::SumOfInts => Box::new(SumOfInts::default()),
            Kind::IntMean => Box::new(IntMean::default()),
            Kind::FloatSum { mean } => Box::new(FloatSum::new(*mean)),
            Kind::Moments(measure) => Box::new(Moments::new(*measure)),
        };
        Ok(if self.distinct { Box::new(Distinct::new(&self.types, inner).map_err(broken)?) } else { inner })
    }

    fn result(&self, call: &AggregateCall) -> Arrow {
        match self.kind {
            Kind::SumOfInts => sum::TYPE,
            _ => call.data_type.arrow(),
        }
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
            for arg in &args {
                // Minus zero and zero are one value.
                rows.value_if(arg, call.distinct, filter)?;
                values += 1;
            }
            let types = args.iter().map(|arg| arg.data_type.arrow()).collect();
            let kind = kind(call, &args)?;
            let lowered = Call { kind, distinct: call.distinct, types, args: start..values, filter };
            slots.push((Slot::Aggregate(index), lowered.result(call)));
            calls.push(lowered);
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
        Ok(Self { frame, rows, keys, calls, results, output, schema: query.output_schema().arrow() })
    }
}

/// What an aggregate is computed of. The mean of whole numbers takes them as they are: the cast that the type checker
/// puts around them, at their own place in the text, would round each.
fn arguments(call: &AggregateCall) -> Vec<&Expr> {
    let mean = call.function == "avg";
    call.args.iter().map(|arg| if mean { before_cast(arg).unwrap_or(arg) } else { arg }).collect()
}

/// The whole number that the type checker made a float of.
fn before_cast(arg: &Expr) -> Option<&Expr> {
    match &arg.kind {
        ExprKind::Cast { expr, try_cast: false } if expr.data_type == DataType::Int64 && expr.place == arg.place => {
            Some(expr)
        }
        _ => None,
    }
}

fn kind(call: &AggregateCall, args: &[&Expr]) -> Result<Kind, OperatorError> {
    let measure = |sample, root| Ok(Kind::Moments(Measure { sample, root }));
    let function = match (call.function.as_str(), call.data_type) {
        ("count", _) => count_udaf(),
        ("sum", DataType::Int64) => return Ok(Kind::SumOfInts),
        ("sum", _) => return Ok(Kind::FloatSum { mean: false }),
        ("avg", _) if args.iter().all(|arg| arg.data_type == DataType::Int64) => return Ok(Kind::IntMean),
        ("avg", _) => return Ok(Kind::FloatSum { mean: true }),
        ("min", _) => min_udaf(),
        ("max", _) => max_udaf(),
        ("bool_and", _) => bool_and_udaf(),
        ("bool_or", _) => bool_or_udaf(),
        ("stddev_samp", _) => return measure(true, true),
        ("stddev_pop", _) => return measure(false, true),
        ("var_samp", _) => return measure(true, false),
        ("var_pop", _) => return measure(false, false),
        (other, _) => return Err(OperatorError(format!("the aggregate `{other}` is not known"))),
    };
    plain(function, call).map_err(broken).map(Kind::Plain)
}

fn plain(function: Arc<AggregateUDF>, call: &AggregateCall) -> datafusion_common::Result<Arc<AggregateFunctionExpr>> {
    let field = |(index, arg): (usize, &Expr)| Field::new(format!("a{index}"), arg.data_type.arrow(), true);
    let schema = Arc::new(ArrowSchema::new(call.args.iter().enumerate().map(field).collect::<Vec<_>>()));
    let mut args: Vec<Arc<dyn PhysicalExpr>> = Vec::new();
    for index in 0..call.args.len() {
        args.push(Arc::new(Column::new(&format!("a{index}"), index)));
    }
    if args.is_empty() {
        args.push(Arc::new(Literal::new(ScalarValue::Int64(Some(1)))));
    }
    AggregateExprBuilder::new(function, args).schema(schema).alias(&call.function).build().map(Arc::new)
}

/// A fault of DataFusion's that no row explains.
pub(super) fn broken(error: impl std::fmt::Display) -> OperatorError {
    OperatorError(format!("an aggregate failed: {error}"))
}

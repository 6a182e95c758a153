//! Which accumulator an aggregate of the query gets.

use std::cmp::Ordering;

use arrow_schema::DataType as Arrow;
use pipectl_data::DataType;
use pipectl_ir::query::{AggregateCall, Expr, ExprKind, Literal};

use super::accumulator::{
    Accumulator, Count, DecimalMean, DecimalSum, Distinct, FloatSum, INT_SUM, IntMean, IntSum, Joined, Measure,
    Moments, Quantile, by, extreme, mean_scale, pick, quantile,
};
use crate::OperatorError;

/// What an aggregate computes, of columns of known types.
pub(super) enum Kind {
    Count,
    IntSum,
    DecimalSum(i8),
    FloatSum { mean: bool },
    IntMean,
    DecimalMean(i8),
    Extreme(Arrow, Ordering),
    Moments(Measure),
    Pick(Arrow, Ordering),
    By([Arrow; 2], Ordering),
    Quantile(Arrow, Quantile),
    Joined { separator: String, distinct: bool },
}

impl Kind {
    /// The kind of a call whose arguments, those of each row, have these types.
    pub(super) fn of(call: &AggregateCall, types: &[Arrow]) -> Result<Self, OperatorError> {
        let misfit = || OperatorError(format!("the aggregate `{}` is not known for these types", call.function));
        let first = || types.first().cloned().ok_or_else(misfit);
        let measure = |sample, root| Ok(Self::Moments(Measure { sample, root }));
        match call.function.as_str() {
            "count" => Ok(Self::Count),
            "sum" => match first()? {
                Arrow::Int64 => Ok(Self::IntSum),
                Arrow::Decimal128(_, scale) => Ok(Self::DecimalSum(scale)),
                _ => Ok(Self::FloatSum { mean: false }),
            },
            "avg" => match first()? {
                Arrow::Int64 => Ok(Self::IntMean),
                Arrow::Decimal128(_, scale) => Ok(Self::DecimalMean(scale)),
                _ => Ok(Self::FloatSum { mean: true }),
            },
            "min" | "bool_and" => Ok(Self::Extreme(first()?, Ordering::Less)),
            "max" | "bool_or" => Ok(Self::Extreme(first()?, Ordering::Greater)),
            "stddev_samp" => measure(true, true),
            "stddev_pop" => measure(false, true),
            "var_samp" => measure(true, false),
            "var_pop" => measure(false, false),
            "first" | "any_value" => Ok(Self::Pick(first()?, Ordering::Less)),
            "last" => Ok(Self::Pick(first()?, Ordering::Greater)),
            "min_by" | "max_by" => {
                let [value, other] = types else { return Err(misfit()) };
                let wanted = if call.function == "min_by" { Ordering::Less } else { Ordering::Greater };
                Ok(Self::By([value.clone(), other.clone()], wanted))
            }
            "median" => Ok(Self::Quantile(first()?, Quantile { fraction: 0.5, continuous: true })),
            "percentile_cont" | "percentile_disc" => {
                let fraction = match call.args.get(1).map(|arg| &arg.kind) {
                    Some(ExprKind::Literal(Literal::Float(fraction))) => *fraction,
                    Some(ExprKind::Literal(Literal::Int(fraction))) => *fraction as f64,
                    _ => return Err(misfit()),
                };
                Ok(Self::Quantile(first()?, Quantile { fraction, continuous: call.function == "percentile_cont" }))
            }
            "string_agg" => match call.args.get(1).map(|arg| &arg.kind) {
                Some(ExprKind::Literal(Literal::String(separator))) => {
                    Ok(Self::Joined { separator: separator.clone(), distinct: call.distinct })
                }
                _ => Err(misfit()),
            },
            other => Err(OperatorError(format!("the aggregate `{other}` is not known"))),
        }
    }

    /// A new accumulator; `distinct` are the types of the arguments if each different value counts once.
    pub(super) fn create(&self, distinct: Option<&[Arrow]>) -> Result<Box<dyn Accumulator>, OperatorError> {
        let inner: Box<dyn Accumulator> = match self {
            Self::Count => Box::new(Count::default()),
            Self::IntSum => Box::new(IntSum::default()),
            Self::DecimalSum(scale) => Box::new(DecimalSum::new(*scale)),
            Self::FloatSum { mean } => Box::new(FloatSum::new(*mean)),
            Self::IntMean => Box::new(IntMean::default()),
            Self::DecimalMean(scale) => Box::new(DecimalMean::new(*scale)),
            Self::Extreme(kind, wanted) => extreme(kind, *wanted)?,
            Self::Moments(measure) => Box::new(Moments::new(*measure)),
            Self::Pick(kind, wanted) => pick(kind, *wanted)?,
            Self::By([kind, other], wanted) => by(kind, other, *wanted)?,
            Self::Quantile(kind, which) => quantile(kind, *which)?,
            Self::Joined { separator, distinct } => Box::new(Joined::new(separator, *distinct)?),
        };
        Ok(match distinct {
            Some(types) if self.counts_repeats() => Box::new(Distinct::new(types, inner)?),
            _ => inner,
        })
    }

    /// Whether values that come again change the result, and the accumulator does not sort them out by itself.
    pub(super) fn counts_repeats(&self) -> bool {
        match self {
            Self::Count
            | Self::IntSum
            | Self::DecimalSum(_)
            | Self::FloatSum { .. }
            | Self::IntMean
            | Self::DecimalMean(_)
            | Self::Moments(_)
            | Self::Quantile(..) => true,
            Self::Extreme(..) | Self::Pick(..) | Self::By(..) | Self::Joined { .. } => false,
        }
    }

    /// Whether it needs to know where rows stand in event time.
    pub(super) fn needs_places(&self) -> bool {
        matches!(self, Self::Pick(..) | Self::By(..) | Self::Joined { .. })
    }

    /// The type of the column of results. Where it is wider than that of the query, the query's last step makes the
    /// value of it, or a dead letter.
    pub(super) fn result(&self) -> Arrow {
        match self {
            Self::Count => Arrow::Int64,
            Self::IntSum => INT_SUM,
            Self::DecimalSum(scale) => Arrow::Decimal256(76, *scale),
            Self::DecimalMean(scale)
            | Self::Quantile(Arrow::Decimal128(_, scale), Quantile { continuous: true, .. }) => {
                Arrow::Decimal256(76, mean_scale(*scale))
            }
            Self::FloatSum { .. }
            | Self::IntMean
            | Self::Moments(_)
            | Self::Quantile(_, Quantile { continuous: true, .. }) => Arrow::Float64,
            Self::Extreme(kind, _)
            | Self::Pick(kind, _)
            | Self::By([kind, _], _)
            | Self::Quantile(kind, Quantile { continuous: false, .. }) => kind.clone(),
            Self::Joined { .. } => Arrow::LargeUtf8,
        }
    }
}

/// What an aggregate takes of each row: all arguments but constants. Means and percentiles of whole numbers take them
/// as they are: the cast that the type checker puts around them, at their own place in the text, would round each.
pub(super) fn arguments(call: &AggregateCall) -> Vec<&Expr> {
    let exact = matches!(call.function.as_str(), "avg" | "median" | "percentile_cont");
    let count = match call.function.as_str() {
        "percentile_cont" | "percentile_disc" | "string_agg" => 1,
        _ => call.args.len(),
    };
    let args = call.args.iter().take(count);
    args.map(|arg| if exact { before_cast(arg).unwrap_or(arg) } else { arg }).collect()
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

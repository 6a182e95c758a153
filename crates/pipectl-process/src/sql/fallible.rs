//! Which expressions have rows for which they have no value but a fault.

use pipectl_data::DataType;
use pipectl_ir::query::{BinaryOp, Expr, ExprKind, Literal};

/// Functions that have a value for whatever rows they are given. What is not here is taken to be able to fail: that
/// costs time at most.
const SAFE: &[&str] = &[
    "array_contains",
    "array_join",
    "cardinality",
    "coalesce",
    "contains",
    "ends_with",
    "greatest",
    "least",
    "left",
    "length",
    "ltrim",
    "nullif",
    "regexp_count",
    "regexp_extract",
    "regexp_like",
    "right",
    "rtrim",
    "sign",
    "starts_with",
    "strpos",
    "to_epoch_ms",
    "to_epoch_s",
    "to_ms",
    "trim",
];

/// Whether computing it can be a fault of the row.
pub(super) fn is_fallible(expr: &Expr) -> bool {
    let own = match &expr.kind {
        ExprKind::Column(_)
        | ExprKind::EventTime
        | ExprKind::ArrivalTime
        | ExprKind::GroupKey(_)
        | ExprKind::Literal(_)
        | ExprKind::Not(_)
        | ExprKind::IsNull { .. }
        | ExprKind::InList { .. }
        | ExprKind::Between { .. }
        | ExprKind::Case { .. }
        | ExprKind::Field { .. }
        | ExprKind::Element { .. }
        | ExprKind::Cast { try_cast: true, .. } => false,
        // A sum of any length, which may not fit; a bound outside of the years that a time can have.
        ExprKind::Aggregate(_) | ExprKind::WindowStart | ExprKind::WindowEnd => true,
        ExprKind::Negate(_) => expr.data_type != DataType::Float64,
        ExprKind::Binary { op, .. } => !(op.is_comparison() || matches!(op, BinaryOp::And | BinaryOp::Or)),
        // A pattern from the data may be too large to compile.
        ExprKind::Like { pattern, .. } => !matches!(pattern.kind, ExprKind::Literal(_)),
        ExprKind::Cast { expr: inner, .. } => {
            inner.kind != ExprKind::Literal(Literal::Null) && cast_can_fail(&inner.data_type, &expr.data_type)
        }
        ExprKind::Call { function, .. } => !SAFE.contains(&function.as_str()),
    };
    own || expr.children().into_iter().any(is_fallible)
}

fn cast_can_fail(from: &DataType, to: &DataType) -> bool {
    match to {
        DataType::String => *from == DataType::Bytes,
        DataType::Float64 => !matches!(from, DataType::Int64 | DataType::Decimal(_)),
        DataType::Int64 => *from != DataType::Bool,
        DataType::Decimal(to) => !from.as_decimal().is_some_and(|from| from.fits_into(*to)),
        DataType::Bytes => false,
        DataType::Json => !from.is_nested(),
        _ => true,
    }
}

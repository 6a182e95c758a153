//! Decimals: which type a constant has beside one, and which type a result has.
//!
//! The rules for results are those of Flink and Spark (and of SQL Server before them), so that a query means the same on
//! each: enough digits for every result if 38 hold them, and else fewer digits after the point, but never fewer than six
//! (<https://learn.microsoft.com/sql/t-sql/data-types/precision-scale-and-length-transact-sql>).

use pipectl_data::{DataType, DecimalType};
use pipectl_ir::query::{BinaryOp, Expr, ExprKind, Literal};

/// Digits after the point that are kept where not all digits can be.
const LEAST_SCALE: i16 = 6;
const MOST: i16 = pipectl_data::MOST_DIGITS as i16;

/// The decimal type of a number: of a constant by its digits, of other expressions by their type. `None` for floats and
/// for what is no number.
pub(super) fn of(expr: &Expr) -> Option<DecimalType> {
    match (&expr.kind, &expr.data_type) {
        (ExprKind::Literal(Literal::Int(value)), DataType::Int64) => of_text(&value.to_string()),
        // The shortest digits that are this float.
        (ExprKind::Literal(Literal::Float(value)), DataType::Float64) => of_text(&value.to_string()),
        (_, data_type) => data_type.as_decimal(),
    }
}

fn of_text(number: &str) -> Option<DecimalType> {
    let digits = number.trim_start_matches('-');
    let (before, after) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = before.trim_start_matches('0').len();
    let scale = u8::try_from(after.len()).ok()?;
    DecimalType::new(u8::try_from(whole + after.len()).ok()?.max(1), scale).ok()
}

/// The type in which two numbers, at least one of them a decimal, are compared or stand for each other. A constant with a
/// point is exact beside a decimal; beside any other float a decimal becomes a float.
pub(super) fn common(left: &Expr, right: &Expr) -> Option<DataType> {
    match (of(left), of(right)) {
        (Some(left), Some(right)) => Some(DataType::Decimal(left.common(right))),
        _ if left.data_type.is_number() && right.data_type.is_number() => Some(DataType::Float64),
        _ => None,
    }
}

/// The types of the operands and of the result, if both are numbers and at least one is a decimal.
pub(super) fn arithmetic(op: BinaryOp, left: &Expr, right: &Expr) -> Option<(DataType, DataType, DataType)> {
    if ![left, right].iter().any(|side| matches!(side.data_type, DataType::Decimal(_))) {
        return None;
    }
    let (Some(a), Some(b)) = (of(left), of(right)) else {
        let floats = left.data_type.is_number() && right.data_type.is_number();
        return floats.then_some((DataType::Float64, DataType::Float64, DataType::Float64));
    };
    let result = DataType::Decimal(result(op, a, b)?);
    Some((DataType::Decimal(a), DataType::Decimal(b), result))
}

fn result(op: BinaryOp, a: DecimalType, b: DecimalType) -> Option<DecimalType> {
    let parts = |of: DecimalType| (i16::from(of.precision()), i16::from(of.scale()), i16::from(of.whole()));
    let ((p1, s1, w1), (p2, s2, w2)) = (parts(a), parts(b));
    let (precision, scale) = match op {
        BinaryOp::Add | BinaryOp::Subtract => (w1.max(w2) + s1.max(s2) + 1, s1.max(s2)),
        BinaryOp::Multiply => (p1 + p2 + 1, s1 + s2),
        BinaryOp::Divide => {
            let scale = LEAST_SCALE.max(s1 + p2 + 1);
            (w1 + s2 + scale, scale)
        }
        BinaryOp::Modulo => (w1.min(w2) + s1.max(s2), s1.max(s2)),
        _ => return None,
    };
    adjusted(precision, scale)
}

/// A type of so many digits, or the nearest one that there is.
fn adjusted(precision: i16, scale: i16) -> Option<DecimalType> {
    let (precision, scale) = if precision <= MOST {
        (precision, scale)
    } else {
        (MOST, (MOST - (precision - scale)).max(scale.min(LEAST_SCALE)))
    };
    DecimalType::new(u8::try_from(precision).ok()?.max(1), u8::try_from(scale).ok()?).ok()
}

/// The result of a function of one decimal that has another type than its argument; `digits` is the second argument of
/// `round`.
pub(super) fn of_function(name: &str, of: DecimalType, digits: Option<i64>) -> DecimalType {
    let (whole, scale) = (of.whole(), of.scale());
    let made = match (name, digits) {
        ("sign", _) => DecimalType::new(1, 0),
        ("ceil" | "floor" | "trunc", _) | ("round", None) => Ok(DecimalType::capped(whole + 1, 0)),
        ("round", Some(digits)) => match u8::try_from(digits.max(0)) {
            Ok(digits) if digits < scale => Ok(DecimalType::capped(whole + 1, digits)),
            _ => Ok(of),
        },
        ("sum", _) => DecimalType::new(pipectl_data::MOST_DIGITS, scale),
        ("avg" | "median" | "percentile_cont", _) => {
            DecimalType::new(pipectl_data::MOST_DIGITS, scale.max(LEAST_SCALE.unsigned_abs() as u8))
        }
        _ => Ok(of),
    };
    made.unwrap_or(of)
}

#[cfg(test)]
mod tests {
    use pipectl_data::DecimalType;
    use pipectl_ir::query::BinaryOp;

    #[test]
    fn results_have_the_types_of_flink_and_spark() {
        let of = |precision, scale| DecimalType::new(precision, scale).unwrap();
        for (op, a, b, expected) in [
            (BinaryOp::Add, of(10, 2), of(10, 2), of(11, 2)),
            (BinaryOp::Subtract, of(10, 2), of(5, 4), of(13, 4)),
            (BinaryOp::Add, of(38, 2), of(38, 2), of(38, 2)),
            (BinaryOp::Add, of(38, 10), of(38, 0), of(38, 6)),
            (BinaryOp::Multiply, of(10, 2), of(3, 2), of(14, 4)),
            (BinaryOp::Multiply, of(38, 18), of(38, 18), of(38, 6)),
            (BinaryOp::Divide, of(10, 2), of(1, 0), of(14, 6)),
            (BinaryOp::Divide, of(20, 2), of(20, 5), of(38, 15)),
            (BinaryOp::Divide, of(38, 0), of(38, 38), of(38, 6)),
            (BinaryOp::Modulo, of(10, 2), of(5, 4), of(5, 4)),
            (BinaryOp::Modulo, of(10, 2), of(2, 2), of(2, 2)),
        ] {
            assert_eq!(super::result(op, a, b), Some(expected), "{a} {} {b}", op.symbol());
        }
    }
}

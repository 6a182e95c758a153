//! Arithmetic that DataFusion has in another meaning: of times and intervals (whole microseconds, checked), and division
//! of floats, where zero is a fault of the row.

use std::sync::Arc;

use arrow_array::types::{DurationMicrosecondType, Float64Type, TimestampMicrosecondType};
use pipectl_data::DataType;
use pipectl_ir::query::BinaryOp;

use super::{
    Fault, Kernel,
    access::{build, floats, ints},
    bug, fault,
};

/// The kernel of an operator between times, intervals and whole numbers.
pub(in crate::sql) fn time(op: BinaryOp, result: DataType) -> Result<Kernel, Fault> {
    let compute: fn(i64, i64) -> Option<i64> = match op {
        BinaryOp::Add => i64::checked_add,
        BinaryOp::Subtract => i64::checked_sub,
        BinaryOp::Multiply => i64::checked_mul,
        BinaryOp::Divide => i64::checked_div,
        _ => return Err(bug(format!("`{}` between times", op.symbol()))),
    };
    let value = move |left: Option<i64>, right: Option<i64>| {
        let (Some(left), Some(right)) = (left, right) else { return Ok(None) };
        if op == BinaryOp::Divide && right == 0 {
            return Err(fault("division by zero"));
        }
        compute(left, right).map(Some).ok_or_else(|| fault("the result is out of range"))
    };
    Ok(if result == DataType::Timestamp {
        Arc::new(move |args, rows| {
            let (left, right) = (ints(args, 0)?, ints(args, 1)?);
            build::<TimestampMicrosecondType>(rows, |row| value(left.get(row), right.get(row)))
        })
    } else {
        Arc::new(move |args, rows| {
            let (left, right) = (ints(args, 0)?, ints(args, 1)?);
            build::<DurationMicrosecondType>(rows, |row| value(left.get(row), right.get(row)))
        })
    })
}

/// `/` or `%` of floats.
pub(in crate::sql) fn divide(remainder: bool) -> Kernel {
    Arc::new(move |args, rows| {
        let (left, right) = (floats(args, 0)?, floats(args, 1)?);
        build::<Float64Type>(rows, |row| match (left.get(row), right.get(row)) {
            (Some(_), Some(0.0)) => Err(fault("division by zero")),
            (Some(left), Some(right)) => Ok(Some(if remainder { left % right } else { left / right })),
            _ => Ok(None),
        })
    })
}

/// Minus an interval.
pub(in crate::sql) fn negate() -> Kernel {
    Arc::new(|args, rows| {
        let values = ints(args, 0)?;
        build::<DurationMicrosecondType>(rows, |row| match values.get(row) {
            Some(value) => value.checked_neg().map(Some).ok_or_else(|| fault("the result is out of range")),
            None => Ok(None),
        })
    })
}

/// Minus zero as zero: SQL's `=` must not tell them apart, as the total order of floats does.
pub(in crate::sql) fn without_minus_zero() -> Kernel {
    Arc::new(|args, rows| {
        let values = floats(args, 0)?;
        build::<Float64Type>(rows, |row| Ok(values.get(row).map(|value| value + 0.0)))
    })
}

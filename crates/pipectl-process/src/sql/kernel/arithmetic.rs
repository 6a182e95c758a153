//! Arithmetic that DataFusion has in another meaning: of times and intervals (whole microseconds, checked), and of floats,
//! where a result that is no number is a fault of the row.

use std::sync::Arc;

use arrow_array::{
    Float64Array, new_null_array,
    types::{Date32Type, DurationMicrosecondType, Float64Type, Int64Type, TimestampMicrosecondType},
};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType as Arrow;
use pipectl_data::{DataType, civil};
use pipectl_ir::query::BinaryOp;

use super::{
    Fault, Kernel,
    access::{Numbers, build, days, floats, ints},
    bug, fault,
};

const OUT_OF_RANGE: &str = "the result does not fit float64";
const BY_ZERO: &str = "division by zero";

/// The kernel of an operator between times, intervals and whole numbers.
pub(in crate::sql) fn time(op: BinaryOp, result: &DataType) -> Result<Kernel, Fault> {
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
            return Err(fault(BY_ZERO));
        }
        compute(left, right).map(Some).ok_or_else(|| fault("the result is out of range"))
    };
    Ok(if *result == DataType::Timestamp {
        Arc::new(move |args, rows| {
            let (left, right) = (ints(args, 0)?, ints(args, 1)?);
            build::<TimestampMicrosecondType>(rows, |row| match value(left.get(row), right.get(row))? {
                Some(at) => super::time::checked(at).map(Some),
                None => Ok(None),
            })
        })
    } else {
        Arc::new(move |args, rows| {
            let (left, right) = (ints(args, 0)?, ints(args, 1)?);
            build::<DurationMicrosecondType>(rows, |row| value(left.get(row), right.get(row)))
        })
    })
}

/// A date and days: `days_first` if they are the left operand.
pub(in crate::sql) fn date(op: BinaryOp, days_first: bool) -> Result<Kernel, Fault> {
    let compute: fn(i64, i64) -> Option<i64> = match op {
        BinaryOp::Add => i64::checked_add,
        BinaryOp::Subtract if !days_first => i64::checked_sub,
        _ => return Err(bug(format!("`{}` between a date and days", op.symbol()))),
    };
    Ok(Arc::new(move |args, rows| {
        let (dates, counts) =
            if days_first { (days(args, 1)?, ints(args, 0)?) } else { (days(args, 0)?, ints(args, 1)?) };
        build::<Date32Type>(rows, |row| {
            let (Some(date), Some(count)) = (dates.get(row), counts.get(row)) else { return Ok(None) };
            compute(date.into(), count)
                .and_then(|day| i32::try_from(day).ok())
                .filter(|day| civil::day_in_range(*day))
                .map(Some)
                .ok_or_else(super::time::out_of_range)
        })
    }))
}

/// `+ - * / %` of floats. A result that is no number, or beyond the range, is a fault of the row; one that is too small
/// to be distinguished from zero is zero.
pub(in crate::sql) fn float(op: BinaryOp) -> Result<Kernel, Fault> {
    Ok(match op {
        BinaryOp::Add => floats_by(|left, right| left + right, OUT_OF_RANGE),
        BinaryOp::Subtract => floats_by(|left, right| left - right, OUT_OF_RANGE),
        BinaryOp::Multiply => floats_by(|left, right| left * right, OUT_OF_RANGE),
        BinaryOp::Divide => floats_by(|left, right| left / right, BY_ZERO),
        BinaryOp::Modulo => floats_by(|left, right| left % right, BY_ZERO),
        _ => return Err(bug(format!("`{}` between floats", op.symbol()))),
    })
}

/// `zero` says what is wrong where the right operand is zero.
fn floats_by(compute: impl Fn(f64, f64) -> f64 + Copy + Send + Sync + 'static, zero: &'static str) -> Kernel {
    Arc::new(move |args, rows| {
        let (left, right) = (floats(args, 0)?, floats(args, 1)?);
        // All rows at once, those that are null too: what stands there is not looked at.
        let (values, nulls): (Vec<f64>, _) = match (&left, &right) {
            (Numbers::One(None), _) | (_, Numbers::One(None)) => {
                return Ok(new_null_array(&Arrow::Float64, rows));
            }
            (Numbers::Many(a, nulls), Numbers::Many(b, others)) => {
                (a.iter().zip(*b).map(|(a, b)| compute(*a, *b)).collect(), NullBuffer::union(*nulls, *others))
            }
            (Numbers::Many(a, nulls), Numbers::One(Some(b))) => {
                (a.iter().map(|a| compute(*a, *b)).collect(), nulls.cloned())
            }
            (Numbers::One(Some(a)), Numbers::Many(b, nulls)) => {
                (b.iter().map(|b| compute(*a, *b)).collect(), nulls.cloned())
            }
            (Numbers::One(Some(a)), Numbers::One(Some(b))) => (vec![compute(*a, *b); rows], None),
        };
        if !values.iter().fold(true, |sound, value| sound & value.is_finite()) {
            let valid = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            if let Some(row) = (0..rows).find(|row| valid(*row) && !values[*row].is_finite()) {
                return Err(fault(if right.get(row) == Some(0.0) { zero } else { OUT_OF_RANGE }));
            }
        }
        Ok(Arc::new(Float64Array::new(values.into(), nulls)))
    })
}

/// The result of an aggregate of floats, if it is a number.
pub(in crate::sql) fn in_range() -> Kernel {
    Arc::new(|args, rows| {
        let values = floats(args, 0)?;
        build::<Float64Type>(rows, |row| match values.get(row) {
            Some(value) if !value.is_finite() => Err(fault(OUT_OF_RANGE)),
            value => Ok(value),
        })
    })
}

/// `%` of whole numbers. The least one has a remainder by -1 too: 0, though the quotient does not fit.
pub(in crate::sql) fn remainder() -> Kernel {
    Arc::new(|args, rows| {
        let (left, right) = (ints(args, 0)?, ints(args, 1)?);
        build::<Int64Type>(rows, |row| match (left.get(row), right.get(row)) {
            (Some(_), Some(0)) => Err(fault(BY_ZERO)),
            (Some(left), Some(right)) => Ok(Some(left.wrapping_rem(right))),
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

/// Minus zero as zero: SQL's `=` must not distinguish them, as the total order of floats does.
pub(in crate::sql) fn without_minus_zero() -> Kernel {
    Arc::new(|args, rows| {
        let values = floats(args, 0)?;
        build::<Float64Type>(rows, |row| Ok(values.get(row).map(|value| value + 0.0)))
    })
}

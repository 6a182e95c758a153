//! Functions of numbers. A result that is no number is a fault of the row, never a silent NaN.

use std::sync::Arc;

use arrow_array::types::{Float64Type, Int64Type};
use pipectl_data::DataType;
use pipectl_ir::query::Expr;

use super::{
    Kernel,
    access::{build, floats, ints},
    constant_int, fault,
};

pub(super) fn kernel(name: &str, args: &[Expr]) -> Option<Kernel> {
    let whole = args.first().is_some_and(|arg| arg.data_type == DataType::Int64);
    Some(match (name, whole) {
        ("abs", true) => Arc::new(|args, rows| {
            let numbers = ints(args, 0)?;
            build::<Int64Type>(rows, |row| match numbers.get(row) {
                Some(number) => {
                    number.checked_abs().map(Some).ok_or_else(|| fault("abs: the result does not fit int64"))
                }
                None => Ok(None),
            })
        }),
        ("sign", true) => Arc::new(|args, rows| {
            let numbers = ints(args, 0)?;
            build::<Int64Type>(rows, |row| Ok(numbers.get(row).map(i64::signum)))
        }),
        ("ceil" | "floor" | "trunc" | "round", true) => Arc::new(|args, rows| args[0].clone().into_array(rows)),
        ("abs", false) => mapped("abs", f64::abs),
        ("sign", false) => mapped("sign", |x| if x == 0.0 { 0.0 } else { x.signum() }),
        ("ceil", false) => mapped("ceil", f64::ceil),
        ("floor", false) => mapped("floor", f64::floor),
        ("trunc", false) => mapped("trunc", f64::trunc),
        ("round", false) => match constant_int(args, 1) {
            None => mapped("round", f64::round),
            Some(digits) => mapped("round", move |x| round(x, digits as i32)),
        },
        ("sqrt", _) => mapped("sqrt", f64::sqrt),
        ("exp", _) => mapped("exp", f64::exp),
        ("ln", _) => mapped("ln", f64::ln),
        ("log10", _) => mapped("log10", f64::log10),
        ("log2", _) => mapped("log2", f64::log2),
        ("power", _) => Arc::new(|args, rows| {
            let (bases, exponents) = (floats(args, 0)?, floats(args, 1)?);
            build::<Float64Type>(rows, |row| {
                let (Some(base), Some(exponent)) = (bases.get(row), exponents.get(row)) else { return Ok(None) };
                let result = base.powf(exponent);
                if result.is_finite() || !(base.is_finite() && exponent.is_finite()) {
                    Ok(Some(result))
                } else {
                    Err(fault(format!("power: {base:?} to the power of {exponent:?} is no number in range")))
                }
            })
        }),
        _ => return None,
    })
}

fn mapped(name: &'static str, map: impl Fn(f64) -> f64 + Send + Sync + 'static) -> Kernel {
    Arc::new(move |args, rows| {
        let numbers = floats(args, 0)?;
        build::<Float64Type>(rows, |row| {
            let Some(number) = numbers.get(row) else { return Ok(None) };
            let result = map(number);
            if result.is_finite() || !number.is_finite() {
                Ok(Some(result))
            } else {
                Err(fault(format!("{name} of {number:?} is no number in range")))
            }
        })
    })
}

/// Halves go away from zero, as they are written: 2.345 is a little less in binary, but its half is meant.
fn round(x: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits.abs());
    if digits < 0 {
        return (x / scale).round() * scale;
    }
    let scaled = x * scale;
    if !scaled.is_finite() || scaled.abs() >= 9.0e15 {
        return x;
    }
    (scaled + scaled * f64::EPSILON).round() / scale
}

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

/// Rounded as it is written: halves go away from zero, and 2.345 is a half although it is a little less in binary.
fn round(x: f64, digits: i32) -> f64 {
    // 10^15 and whole numbers below 2^52 are exact, so a quotient or product of both is the float next to the decimal.
    const EXACT: f64 = 4_503_599_627_370_496.0;
    let scale = 10_f64.powi(digits.abs());
    let scaled = if digits < 0 { x / scale } else { x * scale };
    let from_half = (scaled.abs().fract() - 0.5).abs();
    if scaled.abs() < EXACT && from_half > scaled.abs() * f64::EPSILON * 4.0 {
        let whole = scaled.round();
        return if digits < 0 { whole * scale } else { whole / scale };
    }
    round_written(x, digits)
}

/// The same by its decimal digits.
fn round_written(x: f64, digits: i32) -> f64 {
    // The fewest digits that mean this float: d.ddde±x.
    let written = format!("{:e}", x.abs());
    let Some((number, exponent)) = written.split_once('e') else { return x };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let all: String = number.chars().filter(char::is_ascii_digit).collect();
    // How many of the digits are kept; the first one stands at 10^exponent.
    let kept = exponent + 1 + digits;
    if kept >= all.len() as i32 {
        return x;
    }
    let (kept, rest) = all.split_at(usize::try_from(kept).unwrap_or_default());
    let up = exponent + 1 + digits >= 0 && rest.starts_with(|first: char| first >= '5');
    let whole: u64 = if kept.is_empty() { 0 } else { kept.parse().unwrap_or_default() };
    let rounded = format!("{}e{}", whole + u64::from(up), -digits).parse::<f64>().unwrap_or(x);
    rounded.copysign(x)
}

#[cfg(test)]
#[allow(clippy::unreadable_literal, reason = "the digits are the point")]
mod tests {
    use super::{round, round_written};

    #[test]
    fn rounding_as_written() {
        for (x, digits, expected) in [
            (2.345, 2, 2.35),
            (-2.345, 2, -2.35),
            (1.005, 2, 1.01),
            (0.285, 2, 0.29),
            (1.0000000000000002, 15, 1.0),
            (0.49999999999999994, 0, 0.0),
            (0.5, 0, 1.0),
            (2.5, 0, 3.0),
            (0.1 + 0.2, 15, 0.3),
            (5e-324, 15, 0.0),
            (0.05, 1, 0.1),
            (0.049999999999999996, 1, 0.0),
            (4503599627370497.5, 0, 4503599627370498.0),
            (123_456_789_012.345_67, 3, 123_456_789_012.346),
            (1e300, 2, 1e300),
            (1.7976931348623157e308, 15, 1.7976931348623157e308),
            (15.0, -1, 20.0),
            (14.999999999999998, -1, 10.0),
            (5e15, -15, 5e15),
            (499.0, -3, 0.0),
            (500.0, -3, 1000.0),
            (50.0, -3, 0.0),
            (-0.4, 0, -0.0),
            (9007199254740992.0, -1, 9007199254740990.0),
        ] {
            let found = round(x, digits);
            assert_eq!(found.to_bits(), f64::to_bits(expected), "round({x:?}, {digits}) is {found:?}");
        }
    }

    #[test]
    fn the_short_way_and_the_long_way_agree() {
        let mut seed = 7_u64;
        for _ in 0..200_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let digits = (seed >> 33) as i32 % 16;
            let x = ((seed >> 11) as f64 / 9.007_199_254_740_992e15 - 0.5) * 10_f64.powi((seed % 13) as i32);
            let (short, long) = (round(x, digits), round_written(x, digits));
            assert_eq!(short.to_bits(), long.to_bits(), "round({x:?}, {digits}): {short:?} and {long:?}");
        }
    }
}

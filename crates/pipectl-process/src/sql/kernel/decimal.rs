//! Decimals: arithmetic, conversions and the functions of numbers.
//!
//! Every result is computed exactly, in 128 bits or where that is too little in 256, then rounded once to the digits of its
//! type, halves away from zero. A result with too many digits before the point is a fault of the row.

use std::{cmp::Ordering, sync::Arc};

use arrow_buffer::i256;
use datafusion_common::ScalarValue;
use pipectl_data::{DataType, DecimalType};
use pipectl_ir::query::{BinaryOp, Expr};

use super::{
    Fault, Kernel,
    access::{build_decimals, decimals, floats, ints},
    bug, constant_int, fault,
};

const BY_ZERO: &str = "division by zero";

/// Ten to the power of this. Twice the digits of a decimal, and what a division adds, stay far below 10^76.
fn power(exponent: u32) -> i256 {
    i256::from_i128(10).wrapping_pow(exponent)
}

/// A power that fits 128 bits.
fn small_power(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

/// `numerator / denominator` to the nearest whole number, halves away from zero; the denominator is not zero.
fn rounded(numerator: i256, denominator: i256) -> Option<i256> {
    let (quotient, rest) = (numerator.checked_div(denominator)?, numerator.checked_rem(denominator)?);
    let twice = rest.checked_abs()?.checked_mul(i256::from_i128(2))?;
    let away = twice >= denominator.checked_abs()?;
    let sign = if numerator.is_negative() == denominator.is_negative() { i256::ONE } else { i256::MINUS_ONE };
    if away { quotient.checked_add(sign) } else { Some(quotient) }
}

/// A value of one scale at another, rounded.
fn rescaled(value: i256, from: u8, to: u8) -> Option<i256> {
    match to.cmp(&from) {
        Ordering::Equal => Some(value),
        Ordering::Greater => value.checked_mul(power(u32::from(to - from))),
        Ordering::Less => rounded(value, power(u32::from(from - to))),
    }
}

/// The same within 128 bits, if they are enough.
fn rescaled_small(value: i128, from: u8, to: u8) -> Option<i128> {
    match to.cmp(&from) {
        Ordering::Equal => Some(value),
        Ordering::Greater => value.checked_mul(small_power(u32::from(to - from))?),
        Ordering::Less => {
            let unit = small_power(u32::from(from - to))?;
            let (quotient, rest) = (value / unit, value % unit);
            let away = rest.unsigned_abs() >= unit.unsigned_abs().div_ceil(2);
            Some(quotient + if away { value.signum() } else { 0 })
        }
    }
}

/// The value if the type has it.
fn held(value: Option<i256>, of: DecimalType) -> Result<i128, Fault> {
    value.and_then(i256::to_i128).filter(|value| of.holds(*value)).ok_or_else(|| too_large(of))
}

fn too_large(of: DecimalType) -> Fault {
    fault(format!("the result does not fit {of}"))
}

/// A value at another type, rounded.
fn converted(value: i128, from: DecimalType, to: DecimalType) -> Result<i128, Fault> {
    if let Some(value) = rescaled_small(value, from.scale(), to.scale()).filter(|value| to.holds(*value)) {
        return Ok(value);
    }
    held(rescaled(i256::from_i128(value), from.scale(), to.scale()), to)
        .map_err(|_| fault(format!("{} does not fit {to}", from.format(value))))
}

/// The kernel of `+ - * / %` between two decimals of these types.
pub(in crate::sql) fn arithmetic(
    op: BinaryOp,
    left: &Expr,
    right: &Expr,
    result: DecimalType,
) -> Result<Kernel, Fault> {
    let (DataType::Decimal(a), DataType::Decimal(b)) = (&left.data_type, &right.data_type) else {
        return Err(bug(format!("`{}` of {} and {}", op.symbol(), left.data_type, right.data_type)));
    };
    let (a, b) = (a.scale(), b.scale());
    Ok(match op {
        BinaryOp::Add => by(result, move |x, y| sum(x, y, a, b, result)),
        BinaryOp::Subtract => by(result, move |x, y| sum(x, -y, a, b, result)),
        BinaryOp::Multiply => by(result, move |x, y| product(x, y, a + b, result)),
        BinaryOp::Divide => by(result, move |x, y| quotient(x, y, a, b, result)),
        BinaryOp::Modulo => by(result, move |x, y| remainder(x, y, a, b, result)),
        _ => return Err(bug(format!("`{}` between decimals", op.symbol()))),
    })
}

fn by(result: DecimalType, compute: impl Fn(i128, i128) -> Result<i128, Fault> + Send + Sync + 'static) -> Kernel {
    Arc::new(move |args, rows| {
        let (left, right) = (decimals(args, 0)?, decimals(args, 1)?);
        build_decimals(result, rows, |row| match (left.get(row), right.get(row)) {
            (Some(left), Some(right)) => compute(left, right).map(Some),
            _ => Ok(None),
        })
    })
}

fn sum(x: i128, y: i128, a: u8, b: u8, result: DecimalType) -> Result<i128, Fault> {
    let scale = a.max(b);
    let small = rescaled_small(x, a, scale)
        .zip(rescaled_small(y, b, scale))
        .and_then(|(x, y)| x.checked_add(y))
        .and_then(|sum| rescaled_small(sum, scale, result.scale()));
    if let Some(sum) = small {
        return if result.holds(sum) { Ok(sum) } else { Err(too_large(result)) };
    }
    let wide = rescaled(i256::from_i128(x), a, scale)
        .zip(rescaled(i256::from_i128(y), b, scale))
        .and_then(|(x, y)| x.checked_add(y))
        .and_then(|sum| rescaled(sum, scale, result.scale()));
    held(wide, result)
}

fn product(x: i128, y: i128, scale: u8, result: DecimalType) -> Result<i128, Fault> {
    let small = x.checked_mul(y).and_then(|product| rescaled_small(product, scale, result.scale()));
    if let Some(product) = small {
        return if result.holds(product) { Ok(product) } else { Err(too_large(result)) };
    }
    let wide = i256::from_i128(x).checked_mul(i256::from_i128(y));
    held(wide.and_then(|product| rescaled(product, scale, result.scale())), result)
}

fn quotient(x: i128, y: i128, a: u8, b: u8, result: DecimalType) -> Result<i128, Fault> {
    if y == 0 {
        return Err(fault(BY_ZERO));
    }
    // x / 10^a / (y / 10^b) at the scale of the result is x * 10^(scale + b - a) / y.
    let up = i32::from(result.scale()) + i32::from(b) - i32::from(a);
    let (x, y) = (i256::from_i128(x), i256::from_i128(y));
    let (numerator, denominator) = match u32::try_from(up) {
        Ok(up) => (x.checked_mul(power(up)), Some(y)),
        Err(_) => (Some(x), y.checked_mul(power(up.unsigned_abs()))),
    };
    held(numerator.zip(denominator).and_then(|(numerator, denominator)| rounded(numerator, denominator)), result)
}

/// The remainder has the sign of the first operand.
fn remainder(x: i128, y: i128, a: u8, b: u8, result: DecimalType) -> Result<i128, Fault> {
    if y == 0 {
        return Err(fault(BY_ZERO));
    }
    let scale = a.max(b);
    let wide = rescaled(i256::from_i128(x), a, scale)
        .zip(rescaled(i256::from_i128(y), b, scale))
        .and_then(|(x, y)| x.checked_rem(y))
        .and_then(|rest| rescaled(rest, scale, result.scale()));
    held(wide, result)
}

/// The kernel of a function of one decimal, by its canonical name.
pub(super) fn function(name: &str, args: &[Expr], result: &DataType) -> Option<Kernel> {
    let (DataType::Decimal(from), DataType::Decimal(to)) = (&args.first()?.data_type, result) else { return None };
    let (from, to) = (*from, *to);
    let one = i256::from_i128(1);
    let unit = power(u32::from(from.scale()));
    Some(match name {
        "abs" => mapped(to, move |x| Ok(x.abs())),
        "sign" => mapped(to, |x| Ok(x.signum())),
        "trunc" => mapped(to, move |x| held(i256::from_i128(x).checked_div(unit), to)),
        "floor" => mapped(to, move |x| held(floor(i256::from_i128(x), unit), to)),
        "ceil" => mapped(to, move |x| {
            let negated = floor(i256::from_i128(-x), unit);
            held(negated.and_then(|floor| i256::ZERO.checked_sub(floor)), to)
        }),
        "round" => {
            let digits = constant_int(args, 1).unwrap_or(0);
            // Places before the point that become zeros.
            let zeros = u32::try_from(-digits).unwrap_or(0);
            mapped(to, move |x| {
                let kept = i32::from(from.scale()) - i32::try_from(digits).unwrap_or(0);
                let Ok(cut) = u32::try_from(kept) else { return converted(x, from, to) };
                let whole = rounded(i256::from_i128(x), if cut == 0 { one } else { power(cut) });
                let whole = whole.and_then(|whole| whole.checked_mul(power(zeros)));
                let scale = u8::try_from(digits.max(0)).unwrap_or(0).min(from.scale());
                held(whole.and_then(|whole| rescaled(whole, scale, to.scale())), to)
            })
        }
        _ => return None,
    })
}

fn floor(x: i256, unit: i256) -> Option<i256> {
    let (quotient, rest) = (x.checked_div(unit)?, x.checked_rem(unit)?);
    if rest.is_negative() { quotient.checked_sub(i256::ONE) } else { Some(quotient) }
}

fn mapped(result: DecimalType, map: impl Fn(i128) -> Result<i128, Fault> + Send + Sync + 'static) -> Kernel {
    Arc::new(move |args, rows| {
        let numbers = decimals(args, 0)?;
        build_decimals(result, rows, |row| numbers.get(row).map(&map).transpose())
    })
}

/// The kernel that makes a decimal of a whole number.
pub(super) fn from_int(to: DecimalType, try_cast: bool) -> Kernel {
    Arc::new(move |args, rows| {
        let numbers = ints(args, 0)?;
        let convert = |number: i64| converted(number.into(), DecimalType::INT64, to);
        build_decimals(to, rows, |row| super::cast::each(numbers.get(row), try_cast, convert))
    })
}

/// The kernel that makes a decimal of a float, by the shortest digits that are this float.
pub(super) fn from_float(to: DecimalType, try_cast: bool) -> Kernel {
    Arc::new(move |args, rows| {
        let numbers = floats(args, 0)?;
        let convert = |number: f64| {
            to.parse_rounded(&format!("{number:e}")).ok_or_else(|| fault(format!("{number:?} does not fit {to}")))
        };
        build_decimals(to, rows, |row| super::cast::each(numbers.get(row), try_cast, convert))
    })
}

/// The kernel that makes a decimal of another one.
pub(super) fn from_decimal(from: DecimalType, to: DecimalType, try_cast: bool) -> Kernel {
    Arc::new(move |args, rows| {
        let numbers = decimals(args, 0)?;
        build_decimals(to, rows, |row| {
            super::cast::each(numbers.get(row), try_cast, |number| converted(number, from, to))
        })
    })
}

/// The whole number that a decimal has before its point.
pub(super) fn to_int(from: DecimalType, number: i128) -> Result<i64, Fault> {
    let whole = number / 10_i128.pow(u32::from(from.scale()));
    i64::try_from(whole).map_err(|_| fault(format!("{} does not fit int64", from.format(number))))
}

/// The float nearest to a decimal.
pub(super) fn to_float(from: DecimalType, number: i128) -> f64 {
    // Both are exact up to 2^53 and 10^22, so that their quotient is the nearest float.
    if number.unsigned_abs() < 1 << 53 && from.scale() <= 22 {
        return number as f64 / 10_f64.powi(from.scale().into());
    }
    from.format(number).parse().unwrap_or(f64::NAN)
}

/// A constant of a decimal type.
pub(in crate::sql) fn scalar(value: i128, of: DecimalType) -> ScalarValue {
    ScalarValue::Decimal128(Some(value), of.precision(), of.scale().cast_signed())
}

#[cfg(test)]
mod tests {
    use pipectl_data::DecimalType;
    use proptest::prelude::*;

    use super::{product, quotient, remainder, sum, to_float};

    fn of(precision: u8, scale: u8) -> DecimalType {
        DecimalType::new(precision, scale).unwrap()
    }

    #[test]
    fn halves_go_away_from_zero() {
        for (x, y, a, b, result, expected) in [
            (1, 3, 0, 0, of(10, 6), Some(333_333)),
            (2, 3, 0, 0, of(10, 6), Some(666_667)),
            (-1, 2, 0, 0, of(10, 0), Some(-1)),
            (1, -2, 0, 0, of(10, 0), Some(-1)),
            (1_000, 3, 2, 0, of(14, 6), Some(3_333_333)),
            (10_i128.pow(37), 1, 0, 37, of(38, 6), None),
            (5, 0, 0, 0, of(10, 0), None),
        ] {
            assert_eq!(quotient(x, y, a, b, result).ok(), expected, "{x} / {y}");
        }
        assert_eq!(product(15, 1, 2, of(5, 1)).ok(), Some(2));
        assert_eq!(product(-15, 1, 2, of(5, 1)).ok(), Some(-2));
        assert_eq!(product(10_i128.pow(20), 10_i128.pow(20), 10, of(38, 6)).ok(), Some(10_i128.pow(36)));
        assert!(product(10_i128.pow(20), 10_i128.pow(20), 0, of(38, 0)).is_err());
        assert_eq!(remainder(-750, 2, 2, 0, of(5, 2)).ok(), Some(-150));
        assert_eq!(sum(10_i128.pow(38) - 1, 1, 0, 0, of(38, 0)).ok(), None);
        assert_eq!(to_float(of(38, 2), 123).to_bits(), 1.23_f64.to_bits());
    }

    proptest! {
        /// Against fractions of small whole numbers, where everything fits.
        #[test]
        fn small_numbers_are_exact(x in -100_000_i128..100_000, y in -100_000_i128..100_000, a in 0_u8..5, b in 0_u8..5) {
            let result = of(38, 12);
            let (wide_x, wide_y) = (x * 10_i128.pow(12 - u32::from(a)), y * 10_i128.pow(12 - u32::from(b)));
            prop_assert_eq!(sum(x, y, a, b, result).unwrap(), wide_x + wide_y);
            prop_assert_eq!(product(x, y, a + b, result).unwrap(), x * y * 10_i128.pow(12 - u32::from(a + b)));
            if y != 0 {
                prop_assert_eq!(remainder(x, y, a, b, result).unwrap(), wide_x % wide_y);
                let found = quotient(x, y, a, b, result).unwrap();
                // Off by at most half of the last digit.
                prop_assert!((2 * (found * wide_y - wide_x * 10_i128.pow(12))).abs() <= wide_y.abs());
            }
        }
    }
}

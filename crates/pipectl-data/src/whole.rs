//! Whole numbers by their digits: a float64 on the way distinguishes no neighbors beyond 2^53.

/// What a decimal number is as an `int64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// Exactly this one.
    Int(i64),
    /// A whole number that does not fit.
    Beyond,
    /// It has a fraction.
    Fraction,
}

/// Reads a decimal number, also one with a point or an exponent (`7`, `7.0`, `7e2`, `+.7e1`); `None` if the text is none.
pub fn parse(text: &str) -> Option<Whole> {
    if let Ok(number) = text.parse() {
        return Some(Whole::Int(number));
    }
    Some(match Digits::of(text)?.scaled(0) {
        Ok(number) => i64::try_from(number).map_or(Whole::Beyond, Whole::Int),
        Err(Misfit::Large) => Whole::Beyond,
        Err(Misfit::Fine) => Whole::Fraction,
    })
}

/// Why a number is no whole number of 128 bits at a scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// It has too many digits.
    Large,
    /// It has digits behind the scale.
    Fine,
}

/// A decimal number by its digits: those before and after the point, times ten to the power of the exponent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Digits<'a> {
    negative: bool,
    before: &'a str,
    after: &'a str,
    exponent: i64,
}

impl<'a> Digits<'a> {
    /// The number that a text is; `None` if it is none.
    pub(crate) fn of(text: &'a str) -> Option<Self> {
        let (negative, rest) = sign(text);
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, power(exponent)?),
            None => (rest, 0),
        };
        let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_number = before.len() + after.len() > 0 && [before, after].into_iter().all(all_digits);
        is_number.then_some(Self { negative, before, after, exponent })
    }

    fn digits(&self) -> impl DoubleEndedIterator<Item = u8> {
        self.before.bytes().chain(self.after.bytes())
    }

    /// The number times ten to the power of `scale`, if that is whole.
    pub(crate) fn scaled(&self, scale: u8) -> Result<i128, Misfit> {
        let Some(first) = self.digits().position(|digit| digit != b'0') else { return Ok(0) };
        let last =
            self.before.len() + self.after.len() - self.digits().rev().take_while(|digit| *digit == b'0').count();
        let zeros = (self.before.len() as i64 - last as i64).saturating_add(self.exponent).saturating_add(scale.into());
        if zeros < 0 {
            return Err(Misfit::Fine);
        }
        let significant = last - first;
        if zeros.saturating_add(significant as i64) > MOST {
            return Err(Misfit::Large);
        }
        Ok(self.number(first, significant) * 10_i128.pow(zeros as u32))
    }

    /// The whole number nearest to the number times ten to the power of `scale`, halves away from zero; `None` if it has
    /// too many digits.
    pub(crate) fn rounded(&self, scale: u8) -> Option<i128> {
        let Some(first) = self.digits().position(|digit| digit != b'0') else { return Some(0) };
        let all = self.before.len() + self.after.len();
        let point = (self.before.len() as i64).saturating_add(self.exponent).saturating_add(scale.into());
        // Digits that are kept, from the first that is not zero.
        let kept = point.saturating_sub(first as i64);
        if kept > MOST {
            return None;
        }
        if kept < 0 {
            return Some(0);
        }
        let kept = kept as usize;
        let there = kept.min(all - first);
        let number = self.number(first, there) * 10_i128.pow((kept - there) as u32);
        let up = self.digits().nth(first + kept).is_some_and(|digit| digit >= b'5');
        Some(number + if self.negative { -i128::from(up) } else { i128::from(up) })
    }

    /// The number that `count` digits from the one at `first` are, with its sign.
    fn number(&self, first: usize, count: usize) -> i128 {
        let number = self.digits().skip(first).take(count);
        let number = number.fold(0_i128, |number, digit| number * 10 + i128::from(digit - b'0'));
        if self.negative { -number } else { number }
    }
}

/// Digits that 128 bits always hold.
const MOST: i64 = 38;

/// An exponent; one that fits no int64 is as good as the last that does.
fn power(text: &str) -> Option<i64> {
    let (negative, digits) = sign(text);
    if digits.is_empty() || !all_digits(digits) {
        return None;
    }
    let size = digits.parse().unwrap_or(i64::MAX);
    Some(if negative { -size } else { size })
}

fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Whole, parse};

    #[test]
    fn digits_decide() {
        for (text, expected) in [
            ("7", Some(Whole::Int(7))),
            ("-0", Some(Whole::Int(0))),
            ("-0.0", Some(Whole::Int(0))),
            ("7.0", Some(Whole::Int(7))),
            ("7e2", Some(Whole::Int(700))),
            ("+.7E+1", Some(Whole::Int(7))),
            ("700.e-2", Some(Whole::Int(7))),
            ("9007199254740993.0", Some(Whole::Int(9_007_199_254_740_993))),
            ("90071992547409930e-1", Some(Whole::Int(9_007_199_254_740_993))),
            ("0.0009007199254740993e19", Some(Whole::Int(9_007_199_254_740_993))),
            ("1e18", Some(Whole::Int(1_000_000_000_000_000_000))),
            ("100000000000000000.0", Some(Whole::Int(100_000_000_000_000_000))),
            ("9223372036854775807.000", Some(Whole::Int(i64::MAX))),
            ("-9.223372036854775808e18", Some(Whole::Int(i64::MIN))),
            ("000000000000000000000000000001.0", Some(Whole::Int(1))),
            ("9223372036854775808", Some(Whole::Beyond)),
            ("9.223372036854775808e18", Some(Whole::Beyond)),
            ("-9223372036854775809.0", Some(Whole::Beyond)),
            ("1e19", Some(Whole::Beyond)),
            ("1e400", Some(Whole::Beyond)),
            ("1e99999999999999999999", Some(Whole::Beyond)),
            ("1.5", Some(Whole::Fraction)),
            ("0.99999999999999999999", Some(Whole::Fraction)),
            ("9007199254740993.5", Some(Whole::Fraction)),
            ("1e-1", Some(Whole::Fraction)),
            ("1e-99999999999999999999", Some(Whole::Fraction)),
            ("0e-99999999999999999999", Some(Whole::Int(0))),
            ("0e99999999999999999999", Some(Whole::Int(0))),
            ("", None),
            ("-", None),
            (".", None),
            ("e5", None),
            ("1e", None),
            ("1e+", None),
            ("1.2.3", None),
            ("1e5e5", None),
            ("--1", None),
            ("inf", None),
            ("0x10", None),
            ("1 ", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_moved_point_changes_nothing(number in any::<i64>(), places in 0_usize..25, zeros in 0_usize..5) {
            let digits = format!("{:0>25}{}", number.unsigned_abs(), "0".repeat(zeros));
            let (before, after) = digits.split_at(25 - places);
            let text = format!("{}{before}.{after}e{places}", if number < 0 { "-" } else { "" });
            prop_assert_eq!(parse(&text), Some(Whole::Int(number)), "{}", text);
        }

        #[test]
        fn nothing_panics(text in "[-+.eE0-9]{0,40}") {
            let _any = parse(&text);
        }
    }
}

//! Exact decimal numbers: what a `decimal(p, s)` can hold, and how its values are read and written.

use std::fmt;

use crate::whole::{Digits, Misfit};

/// The most digits of a decimal: those that 128 bits always hold.
pub const MOST_DIGITS: u8 = 38;

/// Which numbers a decimal column holds: those with at most `precision` digits, `scale` of them after the point.
///
/// In memory a value is an `i128`: the number times ten to the power of `scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DecimalType {
    precision: u8,
    scale: u8,
}

/// Why a text is no value of a decimal type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotDecimal {
    /// It is not a number.
    NotANumber,
    /// It has more digits before the point than the type.
    TooLarge,
    /// It has digits other than zero behind the last one that the type keeps.
    TooFine,
}

impl DecimalType {
    /// The widest type for whole numbers of 64 bits.
    pub const INT64: Self = Self { precision: 19, scale: 0 };

    /// A type of so many digits, `scale` of them after the point.
    ///
    /// # Errors
    /// What is wrong with the numbers, in one line.
    pub fn new(precision: u8, scale: u8) -> Result<Self, String> {
        if !(1..=MOST_DIGITS).contains(&precision) {
            return Err(format!("a decimal has 1 to {MOST_DIGITS} digits, not {precision}"));
        }
        if scale > precision {
            return Err(format!("a decimal of {precision} digits cannot have {scale} of them after the point"));
        }
        Ok(Self { precision, scale })
    }

    /// The type nearest to these numbers of digits that there is: too many digits before the point are cut, those after
    /// it are kept.
    #[must_use]
    pub const fn capped(whole: u8, scale: u8) -> Self {
        let scale = if scale > MOST_DIGITS { MOST_DIGITS } else { scale };
        let precision = match whole.saturating_add(scale) {
            0 => 1,
            precision if precision > MOST_DIGITS => MOST_DIGITS,
            precision => precision,
        };
        Self { precision, scale }
    }

    /// All digits.
    pub fn precision(self) -> u8 {
        self.precision
    }

    /// Digits after the point.
    pub fn scale(self) -> u8 {
        self.scale
    }

    /// Digits before the point.
    pub fn whole(self) -> u8 {
        self.precision - self.scale
    }

    /// The type that has every value of both, as far as 38 digits allow: then digits before the point are given up.
    #[must_use]
    pub fn common(self, other: Self) -> Self {
        Self::capped(self.whole().max(other.whole()), self.scale.max(other.scale))
    }

    /// Whether every value of this type is one of `other`.
    pub fn fits_into(self, other: Self) -> bool {
        self.whole() <= other.whole() && self.scale <= other.scale
    }

    /// Whether the type has this value, given as the number times ten to the power of the scale.
    pub fn holds(self, value: i128) -> bool {
        value.unsigned_abs() < 10_u128.pow(u32::from(self.precision))
    }

    /// Reads a number with or without a point and an exponent. Zeros behind the last digit of the type are fine.
    ///
    /// # Errors
    /// Why the type does not have exactly this value.
    pub fn parse(self, text: &str) -> Result<i128, NotDecimal> {
        let digits = Digits::of(text).ok_or(NotDecimal::NotANumber)?;
        let value = digits.scaled(self.scale).map_err(|misfit| match misfit {
            Misfit::Fine => NotDecimal::TooFine,
            Misfit::Large => NotDecimal::TooLarge,
        })?;
        if self.holds(value) { Ok(value) } else { Err(NotDecimal::TooLarge) }
    }

    /// The value nearest to a number, halves away from zero; `None` for a text that is no number or too large.
    pub fn parse_rounded(self, text: &str) -> Option<i128> {
        let digits = Digits::of(text)?;
        digits.rounded(self.scale).filter(|value| self.holds(*value))
    }

    /// Appends a value: `-12.50`, with as many digits after the point as the type has.
    pub fn write(self, value: i128, out: &mut Vec<u8>) {
        let mut digits = [b'0'; 2 + MOST_DIGITS as usize];
        let mut rest = value.unsigned_abs();
        let mut first = digits.len();
        let scale = usize::from(self.scale);
        // Up to the digit before the point, even if all are zero.
        while rest > 0 || digits.len() - first <= scale {
            first -= 1;
            let Some(digit) = digits.get_mut(first) else { break };
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        if value < 0 {
            out.push(b'-');
        }
        let (whole, fraction) = digits.get(first..).unwrap_or_default().split_at(digits.len() - first - scale);
        out.extend_from_slice(whole);
        if !fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
    }

    /// The text that [`DecimalType::write`] appends.
    pub fn format(self, value: i128) -> String {
        let mut out = Vec::with_capacity(8);
        self.write(value, &mut out);
        String::from_utf8(out).unwrap_or_default()
    }
}

impl fmt::Display for DecimalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "decimal({}, {})", self.precision, self.scale)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{DecimalType, NotDecimal};

    fn of(precision: u8, scale: u8) -> DecimalType {
        DecimalType::new(precision, scale).unwrap()
    }

    #[test]
    fn digits_decide() {
        use NotDecimal::{NotANumber, TooFine, TooLarge};
        for (text, precision, scale, expected) in [
            ("12.5", 5, 2, Ok(1_250)),
            ("12.500", 5, 2, Ok(1_250)),
            ("-0.05", 5, 2, Ok(-5)),
            ("1e2", 5, 2, Ok(10_000)),
            ("125e-1", 5, 2, Ok(1_250)),
            ("999.99", 5, 2, Ok(99_999)),
            ("1000", 5, 2, Err(TooLarge)),
            ("1e400", 5, 2, Err(TooLarge)),
            ("0.005", 5, 2, Err(TooFine)),
            ("1e-400", 5, 2, Err(TooFine)),
            ("0e-400", 5, 2, Ok(0)),
            ("9007199254740993", 38, 0, Ok(9_007_199_254_740_993)),
            ("99999999999999999999999999999999999999", 38, 0, Ok(10_i128.pow(38) - 1)),
            ("-0.99999999999999999999999999999999999999", 38, 38, Ok(1 - 10_i128.pow(38))),
            ("100000000000000000000000000000000000000", 38, 0, Err(TooLarge)),
            ("", 5, 2, Err(NotANumber)),
            ("1,5", 5, 2, Err(NotANumber)),
            ("NaN", 5, 2, Err(NotANumber)),
            ("0x1", 5, 2, Err(NotANumber)),
        ] {
            assert_eq!(of(precision, scale).parse(text), expected, "{text}");
        }
    }

    #[test]
    fn halves_are_rounded_away_from_zero() {
        for (text, expected) in [
            ("0.005", Some(1)),
            ("-0.005", Some(-1)),
            ("0.0049999999999999999999999999999999999999999999", Some(0)),
            ("1.115", Some(112)),
            ("999.994", Some(99_999)),
            ("999.995", None),
            ("1e-400", Some(0)),
            ("1e400", None),
            ("5e-3", Some(1)),
            ("x", None),
        ] {
            assert_eq!(of(5, 2).parse_rounded(text), expected, "{text}");
        }
    }

    #[test]
    fn texts_have_all_digits_of_the_scale() {
        for (value, precision, scale, expected) in [
            (0, 5, 2, "0.00"),
            (5, 5, 2, "0.05"),
            (-1_250, 5, 2, "-12.50"),
            (7, 5, 0, "7"),
            (0, 5, 0, "0"),
            (1 - 10_i128.pow(38), 38, 38, "-0.99999999999999999999999999999999999999"),
            (10_i128.pow(38) - 1, 38, 0, "99999999999999999999999999999999999999"),
        ] {
            assert_eq!(of(precision, scale).format(value), expected);
        }
    }

    #[test]
    fn common_types_keep_the_digits_after_the_point() {
        assert_eq!(of(10, 2).common(of(5, 4)), of(12, 4));
        assert_eq!(of(38, 2).common(of(5, 4)), of(38, 4));
        assert!(of(10, 2).fits_into(of(11, 3)) && !of(10, 2).fits_into(of(10, 3)));
        assert!(DecimalType::new(0, 0).is_err() && DecimalType::new(39, 0).is_err() && DecimalType::new(3, 4).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value in any::<i128>(), precision in 1_u8..=38, scale in 0_u8..=38) {
            let of = DecimalType::new(precision, scale.min(precision)).unwrap();
            let value = value % 10_i128.pow(u32::from(precision));
            prop_assert_eq!(of.parse(&of.format(value)), Ok(value));
            prop_assert_eq!(of.parse_rounded(&of.format(value)), Some(value));
        }

        #[test]
        fn nothing_panics(text in "[-+.eE0-9]{0,60}", precision in 1_u8..=38, scale in 0_u8..=38) {
            let of = DecimalType::new(precision, scale.min(precision)).unwrap();
            if let Ok(value) = of.parse(&text) {
                prop_assert_eq!(of.parse_rounded(&text), Some(value));
            }
            let _any = of.parse_rounded(&text);
        }
    }
}

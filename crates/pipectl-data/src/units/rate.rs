//! Events per time: `200/s`, `10/m`, `5k/s`.

use std::{fmt, str::FromStr};

use super::{Unit, UnitError, number::Number};

/// Events per second; always above 0 and finite.
///
/// Written as a number, optionally with `k` (thousand) or `M` (million), a slash and `s`, `m`, `h` or `d`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(pub f64);

/// Letters after the number, largest first.
const FACTORS: [(&str, u32); 3] = [("M", 1_000_000), ("k", 1_000), ("", 1)];
/// What comes after the slash, in seconds.
const PERIODS: [(&str, u32); 4] = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];

impl Rate {
    /// Events per second.
    pub const fn per_second(self) -> f64 {
        self.0
    }
}

impl FromStr for Rate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (_, digits) = Number::scan(text, 0, "rate", "200/s")?;
        let (written, unit) = text.split_at(digits);
        let Some((factor, period)) = unit.split_once('/') else {
            let message = format!("`{text}` has no period: write `{text}/s` for a rate per second");
            return Err(UnitError::new(message, 0..text.len()));
        };
        let Some((_, factor_value)) =
            FACTORS.iter().find(|(name, _)| *name == factor || (*name == "k" && factor == "K"))
        else {
            let message = format!("`{factor}` is not a factor: write `k` for thousand or `M` for million");
            return Err(UnitError::new(message, digits..digits + factor.len()));
        };
        let Some((_, seconds)) = PERIODS.iter().find(|(name, _)| *name == period) else {
            return Err(period_error(written, factor, period, digits + factor.len() + 1..text.len()));
        };
        let number: f64 = written.replace('_', "").parse().unwrap_or(f64::INFINITY);
        let rate = number * f64::from(*factor_value) / f64::from(*seconds);
        if rate <= 0.0 {
            return Err(UnitError::new("a rate must be above 0: write one such as `200/s`", 0..text.len()));
        }
        if !rate.is_finite() {
            return Err(UnitError::new(format!("`{text}` is too large for a rate"), 0..text.len()));
        }
        Ok(Self(rate))
    }
}

fn period_error(written: &str, factor: &str, period: &str, place: std::ops::Range<usize>) -> UnitError {
    let lower = period.to_lowercase();
    let meant = match lower.trim() {
        "sec" | "secs" | "second" | "seconds" => Some("s"),
        "min" | "mins" | "minute" | "minutes" => Some("m"),
        "hr" | "hour" | "hours" => Some("h"),
        "day" | "days" => Some("d"),
        other => PERIODS.iter().map(|(name, _)| *name).find(|name| *name == other),
    };
    let message = match meant {
        Some(meant) => format!("`{period}` is not a period: write `{written}{factor}/{meant}`"),
        None => format!("`{period}` is not a period: write `{written}{factor}/s`, `/m`, `/h` or `/d`"),
    };
    UnitError::new(message, place)
}

/// A text that reads back as the same value, in the first period in which the number is whole.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (period, seconds) in PERIODS {
            let number = (self.0 * f64::from(seconds)).round();
            // 2^53: beyond it, not every whole number is a float.
            if (1.0..9_007_199_254_740_992.0).contains(&number)
                && (number / f64::from(seconds)).to_bits() == self.0.to_bits()
            {
                let (letter, factor) =
                    FACTORS.into_iter().find(|(_, factor)| number % f64::from(*factor) == 0.0).unwrap_or(("", 1));
                return write!(f, "{}{letter}/{period}", number / f64::from(factor));
            }
        }
        write!(f, "{}/s", self.0)
    }
}

impl Unit for Rate {
    const NAME: &'static str = "rate";
    const EXAMPLES: &'static [&'static str] = &["200/s", "10/m", "5k/s"];
    fn with_unit(number: &str) -> String {
        format!("{number}/s")
    }
}

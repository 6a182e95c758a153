//! Spans of time: `60s`, `1h30m`, `500ms`, `2w`.

use std::{
    fmt::{self, Write as _},
    str::FromStr,
};

use super::{Unit, UnitError, number::Number};

/// A span of time, to the nanosecond.
///
/// Written as numbers with units, largest first, without spaces: `w` (7 days), `d` (24 hours), `h`, `m`, `s`, `ms`,
/// `us`, `ns`. There are no months and years, whose lengths differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(pub std::time::Duration);

const SECOND: u128 = 1_000_000_000;

/// Units from the largest to the smallest, in nanoseconds.
const UNITS: [(&str, u128); 8] = [
    ("w", 7 * 86_400 * SECOND),
    ("d", 86_400 * SECOND),
    ("h", 3_600 * SECOND),
    ("m", 60 * SECOND),
    ("s", SECOND),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// What people write instead, and the unit it means.
const ALIASES: [(&str, &str); 32] = [
    ("week", "w"),
    ("weeks", "w"),
    ("wk", "w"),
    ("day", "d"),
    ("days", "d"),
    ("hour", "h"),
    ("hours", "h"),
    ("hr", "h"),
    ("hrs", "h"),
    ("min", "m"),
    ("mins", "m"),
    ("minute", "m"),
    ("minutes", "m"),
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("msec", "ms"),
    ("msecs", "ms"),
    ("millis", "ms"),
    ("millisecond", "ms"),
    ("milliseconds", "ms"),
    ("µs", "us"),
    ("μs", "us"),
    ("usec", "us"),
    ("micros", "us"),
    ("microsecond", "us"),
    ("microseconds", "us"),
    ("nanos", "ns"),
    ("nsec", "ns"),
    ("nanosecond", "ns"),
    ("nanoseconds", "ns"),
];

impl Duration {
    /// In microseconds, the unit of all times inside pipectl; parts of one are cut off.
    pub fn micros(self) -> crate::Micros {
        i64::try_from(self.0.as_micros()).unwrap_or(i64::MAX)
    }

    /// So many seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(std::time::Duration::from_secs(seconds))
    }

    /// So many milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(std::time::Duration::from_millis(millis))
    }
}

impl FromStr for Duration {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let mut total = 0_u128;
        let mut position = 0;
        let mut allowed = &UNITS[..];
        let overflow = || {
            UnitError::new(
                format!("`{text}` is too long for a duration: at most about 292 thousand years"),
                0..text.len(),
            )
        };
        while position < text.len() || position == 0 {
            let rest = &text[position..];
            let (number, digits) = Number::scan(rest, position, "duration", "1h30m")?;
            let after = &rest[digits..];
            let length = after.bytes().take_while(|byte| !byte.is_ascii_digit() && *byte != b'-').count();
            // Not inside a character: digits and `-` are characters by themselves.
            let unit = after.get(..length).unwrap_or(after);
            let place = position + digits..position + digits + unit.len();
            let written = &rest[..digits];
            let Some(index) = allowed.iter().position(|(name, _)| *name == unit) else {
                return Err(unit_error(text, written, unit, position, place));
            };
            let (_, nanos) = allowed.get(index).copied().unwrap_or(("ns", 1));
            let part = number.times(nanos).ok_or_else(|| {
                if number.is_whole() {
                    overflow()
                } else {
                    UnitError::new(format!("`{written}{unit}` is finer than a nanosecond"), position..place.end)
                }
            })?;
            total = total.checked_add(part).ok_or_else(overflow)?;
            allowed = allowed.get(index + 1..).unwrap_or_default();
            position = place.end;
        }
        // All times inside are microseconds in an i64.
        if total / 1_000 > i64::MAX as u128 {
            return Err(overflow());
        }
        let nanos = u32::try_from(total % SECOND).unwrap_or(0);
        Ok(Self(std::time::Duration::new(u64::try_from(total / SECOND).unwrap_or(u64::MAX), nanos)))
    }
}

fn unit_error(text: &str, written: &str, unit: &str, start: usize, place: std::ops::Range<usize>) -> UnitError {
    if unit.is_empty() {
        return UnitError::new(
            format!("`{written}` lacks a unit: write `{written}s` for seconds or `{written}m` for minutes"),
            start..place.end,
        );
    }
    if UNITS.iter().any(|(name, _)| *name == unit) {
        return UnitError::new(
            format!(
                "`{unit}` must not be repeated or follow a smaller unit in `{text}`: write the largest unit first, and each unit only one time, as in `1h30m`"
            ),
            place,
        );
    }
    if unit.trim() != unit || unit.contains(' ') {
        return super::spaced::<Duration>(text, place);
    }
    let lower = unit.to_lowercase();
    if unit == "M" || ["mo", "mon", "month", "months", "y", "yr", "year", "years"].contains(&lower.as_str()) {
        return UnitError::new(
            format!(
                "`{unit}` is not a unit: months and years differ in length, so write days, as in `30d` (minutes are `m`)"
            ),
            place,
        );
    }
    let names = UNITS.iter().map(|(name, _)| *name).chain(ALIASES.iter().map(|(name, _)| *name));
    let meant = ALIASES
        .iter()
        .find(|(name, _)| *name == lower)
        .map(|(_, unit)| *unit)
        .or_else(|| pipectl_diag::nearest(unit, names))
        .map(|name| ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, unit)| *unit));
    let message = match meant {
        Some(meant) => format!("`{unit}` is not a unit of time: write `{written}{meant}`"),
        None => format!("`{unit}` is not a unit of time: write w, d, h, m, s, ms, us or ns"),
    };
    UnitError::new(message, place)
}

/// The shortest text that reads back as the same value: `90s`, `1h`, `1h1s`.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        if nanos == 0 {
            return f.write_str("0s");
        }
        let single = UNITS
            .iter()
            .find(|(_, unit)| nanos.is_multiple_of(*unit))
            .map(|(name, unit)| format!("{}{name}", nanos / unit));
        let mut parts = String::new();
        let mut rest = nanos;
        for (name, unit) in UNITS {
            if rest >= unit {
                write!(parts, "{}{name}", rest / unit)?;
                rest %= unit;
            }
        }
        match single {
            Some(single) if single.len() <= parts.len() => f.write_str(&single),
            _ => f.write_str(&parts),
        }
    }
}

impl Unit for Duration {
    const NAME: &'static str = "duration";
    const EXAMPLES: &'static [&'static str] = &["60s", "1h30m", "500ms", "7d"];
    fn with_unit(number: &str) -> String {
        format!("{number}s")
    }
}

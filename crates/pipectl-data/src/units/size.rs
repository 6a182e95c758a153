//! Numbers of bytes: `1MiB`, `64KB`, `512B`.

use std::{fmt, str::FromStr};

use super::{Unit, UnitError, number::Number};

/// A number of bytes.
///
/// Written as a number and a unit: `B`; `KiB`, `MiB`, `GiB`, `TiB` (powers of 1024); `KB`, `MB`, `GB`, `TB` (powers
/// of 1000).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Size(pub u64);

const UNITS: [(&str, u128); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

impl Size {
    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, digits) = Number::scan(text, 0, "size", "64MiB")?;
        let (written, unit) = text.split_at(digits);
        let Some((_, bytes)) = UNITS.iter().find(|(name, _)| *name == unit || (*name == "KB" && unit == "kB")) else {
            return Err(unit_error(text, written, unit));
        };
        let total = number.times(*bytes).ok_or_else(|| {
            let reason = if number.is_whole() { "is too large for a size" } else { "is no whole number of bytes" };
            UnitError::new(format!("`{text}` {reason}"), 0..text.len())
        })?;
        // i64 is what files and object stores can address.
        i64::try_from(total)
            .map(|total| Self(total as u64))
            .map_err(|_| UnitError::new(format!("`{text}` is too large for a size: at most 8 EiB"), 0..text.len()))
    }
}

fn unit_error(text: &str, written: &str, unit: &str) -> UnitError {
    let place = written.len()..text.len();
    if unit.is_empty() {
        let message = format!("`{written}` lacks a unit: write `{written}B` for bytes or `{written}MiB` for mebibytes");
        return UnitError::new(message, 0..text.len());
    }
    if unit.contains(' ') {
        return super::spaced::<Size>(text, place);
    }
    let upper = unit.to_uppercase();
    if let "K" | "M" | "G" | "T" = upper.as_str() {
        let message = format!(
            "`{unit}` is not a unit: write `{written}{upper}iB` (powers of 1024) or `{written}{upper}B` (powers of 1000)"
        );
        return UnitError::new(message, place);
    }
    let names = UNITS.iter().map(|(name, _)| *name);
    let message =
        match names.clone().find(|name| name.eq_ignore_ascii_case(unit)).or_else(|| pipectl_diag::nearest(unit, names))
        {
            Some(meant) => format!("`{unit}` is not a unit of size: write `{written}{meant}`"),
            None => format!("`{unit}` is not a unit of size: write B, KiB, MiB, GiB, TiB, KB, MB, GB or TB"),
        };
    UnitError::new(message, place)
}

/// The shortest text that reads back as the same value: `1MiB`, `64KB`, `1000001B`.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = u128::from(self.0);
        let shortest = UNITS
            .iter()
            .filter(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit))
            .map(|(name, unit)| format!("{}{name}", bytes / unit))
            .min_by_key(String::len);
        f.write_str(shortest.as_deref().unwrap_or("0B"))
    }
}

impl Unit for Size {
    const NAME: &'static str = "size";
    const EXAMPLES: &'static [&'static str] = &["1MiB", "64KB", "512B", "1GiB"];
    fn with_unit(number: &str) -> String {
        format!("{number}B")
    }
}

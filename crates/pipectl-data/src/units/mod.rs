//! Durations, sizes and rates as people write them: `1h30m`, `64MiB`, `200/s`.
//!
//! Written here and not taken from a crate, because an error must name the very part that is wrong, every value must be
//! exact (no detour through floating point) and what is printed must read back as the same value.

mod duration;
mod number;
mod rate;
mod size;

use std::{fmt, ops::Range};

pub use duration::Duration;
pub use rate::Rate;
pub use size::Size;

/// Why a text is not a duration, a size or a rate, in one line that says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UnitError {
    message: String,
    range: Range<usize>,
}

impl UnitError {
    fn new(message: impl Into<String>, range: Range<usize>) -> Self {
        Self { message: message.into(), range }
    }

    /// The bytes of the text that are wrong.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }
}

/// What is wrong with a text that has spaces in it: only them, or something else too.
fn spaced<T: std::str::FromStr<Err = UnitError>>(text: &str, place: Range<usize>) -> UnitError {
    let joined: String = text.split_whitespace().collect();
    let message = match joined.parse::<T>() {
        Ok(_) => format!("write `{joined}` without spaces"),
        Err(problem) => problem.message,
    };
    UnitError::new(message, place)
}

/// What the three have in common, for their serde and schema implementations.
trait Unit: std::str::FromStr<Err = UnitError> + fmt::Display {
    /// `duration`.
    const NAME: &'static str;
    /// For the schema and for error messages; the first one is the most common.
    const EXAMPLES: &'static [&'static str];
    /// A bare number with the unit that was probably meant: `60` as `60s`.
    fn with_unit(number: &str) -> String;
}

struct Visitor<U>(std::marker::PhantomData<U>);

impl<U: Unit> Visitor<U> {
    fn bare<E: serde::de::Error>(number: &str) -> Result<U, E> {
        Err(E::custom(format_args!(
            "a {} needs a unit: write `{}` instead of `{number}`",
            U::NAME,
            U::with_unit(number)
        )))
    }
}

impl<U: Unit> serde::de::Visitor<'_> for Visitor<U> {
    type Value = U;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {} such as `{}`", U::NAME, U::EXAMPLES.first().copied().unwrap_or_default())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<U, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<U, E> {
        Self::bare(&number.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<U, E> {
        Self::bare(&number.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<U, E> {
        Self::bare(&number.to_string())
    }
}

macro_rules! unit {
    ($unit:ty) => {
        impl serde::Serialize for $unit {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $unit {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Visitor(std::marker::PhantomData))
            }
        }

        impl schemars::JsonSchema for $unit {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($unit).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "format": <Self as Unit>::NAME,
                    "examples": <Self as Unit>::EXAMPLES,
                })
            }
        }
    };
}
unit!(Duration);
unit!(Size);
unit!(Rate);

#[cfg(test)]
mod tests;

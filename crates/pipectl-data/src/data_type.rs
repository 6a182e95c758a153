//! The types that a spec can name, how they are written, and what they are in memory.

mod text;

use std::{fmt, str::FromStr, sync::Arc};

use arrow_schema::TimeUnit;
pub use text::BadType;

use crate::{DecimalType, Field, Schema};

/// A column's type as a spec names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DataType {
    /// `bool`.
    Bool,
    /// `int64`.
    Int64,
    /// `float64`.
    Float64,
    /// `decimal(p, s)`: an exact number of at most `p` digits, `s` of them after the point.
    Decimal(DecimalType),
    /// `string`: UTF-8.
    String,
    /// `bytes`; base64 (RFC 4648) in JSON.
    Bytes,
    /// `timestamp`: microseconds UTC; RFC 3339 text in JSON, zoneless means UTC.
    Timestamp,
    /// `epoch_ms`: a timestamp written as milliseconds since 1970.
    EpochMillis,
    /// `epoch_s`: a timestamp written as seconds since 1970, possibly with a fraction.
    EpochSeconds,
    /// `date`: days since 1970; `2026-01-31` in JSON.
    Date,
    /// `json`: any JSON value, kept as its text.
    Json,
    /// `list<T>`: values of one type in order; each can be null. A JSON array.
    List(Arc<Self>),
    /// `struct<a:T, b:T>`: fields with names. A JSON object.
    Struct(Schema),
    /// A span of time in microseconds; only SQL makes it (`INTERVAL '1 minute'`), no schema can name it.
    Interval,
}

impl DataType {
    /// The types without parameters that a schema can name, in the order in which help texts list them.
    pub const NAMED: [Self; 10] = [
        Self::Bool,
        Self::Int64,
        Self::Float64,
        Self::String,
        Self::Bytes,
        Self::Timestamp,
        Self::EpochMillis,
        Self::EpochSeconds,
        Self::Date,
        Self::Json,
    ];

    /// How the types with parameters are written, for help texts.
    pub const PARAMETRIC: [&'static str; 3] = ["decimal(p, s)", "list<T>", "struct<a:T, b:T>"];

    /// What the text of a type with parameters looks like, `!` and `?` of a schema included.
    pub const PARAMETRIC_PATTERN: &'static str = r"^(decimal *\(|list *<|struct *<).*[)>][!?]?$";

    /// How all types that a schema can name are written, for help texts.
    pub fn forms() -> impl Iterator<Item = &'static str> {
        Self::NAMED.iter().map(Self::word).chain(Self::PARAMETRIC)
    }

    /// The word that its name begins with: `decimal` for `decimal(10, 2)`, the whole name for a type without parameters.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int64 => "int64",
            Self::Float64 => "float64",
            Self::Decimal(_) => "decimal",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Timestamp => "timestamp",
            Self::EpochMillis => "epoch_ms",
            Self::EpochSeconds => "epoch_s",
            Self::Date => "date",
            Self::Json => "json",
            Self::List(_) => "list",
            Self::Struct(_) => "struct",
            Self::Interval => "interval",
        }
    }

    /// The JSON Schema of a text that names a type, with `!` or `?` after it.
    pub fn json_schema(description: &str) -> schemars::Schema {
        let words = || Self::NAMED.iter().map(Self::word);
        let written: Vec<String> =
            words().flat_map(|word| [word.to_owned(), format!("{word}!"), format!("{word}?")]).collect();
        schemars::json_schema!({
            "type": "string",
            "format": "column_type",
            "enum": written,
            "description": description,
        })
    }

    /// A list of values of this type.
    #[must_use]
    pub fn list(self) -> Self {
        Self::List(Arc::new(self))
    }

    /// The type that SQL sees: the epoch types are ways to write a timestamp. They are not allowed inside of other types.
    #[must_use]
    pub fn logical(&self) -> Self {
        match self {
            Self::EpochMillis | Self::EpochSeconds => Self::Timestamp,
            other => other.clone(),
        }
    }

    /// Whether it is one of the exact or approximate numbers.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Int64 | Self::Float64 | Self::Decimal(_))
    }

    /// Whether its values are made of other values.
    pub fn is_nested(&self) -> bool {
        matches!(self, Self::List(_) | Self::Struct(_))
    }

    /// The decimal that holds all its values exactly, if there is one.
    pub fn as_decimal(&self) -> Option<DecimalType> {
        match self {
            Self::Int64 => Some(DecimalType::INT64),
            Self::Decimal(decimal) => Some(*decimal),
            _ => None,
        }
    }

    /// The type in memory. Timestamps carry no zone: they are UTC.
    pub fn arrow(&self) -> arrow_schema::DataType {
        use arrow_schema::DataType as Arrow;
        match self {
            Self::Bool => Arrow::Boolean,
            Self::Int64 => Arrow::Int64,
            Self::Float64 => Arrow::Float64,
            // Both numbers are at most 38.
            Self::Decimal(decimal) => Arrow::Decimal128(decimal.precision(), decimal.scale().cast_signed()),
            Self::String | Self::Json => Arrow::Utf8View,
            Self::Bytes => Arrow::BinaryView,
            Self::Timestamp | Self::EpochMillis | Self::EpochSeconds => Arrow::Timestamp(TimeUnit::Microsecond, None),
            Self::Date => Arrow::Date32,
            Self::List(element) => Arrow::List(Arc::new(list_item(element.arrow()))),
            Self::Struct(fields) => Arrow::Struct(fields.arrow().fields().clone()),
            Self::Interval => Arrow::Duration(TimeUnit::Microsecond),
        }
    }

    /// The type of a column in memory. Types that no spec can name become `string`: whoever writes rows of them has their
    /// text.
    pub fn of_arrow(arrow: &arrow_schema::DataType) -> Self {
        use arrow_schema::DataType as Arrow;
        match arrow {
            Arrow::Boolean => Self::Bool,
            Arrow::Int64 => Self::Int64,
            Arrow::Float64 => Self::Float64,
            Arrow::Decimal128(precision, scale) => u8::try_from(*scale)
                .ok()
                .and_then(|scale| DecimalType::new(*precision, scale).ok())
                .map_or(Self::String, Self::Decimal),
            Arrow::BinaryView => Self::Bytes,
            Arrow::Timestamp(_, _) => Self::Timestamp,
            Arrow::Date32 => Self::Date,
            Arrow::Duration(_) => Self::Interval,
            Arrow::List(item) => Self::of_arrow(item.data_type()).list(),
            Arrow::Struct(fields) => Self::Struct(Schema::new(fields.iter().map(|field| Field::of_arrow(field)))),
            _ => Self::String,
        }
    }
}

/// The field of a list's values in memory.
pub(crate) fn list_item(element: arrow_schema::DataType) -> arrow_schema::Field {
    arrow_schema::Field::new("item", element, true)
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decimal(decimal) => decimal.fmt(f),
            Self::List(element) => write!(f, "list<{element}>"),
            Self::Struct(fields) => {
                f.write_str("struct<")?;
                for (position, field) in fields.fields().iter().enumerate() {
                    let comma = if position == 0 { "" } else { ", " };
                    let required = if field.nullable { "" } else { "!" };
                    write!(f, "{comma}{}:{}{required}", text::quoted(&field.name), field.data_type)?;
                }
                f.write_str(">")
            }
            plain => f.write_str(plain.word()),
        }
    }
}

impl FromStr for DataType {
    type Err = BadType;

    fn from_str(text: &str) -> Result<Self, BadType> {
        text::parse(text)
    }
}

impl serde::Serialize for DataType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for DataType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "interval" {
            return Ok(Self::Interval);
        }
        text.parse().map_err(|bad: BadType| serde::de::Error::custom(bad.reason))
    }
}

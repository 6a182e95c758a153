//! The types that a spec can name, and what they are in memory.

use std::{fmt, str::FromStr, sync::Arc};

use arrow_schema::TimeUnit;

/// A column's type as a spec names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DataType {
    /// `bool`.
    Bool,
    /// `int64`.
    Int64,
    /// `float64`.
    Float64,
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
    /// A span of time in microseconds; only SQL makes it (`INTERVAL '1 minute'`), no schema can name it.
    Interval,
}

impl DataType {
    /// The types that a schema can name, in the order in which help texts list them.
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

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int64 => "int64",
            Self::Float64 => "float64",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Timestamp => "timestamp",
            Self::EpochMillis => "epoch_ms",
            Self::EpochSeconds => "epoch_s",
            Self::Date => "date",
            Self::Json => "json",
            Self::Interval => "interval",
        }
    }

    /// The type that SQL sees: the epoch types are ways to write a timestamp.
    #[must_use]
    pub fn logical(self) -> Self {
        match self {
            Self::EpochMillis | Self::EpochSeconds => Self::Timestamp,
            other => other,
        }
    }

    /// The type in memory. Timestamps carry no zone: they are UTC.
    pub fn arrow(self) -> arrow_schema::DataType {
        use arrow_schema::DataType as Arrow;
        match self {
            Self::Bool => Arrow::Boolean,
            Self::Int64 => Arrow::Int64,
            Self::Float64 => Arrow::Float64,
            Self::String | Self::Json => Arrow::Utf8View,
            Self::Bytes => Arrow::BinaryView,
            Self::Timestamp | Self::EpochMillis | Self::EpochSeconds => Arrow::Timestamp(TimeUnit::Microsecond, None),
            Self::Date => Arrow::Date32,
            Self::Interval => Arrow::Duration(TimeUnit::Microsecond),
        }
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DataType {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::NAMED.into_iter().find(|data_type| data_type.name() == text).ok_or(())
    }
}

impl serde::Serialize for DataType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> serde::Deserialize<'de> for DataType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "interval" {
            return Ok(Self::Interval);
        }
        text.parse().map_err(|()| serde::de::Error::custom(format!("`{text}` is not a type")))
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Field {
    /// Its name, case-sensitive.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
    /// Whether it can be null. A record without a value for a field that cannot is a dead letter.
    pub nullable: bool,
}

impl Field {
    /// A field that can be null.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Self { name: name.into(), data_type, nullable: true }
    }

    /// A field that cannot be null.
    pub fn required(name: impl Into<String>, data_type: DataType) -> Self {
        Self { name: name.into(), data_type, nullable: false }
    }
}

/// Columns in order. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Schema {
    fields: Arc<[Field]>,
}

impl Schema {
    /// A schema of these fields; names must differ (the spec's check sees to it).
    pub fn new(fields: impl IntoIterator<Item = Field>) -> Self {
        Self { fields: fields.into_iter().collect() }
    }

    /// The fields in order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The position and the field of this name.
    pub fn find(&self, name: &str) -> Option<(usize, &Field)> {
        self.fields.iter().enumerate().find(|(_, field)| field.name == name)
    }

    /// The names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.name.as_str())
    }

    /// Only the fields that `keep` accepts, in order.
    #[must_use]
    pub fn project(&self, keep: impl Fn(&Field) -> bool) -> Self {
        Self::new(self.fields.iter().filter(|field| keep(field)).cloned())
    }

    /// The schema of columns in memory. Types that no spec can name become `string` or `json`: whoever writes rows of
    /// them has their text.
    pub fn of_arrow(columns: &arrow_schema::Schema) -> Self {
        use arrow_schema::DataType as Arrow;
        let data_type = |arrow: &Arrow| match arrow {
            Arrow::Boolean => DataType::Bool,
            Arrow::Int64 => DataType::Int64,
            Arrow::Float64 => DataType::Float64,
            Arrow::BinaryView => DataType::Bytes,
            Arrow::Timestamp(_, _) => DataType::Timestamp,
            Arrow::Date32 => DataType::Date,
            Arrow::Duration(_) => DataType::Interval,
            _ => DataType::String,
        };
        Self::new(columns.fields().iter().map(|field| Field {
            name: field.name().clone(),
            data_type: data_type(field.data_type()),
            nullable: field.is_nullable(),
        }))
    }

    /// What it is in memory.
    pub fn arrow(&self) -> arrow_schema::SchemaRef {
        let field = |field: &Field| arrow_schema::Field::new(&field.name, field.data_type.arrow(), field.nullable);
        Arc::new(arrow_schema::Schema::new(self.fields.iter().map(field).collect::<Vec<_>>()))
    }
}

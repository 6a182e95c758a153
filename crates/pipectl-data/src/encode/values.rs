//! Arrays by their schema's type, and how each value is written as text.

use arrow_array::{
    Array, BinaryViewArray, BooleanArray, Date32Array, DurationMicrosecondArray, Float64Array, Int64Array, RecordBatch,
    StringViewArray, TimestampMicrosecondArray, cast::AsArray,
};
use arrow_schema::ArrowError;

use crate::{DataType, Schema, timestamp};

/// A column whose type is known, so that a row needs one `match` and no downcast.
pub(super) enum Values<'a> {
    Bool(&'a BooleanArray),
    Int(&'a Int64Array),
    Float(&'a Float64Array),
    Text(&'a StringViewArray),
    Json(&'a StringViewArray),
    Bytes(&'a BinaryViewArray),
    Timestamp(&'a TimestampMicrosecondArray),
    Date(&'a Date32Array),
    Interval(&'a DurationMicrosecondArray),
}

impl<'a> Values<'a> {
    /// The columns of a batch by a schema with the same columns in the same order.
    pub(super) fn of(columns: &'a RecordBatch, schema: &Schema) -> Result<Vec<Self>, ArrowError> {
        if columns.num_columns() != schema.fields().len() {
            let message =
                format!("a batch has {} columns, its schema {}", columns.num_columns(), schema.fields().len());
            return Err(ArrowError::SchemaError(message));
        }
        schema
            .fields()
            .iter()
            .zip(columns.columns())
            .map(|(field, array)| {
                Self::typed(array.as_ref(), field.data_type).ok_or_else(|| {
                    ArrowError::SchemaError(format!(
                        "column `{}` is {} in memory, its schema says {}",
                        field.name,
                        array.data_type(),
                        field.data_type
                    ))
                })
            })
            .collect()
    }

    /// An array without a schema's word for its type; JSON values count as text.
    pub(super) fn untyped(array: &'a dyn Array) -> Option<Self> {
        use arrow_schema::{DataType as Arrow, TimeUnit};
        let data_type = match array.data_type() {
            Arrow::Boolean => DataType::Bool,
            Arrow::Int64 => DataType::Int64,
            Arrow::Float64 => DataType::Float64,
            Arrow::Utf8View => DataType::String,
            Arrow::BinaryView => DataType::Bytes,
            Arrow::Timestamp(TimeUnit::Microsecond, _) => DataType::Timestamp,
            Arrow::Date32 => DataType::Date,
            Arrow::Duration(TimeUnit::Microsecond) => DataType::Interval,
            _ => return None,
        };
        Self::typed(array, data_type)
    }

    fn typed(array: &'a dyn Array, data_type: DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Bool => Self::Bool(array.as_boolean_opt()?),
            DataType::Int64 => Self::Int(array.as_primitive_opt()?),
            DataType::Float64 => Self::Float(array.as_primitive_opt()?),
            DataType::String => Self::Text(array.as_string_view_opt()?),
            DataType::Json => Self::Json(array.as_string_view_opt()?),
            DataType::Bytes => Self::Bytes(array.as_binary_view_opt()?),
            DataType::Timestamp | DataType::EpochMillis | DataType::EpochSeconds => {
                Self::Timestamp(array.as_primitive_opt()?)
            }
            DataType::Date => Self::Date(array.as_primitive_opt()?),
            DataType::Interval => Self::Interval(array.as_primitive_opt()?),
        })
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Bool(array) => array.is_null(row),
            Self::Int(array) => array.is_null(row),
            Self::Float(array) => array.is_null(row),
            Self::Text(array) | Self::Json(array) => array.is_null(row),
            Self::Bytes(array) => array.is_null(row),
            Self::Timestamp(array) => array.is_null(row),
            Self::Date(array) => array.is_null(row),
            Self::Interval(array) => array.is_null(row),
        }
    }

    /// Appends the plain text of a value that is not null: without quotes or escapes.
    pub(super) fn write_plain(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Bool(array) => out.extend_from_slice(if array.value(row) { b"true" } else { b"false" }),
            Self::Int(array) => write_json(&array.value(row), out),
            Self::Float(array) => write_json(&array.value(row), out),
            Self::Text(array) | Self::Json(array) => out.extend_from_slice(array.value(row).as_bytes()),
            Self::Bytes(array) => write_base64(array.value(row), out),
            Self::Timestamp(array) => timestamp::write(array.value(row), out),
            Self::Date(array) => timestamp::write_date(array.value(row), out),
            Self::Interval(array) => write_interval(array.value(row), out),
        }
    }
}

/// Appends a value as `serde_json` writes it: numbers as their shortest text, NaN and the infinities as `null`.
pub(super) fn write_json(value: &impl serde::Serialize, out: &mut Vec<u8>) {
    // A vector takes every write, and these values serialize without an error of their own.
    let _infallible = serde_json::to_writer(out, value);
}

fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
}

fn write_interval(micros: i64, out: &mut Vec<u8>) {
    if micros < 0 {
        out.push(b'-');
    }
    let duration = crate::units::Duration(std::time::Duration::from_micros(micros.unsigned_abs()));
    out.extend_from_slice(duration.to_string().as_bytes());
}

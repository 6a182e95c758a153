//! Values of columns as SQLite takes them.

use arrow_array::{
    Array, BinaryViewArray, BooleanArray, Date32Array, DurationMicrosecondArray, Float64Array, Int64Array, RecordBatch,
    StringViewArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, TimeUnit};
use pipectl_data::{encode::ColumnText, timestamp};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};

/// A column, ready to be read row by row.
pub(crate) enum Values<'a> {
    Bool(&'a BooleanArray),
    Int(&'a Int64Array),
    Float(&'a Float64Array),
    Text(&'a StringViewArray),
    Bytes(&'a BinaryViewArray),
    Time(&'a TimestampMicrosecondArray),
    Date(&'a Date32Array),
    Interval(&'a DurationMicrosecondArray),
    /// What SQLite has no type for: decimals, lists and structs.
    Other(ColumnText<'a>),
}

impl<'a> Values<'a> {
    /// The column of this name, if it is there and of a type that flows.
    pub(crate) fn find(columns: &'a RecordBatch, name: &str, declared: &pipectl_data::DataType) -> Option<Self> {
        let column = columns.column_by_name(name)?;
        let any = column.as_any();
        match column.data_type() {
            DataType::Boolean => any.downcast_ref().map(Self::Bool),
            DataType::Int64 => any.downcast_ref().map(Self::Int),
            DataType::Float64 => any.downcast_ref().map(Self::Float),
            DataType::Utf8View => any.downcast_ref().map(Self::Text),
            DataType::BinaryView => any.downcast_ref().map(Self::Bytes),
            DataType::Timestamp(TimeUnit::Microsecond, _) => any.downcast_ref().map(Self::Time),
            DataType::Date32 => any.downcast_ref().map(Self::Date),
            DataType::Duration(TimeUnit::Microsecond) => any.downcast_ref().map(Self::Interval),
            _ => ColumnText::of(column.as_ref(), declared).map(Self::Other),
        }
    }

    /// Whether the row has no value.
    pub(crate) fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Bool(array) => array.is_null(row),
            Self::Int(array) => array.is_null(row),
            Self::Float(array) => array.is_null(row),
            Self::Text(array) => array.is_null(row),
            Self::Bytes(array) => array.is_null(row),
            Self::Time(array) => array.is_null(row),
            Self::Date(array) => array.is_null(row),
            Self::Interval(array) => array.is_null(row),
            Self::Other(texts) => texts.is_null(row),
        }
    }

    /// The value of a row.
    pub(crate) fn value(&self, row: usize) -> ToSqlOutput<'a> {
        if self.is_null(row) {
            return ToSqlOutput::Borrowed(ValueRef::Null);
        }
        let borrowed = match self {
            Self::Bool(array) => ValueRef::Integer(i64::from(array.value(row))),
            Self::Int(array) => ValueRef::Integer(array.value(row)),
            Self::Interval(array) => ValueRef::Integer(array.value(row)),
            Self::Float(array) => ValueRef::Real(array.value(row)),
            Self::Text(array) => ValueRef::Text(array.value(row).as_bytes()),
            Self::Bytes(array) => ValueRef::Blob(array.value(row)),
            Self::Time(array) => return ToSqlOutput::Owned(Value::Text(timestamp::format(array.value(row)))),
            Self::Date(array) => {
                let mut text = Vec::with_capacity(10);
                timestamp::write_date(array.value(row), &mut text);
                return ToSqlOutput::Owned(Value::Text(String::from_utf8_lossy(&text).into_owned()));
            }
            Self::Other(texts) => {
                let mut text = Vec::new();
                texts.write_plain(row, &mut text);
                return ToSqlOutput::Owned(Value::Text(String::from_utf8_lossy(&text).into_owned()));
            }
        };
        ToSqlOutput::Borrowed(borrowed)
    }
}

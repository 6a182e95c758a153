//! Arrays by their schema's type, and how each value is written as text.

use arrow_array::{
    Array, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, DurationMicrosecondArray, Float64Array,
    Int64Array, ListArray, RecordBatch, StringViewArray, TimestampMicrosecondArray, cast::AsArray,
};
use arrow_buffer::NullBuffer;
use arrow_schema::ArrowError;

use crate::{DataType, DecimalType, Schema, timestamp};

/// A column whose type and nulls are known, so that a row needs one `match` and no downcast.
pub(super) struct Column<'a> {
    pub(super) values: Values<'a>,
    /// `None` if no value is null, as in most columns.
    nulls: Option<&'a NullBuffer>,
}

/// The values of a column.
pub(super) enum Values<'a> {
    Bool(&'a BooleanArray),
    Int(&'a Int64Array),
    Float(&'a Float64Array),
    Decimal(DecimalType, &'a Decimal128Array),
    Text(&'a StringViewArray),
    Json(&'a StringViewArray),
    Bytes(&'a BinaryViewArray),
    Timestamp(&'a TimestampMicrosecondArray),
    Date(&'a Date32Array),
    Interval(&'a DurationMicrosecondArray),
    List(&'a ListArray, Box<Column<'a>>),
    Struct(Vec<Member<'a>>),
}

/// The values of a column as texts.
pub struct ColumnText<'a>(Column<'a>);

impl<'a> ColumnText<'a> {
    /// The texts of a column of this type; `None` if the array is of another one.
    pub fn of(array: &'a dyn Array, data_type: &DataType) -> Option<Self> {
        Column::typed(array, data_type).map(Self)
    }

    /// Whether a row has no value.
    pub fn is_null(&self, row: usize) -> bool {
        self.0.is_null(row)
    }

    /// Appends the value of a row as JSON.
    pub fn write_json(&self, row: usize, out: &mut Vec<u8>) {
        self.0.write_json(row, out);
    }

    /// Appends the plain text of a value that is not null: without quotes or escapes. Lists and structs are JSON.
    pub fn write_plain(&self, row: usize, out: &mut Vec<u8>) {
        self.0.values.write_plain(row, out);
    }
}

/// A field of a struct.
pub(super) struct Member<'a> {
    /// What comes before its value in JSON: `{"a":` or `,"a":`.
    pub(super) prefix: Vec<u8>,
    pub(super) column: Column<'a>,
}

impl<'a> Member<'a> {
    /// The fields of an object, in order.
    pub(super) fn all(schema: &Schema, columns: Vec<Column<'a>>) -> Vec<Self> {
        let member = |(index, (name, column)): (usize, (&str, Column<'a>))| {
            let mut prefix = vec![if index == 0 { b'{' } else { b',' }];
            write_string(name, &mut prefix);
            prefix.push(b':');
            Self { prefix, column }
        };
        schema.names().zip(columns).enumerate().map(member).collect()
    }
}

impl<'a> Column<'a> {
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
                Self::typed(array.as_ref(), &field.data_type).ok_or_else(|| {
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

    /// An array without a schema's word for its type; JSON values count as text. Lists and structs have no such text.
    pub(super) fn untyped(array: &'a dyn Array) -> Option<Self> {
        let data_type = DataType::of_arrow(array.data_type());
        Self::typed(array, &data_type).filter(|_| !data_type.is_nested())
    }

    fn typed(array: &'a dyn Array, data_type: &DataType) -> Option<Self> {
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        Some(Self { values: Values::typed(array, data_type)?, nulls })
    }

    #[inline]
    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls.is_some_and(|nulls| nulls.is_null(row))
    }

    /// Appends a value as JSON.
    #[inline]
    pub(super) fn write_json(&self, row: usize, out: &mut Vec<u8>) {
        if self.is_null(row) {
            out.extend_from_slice(b"null");
        } else {
            self.values.write_json(row, out);
        }
    }
}

impl<'a> Values<'a> {
    fn typed(array: &'a dyn Array, data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Bool => Self::Bool(array.as_boolean_opt()?),
            DataType::Int64 => Self::Int(array.as_primitive_opt()?),
            DataType::Float64 => Self::Float(array.as_primitive_opt()?),
            DataType::Decimal(decimal) => {
                let values: &Decimal128Array = array.as_primitive_opt()?;
                (*values.data_type() == data_type.arrow()).then_some(Self::Decimal(*decimal, values))?
            }
            DataType::String => Self::Text(array.as_string_view_opt()?),
            DataType::Json => Self::Json(array.as_string_view_opt()?),
            DataType::Bytes => Self::Bytes(array.as_binary_view_opt()?),
            DataType::Timestamp | DataType::EpochMillis | DataType::EpochSeconds => {
                Self::Timestamp(array.as_primitive_opt()?)
            }
            DataType::Date => Self::Date(array.as_primitive_opt()?),
            DataType::Interval => Self::Interval(array.as_primitive_opt()?),
            DataType::List(element) => {
                let lists: &ListArray = array.as_list_opt()?;
                Self::List(lists, Box::new(Column::typed(lists.values().as_ref(), element)?))
            }
            DataType::Struct(fields) => {
                let columns = fields.fields().iter().zip(array.as_struct_opt()?.columns());
                let columns = columns.map(|(field, column)| Column::typed(column.as_ref(), &field.data_type));
                let columns = columns.collect::<Option<Vec<_>>>()?;
                (columns.len() == fields.fields().len()).then(|| Self::Struct(Member::all(fields, columns)))?
            }
        })
    }

    /// Appends a value that is not null as JSON.
    #[inline]
    fn write_json(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Text(array) => write_string(array.value(row), out),
            Self::Bytes(_) | Self::Timestamp(_) | Self::Date(_) | Self::Interval(_) => {
                // None of these texts has a character that JSON escapes.
                out.push(b'"');
                self.write_plain(row, out);
                out.push(b'"');
            }
            Self::Json(array) => write_raw(array.value(row), out),
            Self::List(..) | Self::Struct(..) => self.write_inside(row, out),
            values => values.write_plain(row, out),
        }
    }

    /// Appends a list or a struct. Apart, so that the way of plain values does not call itself and can be inlined.
    #[inline(never)]
    fn write_inside(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::List(array, values) => {
                out.push(b'[');
                let offsets = array.value_offsets();
                let bounds = offsets.get(row).zip(offsets.get(row + 1));
                for (index, value) in bounds.map_or(0..0, |(start, end)| *start..*end).enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    values.write_json(value as usize, out);
                }
                out.push(b']');
            }
            Self::Struct(members) => write_object(members, row, out),
            values => values.write_plain(row, out),
        }
    }

    /// Appends the plain text of a value that is not null: without quotes or escapes. Lists and structs are JSON.
    pub(super) fn write_plain(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Bool(array) => out.extend_from_slice(if array.value(row) { b"true" } else { b"false" }),
            Self::Int(array) => write_number(&array.value(row), out),
            Self::Float(array) => write_number(&array.value(row), out),
            Self::Text(array) | Self::Json(array) => out.extend_from_slice(array.value(row).as_bytes()),
            Self::Bytes(array) => write_base64(array.value(row), out),
            Self::Timestamp(array) => timestamp::write(array.value(row), out),
            Self::Date(array) => timestamp::write_date(array.value(row), out),
            Self::Interval(array) => write_interval(array.value(row), out),
            Self::Decimal(decimal, array) => decimal.write(array.value(row), out),
            Self::List(..) | Self::Struct(..) => self.write_inside(row, out),
        }
    }
}

/// Appends a value as `serde_json` writes it: numbers as their shortest text, NaN and the infinities as `null`.
pub(super) fn write_number(value: &impl serde::Serialize, out: &mut Vec<u8>) {
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

/// Appends a row of fields as an object.
pub(super) fn write_object(members: &[Member<'_>], row: usize, out: &mut Vec<u8>) {
    if members.is_empty() {
        out.push(b'{');
    }
    for Member { prefix, column } in members {
        out.extend_from_slice(prefix);
        column.write_json(row, out);
    }
    out.push(b'}');
}

/// A JSON text as it is, on one line: a line end in it can only be white space, since strings escape theirs.
fn write_raw(text: &str, out: &mut Vec<u8>) {
    if text.is_empty() {
        out.extend_from_slice(b"null");
    } else if memchr::memchr2(b'\n', b'\r', text.as_bytes()).is_none() {
        out.extend_from_slice(text.as_bytes());
    } else {
        out.extend(text.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
    }
}

/// Whether JSON needs an escape for the byte.
const ESCAPED: [bool; 256] = {
    let mut escaped = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        escaped[byte] = true;
        byte += 1;
    }
    escaped[b'"' as usize] = true;
    escaped[b'\\' as usize] = true;
    escaped
};

pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    if text.bytes().any(|byte| ESCAPED[usize::from(byte)]) {
        return write_number(&text, out);
    }
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

//! The value of a column as a piece of a file's name that is safe in every store.

use arrow_array::{
    Array, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, TimeUnit};
use jiff::tz::TimeZone;

use super::TimeFormat;

/// Stands for a null, and for a time that its format cannot show.
pub(super) const NULL: &str = "__null__";
/// Stands for an empty string.
const EMPTY: &str = "__empty__";
const DAY: i64 = 86_400_000_000;

/// A column, ready to be read row by row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Column<'a> {
    Bool(&'a BooleanArray),
    Int(&'a Int64Array),
    Float(&'a Float64Array),
    Text(&'a StringViewArray),
    Time(&'a TimestampMicrosecondArray),
    Date(&'a Date32Array),
}

impl<'a> Column<'a> {
    /// The column of this name, if there is one of a type that can stand in a name.
    pub(super) fn find(columns: &'a RecordBatch, name: &str) -> Option<Self> {
        let column = columns.column_by_name(name)?;
        let any = column.as_any();
        match column.data_type() {
            DataType::Boolean => any.downcast_ref().map(Self::Bool),
            DataType::Int64 => any.downcast_ref().map(Self::Int),
            DataType::Float64 => any.downcast_ref().map(Self::Float),
            DataType::Utf8View => any.downcast_ref().map(Self::Text),
            DataType::Timestamp(TimeUnit::Microsecond, _) => any.downcast_ref().map(Self::Time),
            DataType::Date32 => any.downcast_ref().map(Self::Date),
            _ => None,
        }
    }

    fn is_null(self, row: usize) -> bool {
        match self {
            Self::Bool(array) => array.is_null(row),
            Self::Int(array) => array.is_null(row),
            Self::Float(array) => array.is_null(row),
            Self::Text(array) => array.is_null(row),
            Self::Time(array) => array.is_null(row),
            Self::Date(array) => array.is_null(row),
        }
    }

    /// Whether two rows hold the same value.
    pub(super) fn same(self, left: usize, right: usize) -> bool {
        match (self.is_null(left), self.is_null(right)) {
            (true, true) => true,
            (false, false) => match self {
                Self::Bool(array) => array.value(left) == array.value(right),
                Self::Int(array) => array.value(left) == array.value(right),
                Self::Float(array) => array.value(left).to_bits() == array.value(right).to_bits(),
                Self::Text(array) => array.value(left) == array.value(right),
                Self::Time(array) => array.value(left) == array.value(right),
                Self::Date(array) => array.value(left) == array.value(right),
            },
            _ => false,
        }
    }

    /// Writes the value of a row, made safe.
    pub(super) fn render(self, row: usize, format: Option<&TimeFormat>, zone: &TimeZone, out: &mut String) {
        if self.is_null(row) {
            out.push_str(NULL);
            return;
        }
        match self {
            Self::Bool(array) => out.push_str(if array.value(row) { "true" } else { "false" }),
            Self::Int(array) => out.push_str(&array.value(row).to_string()),
            Self::Float(array) => out.push_str(&array.value(row).to_string()),
            Self::Text(array) => sanitise(array.value(row), out),
            Self::Time(array) => time(array.value(row), format, zone, out),
            // A date has no zone: it is the same day everywhere.
            Self::Date(array) => {
                let micros = i64::from(array.value(row)) * DAY;
                match format {
                    Some(format) => out.push_str(format.format(micros, &TimeZone::UTC).as_deref().unwrap_or(NULL)),
                    None => match jiff::Timestamp::from_microsecond(micros) {
                        Ok(time) => out.push_str(&time.to_zoned(TimeZone::UTC).date().to_string()),
                        Err(_) => out.push_str(NULL),
                    },
                }
            }
        }
    }
}

/// A format may hold `/`: it is the spec's own text. A time without one is RFC 3339 in UTC.
fn time(micros: i64, format: Option<&TimeFormat>, zone: &TimeZone, out: &mut String) {
    match format {
        Some(format) => out.push_str(format.format(micros, zone).as_deref().unwrap_or(NULL)),
        None => match jiff::Timestamp::from_microsecond(micros) {
            Ok(time) => sanitise(&time.to_string(), out),
            Err(_) => out.push_str(NULL),
        },
    }
}

/// Keeps `[A-Za-z0-9._=-]` and percent-encodes every other byte (RFC 3986, section 2.1). A text of dots only is encoded
/// as well, so that no value can leave its folder.
pub(super) fn sanitise(text: &str, out: &mut String) {
    if text.is_empty() {
        out.push_str(EMPTY);
        return;
    }
    let only_dots = text.bytes().all(|byte| byte == b'.');
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'=' | b'-') || (byte == b'.' && !only_dots) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)])));
        }
    }
}

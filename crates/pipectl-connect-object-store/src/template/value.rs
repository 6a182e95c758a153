//! The value of a column as a piece of a file's name that is safe in every store.

use arrow_array::{
    Array, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringViewArray,
    TimestampMicrosecondArray,
};
use arrow_schema::{DataType, TimeUnit};
use jiff::tz::TimeZone;
use pipectl_data::{
    DecimalType,
    civil::{self, CivilError},
    timestamp,
};

use super::TimeFormat;

/// Hive's name for the partition of a null, which its readers take for a null again. Hive puts empty strings there too,
/// since no partition can have an empty name.
pub(super) const NULL: &str = "__HIVE_DEFAULT_PARTITION__";
const DAY: i64 = 86_400_000_000;

/// A column, ready to be read row by row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Column<'a> {
    Bool(&'a BooleanArray),
    Int(&'a Int64Array),
    Float(&'a Float64Array),
    Decimal(DecimalType, &'a Decimal128Array),
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
            DataType::Decimal128(_, _) => match pipectl_data::DataType::of_arrow(column.data_type()) {
                pipectl_data::DataType::Decimal(of) => any.downcast_ref().map(|array| Self::Decimal(of, array)),
                _ => None,
            },
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
            Self::Decimal(_, array) => array.is_null(row),
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
                Self::Decimal(_, array) => array.value(left) == array.value(right),
                Self::Text(array) => array.value(left) == array.value(right),
                Self::Time(array) => array.value(left) == array.value(right),
                Self::Date(array) => array.value(left) == array.value(right),
            },
            _ => false,
        }
    }

    /// Appends the value of a row, made safe. Fails for a time outside of our years.
    pub(super) fn render(
        self,
        row: usize,
        format: Option<&TimeFormat>,
        zone: &TimeZone,
        out: &mut String,
    ) -> Result<(), CivilError> {
        if self.is_null(row) {
            match format {
                Some(format) => out.push_str(&format.null()),
                None => out.push_str(NULL),
            }
            return Ok(());
        }
        match self {
            Self::Bool(array) => out.push_str(if array.value(row) { "true" } else { "false" }),
            Self::Int(array) => out.push_str(&array.value(row).to_string()),
            Self::Float(array) => out.push_str(&array.value(row).to_string()),
            Self::Decimal(of, array) => out.push_str(&of.format(array.value(row))),
            Self::Text(array) => escape(array.value(row), out),
            Self::Time(array) => time(array.value(row), format, zone, out)?,
            Self::Date(array) => {
                let day = array.value(row);
                let micros = i64::from(day).saturating_mul(DAY);
                match format {
                    // A date has no zone: it is the same day everywhere.
                    Some(format) => format.write(micros, &TimeZone::UTC, out)?,
                    None if civil::day_in_range(day) => ascii(out, |text| timestamp::write_date(day, text)),
                    None => return Err(CivilError::Range),
                }
            }
        }
        Ok(())
    }
}

/// A format may hold `/`: it is the spec's own text. A time without one is RFC 3339 in UTC.
fn time(micros: i64, format: Option<&TimeFormat>, zone: &TimeZone, out: &mut String) -> Result<(), CivilError> {
    match format {
        Some(format) => format.write(micros, zone, out),
        None if civil::in_range(micros) => {
            escape(&timestamp::format(micros), out);
            Ok(())
        }
        None => Err(CivilError::Range),
    }
}

fn ascii(out: &mut String, write: impl FnOnce(&mut Vec<u8>)) {
    let mut text = Vec::new();
    write(&mut text);
    out.extend(text.into_iter().map(char::from));
}

/// Hive's rule for names of partitions (`escapePathName` of its `FileUtils`, which Spark shares): what is special in a
/// path or in `name=value` is percent-encoded, the rest is kept, text in other scripts too, since Hive decodes byte by
/// byte. Beyond Hive, nothing leaves its folder (`..`) or stands for a null without being one.
pub(super) fn escape(text: &str, out: &mut String) {
    if text.is_empty() {
        out.push_str(NULL);
        return;
    }
    let only_dots = text.bytes().all(|byte| byte == b'.');
    let mut rest = text;
    // DuckDB takes the word null for one as well, however it is written.
    if let Some(first) = text.bytes().next()
        && (text == NULL || text.eq_ignore_ascii_case("null"))
    {
        encode(first, out);
        rest = &text[1..];
    }
    for char in rest.chars() {
        match u8::try_from(char) {
            Ok(byte) if is_special(byte) || (byte == b'.' && only_dots) => encode(byte, out),
            _ if char.is_control() => {
                let mut bytes = [0; 4];
                char.encode_utf8(&mut bytes).bytes().for_each(|byte| encode(byte, out));
            }
            _ => out.push(char),
        }
    }
}

/// Hive's list with those that it adds on Windows.
fn is_special(byte: u8) -> bool {
    byte.is_ascii_control() || br##" "#%'*/:<=>?[\]^{|"##.contains(&byte)
}

fn encode(byte: u8, out: &mut String) {
    out.push('%');
    out.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)])));
}

//! The values of one record, between its parser and the column builders.

use std::borrow::Cow;

use super::{column::Column, excerpt, nested};
use crate::{
    DataType, NotDecimal, Schema, timestamp,
    whole::{self, Whole},
};

/// The value of one field of the record at hand. It owns nothing: what is large lies in [`Slots`], so that to replace or
/// forget a value is to overwrite it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Slot<'a> {
    Missing,
    Null,
    Bool(bool),
    /// An `int64`, or microseconds of a timestamp or an interval.
    Int(i64),
    Float(f64),
    /// The bytes of an `i128`, whose alignment would make every slot larger.
    Decimal([u8; 16]),
    Days(i32),
    /// Text that stands in the record as it is.
    Text(&'a str),
    /// Text without its escapes, in [`Slots::text`].
    CopiedText(Span),
    /// Decoded bytes, in [`Slots::bytes`].
    CopiedBytes(Span),
    /// The values of a list, or the fields of a struct: their number in [`Slots::nested`].
    Nested(usize),
    /// What was found and what is expected: its number in [`Slots::messages`].
    Bad(usize),
}

/// Where a value begins and ends in a buffer.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Span {
    start: usize,
    end: usize,
}

/// A number as JSON or text has it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Int(i64),
    /// Beyond `i64`.
    Big(u64),
    Float(f64),
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(number) => write!(f, "{number}"),
            Self::Big(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number:?}"),
        }
    }
}

/// Digits that a message shows.
const LONGEST_NUMBER: usize = 40;

/// A slot for each field of a schema. Reused from record to record.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slots<'a> {
    types: Vec<DataType>,
    values: Vec<Slot<'a>>,
    line: Option<usize>,
    text: String,
    bytes: Vec<u8>,
    nested: Vec<Self>,
    messages: Vec<String>,
}

impl<'a> Slots<'a> {
    pub(super) fn new(schema: &Schema) -> Self {
        let types = schema.fields().iter().map(|field| field.data_type.clone()).collect();
        Self { line: schema.find("line").map(|(field, _)| field), ..Self::of_types(types) }
    }

    /// Slots of these types, without names.
    pub(super) fn of_types(types: Vec<DataType>) -> Self {
        Self {
            values: vec![Slot::Missing; types.len()],
            types,
            line: None,
            text: String::new(),
            bytes: Vec::new(),
            nested: Vec::new(),
            messages: Vec::new(),
        }
    }

    /// The same without texts of the record at hand.
    pub(super) fn into_owned(mut self) -> Slots<'static> {
        let own = |value| match value {
            Slot::Text(text) => {
                let start = self.text.len();
                self.text.push_str(text);
                Slot::CopiedText(Span { start, end: self.text.len() })
            }
            Slot::Missing => Slot::Missing,
            Slot::Null => Slot::Null,
            Slot::Bool(value) => Slot::Bool(value),
            Slot::Int(value) => Slot::Int(value),
            Slot::Float(value) => Slot::Float(value),
            Slot::Decimal(value) => Slot::Decimal(value),
            Slot::Days(value) => Slot::Days(value),
            Slot::CopiedText(span) => Slot::CopiedText(span),
            Slot::CopiedBytes(span) => Slot::CopiedBytes(span),
            Slot::Nested(number) => Slot::Nested(number),
            Slot::Bad(number) => Slot::Bad(number),
        };
        let values = self.values.into_iter().map(own).collect();
        Slots {
            values,
            types: self.types,
            line: self.line,
            text: self.text,
            bytes: self.bytes,
            nested: self.nested.into_iter().map(Self::into_owned).collect(),
            messages: self.messages,
        }
    }

    /// Forgets the record before.
    pub(super) fn clear(&mut self) {
        self.values.fill(Slot::Missing);
        self.text.clear();
        self.bytes.clear();
        self.nested.clear();
        self.messages.clear();
    }

    pub(super) fn data_type(&self, field: usize) -> &DataType {
        self.types.get(field).unwrap_or(&DataType::Json)
    }

    fn set(&mut self, field: usize, value: Slot<'a>) {
        if let Some(slot) = self.values.get_mut(field) {
            *slot = value;
        }
    }

    pub(super) fn set_null(&mut self, field: usize) {
        self.set(field, Slot::Null);
    }

    /// The field's value cannot be what its type needs.
    pub(super) fn set_bad(&mut self, field: usize, found: impl std::fmt::Display) {
        let expected = expected(self.data_type(field));
        self.set_message(field, format!("found {found}, expected {expected}"));
    }

    fn set_message(&mut self, field: usize, message: String) {
        self.set(field, Slot::Bad(self.messages.len()));
        self.messages.push(message);
    }

    pub(super) fn set_bool(&mut self, field: usize, value: bool) {
        match self.data_type(field) {
            DataType::Bool => self.set(field, Slot::Bool(value)),
            _ => self.set_bad(field, value),
        }
    }

    pub(super) fn set_number(&mut self, field: usize, number: Number) {
        if !self.takes_number(field, number) {
            self.set_bad(field, format_args!("the number {number}"));
        }
    }

    /// Sets the field if its type has the number. A float for an `int64` must come from so few digits that none with a
    /// fraction rounds to a whole number; all others go to [`Slots::set_digits`].
    #[inline]
    pub(super) fn takes_number(&mut self, field: usize, number: Number) -> bool {
        let value = match (self.data_type(field), number) {
            (DataType::Int64, Number::Int(number)) => Some(Slot::Int(number)),
            (DataType::Int64, Number::Float(number)) => few_digits(number).map(Slot::Int),
            (DataType::Float64, Number::Float(number)) => Some(Slot::Float(number)),
            (DataType::Float64, Number::Int(number)) => Some(Slot::Float(number as f64)),
            (DataType::Float64, Number::Big(number)) => Some(Slot::Float(number as f64)),
            (DataType::EpochMillis, number) => epoch(number, 1_000).map(Slot::Int),
            (DataType::EpochSeconds, number) => epoch(number, 1_000_000).map(Slot::Int),
            _ => None,
        };
        let takes = value.is_some();
        if let Some(value) = value {
            self.set(field, value);
        }
        takes
    }

    /// The digits of a number for an `int64` or `decimal` field; says whether it is a number at all.
    #[inline]
    pub(super) fn set_digits(&mut self, field: usize, digits: &str) -> bool {
        let value = match self.data_type(field) {
            DataType::Decimal(decimal) => match decimal.parse(digits) {
                Ok(value) => Some(Slot::Decimal(value.to_ne_bytes())),
                Err(NotDecimal::NotANumber) => return false,
                Err(NotDecimal::TooLarge | NotDecimal::TooFine) => None,
            },
            _ => match whole::parse(digits) {
                Some(Whole::Int(number)) => Some(Slot::Int(number)),
                Some(Whole::Beyond | Whole::Fraction) => None,
                None => return false,
            },
        };
        if let Some(value) = value {
            self.set(field, value);
        } else {
            let (shown, dots) = match digits.char_indices().nth(LONGEST_NUMBER) {
                Some((end, _)) => (&digits[..end], "…"),
                None => (digits, ""),
            };
            self.set_bad(field, format_args!("the number {shown}{dots}"));
        }
        true
    }

    /// Sets the field from the digits of a number if its type is `decimal`.
    #[inline]
    pub(super) fn takes_decimal<'t>(&mut self, field: usize, digits: impl FnOnce() -> &'t str) -> bool {
        matches!(self.data_type(field), DataType::Decimal(_)) && self.set_digits(field, digits())
    }

    /// A JSON value that stands in the record as it is, for a list or a struct.
    pub(super) fn set_nested(&mut self, field: usize, json: &'a str) -> Result<(), String> {
        let parsed = nested::parse(self.data_type(field), json)?;
        self.set_parsed_nested(field, parsed);
        Ok(())
    }

    /// The same for a value that must be copied.
    pub(super) fn set_copied_nested(&mut self, field: usize, json: &str) -> Result<(), String> {
        let parsed = nested::parse(self.data_type(field), json)?;
        self.set_parsed_nested(field, parsed.into_owned());
        Ok(())
    }

    fn set_parsed_nested(&mut self, field: usize, parsed: nested::Parsed<'a>) {
        match parsed {
            nested::Parsed::Null => self.set_null(field),
            nested::Parsed::Values(values) => {
                self.set(field, Slot::Nested(self.nested.len()));
                self.nested.push(values);
            }
            nested::Parsed::Bad(message) => self.set_message(field, message),
            nested::Parsed::Other(found) => self.set_bad(field, found),
        }
    }

    /// An instant for a field of one of the timestamp types.
    #[inline]
    pub(super) fn set_micros(&mut self, field: usize, micros: crate::Micros) {
        match self.data_type(field) {
            DataType::Timestamp | DataType::EpochMillis | DataType::EpochSeconds => self.set(field, Slot::Int(micros)),
            _ => self.set_bad(field, "an instant"),
        }
    }

    /// A JSON string, without its quotes, that stands in the record as it is. Says whether that is all that the field
    /// needs: not one that wants JSON.
    #[inline]
    pub(super) fn takes_string(&mut self, field: usize, text: &'a str) -> bool {
        match self.data_type(field) {
            DataType::String => self.set(field, Slot::Text(text)),
            DataType::Json | DataType::List(_) | DataType::Struct(_) => return false,
            _ => self.set_parsed(field, text),
        }
        true
    }

    /// Text that stands in the record as it is.
    #[inline]
    pub(super) fn set_text(&mut self, field: usize, text: &'a str) {
        match self.data_type(field) {
            DataType::String | DataType::Json => self.set(field, Slot::Text(text)),
            _ => self.set_parsed(field, text),
        }
    }

    /// Text that has lost its escapes and so must be copied.
    pub(super) fn set_copied_text(&mut self, field: usize, text: &str) {
        match self.data_type(field) {
            DataType::String | DataType::Json => {
                let start = self.text.len();
                self.text.push_str(text);
                self.set(field, Slot::CopiedText(Span { start, end: self.text.len() }));
            }
            _ => self.set_parsed(field, text),
        }
    }

    fn set_parsed(&mut self, field: usize, text: &str) {
        let value = match self.data_type(field) {
            DataType::Decimal(decimal) => decimal.parse(text).ok().map(|value| Slot::Decimal(value.to_ne_bytes())),
            DataType::Timestamp => timestamp::parse(text).map(Slot::Int),
            DataType::Date => timestamp::parse_date(text).map(Slot::Days),
            DataType::Interval => interval(text).map(Slot::Int),
            DataType::Bytes => self.base64(text),
            _ => None,
        };
        match value {
            Some(value) => self.set(field, value),
            None => self.set_bad(field, format_args!("the string {}", excerpt(text))),
        }
    }

    fn base64(&mut self, text: &str) -> Option<Slot<'a>> {
        use base64::{
            Engine as _, alphabet,
            engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
        };
        const LENIENT: GeneralPurpose = GeneralPurpose::new(
            &alphabet::STANDARD,
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
        );
        let start = self.bytes.len();
        LENIENT.decode_vec(text, &mut self.bytes).ok()?;
        Some(Slot::CopiedBytes(Span { start, end: self.bytes.len() }))
    }

    /// The whole record as the column `line`.
    pub(super) fn set_line(&mut self, line: &'a str) {
        if let Some(field) = self.line {
            super::text::set(self, field, line);
        }
    }

    /// Why the record cannot be used, if it cannot.
    pub(super) fn problem(&self, schema: &Schema) -> Option<String> {
        let mut first = None;
        let mut others = 0;
        for (slot, field) in self.values.iter().zip(schema.fields()) {
            let problem: &dyn std::fmt::Display = match slot {
                Slot::Missing if !field.nullable => &"it is missing and cannot be null",
                Slot::Null if !field.nullable => &"it is null but cannot be",
                Slot::Bad(number) => match self.messages.get(*number) {
                    Some(message) => message,
                    None => continue,
                },
                _ => continue,
            };
            match first {
                None => first = Some(format!("field `{}`: {problem}", field.name)),
                Some(_) => others += 1,
            }
        }
        first.map(|first| match others {
            0 => first,
            1 => format!("{first} (and 1 more field)"),
            others => format!("{first} (and {others} more fields)"),
        })
    }

    /// The first value that cannot be used: its position and why.
    pub(super) fn first_bad(&self) -> Option<(usize, &str)> {
        self.values.iter().enumerate().find_map(|(position, slot)| match slot {
            Slot::Bad(number) => Some((position, self.messages.get(*number)?.as_str())),
            _ => None,
        })
    }

    /// Whether there is a value, null included.
    pub(super) fn is_missing(&self, field: usize) -> bool {
        matches!(self.values.get(field), Some(Slot::Missing))
    }

    /// Whether the value is there and null.
    pub(super) fn is_null(&self, field: usize) -> bool {
        matches!(self.values.get(field), Some(Slot::Null))
    }

    /// Moves the values into their columns; a value that does not fit its column becomes null.
    #[inline]
    pub(super) fn append_to(&self, columns: &mut [Column]) {
        for (slot, column) in self.values.iter().zip(columns) {
            self.append(slot, column);
        }
    }

    #[inline]
    fn append(&self, slot: &Slot<'a>, column: &mut Column) {
        match (column, slot) {
            (Column::Text(builder), Slot::Text(text)) => builder.append_value(text),
            (Column::Float(builder), Slot::Float(value)) => builder.append_value(*value),
            (Column::Int(builder), Slot::Int(value)) => builder.append_value(*value),
            (Column::Timestamp(builder), Slot::Int(micros)) => builder.append_value(*micros),
            (Column::Bool(builder), Slot::Bool(value)) => builder.append_value(*value),
            (Column::Decimal(builder), Slot::Decimal(value)) => builder.append_value(i128::from_ne_bytes(*value)),
            (Column::Date(builder), Slot::Days(days)) => builder.append_value(*days),
            (Column::Interval(builder), Slot::Int(micros)) => builder.append_value(*micros),
            (Column::Text(builder), Slot::CopiedText(Span { start, end })) => {
                builder.append_option(self.text.get(*start..*end));
            }
            (Column::Bytes(builder), Slot::CopiedBytes(Span { start, end })) => {
                builder.append_option(self.bytes.get(*start..*end));
            }
            (column, Slot::Nested(number)) => match self.nested.get(*number) {
                Some(nested) => nested.append_inside(column),
                None => column.append_null(),
            },
            (column, _) => column.append_null(),
        }
    }

    /// Appends a list or a struct. Apart, so that the way of plain values does not call itself and can be inlined.
    #[inline(never)]
    fn append_inside(&self, column: &mut Column) {
        match column {
            Column::List(list) => {
                for value in &self.values {
                    self.append(value, &mut list.values);
                }
                list.end(self.values.len());
            }
            Column::Struct(fields) => {
                self.append_to(&mut fields.columns);
                fields.end();
            }
            column => column.append_null(),
        }
    }
}

/// What a type takes, for messages.
fn expected(data_type: &DataType) -> Cow<'static, str> {
    Cow::Borrowed(match data_type {
        DataType::Decimal(decimal) => {
            let whole = decimal.whole();
            return Cow::Owned(match decimal.scale() {
                0 => format!("a whole number of at most {whole} digits"),
                scale => format!("a number of at most {whole} digits before the point and {scale} after it"),
            });
        }
        DataType::List(_) => "an array",
        DataType::Struct(_) => "an object",
        DataType::Bool => "true or false",
        DataType::Int64 => "an integral number from -2^63 to 2^63-1",
        DataType::Float64 => "a number",
        DataType::String => "a string",
        DataType::Bytes => "bytes in base64",
        DataType::Timestamp => {
            "a time such as \"2026-01-31T10:00:00Z\", from year 0 to 9999 (for numbers declare the field `epoch_ms` or `epoch_s`)"
        }
        DataType::EpochMillis => "milliseconds since 1970, from year 0 to 9999",
        DataType::EpochSeconds => "seconds since 1970, from year 0 to 9999 (for milliseconds declare it `epoch_ms`)",
        DataType::Date => "a date such as \"2026-01-31\"",
        DataType::Json => "a JSON value",
        DataType::Interval => "a duration such as \"90s\"",
    })
}

/// A float without a fraction that a double has exactly.
fn few_digits(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0).then_some(number as i64)
}

/// Microseconds of `number` units of `micros` each; `None` outside of the years 0 to 9999, where a wrong unit leads.
fn epoch(number: Number, micros: i64) -> Option<i64> {
    let at = match number {
        Number::Int(number) => number.checked_mul(micros)?,
        Number::Float(number) if number.is_finite() => (number * micros as f64).round() as i64,
        _ => return None,
    };
    (-62_167_219_200_000_000..253_402_300_800_000_000).contains(&at).then_some(at)
}

fn interval(text: &str) -> Option<i64> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    text.parse().ok().map(|duration: crate::units::Duration| sign * duration.micros())
}

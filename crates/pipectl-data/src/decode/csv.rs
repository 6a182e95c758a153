//! Rows of delimited values (RFC 4180), strict: a quote that never ends or text after one is an error, not a guess.

use super::{excerpt, slot::Slots, text};
use crate::Schema;

/// Which field of a row goes where.
#[derive(Debug)]
pub(super) struct Rows {
    delimiter: u8,
    columns: Vec<String>,
    fields: Vec<Option<usize>>,
    /// Texts without quotes that stand for null.
    nulls: Vec<String>,
}

impl Rows {
    pub(super) fn new(schema: &Schema, delimiter: u8, columns: &[String], nulls: Vec<String>) -> Self {
        let mut rows = Self { delimiter, columns: Vec::new(), fields: Vec::new(), nulls };
        rows.set_columns(schema, columns);
        rows
    }

    /// From now on, rows have these columns.
    pub(super) fn set_columns(&mut self, schema: &Schema, columns: &[String]) {
        if self.columns != columns || self.fields.len() != columns.len() {
            self.fields = columns.iter().map(|name| schema.find(name).map(|(field, _)| field)).collect();
            self.columns = columns.to_vec();
        }
    }

    pub(super) fn parse<'a>(&self, record: &'a str, slots: &mut Slots<'a>) -> Result<(), String> {
        let mut rest = Some(record);
        let mut count = 0;
        while let Some(at) = rest {
            let (value, after) = field(at, self.delimiter).map_err(|problem| match self.columns.get(count) {
                Some(name) => format!("field `{name}`: {problem}"),
                None => format!("field {}: {problem}", count + 1),
            })?;
            if let Some(field) = self.fields.get(count).copied().flatten() {
                match value {
                    // Quotes say that the text is meant as it is.
                    Value::Plain(value)
                        if !self.nulls.is_empty()
                            && !at.starts_with('"')
                            && self.nulls.iter().any(|null| null == value) =>
                    {
                        slots.set_null(field);
                    }
                    Value::Plain(value) => text::set(slots, field, value),
                    Value::Doubled(value) => text::set_copied(slots, field, &value.replace("\"\"", "\"")),
                }
            }
            rest = after;
            count += 1;
        }
        if count == self.columns.len() {
            return Ok(());
        }
        let names = self.columns.join(", ");
        let names = if names.len() > 80 {
            format!("from `{}` on", self.columns.first().map_or("", String::as_str))
        } else {
            names
        };
        Err(format!("found {count} fields, expected {}: {names}", self.columns.len()))
    }
}

/// The values of a row (see [`super::Decoder`]), without their quotes.
///
/// # Errors
/// Which of them is wrong, in one line.
pub fn values(row: &str, delimiter: u8) -> Result<Vec<String>, String> {
    let mut values = Vec::new();
    let mut rest = Some(row);
    while let Some(at) = rest {
        let (value, after) =
            field(at, delimiter).map_err(|problem| format!("value {}: {problem}", values.len() + 1))?;
        values.push(match value {
            Value::Plain(value) => value.to_owned(),
            Value::Doubled(value) => value.replace("\"\"", "\""),
        });
        rest = after;
    }
    Ok(values)
}

#[derive(Debug, PartialEq)]
enum Value<'a> {
    Plain(&'a str),
    /// With quotes still doubled.
    Doubled(&'a str),
}

/// The first field of `row`, and the row after its delimiter if there is one.
fn field(row: &str, delimiter: u8) -> Result<(Value<'_>, Option<&str>), String> {
    let Some(quoted) = row.strip_prefix('"') else {
        return Ok(match memchr::memchr(delimiter, row.as_bytes()) {
            Some(end) => (Value::Plain(row.get(..end).unwrap_or_default()), row.get(end + 1..)),
            None => (Value::Plain(row), None),
        });
    };
    let bytes = quoted.as_bytes();
    let mut from = 0;
    let mut doubled = false;
    loop {
        let Some(end) = bytes.get(from..).and_then(|rest| memchr::memchr(b'"', rest)).map(|found| from + found) else {
            return Err(format!("the quote before {} is not closed", excerpt(quoted)));
        };
        match bytes.get(end + 1) {
            Some(b'"') => {
                doubled = true;
                from = end + 2;
            }
            next => {
                let text = quoted.get(..end).unwrap_or_default();
                let value = if doubled { Value::Doubled(text) } else { Value::Plain(text) };
                return match next {
                    None => Ok((value, None)),
                    Some(byte) if *byte == delimiter => Ok((value, quoted.get(end + 2..))),
                    Some(_) => Err(format!(
                        "text after a closing quote: {}; double the quotes inside a quoted field",
                        excerpt(quoted.get(end + 1..).unwrap_or_default())
                    )),
                };
            }
        }
    }
}

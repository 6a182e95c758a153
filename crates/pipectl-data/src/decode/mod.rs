//! From bytes to typed columns of the needed fields only.
//!
//! A record is parsed straight into one slot for each needed field; only when the whole record is good do the slots go
//! into the column builders. So a record that fails midway leaves nothing behind, and there is no tree of values.

mod column;
mod csv;
mod json;
mod nested;
mod rows;
mod scan;
mod slot;
#[cfg(test)]
mod tests;
mod text;

use arrow_array::{Array, BinaryViewArray, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, SchemaRef};

use self::{column::Column, slot::Slots};
pub use self::{csv::values as csv_values, rows::RowBuilder};
use crate::Schema;

/// How payloads are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeFormat {
    /// One JSON object a record.
    Json,
    /// One row of delimited values a record (RFC 4180), without a header.
    Csv {
        /// The byte between fields.
        delimiter: u8,
        /// The names of the row's fields, in order, where the batch does not say them.
        columns: Vec<String>,
        /// Texts without quotes that stand for null.
        nulls: Vec<String>,
    },
    /// One line of UTF-8 text a record: a single column `line`.
    Text,
}

/// A record that cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// Its row in the payloads.
    pub row: usize,
    /// Why, in one line: which field, what was found, what is expected. Holds at most a short excerpt of the data.
    pub message: String,
}

/// What became of a block of payloads.
#[derive(Debug)]
pub struct Decoded {
    /// The good records, in order, with the decoder's fields as columns.
    pub columns: RecordBatch,
    /// The others, by ascending row.
    pub bad: Vec<BadRow>,
}

/// Decodes payloads of one format into the fields of one schema.
///
/// Rules, the same for every format:
/// - a field that is missing or null is null, or makes the record bad if the schema says that it cannot be null;
/// - `int64` takes integral numbers (`3`, `3.0`, `3e2`), `float64` any number, `bool` only `true` and `false`,
///   `string` only text, `bytes` base64 (RFC 4648, padding optional);
/// - `decimal(p, s)` takes numbers and texts of numbers that it holds exactly, by their digits;
/// - `timestamp` takes what [`crate::timestamp::parse`] understands, `epoch_ms` and `epoch_s` numbers, fractions
///   included, from year 0 to 9999; `date` takes `2026-01-31`;
/// - `json` takes any value and keeps its text;
/// - `list<T>` takes arrays, whose values can be null, and `struct<…>` objects, by these rules; other members of such an
///   object are left out. In CSV and text both are JSON;
/// - of a name that comes twice the last one wins;
/// - a record that is not UTF-8 is bad, and so is a tombstone (a null payload).
///
/// In CSV and text, where all is text, numbers are read from it, `bool` also takes `t`, `f`, `1` and `0`, and an empty
/// field is null unless its type is `string`. A CSV row must have as many fields as there are columns.
#[derive(Debug)]
pub struct Decoder {
    arrow: SchemaRef,
    schema: Schema,
    format: Parser,
    /// The columns of CSV where the batch does not say them.
    default_fields: Option<Vec<String>>,
}

#[derive(Debug)]
enum Parser {
    Json(json::Keys),
    Csv(csv::Rows),
    Text,
}

impl Decoder {
    /// A decoder of these fields; give it only those that are needed.
    pub fn new(schema: &Schema, format: DecodeFormat) -> Self {
        let mut default_fields = None;
        let format = match format {
            DecodeFormat::Json => Parser::Json(json::Keys::new(schema)),
            DecodeFormat::Csv { delimiter, columns, nulls } => {
                let rows = csv::Rows::new(schema, delimiter, &columns, nulls);
                default_fields = Some(columns);
                Parser::Csv(rows)
            }
            DecodeFormat::Text => Parser::Text,
        };
        Self { arrow: schema.arrow(), schema: schema.clone(), format, default_fields }
    }

    /// Decodes a block of payloads.
    ///
    /// # Errors
    /// Only for faults of our own: bad records are in the answer.
    pub fn decode(&mut self, payload: &BinaryViewArray) -> Result<Decoded, ArrowError> {
        self.decode_with(payload, None)
    }

    /// The same for CSV whose values have these names, in this order, if they are given.
    ///
    /// # Errors
    /// As [`Decoder::decode`].
    pub fn decode_with(&mut self, payload: &BinaryViewArray, fields: Option<&[String]>) -> Result<Decoded, ArrowError> {
        if let (Parser::Csv(rows), Some(default)) = (&mut self.format, &self.default_fields) {
            rows.set_columns(&self.schema, fields.unwrap_or(default));
        }
        let mut columns: Vec<Column> =
            self.schema.fields().iter().map(|field| Column::new(&field.data_type, payload.len())).collect();
        let mut slots = Slots::new(&self.schema);
        let mut bad = Vec::new();
        let mut good = 0;
        for (row, bytes) in payload.iter().enumerate() {
            slots.clear();
            let outcome = parse(&mut self.format, bytes, &mut slots)
                .and_then(|()| slots.problem(&self.schema).map_or(Ok(()), Err));
            match outcome {
                Ok(()) => {
                    slots.append_to(&mut columns);
                    good += 1;
                }
                Err(message) => bad.push(BadRow { row, message }),
            }
        }
        let arrays = columns.iter_mut().map(Column::finish).collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(good));
        let columns = RecordBatch::try_new_with_options(self.arrow.clone(), arrays, &options)?;
        Ok(Decoded { columns, bad })
    }
}

fn parse<'a>(format: &mut Parser, bytes: Option<&'a [u8]>, slots: &mut Slots<'a>) -> Result<(), String> {
    let bytes = bytes.ok_or("the record is a tombstone: it has a key but no value")?;
    let record = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let byte = bytes.get(at).copied().unwrap_or_default();
        format!("not valid UTF-8: byte {at} is 0x{byte:02X}")
    })?;
    match format {
        Parser::Json(keys) => keys.parse(record, slots),
        Parser::Csv(rows) => rows.parse(record, slots),
        Parser::Text => {
            slots.set_line(record);
            Ok(())
        }
    }
}

/// A short, quoted piece of data for a message.
fn excerpt(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

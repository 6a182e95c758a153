//! JSON lines: one object a row, keys in the schema's order.

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;

use super::values::{Values, write_json};
use crate::Schema;

/// Appends each row as a JSON object and a line feed, and the end of each in `out` to `ends`.
///
/// Null is written as `null`, and so are NaN and the infinities, which JSON lacks. The text of a `json` column goes in
/// as it is.
///
/// # Errors
/// If the batch's columns are not those of `schema`, in its order.
pub fn write_rows(
    columns: &RecordBatch,
    schema: &Schema,
    out: &mut Vec<u8>,
    ends: &mut Vec<usize>,
) -> Result<(), ArrowError> {
    let values = Values::of(columns, schema)?;
    let mut fields = Vec::with_capacity(values.len());
    for (index, (field, values)) in schema.fields().iter().zip(&values).enumerate() {
        let mut prefix = vec![if index == 0 { b'{' } else { b',' }];
        write_string(&field.name, &mut prefix);
        prefix.push(b':');
        fields.push((prefix, values));
    }
    let per_row: usize = fields.iter().map(|(prefix, _)| prefix.len() + 12).sum();
    out.reserve(columns.num_rows() * per_row);
    ends.reserve(columns.num_rows());
    for row in 0..columns.num_rows() {
        if fields.is_empty() {
            out.push(b'{');
        }
        for (prefix, values) in &fields {
            out.extend_from_slice(prefix);
            write_value(values, row, out);
        }
        out.extend_from_slice(b"}\n");
        ends.push(out.len());
    }
    Ok(())
}

fn write_value(values: &Values<'_>, row: usize, out: &mut Vec<u8>) {
    match values {
        values if values.is_null(row) => out.extend_from_slice(b"null"),
        Values::Text(array) => write_string(array.value(row), out),
        Values::Bytes(_) | Values::Timestamp(_) | Values::Date(_) | Values::Interval(_) => {
            // None of these texts has a character that JSON escapes.
            out.push(b'"');
            values.write_plain(row, out);
            out.push(b'"');
        }
        Values::Json(array) => write_raw(array.value(row), out),
        values => values.write_plain(row, out),
    }
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

fn write_string(text: &str, out: &mut Vec<u8>) {
    if text.bytes().any(|byte| ESCAPED[usize::from(byte)]) {
        return write_json(&text, out);
    }
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

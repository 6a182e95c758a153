//! Comma-separated values (RFC 4180) with line feeds as line ends.

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;

use super::values::{Column, Values};
use crate::Schema;

/// Appends the line of names.
pub fn header(schema: &Schema, out: &mut Vec<u8>) {
    for (index, name) in schema.names().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_quoted(name.as_bytes(), out);
    }
    out.push(b'\n');
}

/// Appends each row and a line feed, and the end of each in `out` to `ends`.
///
/// Null is an empty field, and so are NaN and the infinities; an empty string is `""`. A field is quoted only if it
/// has to be.
///
/// # Errors
/// If the batch's columns are not those of `schema`, in its order.
pub fn write_rows(
    columns: &RecordBatch,
    schema: &Schema,
    out: &mut Vec<u8>,
    ends: &mut Vec<usize>,
) -> Result<(), ArrowError> {
    let fields = Column::of(columns, schema)?;
    ends.reserve(columns.num_rows());
    let mut text = Vec::new();
    for row in 0..columns.num_rows() {
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            match &field.values {
                _ if field.is_null(row) => {}
                Values::Float(array) if !array.value(row).is_finite() => {}
                Values::Text(array) => write_quoted(array.value(row).as_bytes(), out),
                values @ (Values::Json(_) | Values::List(..) | Values::Struct(..)) => {
                    text.clear();
                    values.write_plain(row, &mut text);
                    write_quoted(&text, out);
                }
                values => values.write_plain(row, out),
            }
        }
        out.push(b'\n');
        ends.push(out.len());
    }
    Ok(())
}

/// Quoted if it holds a comma, a quote or a line end, if white space at its ends could get lost, or if it is empty.
fn write_quoted(text: &[u8], out: &mut Vec<u8>) {
    let special = |byte: &u8| matches!(byte, b',' | b'"' | b'\n' | b'\r');
    let at_edge = |edge: Option<&u8>| edge.is_none_or(|byte| matches!(byte, b' ' | b'\t'));
    if !text.iter().any(special) && !at_edge(text.first()) && !at_edge(text.last()) {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for &byte in text {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

//! JSON lines: one object a row, keys in the schema's order.

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;

use super::values::{Column, Member, write_object};
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
    let members = Member::all(schema, Column::of(columns, schema)?);
    let per_row: usize = members.iter().map(|member| member.prefix.len() + 12).sum();
    out.reserve(columns.num_rows() * per_row);
    ends.reserve(columns.num_rows());
    for row in 0..columns.num_rows() {
        write_object(&members, row, out);
        out.push(b'\n');
        ends.push(out.len());
    }
    Ok(())
}

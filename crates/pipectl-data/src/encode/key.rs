//! The key of a record as bytes, from its decoded fields.

use arrow_array::{BinaryViewArray, RecordBatch, builder::BinaryViewBuilder};
use arrow_schema::ArrowError;

use super::values::{Column, Values, write_number};

/// Stands between the parts of a key of several fields (ASCII "unit separator"): text has no use for it.
const SEPARATOR: u8 = 0x1F;

/// The key of each row by the fields at these positions: the text of one field (a string's own bytes, a number as JSON
/// writes it and minus zero as zero, raw bytes as they are), or that of several with 0x1F between them. Null if any of the fields is null.
///
/// These bytes are what is hashed to a partition, so their form is fixed.
///
/// # Errors
/// If there is no such column or its type is none of ours.
pub fn key_bytes(columns: &RecordBatch, fields: &[usize]) -> Result<BinaryViewArray, ArrowError> {
    let parts = fields
        .iter()
        .map(|&field| {
            let array = columns.columns().get(field);
            array.and_then(|array| Column::untyped(array.as_ref())).ok_or_else(|| {
                ArrowError::SchemaError(format!("column {field} is missing or of a type that cannot be a key"))
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    // A text is its own key.
    if let [Column { values: Values::Text(array), .. }] = parts.as_slice() {
        return Ok((*array).clone().to_binary_view());
    }
    let mut keys = BinaryViewBuilder::with_capacity(columns.num_rows());
    let mut key = Vec::new();
    for row in 0..columns.num_rows() {
        if parts.iter().any(|part| part.is_null(row)) {
            keys.append_null();
            continue;
        }
        key.clear();
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                key.push(SEPARATOR);
            }
            match &part.values {
                Values::Bytes(array) => key.extend_from_slice(array.value(row)),
                // Zero has no sign in SQL: both must meet in one group, so in one partition.
                Values::Float(array) => write_number(&(array.value(row) + 0.0), &mut key),
                part => part.write_plain(row, &mut key),
            }
        }
        keys.append_value(&key);
    }
    Ok(keys.finish())
}

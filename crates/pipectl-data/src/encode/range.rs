//! Values that lie in memory and in no format alike: floats that are not finite, times outside of our years.

use std::collections::BTreeMap;

use arrow_array::{
    Array, PrimitiveArray, RecordBatch,
    cast::AsArray,
    types::{ArrowPrimitiveType, Date32Type, Float64Type, TimestampMicrosecondType},
};

use crate::civil;

/// The rows that cannot be written, ascending, and why in one line.
///
/// JSON has no infinity and no NaN, SQLite no NaN, and readers of a time give up beyond year 9999: such a row is refused
/// by every sink instead of becoming something else in each.
pub fn refused(columns: &RecordBatch) -> BTreeMap<usize, String> {
    let mut found = BTreeMap::new();
    for (field, column) in columns.schema_ref().fields().iter().zip(columns.columns()) {
        for (row, what) in unwritable(column.as_ref()) {
            found.entry(row).or_insert_with(|| format!("column `{}` holds {what}", field.name()));
        }
    }
    found
}

/// The rows of a column that cannot be written, and what they hold.
fn unwritable(column: &dyn Array) -> Vec<(usize, String)> {
    if let Some(floats) = column.as_primitive_opt::<Float64Type>() {
        rows(floats, f64::is_finite, |value| format!("{value}, which is no finite number"))
    } else if let Some(times) = column.as_primitive_opt::<TimestampMicrosecondType>() {
        rows(times, civil::in_range, |_| "a time outside the years 0 to 9999".to_owned())
    } else if let Some(dates) = column.as_primitive_opt::<Date32Type>() {
        rows(dates, civil::day_in_range, |_| "a date outside the years 0 to 9999".to_owned())
    } else if let Some(structs) = column.as_struct_opt() {
        let parts = structs.columns().iter().flat_map(|part| unwritable(part.as_ref()));
        parts.filter(|(row, _)| structs.is_valid(*row)).collect()
    } else if let Some(lists) = column.as_list_opt::<i32>() {
        let offsets = lists.value_offsets();
        let list_of = |value: usize| offsets.partition_point(|start| *start as usize <= value).checked_sub(1);
        let values = unwritable(lists.values().as_ref()).into_iter();
        values
            .filter_map(|(value, what)| Some((list_of(value)?, what)))
            .filter(|(row, _)| *row < lists.len() && lists.is_valid(*row))
            .collect()
    } else {
        Vec::new()
    }
}

/// The rows whose value is there and not good. Nearly always all are good, which one pass over the values shows.
fn rows<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    good: impl Fn(T::Native) -> bool,
    what: impl Fn(T::Native) -> String,
) -> Vec<(usize, String)> {
    if array.values().iter().fold(true, |all, value| all & good(*value)) {
        return Vec::new();
    }
    let bad = (0..array.len()).filter(|row| array.is_valid(*row) && !good(array.value(*row)));
    bad.map(|row| (row, what(array.value(row)))).collect()
}

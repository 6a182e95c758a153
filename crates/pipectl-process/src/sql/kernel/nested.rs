//! Lists and structs: what is inside of them, and their texts.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, ListArray, StructArray, UInt32Array, cast::AsArray};
use arrow_buffer::NullBuffer;
use arrow_ord::cmp;
use arrow_schema::DataType as Arrow;
use arrow_select::take::take;
use datafusion_expr::ColumnarValue;
use pipectl_data::{DataType, Field, Schema, decode::RowBuilder, encode::ColumnText};
use pipectl_ir::query::Expr;

use super::{
    Fault, Kernel,
    access::{Texts, build_bools, build_texts, ints},
    bug, fault,
};

/// The kernel of a function of lists.
pub(super) fn function(name: &str, args: &[Expr]) -> Option<Kernel> {
    let DataType::List(element) = &args.first()?.data_type else { return None };
    let element = DataType::clone(element);
    Some(match name {
        "cardinality" => Arc::new(|args, rows| {
            let lists = column(args, 0, rows)?;
            let lists = as_lists(&lists)?;
            super::access::build::<arrow_array::types::Int64Type>(rows, |row| {
                Ok(lists.is_valid(row).then(|| i64::from(lists.value_length(row))))
            })
        }),
        "array_contains" => Arc::new(|args, rows| {
            let lists = column(args, 0, rows)?;
            let lists = as_lists(&lists)?;
            // Each value of a list beside what it may be equal to.
            let wanted = column(args, 1, rows)?;
            let offsets = lists.value_offsets();
            let (mut values, mut sought) = (Vec::new(), Vec::new());
            for (row, bounds) in (0_u32..).zip(offsets.windows(2)) {
                for value in bounds[0]..bounds[1] {
                    values.push(value.cast_unsigned());
                    sought.push(row);
                }
            }
            let values = take(lists.values(), &UInt32Array::from(values), None)?;
            let equal = cmp::eq(&values, &take(&wanted, &UInt32Array::from(sought), None)?)?;
            let mut next = 0;
            build_bools(rows, |row| {
                let count = lists.value_length(row) as usize;
                let found = equal.slice(next, count);
                next += count;
                Ok(match (lists.is_valid(row) && wanted.is_valid(row), found.has_true()) {
                    (false, _) => None,
                    (true, true) => Some(true),
                    (true, false) if found.null_count() > 0 => None,
                    (true, false) => Some(false),
                })
            })
        }),
        "array_join" => Arc::new(move |args, rows| {
            let lists = column(args, 0, rows)?;
            let lists = as_lists(&lists)?;
            let separators = Texts::of(args, 1)?;
            let values = text_of(lists.values(), &element)?;
            let mut bytes = Vec::new();
            build_texts(rows, |row, out| {
                let Some(separator) = separators.get(row).filter(|_| lists.is_valid(row)) else { return Ok(None) };
                let start = lists.value_offsets()[row] as usize;
                let mut first = true;
                for value in start..start + lists.value_length(row) as usize {
                    if values.is_null(value) {
                        continue;
                    }
                    if !std::mem::take(&mut first) {
                        out.push_str(separator);
                    }
                    bytes.clear();
                    values.write_plain(value, &mut bytes);
                    out.push_str(&String::from_utf8_lossy(&bytes));
                }
                Ok(Some(()))
            })
        }),
        _ => return None,
    })
}

/// The kernel that takes the field at this position of a struct.
pub(in crate::sql) fn field(position: usize) -> Kernel {
    Arc::new(move |args, rows| {
        let structs = column(args, 0, rows)?;
        let structs: &StructArray = structs.as_struct_opt().ok_or_else(|| wrong(&structs))?;
        let values = structs.columns().get(position).ok_or_else(|| bug("a struct lacks a field"))?;
        // Where the struct is null, its fields hold anything.
        let nulls = NullBuffer::union(structs.nulls(), values.logical_nulls().as_ref());
        Ok(arrow_array::make_array(values.to_data().into_builder().nulls(nulls).build()?))
    })
}

/// The kernel that takes a value of a list by its number from 1; null where the list has no such value.
pub(in crate::sql) fn element() -> Kernel {
    Arc::new(|args, rows| {
        let lists = column(args, 0, rows)?;
        let lists = as_lists(&lists)?;
        let numbers = ints(args, 1)?;
        let place = |row: usize| {
            let number = numbers.get(row).filter(|_| lists.is_valid(row))?;
            let offset = i32::try_from(number.checked_sub(1)?).ok()?;
            let within = (0..lists.value_length(row)).contains(&offset);
            within.then(|| (lists.value_offsets()[row] + offset).cast_unsigned())
        };
        let places: UInt32Array = (0..rows).map(place).collect();
        Ok(take(lists.values(), &places, None)?)
    })
}

/// The kernel that writes values as JSON.
pub(super) fn to_json(from: &DataType) -> Kernel {
    let from = from.clone();
    Arc::new(move |args, rows| {
        let values = column(args, 0, rows)?;
        let values = text_of(&values, &from)?;
        let mut bytes = Vec::new();
        build_texts(rows, |row, out| {
            if values.is_null(row) {
                return Ok(None);
            }
            bytes.clear();
            values.write_json(row, &mut bytes);
            out.push_str(&String::from_utf8_lossy(&bytes));
            Ok(Some(()))
        })
    })
}

/// The kernel that reads values from JSON.
pub(super) fn from_json(to: &DataType, try_cast: bool) -> Kernel {
    let schema = Schema::new([Field::new("value", to.clone())]);
    Arc::new(move |args, rows| {
        let texts = Texts::of(args, 0)?;
        let mut values = RowBuilder::new(&schema, rows);
        for row in 0..rows {
            values.begin();
            // An empty text would be taken for a null, as in CSV.
            let read = match texts.get(row) {
                Some(text) if text.trim().is_empty() => Err("an empty text is no JSON".to_owned()),
                Some(text) => {
                    values.text(0, text);
                    values.end()
                }
                None => values.end(),
            };
            match read {
                Ok(()) => {}
                Err(_) if try_cast => {
                    values.begin();
                    values.end().map_err(bug)?;
                }
                Err(why) => return Err(fault(why.strip_prefix("field `value`: ").unwrap_or(&why))),
            }
        }
        Ok(Arc::clone(values.finish()?.column(0)))
    })
}

fn column(args: &[ColumnarValue], position: usize, rows: usize) -> Result<ArrayRef, Fault> {
    args.get(position).ok_or_else(|| bug("an argument is missing"))?.clone().into_array(rows)
}

fn as_lists(array: &ArrayRef) -> Result<&ListArray, Fault> {
    array.as_list_opt().ok_or_else(|| wrong(array))
}

fn text_of<'a>(array: &'a ArrayRef, data_type: &DataType) -> Result<ColumnText<'a>, Fault> {
    ColumnText::of(array.as_ref(), data_type).ok_or_else(|| wrong(array))
}

fn wrong(array: &ArrayRef) -> Fault {
    let kind: &Arrow = array.data_type();
    bug(format!("a list or struct was expected, not {kind}"))
}

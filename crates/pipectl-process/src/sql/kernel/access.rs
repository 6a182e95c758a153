//! Reading arguments row by row, whether they are columns or constants, and building results.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryViewArray, BooleanArray, PrimitiveArray, StringViewArray,
    builder::{BinaryViewBuilder, BooleanBuilder, StringViewBuilder},
    types::{Date32Type, Decimal128Type, DurationMicrosecondType, Float64Type, Int64Type, TimestampMicrosecondType},
};
use arrow_schema::{DataType, TimeUnit};
use datafusion_common::ScalarValue;
use datafusion_expr::ColumnarValue;
use pipectl_data::DecimalType;

use super::{super::budget::Meter, Fault, bug};

/// Texts.
pub(super) enum Texts<'a> {
    One(Option<&'a str>),
    Many(&'a StringViewArray),
}

impl<'a> Texts<'a> {
    pub(super) fn of(args: &'a [ColumnarValue], position: usize) -> Result<Self, Fault> {
        match args.get(position) {
            Some(ColumnarValue::Scalar(ScalarValue::Utf8View(text))) => Ok(Self::One(text.as_deref())),
            Some(ColumnarValue::Array(array)) => {
                array.as_any().downcast_ref().map(Self::Many).ok_or_else(|| wrong(array, "text"))
            }
            other => Err(bug(format!("a text was expected, not {other:?}"))),
        }
    }

    pub(super) fn get(&self, row: usize) -> Option<&'a str> {
        match self {
            Self::One(text) => *text,
            Self::Many(array) => array.is_valid(row).then(|| array.value(row)),
        }
    }
}

/// Texts or bytes, as bytes.
pub(super) enum Blobs<'a> {
    One(Option<&'a [u8]>),
    Many(&'a BinaryViewArray),
    Texts(Texts<'a>),
}

impl<'a> Blobs<'a> {
    pub(super) fn of(args: &'a [ColumnarValue], position: usize) -> Result<Self, Fault> {
        match args.get(position) {
            Some(ColumnarValue::Scalar(ScalarValue::BinaryView(bytes))) => Ok(Self::One(bytes.as_deref())),
            Some(ColumnarValue::Array(array)) if array.data_type() == &DataType::BinaryView => {
                array.as_any().downcast_ref().map(Self::Many).ok_or_else(|| wrong(array, "bytes"))
            }
            _ => Texts::of(args, position).map(Self::Texts),
        }
    }

    pub(super) fn get(&self, row: usize) -> Option<&'a [u8]> {
        match self {
            Self::One(bytes) => *bytes,
            Self::Many(array) => array.is_valid(row).then(|| array.value(row)),
            Self::Texts(texts) => texts.get(row).map(str::as_bytes),
        }
    }
}

/// Truth values.
pub(super) enum Bools<'a> {
    One(Option<bool>),
    Many(&'a BooleanArray),
}

impl<'a> Bools<'a> {
    pub(super) fn of(args: &'a [ColumnarValue], position: usize) -> Result<Self, Fault> {
        match args.get(position) {
            Some(ColumnarValue::Scalar(ScalarValue::Boolean(value))) => Ok(Self::One(*value)),
            Some(ColumnarValue::Array(array)) => {
                array.as_any().downcast_ref().map(Self::Many).ok_or_else(|| wrong(array, "bool"))
            }
            other => Err(bug(format!("a truth value was expected, not {other:?}"))),
        }
    }

    pub(super) fn get(&self, row: usize) -> Option<bool> {
        match self {
            Self::One(value) => *value,
            Self::Many(array) => array.is_valid(row).then(|| array.value(row)),
        }
    }
}

/// Numbers of one kind: a column's values (and which of them are null), or one for all rows.
pub(super) enum Numbers<'a, N> {
    One(Option<N>),
    Many(&'a [N], Option<&'a arrow_buffer::NullBuffer>),
}

impl<N: Copy> Numbers<'_, N> {
    pub(super) fn get(&self, row: usize) -> Option<N> {
        match self {
            Self::One(value) => *value,
            Self::Many(values, nulls) => nulls.is_none_or(|nulls| nulls.is_valid(row)).then(|| values[row]),
        }
    }
}

fn primitive<T: ArrowPrimitiveType>(array: &ArrayRef) -> Result<Numbers<'_, T::Native>, Fault> {
    let array: &PrimitiveArray<T> = array.as_any().downcast_ref().ok_or_else(|| wrong(array, "numbers"))?;
    Ok(Numbers::Many(array.values(), array.nulls()))
}

/// Whole numbers; also the microseconds of times and intervals.
pub(super) fn ints(args: &[ColumnarValue], position: usize) -> Result<Numbers<'_, i64>, Fault> {
    match args.get(position) {
        Some(ColumnarValue::Scalar(
            ScalarValue::Int64(value)
            | ScalarValue::TimestampMicrosecond(value, _)
            | ScalarValue::DurationMicrosecond(value),
        )) => Ok(Numbers::One(*value)),
        Some(ColumnarValue::Array(array)) => match array.data_type() {
            DataType::Int64 => primitive::<Int64Type>(array),
            DataType::Timestamp(TimeUnit::Microsecond, _) => primitive::<TimestampMicrosecondType>(array),
            DataType::Duration(TimeUnit::Microsecond) => primitive::<DurationMicrosecondType>(array),
            _ => Err(wrong(array, "int64")),
        },
        other => Err(bug(format!("a whole number was expected, not {other:?}"))),
    }
}

/// Numbers with a fraction.
pub(super) fn floats(args: &[ColumnarValue], position: usize) -> Result<Numbers<'_, f64>, Fault> {
    match args.get(position) {
        Some(ColumnarValue::Scalar(ScalarValue::Float64(value))) => Ok(Numbers::One(*value)),
        Some(ColumnarValue::Array(array)) => primitive::<Float64Type>(array),
        other => Err(bug(format!("a number was expected, not {other:?}"))),
    }
}

/// Decimals, without their scale.
pub(super) fn decimals(args: &[ColumnarValue], position: usize) -> Result<Numbers<'_, i128>, Fault> {
    match args.get(position) {
        Some(ColumnarValue::Scalar(ScalarValue::Decimal128(value, _, _))) => Ok(Numbers::One(*value)),
        Some(ColumnarValue::Array(array)) => primitive::<Decimal128Type>(array),
        other => Err(bug(format!("a decimal was expected, not {other:?}"))),
    }
}

/// Days since 1970.
pub(super) fn days(args: &[ColumnarValue], position: usize) -> Result<Numbers<'_, i32>, Fault> {
    match args.get(position) {
        Some(ColumnarValue::Scalar(ScalarValue::Date32(value))) => Ok(Numbers::One(*value)),
        Some(ColumnarValue::Array(array)) => primitive::<Date32Type>(array),
        other => Err(bug(format!("a date was expected, not {other:?}"))),
    }
}

/// A column of texts. `write` fills the buffer, which comes empty, or says that the row is null.
pub(super) fn build_texts(
    rows: usize,
    mut write: impl FnMut(usize, &mut String) -> Result<Option<()>, Fault>,
) -> Result<ArrayRef, Fault> {
    let mut column = StringViewBuilder::with_capacity(rows);
    let mut meter = Meter::new(rows);
    let mut buffer = String::new();
    for row in 0..rows {
        buffer.clear();
        match write(row, &mut buffer)? {
            Some(()) => {
                meter.add(buffer.len())?;
                column.append_value(&buffer);
            }
            None => column.append_null(),
        }
    }
    Ok(Arc::new(column.finish()))
}

/// A column of bytes.
pub(super) fn build_blobs<B: AsRef<[u8]>>(
    rows: usize,
    mut value: impl FnMut(usize) -> Result<Option<B>, Fault>,
) -> Result<ArrayRef, Fault> {
    let mut column = BinaryViewBuilder::with_capacity(rows);
    let mut meter = Meter::new(rows);
    for row in 0..rows {
        let value = value(row)?;
        meter.add(value.as_ref().map_or(0, |value| value.as_ref().len()))?;
        column.append_option(value);
    }
    Ok(Arc::new(column.finish()))
}

/// A column of numbers, times or intervals.
pub(super) fn build<T: ArrowPrimitiveType>(
    rows: usize,
    value: impl FnMut(usize) -> Result<Option<T::Native>, Fault>,
) -> Result<ArrayRef, Fault> {
    let values = (0..rows).map(value).collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(values.into_iter().collect::<PrimitiveArray<T>>()))
}

/// A column of decimals; the values must be ones that the type has.
pub(super) fn build_decimals(
    of: DecimalType,
    rows: usize,
    value: impl FnMut(usize) -> Result<Option<i128>, Fault>,
) -> Result<ArrayRef, Fault> {
    let values = (0..rows).map(value).collect::<Result<Vec<_>, _>>()?;
    let column = values.into_iter().collect::<PrimitiveArray<Decimal128Type>>();
    Ok(Arc::new(column.with_precision_and_scale(of.precision(), of.scale().cast_signed())?))
}

/// A column of truth values.
pub(super) fn build_bools(
    rows: usize,
    mut value: impl FnMut(usize) -> Result<Option<bool>, Fault>,
) -> Result<ArrayRef, Fault> {
    let mut column = BooleanBuilder::with_capacity(rows);
    for row in 0..rows {
        column.append_option(value(row)?);
    }
    Ok(Arc::new(column.finish()))
}

fn wrong(array: &ArrayRef, wanted: &str) -> Fault {
    bug(format!("{wanted} was expected, not {}", array.data_type()))
}

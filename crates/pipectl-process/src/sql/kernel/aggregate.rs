//! The values of aggregates whose results come wider than their type, so that one that does not fit is a fault of its
//! row.

use std::sync::Arc;

use arrow_array::{
    Array, Decimal128Array, Decimal256Array, LargeStringArray, PrimitiveArray,
    types::{Decimal128Type, Int64Type},
};
use arrow_schema::DataType as Arrow;

use super::{
    Fault, Kernel,
    access::{build, build_texts},
    bug, fault,
    text::check_length,
};

/// The kernel that makes a value of the second type of a result of the first.
pub(in crate::sql) fn kernel(result: &Arrow, wanted: &Arrow) -> Result<Kernel, Fault> {
    match (result, wanted) {
        (Arrow::Decimal128(_, 0), Arrow::Int64) => Ok(int()),
        (Arrow::Decimal256(_, from), Arrow::Decimal128(precision, scale)) if from == scale => {
            Ok(decimal(*precision, *scale))
        }
        (Arrow::LargeUtf8, Arrow::Utf8View) => Ok(text()),
        (result, wanted) => Err(bug(format!("an aggregate of type {result} does not become {wanted}"))),
    }
}

/// A sum of whole numbers.
fn int() -> Kernel {
    Arc::new(|args, rows| {
        let column = column(args, rows)?;
        let sums: &PrimitiveArray<Decimal128Type> = typed(&column)?;
        build::<Int64Type>(rows, |row| {
            let sum = sums.is_valid(row).then(|| sums.value(row));
            sum.map(|sum| i64::try_from(sum).map_err(|_| fault(format!("{sum} does not fit int64")))).transpose()
        })
    })
}

/// A sum, mean or percentile of decimals.
fn decimal(precision: u8, scale: i8) -> Kernel {
    Arc::new(move |args, rows| {
        let column = column(args, rows)?;
        let exact: &Decimal256Array = typed(&column)?;
        let most = 10_i128.checked_pow(precision.into()).ok_or_else(|| bug("a decimal has at most 38 digits"))?;
        let value = |row| {
            let value = exact.value(row).to_i128().filter(|value| value.unsigned_abs() < most.unsigned_abs());
            value.ok_or_else(|| {
                fault(format!("{} does not fit decimal({precision}, {scale})", exact.value_as_string(row)))
            })
        };
        let values = (0..rows).map(|row| exact.is_valid(row).then(|| value(row)).transpose());
        let values = values.collect::<Result<Decimal128Array, _>>()?;
        Ok(Arc::new(values.with_data_type(Arrow::Decimal128(precision, scale))))
    })
}

/// Joined texts.
fn text() -> Kernel {
    Arc::new(|args, rows| {
        let column = column(args, rows)?;
        let texts: &LargeStringArray = typed(&column)?;
        build_texts(rows, |row, out| {
            if texts.is_null(row) {
                return Ok(None);
            }
            check_length("string_agg", texts.value(row).len(), 0)?;
            out.push_str(texts.value(row));
            Ok(Some(()))
        })
    })
}

fn column(args: &[datafusion_expr::ColumnarValue], rows: usize) -> Result<arrow_array::ArrayRef, Fault> {
    args.first().ok_or_else(|| bug("an aggregate is missing"))?.clone().into_array(rows)
}

fn typed<A: 'static>(column: &arrow_array::ArrayRef) -> Result<&A, Fault> {
    column.as_any().downcast_ref().ok_or_else(|| bug("an aggregate has another type"))
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_buffer::i256;
    use datafusion_expr::ColumnarValue;

    use super::*;

    #[test]
    fn decimals_that_do_not_fit_are_faults() {
        let kernel = kernel(&Arrow::Decimal256(76, 2), &Arrow::Decimal128(5, 2)).unwrap();
        let run = |values: Vec<Option<i128>>| {
            let exact: Decimal256Array = values.into_iter().map(|value| value.map(i256::from_i128)).collect();
            let exact = exact.with_data_type(Arrow::Decimal256(76, 2));
            let rows = exact.len();
            kernel(&[ColumnarValue::Array(Arc::new(exact))], rows)
        };
        let values = run(vec![Some(99_999), None, Some(-99_999)]).unwrap();
        assert_eq!(values.data_type(), &Arrow::Decimal128(5, 2));
        assert_eq!(
            values.as_primitive::<Decimal128Type>().iter().collect::<Vec<_>>(),
            [Some(99_999), None, Some(-99_999)]
        );
        let error = run(vec![Some(100_000)]).unwrap_err().to_string();
        assert!(error.contains("1000.00 does not fit decimal(5, 2)"), "{error}");
    }
}

//! Conversions between types. A value that cannot be converted is a fault of the row, or null with `TRY_CAST`.

use std::{fmt::Write as _, sync::Arc};

use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use pipectl_data::{DataType, json, timestamp};

use super::{
    Fault, Kernel,
    access::{
        Blobs, Bools, Texts, build, build_blobs, build_bools, build_decimals, build_texts, days, decimals, floats, ints,
    },
    bug, decimal, fault, nested,
};

const DAY: i64 = 86_400_000_000;

/// The kernel that makes a `to` of a `from`.
pub(in crate::sql) fn kernel(from: &DataType, to: &DataType, try_cast: bool) -> Result<Kernel, Fault> {
    use DataType::{Bool, Bytes, Date, Decimal, Float64, Int64, Json, String as Text, Timestamp};
    let not_a = {
        let wanted = to.to_string();
        move |text: &str| not_a(text, &wanted)
    };
    Ok(match (from, to) {
        (Int64, Decimal(to)) => decimal::from_int(*to, try_cast),
        (Float64, Decimal(to)) => decimal::from_float(*to, try_cast),
        (Decimal(from), Decimal(to)) => decimal::from_decimal(*from, *to, try_cast),
        (Text, Decimal(to)) => {
            let to = *to;
            Arc::new(move |args, rows| {
                let texts = Texts::of(args, 0)?;
                build_decimals(to, rows, |row| {
                    each(texts.get(row), try_cast, |text| to.parse_rounded(text.trim()).ok_or_else(|| not_a(text)))
                })
            })
        }
        (Decimal(from), Int64) => {
            let from = *from;
            Arc::new(move |args, rows| {
                let values = decimals(args, 0)?;
                build::<Int64Type>(rows, |row| each(values.get(row), try_cast, |value| decimal::to_int(from, value)))
            })
        }
        (Decimal(from), Float64) => {
            let from = *from;
            Arc::new(move |args, rows| {
                let values = decimals(args, 0)?;
                build::<Float64Type>(rows, |row| Ok(values.get(row).map(|value| decimal::to_float(from, value))))
            })
        }
        (Decimal(from), Text) => {
            let from = *from;
            Arc::new(move |args, rows| {
                let values = decimals(args, 0)?;
                build_texts(rows, |row, out| Ok(values.get(row).map(|value| out.push_str(&from.format(value)))))
            })
        }
        (Int64, Float64) => Arc::new(|args, rows| {
            let values = ints(args, 0)?;
            build::<Float64Type>(rows, |row| Ok(values.get(row).map(|value| value as f64)))
        }),
        (Float64, Int64) => Arc::new(move |args, rows| {
            let values = floats(args, 0)?;
            build::<Int64Type>(rows, |row| each(values.get(row), try_cast, whole))
        }),
        (Bool, Int64) => Arc::new(|args, rows| {
            let values = Bools::of(args, 0)?;
            build::<Int64Type>(rows, |row| Ok(values.get(row).map(i64::from)))
        }),
        (Int64, Text) => Arc::new(|args, rows| {
            let values = ints(args, 0)?;
            build_texts(rows, |row, out| Ok(values.get(row).map(|value| out.push_str(&value.to_string()))))
        }),
        (Float64, Text) => Arc::new(|args, rows| {
            let values = floats(args, 0)?;
            // The shortest digits that read back as the same number, always with a point or an exponent.
            build_texts(rows, |row, out| {
                let Some(value) = values.get(row) else { return Ok(None) };
                let _writing_to_a_string_cannot_fail = write!(out, "{value:?}");
                Ok(Some(()))
            })
        }),
        (Bool, Text) => Arc::new(|args, rows| {
            let values = Bools::of(args, 0)?;
            build_texts(rows, |row, out| {
                Ok(values.get(row).map(|value| out.push_str(if value { "true" } else { "false" })))
            })
        }),
        (Timestamp, Text) => Arc::new(|args, rows| {
            let values = ints(args, 0)?;
            build_texts(rows, |row, out| Ok(values.get(row).map(|at| out.push_str(&timestamp::format(at)))))
        }),
        (Date, Text) => Arc::new(|args, rows| {
            let values = days(args, 0)?;
            build_texts(rows, |row, out| {
                let Some(day) = values.get(row) else { return Ok(None) };
                let mut bytes = Vec::with_capacity(10);
                timestamp::write_date(day, &mut bytes);
                out.push_str(&String::from_utf8_lossy(&bytes));
                Ok(Some(()))
            })
        }),
        (DataType::List(_) | DataType::Struct(_), Text | Json) => nested::to_json(from),
        (Text | Json, DataType::List(_) | DataType::Struct(_)) => nested::from_json(to, try_cast),
        (Json, Text) => Arc::new(|args, rows| args[0].clone().into_array(rows)),
        (Bytes, Text) => Arc::new(move |args, rows| {
            let values = Blobs::of(args, 0)?;
            build_texts(rows, |row, out| {
                let text = each(values.get(row), try_cast, |bytes| {
                    std::str::from_utf8(bytes).map_err(|_| fault("the bytes are not UTF-8"))
                })?;
                Ok(text.map(|text| out.push_str(text)))
            })
        }),
        (Text, Int64) => Arc::new(move |args, rows| {
            let texts = Texts::of(args, 0)?;
            build::<Int64Type>(rows, |row| {
                each(texts.get(row), try_cast, |text| text.trim().parse().map_err(|_| not_a(text)))
            })
        }),
        (Text, Float64) => Arc::new(move |args, rows| {
            let texts = Texts::of(args, 0)?;
            build::<Float64Type>(rows, |row| {
                each(texts.get(row), try_cast, |text| number(text).ok_or_else(|| not_a(text)))
            })
        }),
        (Text, Bool) => Arc::new(move |args, rows| {
            let texts = Texts::of(args, 0)?;
            build_bools(rows, |row| each(texts.get(row), try_cast, |text| truth(text).ok_or_else(|| not_a(text))))
        }),
        (Text, Timestamp) => Arc::new(move |args, rows| {
            let texts = Texts::of(args, 0)?;
            build::<TimestampMicrosecondType>(rows, |row| {
                each(texts.get(row), try_cast, |text| timestamp::parse(text.trim()).ok_or_else(|| not_a(text)))
            })
        }),
        (Text, Date) => Arc::new(move |args, rows| {
            let texts = Texts::of(args, 0)?;
            build::<Date32Type>(rows, |row| {
                each(texts.get(row), try_cast, |text| timestamp::parse_date(text.trim()).ok_or_else(|| not_a(text)))
            })
        }),
        (Text, Json) => Arc::new(move |args, rows| {
            let texts = Texts::of(args, 0)?;
            build_texts(rows, |row, out| {
                let value = each(texts.get(row), try_cast, |text| json::value(text).ok_or_else(|| not_a(text)))?;
                Ok(value.map(|value| out.push_str(value)))
            })
        }),
        (Text, Bytes) => Arc::new(|args, rows| {
            let texts = Texts::of(args, 0)?;
            build_blobs(rows, |row| Ok(texts.get(row)))
        }),
        (Timestamp, Date) => Arc::new(move |args, rows| {
            let values = ints(args, 0)?;
            build::<Date32Type>(rows, |row| {
                each(values.get(row), try_cast, |at| {
                    i32::try_from(at.div_euclid(DAY)).map_err(|_| fault("the time is out of range"))
                })
            })
        }),
        (Date, Timestamp) => Arc::new(move |args, rows| {
            let values = days(args, 0)?;
            build::<TimestampMicrosecondType>(rows, |row| {
                each(values.get(row), try_cast, |day| super::time::checked(i64::from(day) * DAY))
            })
        }),
        _ => return Err(bug(format!("there is no cast of {from} to {to}"))),
    })
}

pub(super) fn each<A, B>(
    value: Option<A>,
    try_cast: bool,
    convert: impl FnOnce(A) -> Result<B, Fault>,
) -> Result<Option<B>, Fault> {
    match value.map(convert) {
        None => Ok(None),
        Some(Ok(value)) => Ok(Some(value)),
        Some(Err(_)) if try_cast => Ok(None),
        Some(Err(fault)) => Err(fault),
    }
}

fn whole(value: f64) -> Result<i64, Fault> {
    // 2^63 itself is a float but not an int64.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let cut = value.trunc();
    if (-LIMIT..LIMIT).contains(&cut) { Ok(cut as i64) } else { Err(fault(format!("{value:?} does not fit int64"))) }
}

/// The words of `PostgreSQL`, or their first letters as far as they distinguish them.
fn truth(text: &str) -> Option<bool> {
    let word = text.trim().to_ascii_lowercase();
    let begins = |whole: &str, least: usize| word.len() >= least && whole.starts_with(&word);
    if begins("true", 1) || begins("yes", 1) || word == "on" || word == "1" {
        Some(true)
    } else if begins("false", 1) || begins("no", 1) || begins("off", 2) || word == "0" {
        Some(false)
    } else {
        None
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|value: &f64| value.is_finite())
}

fn not_a(text: &str, wanted: &str) -> Fault {
    let shown: String = text.chars().take(60).collect();
    fault(format!("'{shown}' cannot be read as {wanted}"))
}

//! Functions of times, all in UTC.

use std::sync::Arc;

use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use jiff::{Timestamp, fmt::strtime::BrokenDownTime, tz::TimeZone};
use pipectl_data::{DataType, Micros, timestamp};
use pipectl_ir::query::Expr;

use super::{
    Fault, Kernel,
    access::{Texts, build, build_texts, ints},
    constant, fault,
};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

pub(super) fn kernel(name: &str, args: &[Expr]) -> Result<Option<Kernel>, Fault> {
    Ok(Some(match name {
        "date_trunc" => {
            let unit = constant(args, 0)?.to_owned();
            times(1, move |at| truncated(&unit, at))
        }
        "date_bin" => Arc::new(|args, rows| {
            let (sizes, times) = (ints(args, 0)?, ints(args, 1)?);
            let origins = if args.len() > 2 { Some(ints(args, 2)?) } else { None };
            build::<TimestampMicrosecondType>(rows, |row| {
                let origin = origins.as_ref().map_or(Some(0), |origins| origins.get(row));
                let (Some(size), Some(at), Some(origin)) = (sizes.get(row), times.get(row), origin) else {
                    return Ok(None);
                };
                if size <= 0 {
                    return Err(fault("date_bin: the interval must be longer than nothing"));
                }
                let (at, origin, size) = (i128::from(at), i128::from(origin), i128::from(size));
                let start = origin + (at - origin).div_euclid(size) * size;
                i64::try_from(start).map(Some).map_err(|_| out_of_range())
            })
        }),
        "date_part" => {
            let part = constant(args, 0)?.to_owned();
            let interval = args.get(1).is_some_and(|arg| arg.data_type == DataType::Interval);
            Arc::new(move |args, rows| {
                let times = ints(args, 1)?;
                build::<Int64Type>(rows, |row| match times.get(row) {
                    Some(length) if interval => length_part(&part, length).map(Some),
                    Some(at) => Ok(Some(time_part(&part, at))),
                    None => Ok(None),
                })
            })
        }
        "to_timestamp" => {
            let format = if args.len() > 1 { Some(constant(args, 1)?.to_owned()) } else { None };
            Arc::new(move |args, rows| {
                let texts = Texts::of(args, 0)?;
                build::<TimestampMicrosecondType>(rows, |row| {
                    let Some(text) = texts.get(row) else { return Ok(None) };
                    let at = match &format {
                        Some(format) => parsed(format, text),
                        None => timestamp::parse(text.trim()),
                    };
                    at.map(Some).ok_or_else(|| match &format {
                        Some(format) => fault(format!("to_timestamp: the text does not have the form {format}")),
                        None => fault("to_timestamp: the text is not an RFC 3339 time"),
                    })
                })
            })
        }
        "to_char" => {
            let format = constant(args, 1)?.to_owned();
            Arc::new(move |args, rows| {
                let times = ints(args, 0)?;
                build_texts(rows, |row, out| {
                    let Some(at) = times.get(row) else { return Ok(None) };
                    let at = Timestamp::from_microsecond(at).map_err(|_| out_of_range())?.to_zoned(TimeZone::UTC);
                    out.push_str(&jiff::fmt::strtime::format(&format, &at).map_err(|error| fault(error.to_string()))?);
                    Ok(Some(()))
                })
            })
        }
        "from_epoch_ms" => times(0, |millis| millis.checked_mul(1_000)),
        "from_epoch_s" => times(0, |seconds| seconds.checked_mul(SECOND)),
        "to_epoch_ms" => numbers(|at| at.div_euclid(1_000)),
        "to_epoch_s" => numbers(|at| at.div_euclid(SECOND)),
        "to_ms" => numbers(|length| length / 1_000),
        _ => return Ok(None),
    }))
}

fn out_of_range() -> Fault {
    fault("the time is out of range")
}

fn times(position: usize, map: impl Fn(i64) -> Option<Micros> + Send + Sync + 'static) -> Kernel {
    Arc::new(move |args, rows| {
        let values = ints(args, position)?;
        build::<TimestampMicrosecondType>(rows, |row| match values.get(row) {
            Some(value) => map(value).map(Some).ok_or_else(out_of_range),
            None => Ok(None),
        })
    })
}

fn numbers(map: impl Fn(i64) -> i64 + Send + Sync + 'static) -> Kernel {
    Arc::new(move |args, rows| {
        let values = ints(args, 0)?;
        build::<Int64Type>(rows, |row| Ok(values.get(row).map(&map)))
    })
}

fn parsed(format: &str, text: &str) -> Option<Micros> {
    let time = BrokenDownTime::parse(format, text).ok()?;
    if let Ok(at) = time.to_timestamp() {
        return Some(at.as_microsecond());
    }
    let civil = time.to_datetime().or_else(|_| time.to_date().map(jiff::civil::DateTime::from)).ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond())
}

fn truncated(unit: &str, at: Micros) -> Option<Micros> {
    let floor = |length: i64| at.div_euclid(length).checked_mul(length);
    let days = at.div_euclid(DAY);
    let (year, month, _) = civil(days);
    match unit {
        "millisecond" => floor(1_000),
        "second" => floor(SECOND),
        "minute" => floor(60 * SECOND),
        "hour" => floor(3_600 * SECOND),
        "day" => floor(DAY),
        // 1970-01-01 was a Thursday, three days after a Monday.
        "week" => ((days + 3).div_euclid(7) * 7 - 3).checked_mul(DAY),
        "month" => days_of(year, month, 1).checked_mul(DAY),
        "quarter" => days_of(year, (month - 1) / 3 * 3 + 1, 1).checked_mul(DAY),
        "year" => days_of(year, 1, 1).checked_mul(DAY),
        _ => Some(at),
    }
}

fn time_part(part: &str, at: Micros) -> i64 {
    let days = at.div_euclid(DAY);
    let of_day = at.rem_euclid(DAY);
    let (year, month, day) = civil(days);
    match part {
        "year" => year,
        "quarter" => (month - 1) / 3 + 1,
        "month" => month,
        "week" => iso_week(days),
        "day" => day,
        "dow" => (days + 4).rem_euclid(7),
        "isodow" => (days + 3).rem_euclid(7) + 1,
        "doy" => days - days_of(year, 1, 1) + 1,
        "hour" => of_day / (3_600 * SECOND),
        "minute" => of_day / (60 * SECOND) % 60,
        "second" => of_day / SECOND % 60,
        "millisecond" => of_day / 1_000 % 1_000,
        "microsecond" => of_day % SECOND,
        _ => at.div_euclid(SECOND),
    }
}

fn length_part(part: &str, length: Micros) -> Result<i64, Fault> {
    Ok(match part {
        "day" => length / DAY,
        "hour" => length / (3_600 * SECOND),
        "minute" => length / (60 * SECOND),
        "second" | "epoch" => length / SECOND,
        "millisecond" => length / 1_000,
        "microsecond" => length,
        _ => return Err(fault(format!("an interval has no {part}"))),
    })
}

/// The ISO 8601 week: the one that holds the Thursday of the day's week.
fn iso_week(days: i64) -> i64 {
    let thursday = days - (days + 3).rem_euclid(7) + 3;
    let (year, _, _) = civil(thursday);
    (thursday - days_of(year, 1, 1)) / 7 + 1
}

/// Year, month, day of days since 1970 (Hinnant, <https://howardhinnant.github.io/date_algorithms.html>).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The inverse of [`civil`].
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::{civil, days_of, iso_week};

    #[test]
    fn calendar_goes_both_ways() {
        for days in (-800_000..800_000).step_by(97) {
            let (year, month, day) = civil(days);
            assert_eq!(days_of(year, month, day), days);
        }
        assert_eq!(civil(0), (1970, 1, 1));
        // ISO 8601's own hard cases: 2008-12-29 is in week 1 of 2009, 2010-01-03 in week 53 of 2009.
        assert_eq!(iso_week(days_of(2008, 12, 29)), 1);
        assert_eq!(iso_week(days_of(2010, 1, 3)), 53);
    }
}

//! Functions of times: UTC, unless a zone is named.

use std::sync::Arc;

use arrow_array::types::{Date32Type, Int64Type, TimestampMicrosecondType};
use jiff::tz::TimeZone;
use pipectl_data::{
    DataType, Micros,
    civil::{self, CivilError},
    timestamp,
};
use pipectl_ir::query::Expr;

use super::{
    Fault, Kernel,
    access::{Texts, build, build_texts, ints},
    bug, constant, fault,
};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

pub(super) fn kernel(name: &str, args: &[Expr]) -> Result<Option<Kernel>, Fault> {
    Ok(Some(match name {
        "date_trunc" => {
            let unit = constant(args, 0)?.to_owned();
            match zone(args, 2)? {
                None => times(1, move |at| truncated(&unit, at)),
                Some(zone) => times(1, move |at| truncated_in(&unit, at, &zone)),
            }
        }
        "add_months" => Arc::new(|args, rows| {
            let (times, months) = (ints(args, 0)?, ints(args, 1)?);
            build::<TimestampMicrosecondType>(rows, |row| match (times.get(row), months.get(row)) {
                (Some(at), Some(months)) => {
                    with_months(at, months).ok_or_else(out_of_range).and_then(checked).map(Some)
                }
                _ => Ok(None),
            })
        }),
        "to_local" => {
            let zone = zone(args, 1)?.unwrap_or(TimeZone::UTC);
            times(0, move |at| civil::local(at, &zone))
        }
        "from_local" => {
            let zone = zone(args, 1)?.unwrap_or(TimeZone::UTC);
            times(0, move |local| civil::instant(local, &zone))
        }
        "make_date" => Arc::new(|args, rows| {
            let (years, months, days) = (ints(args, 0)?, ints(args, 1)?, ints(args, 2)?);
            build::<Date32Type>(rows, |row| {
                let (Some(year), Some(month), Some(day)) = (years.get(row), months.get(row), days.get(row)) else {
                    return Ok(None);
                };
                let sound = (1..=9_999).contains(&year) && (1..=12).contains(&month) && day >= 1;
                if !sound || day > days_in(year, month) {
                    return Err(fault(format!("make_date: there is no day {year}-{month}-{day}")));
                }
                i32::try_from(days_of(year, month, day)).map(Some).map_err(|_| out_of_range())
            })
        }),
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
                i64::try_from(start).map_err(|_| out_of_range()).and_then(checked).map(Some)
            })
        }),
        "date_part" => {
            let part = constant(args, 0)?.to_owned();
            let interval = args.get(1).is_some_and(|arg| arg.data_type == DataType::Interval);
            let zone = zone(args, 2)?;
            Arc::new(move |args, rows| {
                let times = ints(args, 1)?;
                build::<Int64Type>(rows, |row| match (times.get(row), &zone) {
                    (Some(length), _) if interval => length_part(&part, length).map(Some),
                    // Seconds since 1970 are the same everywhere.
                    (Some(at), Some(zone)) if part != "epoch" => {
                        civil::local(at, zone).map(|local| Some(time_part(&part, local))).ok_or_else(out_of_range)
                    }
                    (Some(at), _) => Ok(Some(time_part(&part, at))),
                    (None, _) => Ok(None),
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
                        Some(format) => civil::parse(format, text).map_err(|error| match error {
                            CivilError::Range => out_of_range(),
                            _ => fault(format!("to_timestamp: the text does not have the form {format}")),
                        }),
                        None => timestamp::parse(text.trim())
                            .ok_or_else(|| fault("to_timestamp: the text is not an RFC 3339 time")),
                    };
                    at.map(Some)
                })
            })
        }
        "to_char" => {
            let format = constant(args, 1)?.to_owned();
            let zone = zone(args, 2)?.unwrap_or(TimeZone::UTC);
            Arc::new(move |args, rows| {
                let times = ints(args, 0)?;
                build_texts(rows, |row, out| {
                    let Some(at) = times.get(row) else { return Ok(None) };
                    civil::write(&format, at, &zone, out).map_err(|error| fault(error.to_string()))?;
                    Ok(Some(()))
                })
            })
        }
        "from_epoch_ms" => times(0, |millis| millis.checked_mul(1_000)),
        "from_epoch_s" => times(0, |seconds| seconds.checked_mul(SECOND)),
        "to_epoch_ms" => numbers(|at| at.div_euclid(1_000)),
        "to_epoch_s" => numbers(|at| at.div_euclid(SECOND)),
        "to_ms" => numbers(|length| length.div_euclid(1_000)),
        _ => return Ok(None),
    }))
}

pub(super) fn out_of_range() -> Fault {
    fault("the time is outside the years 0 to 9999")
}

/// A time that can be written and read again.
pub(super) fn checked(at: Micros) -> Result<Micros, Fault> {
    if civil::in_range(at) { Ok(at) } else { Err(out_of_range()) }
}

/// The kernel of a window's bound, which can lie beyond the times of its records.
pub(in crate::sql) fn in_years() -> Kernel {
    times(0, Some)
}

/// The constant time zone at this position of the arguments, if there is one.
fn zone(args: &[Expr], position: usize) -> Result<Option<TimeZone>, Fault> {
    if position >= args.len() {
        return Ok(None);
    }
    TimeZone::get(constant(args, position)?).map(Some).map_err(bug)
}

fn times(position: usize, map: impl Fn(i64) -> Option<Micros> + Send + Sync + 'static) -> Kernel {
    Arc::new(move |args, rows| {
        let values = ints(args, position)?;
        build::<TimestampMicrosecondType>(rows, |row| match values.get(row) {
            Some(value) => map(value).ok_or_else(out_of_range).and_then(checked).map(Some),
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

fn truncated(unit: &str, at: Micros) -> Option<Micros> {
    let floor = |length: i64| at.div_euclid(length).checked_mul(length);
    let days = at.div_euclid(DAY);
    let (year, month, _) = date_of(days);
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

/// The same by a zone's clock. Within a day the zone's offset stays what it is, so that of two hours with one name each
/// is cut to its own start.
fn truncated_in(unit: &str, at: Micros, zone: &TimeZone) -> Option<Micros> {
    let local = civil::local(at, zone)?;
    let start = truncated(unit, local)?;
    match unit {
        "day" | "week" | "month" | "quarter" | "year" => civil::instant(start, zone),
        _ => Some(start - (local - at)),
    }
}

/// So many months later, on the same day of the month or its last one.
fn with_months(at: Micros, months: i64) -> Option<Micros> {
    let (year, month, day) = date_of(at.div_euclid(DAY));
    let all = (year * 12 + month - 1).checked_add(months)?;
    let (year, month) = (all.div_euclid(12), all.rem_euclid(12) + 1);
    if !(0..=9_999).contains(&year) {
        return None;
    }
    days_of(year, month, day.min(days_in(year, month))).checked_mul(DAY)?.checked_add(at.rem_euclid(DAY))
}

fn days_in(year: i64, month: i64) -> i64 {
    let next = if month == 12 { days_of(year + 1, 1, 1) } else { days_of(year, month + 1, 1) };
    next - days_of(year, month, 1)
}

fn time_part(part: &str, at: Micros) -> i64 {
    let days = at.div_euclid(DAY);
    let of_day = at.rem_euclid(DAY);
    let (year, month, day) = date_of(days);
    match part {
        "year" => year,
        "isoyear" => date_of(days - (days + 3).rem_euclid(7) + 3).0,
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
    let (year, _, _) = date_of(thursday);
    (thursday - days_of(year, 1, 1)) / 7 + 1
}

/// Year, month, day of days since 1970 (Hinnant, <https://howardhinnant.github.io/date_algorithms.html>).
fn date_of(days: i64) -> (i64, i64, i64) {
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

/// The inverse of [`date_of`].
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::{date_of, days_of, iso_week, truncated_in, with_months};

    #[test]
    fn calendar_goes_both_ways() {
        for days in (-800_000..800_000).step_by(97) {
            let (year, month, day) = date_of(days);
            assert_eq!(days_of(year, month, day), days);
        }
        assert_eq!(date_of(0), (1970, 1, 1));
        // ISO 8601's own hard cases: 2008-12-29 is in week 1 of 2009, 2010-01-03 in week 53 of 2009.
        assert_eq!(iso_week(days_of(2008, 12, 29)), 1);
        assert_eq!(iso_week(days_of(2010, 1, 3)), 53);
    }

    #[test]
    fn months_end_on_their_last_day() {
        let day = |year, month, day| days_of(year, month, day) * 86_400_000_000;
        assert_eq!(with_months(day(2024, 1, 31) + 7, 1), Some(day(2024, 2, 29) + 7));
        assert_eq!(with_months(day(2023, 1, 31), 1), Some(day(2023, 2, 28)));
        assert_eq!(with_months(day(2024, 2, 29), -12), Some(day(2023, 2, 28)));
        assert_eq!(with_months(day(1969, 12, 31), -1), Some(day(1969, 11, 30)));
        assert_eq!(with_months(day(9999, 12, 31), 1), None);
        assert_eq!(with_months(0, i64::MIN), None);
    }

    #[test]
    fn hours_that_a_clock_shows_twice_stay_apart() {
        let zone = jiff::tz::TimeZone::get("Europe/Berlin").expect("the zone exists");
        // 2026-10-25: 01:00Z is 03:00 by the clock, set back to 02:00.
        let minute = 60_000_000;
        let summer = days_of(2026, 10, 25) * 1_440 * minute + 30 * minute;
        let winter = summer + 60 * minute;
        assert_eq!(truncated_in("hour", summer, &zone), Some(summer - 30 * minute));
        assert_eq!(truncated_in("hour", winter, &zone), Some(winter - 30 * minute));
        let midnight = days_of(2026, 10, 24) * 1_440 * minute + 22 * 60 * minute;
        assert_eq!(truncated_in("day", winter, &zone), Some(midnight));
    }
}

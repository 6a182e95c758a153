//! Times by the calendar and the clock over the whole range of our types: the years 0 to 9999.
//!
//! The library's instants end at 9999-12-30T22:00Z, so that no zone leads beyond year 9999. The 26 hours behind it hold
//! the date that many systems write for "valid for ever". The calendar repeats itself every 400 years, days of the week
//! and the rules of time zones with it: what lies in those hours is computed 400 years earlier and moved back.

use std::ops::Range;

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    fmt::{strtime::BrokenDownTime, temporal::Pieces},
    tz::{AmbiguousOffset, Offset, TimeZone},
};

use crate::{
    Micros,
    timestamp::{civil_from_days, days_from_civil},
};

/// The first instant of the range: 0000-01-01T00:00:00Z.
pub const MIN: Micros = -62_167_219_200_000_000;
/// The last instant of the range: 9999-12-31T23:59:59.999999Z.
pub const MAX: Micros = 253_402_300_799_999_999;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
const CYCLE_YEARS: i16 = 400;
/// 400 years: 20,871 weeks.
const CYCLE: i64 = 146_097 * DAY;

/// Why a time cannot be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CivilError {
    /// It lies outside of [`MIN`] to [`MAX`].
    #[error("the time is outside the years 0 to 9999")]
    Range,
    /// The text does not have the form that the format says.
    #[error("the text does not have this form")]
    Text,
    /// The format has something that cannot be written.
    #[error("the time format is not usable")]
    Format,
}

/// Whether an instant lies in the years 0 to 9999 of UTC.
pub fn in_range(at: Micros) -> bool {
    (MIN..=MAX).contains(&at)
}

/// Whether a day since 1970 lies in the years 0 to 9999.
pub fn day_in_range(day: i32) -> bool {
    in_range(i64::from(day).saturating_mul(DAY))
}

/// Writes an instant by a strftime format, in the zone's local time.
///
/// # Errors
/// [`CivilError::Range`] for an instant outside of the range, [`CivilError::Format`] for a format that cannot be used.
pub fn format(format: &str, at: Micros, zone: &TimeZone) -> Result<String, CivilError> {
    let mut out = String::new();
    write(format, at, zone, &mut out)?;
    Ok(out)
}

/// Appends what [`format`](fn@format) answers. After an error, a part of it may be there.
///
/// # Errors
/// As [`format`](fn@format).
pub fn write(format: &str, at: Micros, zone: &TimeZone, out: &mut String) -> Result<(), CivilError> {
    let (known, moved) = known(at).ok_or(CivilError::Range)?;
    let local = known.to_zoned(zone.clone());
    let parts = BrokenDownTime::from(&local);
    if !moved {
        // The library cuts seconds since 1970 towards zero, all other parts downward.
        if at < 0 && at % SECOND != 0 && directives(format).any(|(_, letter)| letter == Some('s')) {
            return write_before_1970(format, at, &parts, out);
        }
        return parts.format(format, out).map_err(|_| CivilError::Format);
    }
    let year = i64::from(local.year());
    let iso_year = i64::from(local.date().iso_week_date().year());
    let mut done = 0;
    for (range, letter) in directives(format) {
        out.push_str(&format[done..range.start]);
        let text = parts.to_string(&format[range.clone()]).map_err(|_| CivilError::Format)?;
        // Everything else is the same 400 years earlier.
        let (here, there) = match letter {
            Some('Y' | 'F' | 'c' | 'x') => (year, year + i64::from(CYCLE_YEARS)),
            Some('C') => (year / 100, year / 100 + i64::from(CYCLE_YEARS) / 100),
            Some('G') => (iso_year, iso_year + i64::from(CYCLE_YEARS)),
            Some('s') => (known.as_second(), known.as_second() + CYCLE / SECOND),
            _ => (0, 0),
        };
        if here == there {
            out.push_str(&text);
        } else {
            out.push_str(&text.replacen(&here.to_string(), &there.to_string(), 1));
        }
        done = range.end;
    }
    out.push_str(&format[done..]);
    Ok(())
}

/// Writes `parts`, those of an instant before 1970, with the whole second at or before it as its seconds since 1970.
fn write_before_1970(format: &str, at: Micros, parts: &BrokenDownTime, out: &mut String) -> Result<(), CivilError> {
    let second = Timestamp::from_second(at.div_euclid(SECOND)).map_err(|_| CivilError::Range)?;
    let second = BrokenDownTime::from(&second.to_zoned(TimeZone::UTC));
    let mut done = 0;
    for (range, letter) in directives(format) {
        out.push_str(&format[done..range.start]);
        let parts = if letter == Some('s') { &second } else { parts };
        parts.format(&format[range.clone()], &mut *out).map_err(|_| CivilError::Format)?;
        done = range.end;
    }
    out.push_str(&format[done..]);
    Ok(())
}

/// Reads an instant by a strftime format. Without an offset or a zone in the text it is in UTC; a date alone is its
/// midnight. A fraction beyond microseconds is cut off. A local time that a zone has twice is the first one, and one
/// that it skips is moved on by what was skipped.
///
/// # Errors
/// [`CivilError::Text`] for a text of another form or one that names no whole date, [`CivilError::Range`] for an instant
/// outside of the range.
pub fn parse(format: &str, text: &str) -> Result<Micros, CivilError> {
    if let Ok(parts) = BrokenDownTime::parse(format, text) {
        return instant_of(parts).and_then(checked);
    }
    // The library refuses seconds since 1970 that lie behind its range.
    if directives(format).any(|(_, letter)| letter == Some('s'))
        && let Some(earlier) = moved_seconds(text)
        && let Ok(parts) = BrokenDownTime::parse(format, &earlier)
        && parts.timestamp().is_some()
    {
        return instant_of(parts).and_then(|at| checked(at + CYCLE));
    }
    Err(CivilError::Text)
}

/// The zone's local time at an instant, as microseconds since 1970-01-01T00:00:00 by that clock; `None` for an instant
/// outside of the range.
pub fn local(at: Micros, zone: &TimeZone) -> Option<Micros> {
    let (known, _) = known(at)?;
    Some(at + i64::from(zone.to_offset(known).seconds()) * SECOND)
}

/// The inverse of [`local`]. A local time that the zone has twice is the first one, and one that it skips is moved on by
/// what was skipped; `None` if the instant lies outside of the range.
pub fn instant(local: Micros, zone: &TimeZone) -> Option<Micros> {
    let local = datetime(local)?;
    let offset = match zone.to_ambiguous_timestamp(earlier(local)?).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset,
        AmbiguousOffset::Gap { before, .. } | AmbiguousOffset::Fold { before, .. } => before,
    };
    checked(at_offset(local, offset)).ok()
}

/// Every `%…` of a strftime format with its letter; none where the format ends before one.
pub fn directives(format: &str) -> impl Iterator<Item = (Range<usize>, Option<char>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + format[at..].find('%')?;
        let flags =
            format[start + 1..].trim_start_matches(|char: char| "-_0^#:.".contains(char) || char.is_ascii_digit());
        let letter = flags.chars().next();
        at = format.len() - flags.len() + letter.map_or(0, char::len_utf8);
        Some((start..at, letter))
    })
}

/// The instant that a text of RFC 3339, ISO 8601 or RFC 9557 names (with a zone in brackets); `None` if it names none in
/// the range.
pub(crate) fn parse_iso(text: &str) -> Option<Micros> {
    let pieces = Pieces::parse(text).ok()?;
    let local = DateTime::from_parts(pieces.date(), pieces.time().unwrap_or_default());
    let zone = pieces.to_time_zone().ok()?;
    let at = match (pieces.offset(), zone) {
        (None, None) => at_offset(local, Offset::UTC),
        (None, Some(zone)) => instant(at_offset(local, Offset::UTC), &zone)?,
        (Some(_), None) => at_offset(local, pieces.to_numeric_offset()?),
        (Some(offset), Some(zone)) => {
            let numeric = pieces.to_numeric_offset()?;
            let at = at_offset(local, numeric);
            // `Z` names an instant of which the zone is a remark; a number must be one that the zone has there.
            let (known, _) = known(at)?;
            let agrees = matches!(offset, jiff::fmt::temporal::PiecesOffset::Zulu) || zone.to_offset(known) == numeric;
            agrees.then_some(at)?
        }
    };
    checked(at).ok()
}

/// The instant as the library has it, 400 years earlier where it must be, and whether it is.
fn known(at: Micros) -> Option<(Timestamp, bool)> {
    if !in_range(at) {
        return None;
    }
    match Timestamp::from_microsecond(at) {
        Ok(known) => Some((known, false)),
        Err(_) => Some((Timestamp::from_microsecond(at - CYCLE).ok()?, true)),
    }
}

/// A local time that every zone's rules can be asked for in its place.
fn earlier(local: DateTime) -> Option<DateTime> {
    if local.year() < 9_999 {
        return Some(local);
    }
    local.with().year(local.year() - CYCLE_YEARS).build().ok()
}

/// What a text said, as an instant.
fn instant_of(mut parts: BrokenDownTime) -> Result<Micros, CivilError> {
    if let Some(seconds) = parts.timestamp() {
        // A fraction that stands beside the seconds belongs to them, with their sign.
        let fraction = i64::from(parts.subsec_nanosecond().unwrap_or_default());
        let nanos = if seconds.as_second() < 0 { -fraction } else { fraction };
        return Ok(micros_of(seconds) + nanos.div_euclid(1_000));
    }
    let local = parts.to_datetime().map_err(|_| CivilError::Text)?;
    if parts.offset().is_none() && parts.iana_time_zone().is_none() {
        return Ok(at_offset(local, Offset::UTC));
    }
    if local.year() < 9_999 {
        let zoned = parts.to_zoned().map_err(|_| CivilError::Text)?;
        return Ok(micros_of(zoned.timestamp()));
    }
    let date = earlier(local).ok_or(CivilError::Range)?;
    parts.set_year(Some(date.year())).map_err(|_| CivilError::Range)?;
    parts.set_month(Some(date.month())).map_err(|_| CivilError::Range)?;
    parts.set_day(Some(date.day())).map_err(|_| CivilError::Range)?;
    let zoned = parts.to_zoned().map_err(|_| CivilError::Text)?;
    Ok(micros_of(zoned.timestamp()) + CYCLE)
}

/// The text with the seconds since 1970 in it that the library does not take 400 years earlier.
fn moved_seconds(text: &str) -> Option<String> {
    let mut start = 0;
    for run in text.split(|char: char| !char.is_ascii_digit()) {
        let range = start..start + run.len();
        start = range.end + text[range.end..].chars().next().map_or(0, char::len_utf8);
        let Ok(seconds) = run.parse::<i64>() else { continue };
        let behind = Timestamp::from_second(seconds).is_err() && seconds <= MAX / SECOND;
        if behind {
            let mut earlier = text.to_owned();
            earlier.replace_range(range, &(seconds - CYCLE / SECOND).to_string());
            return Some(earlier);
        }
    }
    None
}

/// A date and time by microseconds since 1970 on the same clock; `None` outside of the library's years.
fn datetime(local: Micros) -> Option<DateTime> {
    let (year, month, day) = civil_from_days(local.div_euclid(DAY));
    let date = Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    let of_day = local.rem_euclid(DAY);
    let (seconds, micros) = (of_day / SECOND, of_day % SECOND);
    let number = |number: i64| i8::try_from(number).ok();
    let time = jiff::civil::Time::new(
        number(seconds / 3_600)?,
        number(seconds / 60 % 60)?,
        number(seconds % 60)?,
        i32::try_from(micros * 1_000).ok()?,
    );
    Some(DateTime::from_parts(date, time.ok()?))
}

/// The instant of a local time at an offset from UTC; it may lie a day outside of the range.
fn at_offset(local: DateTime, offset: Offset) -> Micros {
    let days = days_from_civil(local.year().into(), local.month().into(), local.day().into());
    let seconds = i64::from(local.hour()) * 3_600 + i64::from(local.minute()) * 60 + i64::from(local.second());
    let micros = i64::from(local.subsec_nanosecond()) / 1_000;
    days * DAY + (seconds - i64::from(offset.seconds())) * SECOND + micros
}

/// Digits beyond microseconds are cut off, before 1970 as well.
fn micros_of(at: Timestamp) -> Micros {
    // The library's range is far inside of this type's.
    i64::try_from(at.as_nanosecond().div_euclid(1_000)).unwrap_or_default()
}

fn checked(at: Micros) -> Result<Micros, CivilError> {
    if in_range(at) { Ok(at) } else { Err(CivilError::Range) }
}

#[cfg(test)]
mod tests;

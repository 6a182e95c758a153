//! Instants and dates as text: read from and written to records millions of times a second, so the common forms have a
//! scan of their own and only the rest goes to a general parser.

use crate::{Micros, civil};

const SECONDS_A_DAY: i64 = 86_400;

/// The instant that a text names, in microseconds since 1970 UTC; `None` if it names none, or one outside of the years 0
/// to 9999 of UTC.
///
/// Understands RFC 3339 (`2026-01-31T10:00:00.5+01:00`), the same with a space for the `T`, without a zone (then it is
/// UTC), without seconds, a date alone (midnight UTC), the ISO 8601 forms that Temporal allows (`20260131T100000Z`), and
/// a zone in brackets (`2026-01-31T10:00:00[Europe/Berlin]`), which must agree with the offset if there is one. Digits
/// beyond microseconds are cut off. A second 60 counts as 59.
pub fn parse(text: &str) -> Option<Micros> {
    match fast(text.as_bytes()) {
        Some(at) => civil::in_range(at).then_some(at),
        None => civil::parse_iso(text),
    }
}

/// The day that a text such as `2026-01-31` names, in days since 1970; `None` if it is anything else.
pub fn parse_date(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 {
        return None;
    }
    i32::try_from(day(bytes)?).ok()
}

/// RFC 3339 with `Z`: `2026-01-31T10:00:00Z`, with three digits of a second if it has whole milliseconds beyond it and
/// with six if it has microseconds. Years outside 0 to 9999, which RFC 3339 lacks, get a sign and six digits (ISO 8601).
pub fn format(at: Micros) -> String {
    let mut out = Vec::with_capacity(27);
    write(at, &mut out);
    // Only ASCII is ever written.
    String::from_utf8(out).unwrap_or_default()
}

/// Appends what [`format`] answers.
pub fn write(at: Micros, out: &mut Vec<u8>) {
    let seconds = at.div_euclid(1_000_000);
    let micros = at.rem_euclid(1_000_000) as u32;
    let of_day = seconds.rem_euclid(SECONDS_A_DAY) as u32;
    write_day(seconds.div_euclid(SECONDS_A_DAY), out);
    // The parts are put into one piece and cut where zeros would follow.
    let mut text = *b"T00:00:00.000000Z";
    put(&mut text, 1, of_day / 3_600);
    put(&mut text, 4, of_day / 60 % 60);
    put(&mut text, 7, of_day % 60);
    put(&mut text, 10, micros / 10_000);
    put(&mut text, 12, micros / 100 % 100);
    put(&mut text, 14, micros % 100);
    let length = match micros {
        0 => 9,
        _ if micros.is_multiple_of(1_000) => 13,
        _ => 16,
    };
    text[length] = b'Z';
    out.extend_from_slice(&text[..=length]);
}

/// Instants as text in a document of ours, for serde's `with`.
pub mod text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::Micros;

    /// Writes what [`super::format`] answers.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(at: &Micros, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::format(*at))
    }

    /// Reads what [`super::parse`] understands.
    ///
    /// # Errors
    /// If it is anything else.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Micros, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        super::parse(&text).ok_or_else(|| D::Error::custom("not a time such as 2026-01-31T10:00:00Z"))
    }
}

/// Appends a day since 1970 as `2026-01-31`.
pub fn write_date(day: i32, out: &mut Vec<u8>) {
    write_day(i64::from(day), out);
}

fn write_day(days: i64, out: &mut Vec<u8>) {
    let (year, month, day) = civil_from_days(days);
    let mut text = *b"0000-00-00";
    match u32::try_from(year) {
        Ok(year @ 0..=9_999) => {
            put(&mut text, 0, year / 100);
            put(&mut text, 2, year % 100);
        }
        _ => out.extend_from_slice(format!("{year:+07}").as_bytes()),
    }
    put(&mut text, 5, month);
    put(&mut text, 8, day);
    out.extend_from_slice(if (0..=9_999).contains(&year) { &text } else { &text[4..] });
}

/// Puts two digits at a place of a text.
fn put<const N: usize>(text: &mut [u8; N], at: usize, number: u32) {
    text[at] = b'0' + (number / 10 % 10) as u8;
    text[at + 1] = b'0' + (number % 10) as u8;
}

/// `YYYY-MM-DD[(T|t| )HH:MM:SS[.digits][Z|z|±HH:MM]]`.
fn fast(text: &[u8]) -> Option<Micros> {
    let (date, rest) = text.split_at_checked(10)?;
    let seconds = day(date)? * SECONDS_A_DAY;
    if rest.is_empty() {
        return Some(seconds * 1_000_000);
    }
    let (time, mut rest) = rest.split_at_checked(9)?;
    let &[b'T' | b't' | b' ', h1, h2, b':', m1, m2, b':', s1, s2] = time else { return None };
    let (hour, minute, second) = (pair(h1, h2)?, pair(m1, m2)?, pair(s1, s2)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut micros = 0;
    if let [b'.', digits @ ..] = rest {
        let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 {
            return None;
        }
        let (digits, zone) = digits.split_at(length);
        for place in 0..6 {
            micros = micros * 10 + digits.get(place).map_or(0, |digit| i64::from(digit - b'0'));
        }
        rest = zone;
    }
    let offset = match *rest {
        [] | [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (pair(h1, h2)?, pair(m1, m2)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 3_600 + minutes * 60) * if sign == b'-' { -1 } else { 1 }
        }
        _ => return None,
    };
    Some((seconds + hour * 3_600 + minute * 60 + second - offset) * 1_000_000 + micros)
}

/// `YYYY-MM-DD` as days since 1970.
fn day(date: &[u8]) -> Option<i64> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = date else { return None };
    let (year, month, day) = (pair(y1, y2)? * 100 + pair(y3, y4)?, pair(m1, m2)?, pair(d1, d2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    (1..=longest).contains(&day).then(|| days_from_civil(year, month, day))
}

fn pair(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(tens * 10 + ones))
}

/// Days since 1970 of a date (Hinnant, <https://howardhinnant.github.io/date_algorithms.html#days_from_civil>).
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The inverse (Hinnant, `civil_from_days`).
pub(crate) fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month as u32, day as u32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::civil;

    #[test]
    fn forms() {
        let expected = 1_769_853_600_000_000;
        for text in [
            "2026-01-31T10:00:00Z",
            "2026-01-31t10:00:00z",
            "2026-01-31 10:00:00",
            "2026-01-31T10:00:00",
            "2026-01-31T11:00:00+01:00",
            "2026-01-31T04:30:00-05:30",
            "2026-01-31T10:00Z",
            "2026-01-31T10:00",
            "20260131T100000Z",
            "2026-01-31T11:00:00+0100",
            "2026-01-31T10:00:00.000000999Z",
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
        assert_eq!(parse("2026-01-31"), Some(expected - 36_000_000_000));
        assert_eq!(parse("1969-12-31T23:59:59.9999999Z"), Some(-1));
        assert_eq!(parse("2016-12-31T23:59:60Z"), parse("2016-12-31T23:59:59Z"));
        for text in [
            "",
            "now",
            "2026-02-29",
            "2026-13-01",
            "2026-01-31T24:00:00Z",
            "2026-01-31T10:00:00.Z",
            "1769853600",
            "2026-01-31T10:00:00Q",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse_date("2026-01-31"), Some(20_484));
        assert_eq!(parse_date("2026-1-31"), None);
        assert_eq!(format(i64::MAX), "+294247-01-10T04:00:54.775807Z");
    }

    proptest! {
        #[test]
        fn agrees_with_a_general_library(at in -62_167_219_200_000_000_i64..253_402_300_800_000_000) {
            let text = format(at);
            prop_assert_eq!(fast(text.as_bytes()), Some(at));
            prop_assert_eq!(civil::parse_iso(&text), Some(at));
            let theirs = jiff::Timestamp::from_microsecond(at).ok();
            prop_assert_eq!(text.parse::<jiff::Timestamp>().ok(), theirs);
        }

        #[test]
        fn the_fast_scan_accepts_nothing_that_is_wrong(text in "[0-9]{4}-[0-3][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,10})?(Z|[+-][0-2][0-9]:[0-6][0-9])?") {
            if let (Some(fast), Some(general)) = (fast(text.as_bytes()), civil::parse_iso(&text)) {
                prop_assert_eq!(fast, general);
            }
        }

        #[test]
        fn extremes_do_not_panic(at in any::<i64>()) {
            prop_assert!(format(at).ends_with('Z'));
        }
    }
}

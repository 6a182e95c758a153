//! Writes numbers and times straight into a payload buffer, without an allocation for each.

use jiff::{civil::Date, tz::Offset};
use pipectl_host::Micros;

const DAY: i64 = 86_400_000_000;

/// A number without leading zeros.
pub(crate) fn number(out: &mut Vec<u8>, value: u64) {
    padded(out, value, 1);
}

/// A number that may be negative.
pub(crate) fn signed(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    number(out, value.unsigned_abs());
}

/// A number with at least `width` digits, at most 20.
pub(crate) fn padded(out: &mut Vec<u8>, mut value: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        if value == 0 {
            break;
        }
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
        start -= 1;
    }
    let start = start.min(digits.len().saturating_sub(width));
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}

/// Two digits.
fn two(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&[b'0' + (value / 10 % 10) as u8, b'0' + (value % 10) as u8]);
}

/// Hundredths as a JSON number in the shortest form that still shows a fraction: `21.5`, `1013.0`.
pub(crate) fn hundredths(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    let value = value.unsigned_abs();
    number(out, value / 100);
    let fraction = value % 100;
    out.extend_from_slice(&[b'.', b'0' + (fraction / 10) as u8]);
    if !fraction.is_multiple_of(10) {
        out.push(b'0' + (fraction % 10) as u8);
    }
}

/// A number in hexadecimal with at least `width` digits, at most 16.
pub(crate) fn hex(out: &mut Vec<u8>, value: u64, width: u32) {
    let digits = (64 - value.leading_zeros()).div_ceil(4).max(width).min(16);
    for digit in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(value >> (4 * digit) & 0xf) as usize]);
    }
}

/// RFC 3339 in whole milliseconds.
pub(crate) fn rfc3339(out: &mut Vec<u8>, at: Micros) {
    pipectl_data::timestamp::write(at - at.rem_euclid(1000), out);
}

/// Writes times as web servers do, remembering the day of the last one.
#[derive(Debug)]
pub(crate) struct Clock {
    day: i64,
    date: Date,
}

impl Default for Clock {
    fn default() -> Self {
        Self { day: 0, date: Date::constant(1970, 1, 1) }
    }
}

impl Clock {
    /// As web servers write it: `01/Jan/2026:00:00:00 +0000`.
    pub(crate) fn access_log(&mut self, out: &mut Vec<u8>, at: Micros) {
        const MONTHS: [&[u8]; 12] =
            [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
        let (date, time) = self.split(at);
        two(out, i64::from(date.day()));
        out.push(b'/');
        out.extend_from_slice(MONTHS.get(date.month() as usize - 1).copied().unwrap_or_default());
        out.push(b'/');
        padded(out, u64::from(date.year().unsigned_abs()), 4);
        out.push(b':');
        clock(out, time);
        out.extend_from_slice(b" +0000");
    }

    /// The date, and the microseconds since its midnight. Times beyond the calendar are shown on its last day.
    fn split(&mut self, at: Micros) -> (Date, i64) {
        let day = at.div_euclid(DAY);
        if day != self.day {
            let midnight = jiff::Timestamp::from_second(day.saturating_mul(86_400)).unwrap_or(jiff::Timestamp::MAX);
            self.date = Offset::UTC.to_datetime(midnight).date();
            self.day = day;
        }
        (self.date, at.rem_euclid(DAY))
    }
}

/// `HH:MM:SS`.
fn clock(out: &mut Vec<u8>, micros: i64) {
    let seconds = micros / 1_000_000;
    two(out, seconds / 3600);
    out.push(b':');
    two(out, seconds / 60 % 60);
    out.push(b':');
    two(out, seconds % 60);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn numbers() {
        assert_eq!(written(|out| number(out, 0)), "0");
        assert_eq!(written(|out| number(out, u64::MAX)), "18446744073709551615");
        assert_eq!(written(|out| padded(out, 7, 3)), "007");
        assert_eq!(written(|out| padded(out, 1234, 3)), "1234");
        assert_eq!(written(|out| hex(out, 0xabc, 4)), "0abc");
        assert_eq!(written(|out| hex(out, 0, 1)), "0");
        for (value, text) in [(0, "0.0"), (2150, "21.5"), (101_300, "1013.0"), (-5, "-0.05"), (1999, "19.99")] {
            assert_eq!(written(|out| hundredths(out, value)), text);
        }
    }

    #[test]
    fn times() {
        let mut clock = Clock::default();
        for (at, rfc, log) in [
            (0, "1970-01-01T00:00:00Z", "01/Jan/1970:00:00:00 +0000"),
            (1_767_225_600_500_400, "2026-01-01T00:00:00.500Z", "01/Jan/2026:00:00:00 +0000"),
            (1_772_323_199_999_999, "2026-02-28T23:59:59.999Z", "28/Feb/2026:23:59:59 +0000"),
            (-1, "1969-12-31T23:59:59.999Z", "31/Dec/1969:23:59:59 +0000"),
        ] {
            assert_eq!(written(|out| rfc3339(out, at)), rfc);
            assert_eq!(written(|out| clock.access_log(out, at)), log);
        }
    }
}

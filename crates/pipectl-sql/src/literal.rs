//! Constants: intervals, numbers, and what a constant argument of a function must look like.

use pipectl_data::Micros;
use pipectl_ir::{
    functions::{DATE_PARTS, ENCODINGS, LiteralKind, TRUNC_UNITS},
    json_path,
};

/// Names of units and their length in microseconds.
const UNITS: &[(&str, Micros)] = &[
    ("us", 1),
    ("microsecond", 1),
    ("ms", 1_000),
    ("millisecond", 1_000),
    ("s", 1_000_000),
    ("sec", 1_000_000),
    ("second", 1_000_000),
    ("m", 60_000_000),
    ("min", 60_000_000),
    ("minute", 60_000_000),
    ("h", 3_600_000_000),
    ("hr", 3_600_000_000),
    ("hour", 3_600_000_000),
    ("d", 86_400_000_000),
    ("day", 86_400_000_000),
    ("w", 604_800_000_000),
    ("week", 604_800_000_000),
];

/// Those that have none, in months.
const MONTHS: &[(&str, Micros)] =
    &[("mon", 1), ("month", 1), ("quarter", 3), ("year", 12), ("yr", 12), ("decade", 120)];

fn unit_length(word: &str) -> Option<Micros> {
    let lower = word.to_ascii_lowercase();
    let find = |name: &str| UNITS.iter().find(|(unit, _)| *unit == name).map(|(_, length)| *length);
    find(&lower).or_else(|| lower.strip_suffix('s').filter(|stem| stem.len() > 1).and_then(find))
}

/// The full name of a unit of fixed length: `minute` for `m` and `mins`.
pub(crate) fn unit_name(word: &str) -> Option<&'static str> {
    let length = unit_length(word)?;
    UNITS.iter().rev().find(|(_, known)| *known == length).map(|(name, _)| *name)
}

/// Whether a word is a unit of an interval, also one that is refused later.
pub(crate) fn is_interval_unit(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    // One-letter units are only read inside the quotes: `INTERVAL '1' s` may well mean an alias.
    (word.len() > 1 && unit_length(word).is_some())
        || ["month", "months", "year", "years", "quarter", "quarters"].contains(&lower.as_str())
}

/// Reads `1 minute`, `1 hour 30 minutes`, `90s`, `-5 min`, `1.5 hours`, `01:30:00`, `2 days ago`; the error says what is
/// wrong. As in `PostgreSQL` a sign belongs to the amount behind it alone: `-1 day 2 hours` is 22 hours back.
pub(crate) fn parse_interval(text: &str) -> Result<Micros, String> {
    match parse_span(text)? {
        Span { months: 0, micros } => Ok(micros),
        _ => Err("months and years have no fixed length: you can only add them to a time; write days or \
                  hours"
            .to_owned()),
    }
}

/// An interval with what has no fixed length apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) months: i64,
    pub(crate) micros: Micros,
}

/// Reads an interval that may have months and years.
pub(crate) fn parse_span(text: &str) -> Result<Span, String> {
    const FORM: &str = "write amounts with units, as in '1 minute' or '1 hour 30 minutes'";
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(FORM.to_owned());
    }
    let (mut total, mut months): (i128, i128) = (0, 0);
    while !rest.is_empty() {
        let (negative, unsigned) = match rest.strip_prefix('-') {
            Some(unsigned) => (true, unsigned),
            None => (false, rest.strip_prefix('+').unwrap_or(rest)),
        };
        let sign = if negative { -1 } else { 1 };
        rest = unsigned.trim_start();
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':')).unwrap_or(rest.len());
        let (amount, after) = rest.split_at(end);
        if amount.is_empty() {
            return Err(FORM.to_owned());
        }
        let after = after.trim_start();
        if amount.contains(':') {
            total += sign * clock(amount).ok_or_else(|| FORM.to_owned())?;
            rest = after;
        } else {
            let end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
            let (unit, after) = after.split_at(end);
            let lower = unit.to_lowercase();
            if unit.is_empty() {
                return Err(format!("a unit is missing after {amount}: {FORM}"));
            } else if let Some((_, length)) =
                MONTHS.iter().find(|(name, _)| lower == *name || lower.strip_suffix('s') == Some(name))
            {
                months += sign
                    * scaled(amount, *length).ok_or_else(|| format!("{amount} {unit} is no whole number of months"))?;
            } else {
                let length = unit_length(unit).ok_or_else(|| {
                    format!(
                        "`{unit}` is no unit; units are year, month, week, day, hour, minute, second, millisecond, microsecond"
                    )
                })?;
                total += sign
                    * scaled(amount, length)
                        .ok_or_else(|| format!("{amount} {unit} is no whole number of microseconds"))?;
            }
            rest = after.trim_start_matches([' ', ',', '\t']);
        }
        if let Some(more) = rest.strip_prefix("and ") {
            rest = more.trim_start();
        }
        if rest.eq_ignore_ascii_case("ago") {
            (total, months, rest) = (-total, -months, "");
        }
    }
    match (Micros::try_from(total), i64::try_from(months)) {
        (Ok(micros), Ok(months)) => Ok(Span { months, micros }),
        _ => Err("the interval is too long: 292,000 years fit".to_owned()),
    }
}

/// `01:30`, `01:30:00.5`.
fn clock(text: &str) -> Option<i128> {
    let mut total = 0;
    let mut unit = 3_600_000_000;
    for part in text.split(':') {
        total += scaled(part, unit)?;
        unit /= 60;
    }
    (text.matches(':').count() <= 2).then_some(total)
}

/// Exact: `0.1 s` is 100,000 µs. `None` where a fraction of a microsecond would be left.
fn scaled(amount: &str, length: Micros) -> Option<i128> {
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    if (whole.is_empty() && fraction.is_empty()) || whole.len() > 15 || fraction.len() > 9 {
        return None;
    }
    let digits: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let scale = 10_i128.pow(fraction.len() as u32);
    let part: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let total = (digits * scale + part) * i128::from(length);
    (total % scale == 0).then_some(total / scale)
}

/// What is wrong with a constant argument: the byte within its text where that is known, and words.
pub(crate) type Flaw = (Option<usize>, String);

/// Checks a constant text argument.
pub(crate) fn check_text(kind: LiteralKind, text: &str) -> Result<(), Flaw> {
    let one_of = |words: &[&str]| {
        if words.contains(&text) {
            return Ok(());
        }
        let near = pipectl_diag::nearest(text, words.iter().copied());
        let hint = near.map(|near| format!("did you mean '{near}'? ")).unwrap_or_default();
        Err((None, format!("{hint}possible values are {}", words.join(", "))))
    };
    match kind {
        LiteralKind::Regex => match regex::Regex::new(text) {
            Ok(_) => Ok(()),
            Err(regex::Error::CompiledTooBig(_)) => Err((None, "the pattern is too large".to_owned())),
            Err(error) => {
                let message = error.to_string();
                let last = message.lines().last().unwrap_or_default();
                Err((None, last.trim().trim_start_matches("error: ").to_owned()))
            }
        },
        LiteralKind::JsonPath => json_path::parse(text).map(|_| ()).map_err(|(at, what)| (Some(at), what.to_owned())),
        LiteralKind::TimeFormat => check_time_format(text),
        LiteralKind::TruncUnit => one_of(TRUNC_UNITS),
        LiteralKind::DatePart => one_of(DATE_PARTS),
        LiteralKind::Encoding => one_of(ENCODINGS),
        LiteralKind::Zone => check_zone(text),
        LiteralKind::Group | LiteralKind::Digits => Err((None, "a whole number is expected here".to_owned())),
        LiteralKind::Fraction => Err((None, "a number from 0 to 1 is expected here".to_owned())),
        LiteralKind::Text => Ok(()),
    }
}

fn check_zone(text: &str) -> Result<(), Flaw> {
    if jiff::tz::TimeZone::get(text).is_ok() {
        return Ok(());
    }
    let known: Vec<String> = jiff::tz::db().available().map(|known| known.as_str().to_owned()).collect();
    let near = pipectl_diag::nearest(text, known.iter().map(String::as_str));
    let hint = near.map(|near| format!("did you mean '{near}'? ")).unwrap_or_default();
    Err((None, format!("{hint}zones have the names of the IANA database: 'Europe/Berlin', 'America/New_York', 'UTC'")))
}

fn check_time_format(text: &str) -> Result<(), Flaw> {
    if !text.contains('%') {
        return Err((None, "formats are those of strftime: %Y-%m-%d %H:%M:%S".to_owned()));
    }
    let epoch = jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC);
    match jiff::fmt::strtime::format(text, &epoch) {
        Ok(_) => Ok(()),
        Err(error) => Err((None, error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::{Span, check_text, parse_interval, parse_span};
    use pipectl_ir::functions::LiteralKind;

    #[test]
    fn intervals() {
        for (text, micros) in [
            ("1 minute", 60_000_000),
            ("1 hour 30 minutes", 5_400_000_000),
            ("1h30m", 5_400_000_000),
            ("90s", 90_000_000),
            ("0.5 seconds", 500_000),
            ("-2 days", -172_800_000_000),
            ("01:30:00", 5_400_000_000),
            ("1 day 00:00:01", 86_401_000_000),
            ("250 ms", 250_000),
            ("-1 day 2 hours", -79_200_000_000),
            ("-1 day -2 hours", -93_600_000_000),
            ("1 day -2 hours", 79_200_000_000),
            ("1 day -02:00", 79_200_000_000),
            ("-01:30", -5_400_000_000),
            ("1 day +30 min", 88_200_000_000),
            ("1 hour 30 minutes ago", -5_400_000_000),
            ("-2 days ago", 172_800_000_000),
        ] {
            assert_eq!(parse_interval(text), Ok(micros), "{text}");
        }
        for text in [
            "",
            "1",
            "minute",
            "1 month",
            "1 fortnight",
            "0.0000001 s",
            "99999999999999 weeks",
            "1 minute x",
            "1 day -",
            "ago",
            "- -1 day",
            "1 day ago 2",
        ] {
            assert!(parse_interval(text).is_err(), "{text}");
        }
    }

    #[test]
    fn months_stand_apart() {
        let span = |months, micros| Ok(Span { months, micros });
        assert_eq!(parse_span("1 month"), span(1, 0));
        assert_eq!(parse_span("1 year 2 mons -3 days"), span(14, -259_200_000_000));
        assert_eq!(parse_span("1.5 years ago"), span(-18, 0));
        assert_eq!(parse_span("5 m"), span(0, 300_000_000));
        assert!(parse_span("0.5 months").is_err());
        assert!(parse_interval("1 month").is_err_and(|why| why.contains("no fixed length")));
    }

    #[test]
    fn constants() {
        assert_eq!(check_text(LiteralKind::Zone, "Europe/Berlin"), Ok(()));
        assert!(check_text(LiteralKind::Zone, "Europe/Berlim").is_err_and(|(_, why)| why.contains("'Europe/Berlin'")));
        assert!(check_text(LiteralKind::Regex, "(").is_err_and(|(_, why)| why == "unclosed group"));
        assert!(check_text(LiteralKind::TimeFormat, "yyyy-MM-dd").is_err());
        assert!(check_text(LiteralKind::TimeFormat, "%Y-%m-%d %H:%M:%S%.f").is_ok());
        assert!(check_text(LiteralKind::TimeFormat, "%!").is_err());
        assert!(check_text(LiteralKind::TruncUnit, "hours").is_err_and(|(_, why)| why.contains("'hour'")));
        assert_eq!(check_text(LiteralKind::JsonPath, "$.a[x]").map_err(|(at, _)| at), Err(Some(4)));
    }
}

//! How a time is written in a prefix: strftime's directives, or the letters of Java's `DateTimeFormatter` as Firehose
//! takes them, turned into strftime's.

use std::ops::Range;

use jiff::{Timestamp, Zoned, fmt::strtime, tz::TimeZone};
use pipectl_data::civil::{self, CivilError, directives};
use pipectl_diag::codes::options::PREFIX_TIME_FORMAT;

use super::{TemplateError, value::NULL};

const MINUTE: i64 = 60_000_000;
const SECOND: i64 = 1_000_000;

/// A checked time format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TimeFormat {
    strftime: String,
    /// Times in the same span of this many microseconds are written alike, so that one rendering serves all of them.
    /// A minute holds for UTC only; see [`TimeFormat::unit`].
    unit: i64,
}

impl TimeFormat {
    /// Checks a strftime format that stands at byte `at` of the prefix.
    pub(crate) fn strftime(format: &str, at: usize) -> Result<Self, Vec<TemplateError>> {
        let sample = sample_time();
        let (mut unit, mut errors) = (MINUTE, Vec::new());
        for (range, letter) in directives(format) {
            let directive = &format[range.clone()];
            let place = at + range.start..at + range.end;
            match letter {
                None => errors.push(bad(place, "time format ends with a `%`", "write `%%` for a literal `%`")),
                Some('n' | 't' | 'c' | 'x' | 'X' | 'r') => errors.push(bad(
                    place,
                    format!("time format `{directive}` cannot be part of a file name"),
                    "write the parts themselves, such as `%Y-%m-%d` or `%H%M%S`",
                )),
                Some(_) if strtime::format(directive, &sample).is_err() => errors.push(bad(
                    place,
                    format!("time format `{directive}` is not known"),
                    "strftime's directives are `%Y` year, `%m` month, `%d` day, `%H` hour, `%M` minute, `%S` second, `%j` day of the year",
                )),
                Some(letter) => unit = unit.min(unit_of(letter)),
            }
        }
        if errors.is_empty() { Ok(Self { strftime: format.to_owned(), unit }) } else { Err(errors) }
    }

    /// Checks and translates a pattern of Java's `DateTimeFormatter`
    /// (<https://docs.oracle.com/javase/8/docs/api/java/time/format/DateTimeFormatter.html>).
    pub(crate) fn java(pattern: &str, at: usize) -> Result<Self, Vec<TemplateError>> {
        let (mut strftime, mut errors) = (String::new(), Vec::new());
        let mut rest = pattern;
        while let Some(first) = rest.chars().next() {
            let start = pattern.len() - rest.len();
            let run = rest.chars().take_while(|char| *char == first).count();
            if first == '\'' {
                let Some((text, after)) = quoted(&rest[1..]) else {
                    let place = at + start..at + pattern.len();
                    errors.push(bad(place, "quote in a Firehose time pattern is not closed", "close it with `'`"));
                    break;
                };
                push_literal(&mut strftime, &text);
                rest = after;
            } else if first.is_ascii_alphabetic() {
                let letters = &rest[..run];
                match java_letters(letters) {
                    Ok(directive) => strftime.push_str(directive),
                    Err(help) => errors.push(bad(
                        at + start..at + start + run,
                        format!("time pattern `{letters}` is not supported"),
                        help,
                    )),
                }
                rest = &rest[run..];
            } else {
                push_literal(&mut strftime, &rest[..first.len_utf8()]);
                rest = &rest[first.len_utf8()..];
            }
        }
        if errors.is_empty() { Self::strftime(&strftime, at) } else { Err(errors) }
    }

    /// The span of time in which `zone` writes all times alike. Outside of UTC, old local times are shifted by seconds.
    pub(crate) fn unit(&self, zone: &TimeZone) -> i64 {
        if *zone == TimeZone::UTC { self.unit } else { self.unit.min(SECOND) }
    }

    /// Appends a time.
    pub(crate) fn write(&self, micros: i64, zone: &TimeZone, out: &mut String) -> Result<(), CivilError> {
        // Readers of partitions know no year 10000, and none with a sign, which a zone's clock can show at both ends.
        if !civil::local(micros, zone).is_some_and(civil::in_range) {
            return Err(CivilError::Range);
        }
        civil::write(&self.strftime, micros, zone, out)
    }

    /// Its own text, with a sign for each directive.
    pub(crate) fn skeleton(&self, value: char) -> String {
        let (mut text, mut done) = (String::new(), 0);
        for (range, letter) in directives(&self.strftime) {
            text.push_str(&self.strftime[done..range.start]);
            text.push(if letter == Some('%') { '%' } else { value });
            done = range.end;
        }
        text.push_str(&self.strftime[done..]);
        text
    }

    /// What stands for no time. Where the format spells partitions (`year=%Y/month=%m`), each of them is null.
    pub(crate) fn null(&self) -> String {
        let partition = |step: &'_ str| {
            let directive = step.find('%')?;
            let name = step[..directive].find('=')?;
            Some(format!("{}{NULL}", &step[..=name]))
        };
        if !self.strftime.split('/').any(|step| partition(step).is_some()) {
            return NULL.to_owned();
        }
        let steps = self.strftime.split('/').map(|step| match partition(step) {
            Some(null) => null,
            None if step.contains('%') => NULL.to_owned(),
            None => step.to_owned(),
        });
        steps.collect::<Vec<_>>().join("/")
    }

    /// What some time looks like.
    pub(crate) fn sample(&self) -> String {
        strtime::format(&self.strftime, &sample_time()).unwrap_or_default()
    }
}

/// 2026-11-21T23:59:58.123456Z: two digits everywhere.
fn sample_time() -> Zoned {
    Timestamp::from_microsecond(1_795_305_598_123_456).unwrap_or_default().to_zoned(TimeZone::UTC)
}

/// The longest span of UTC in which a directive writes all times alike; a second for letters not listed.
fn unit_of(letter: char) -> i64 {
    match letter {
        'f' | 'N' => 1,
        'S' | 's' | 'T' => SECOND,
        letter if "%AaBbhCDdeFGgHIjkklMmPpQqRUuVWwYyZz".contains(letter) => MINUTE,
        _ => SECOND,
    }
}

fn java_letters(letters: &str) -> Result<&'static str, String> {
    Ok(match letters {
        "yyyy" | "uuuu" | "y" | "u" => "%Y",
        "yy" | "uu" => "%y",
        "MM" | "LL" => "%m",
        "M" | "L" => "%-m",
        "MMM" => "%b",
        "MMMM" => "%B",
        "dd" => "%d",
        "d" => "%-d",
        "DDD" => "%j",
        "D" => "%-j",
        "HH" => "%H",
        "H" => "%-H",
        "hh" => "%I",
        "h" => "%-I",
        "mm" => "%M",
        "m" => "%-M",
        "ss" => "%S",
        "s" => "%-S",
        "SSS" => "%3f",
        "a" => "%p",
        "E" | "EEE" => "%a",
        "EEEE" => "%A",
        "YYYY" => return Err("`YYYY` is the year of the week, which differs around New Year; write `yyyy`".to_owned()),
        _ => {
            return Err(
                "Firehose's patterns are made of `yyyy MM dd HH mm ss`; write other text in single quotes".to_owned()
            );
        }
    })
}

/// The text up to the closing quote, and what follows. Two quotes side by side are the quote itself.
fn quoted(body: &str) -> Option<(String, &str)> {
    if let Some(after) = body.strip_prefix('\'') {
        return Some(("'".to_owned(), after));
    }
    let (mut text, mut rest) = (String::new(), body);
    loop {
        let (piece, after) = rest.split_once('\'')?;
        text.push_str(piece);
        match after.strip_prefix('\'') {
            Some(further) => {
                text.push('\'');
                rest = further;
            }
            None => return Some((text, after)),
        }
    }
}

fn push_literal(strftime: &mut String, text: &str) {
    strftime.push_str(&text.replace('%', "%%"));
}

fn bad(range: Range<usize>, title: impl Into<String>, help: impl Into<String>) -> TemplateError {
    TemplateError { code: PREFIX_TIME_FORMAT, range, title: title.into(), label: String::new(), help: help.into() }
}

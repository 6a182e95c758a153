//! Times at the ends of the range by hand, times inside of the library's range against the library.

use jiff::{Timestamp, fmt::strtime, tz::TimeZone};
use proptest::prelude::*;

use super::*;
use crate::timestamp;

/// The library's own end.
const KNOWN_END: Micros = 253_402_207_200_999_999;

fn at(text: &str) -> Micros {
    timestamp::parse(text).unwrap_or_else(|| panic!("{text}"))
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

#[test]
fn the_ends_are_written_in_every_directive() {
    let end = at("9999-12-31T23:59:59.25Z");
    for (form, expected) in [
        ("%Y-%m-%d %H:%M:%S", "9999-12-31 23:59:59"),
        ("%F %T", "9999-12-31 23:59:59"),
        ("%Y", "9999"),
        ("%6Y|%-Y|%_6Y", "009999|9999|  9999"),
        ("%C %y %g", "99 99 99"),
        ("%G-W%V-%u", "9999-W52-5"),
        ("%j %U %W %w", "365 52 52 5"),
        ("%A %a %B %b %e", "Friday Fri December Dec 31"),
        ("%s", "253402300799"),
        ("%15s|%-s", "   253402300799|253402300799"),
        ("%z %:z %Z %Q", "+0000 +00:00 UTC UTC"),
        ("%3f %.f %N", "250 .25 250000000"),
        ("%I %p %l %k", "11 PM 11 23"),
        ("%D", "12/31/99"),
        ("100%% é %q", "100% é 4"),
    ] {
        assert_eq!(format(form, end, &TimeZone::UTC).as_deref(), Ok(expected), "{form}");
        let usual = at("2023-12-31T23:59:59.25Z");
        let native = Timestamp::from_microsecond(usual).unwrap().to_zoned(TimeZone::UTC);
        assert_eq!(format(form, usual, &TimeZone::UTC).ok(), strtime::format(form, &native).ok(), "{form}");
    }
    assert_eq!(format("%Y-%m-%d", at("0001-01-01"), &TimeZone::UTC).as_deref(), Ok("0001-01-01"));
    assert_eq!(format("%Y-%m-%d", at("0000-01-01"), &TimeZone::UTC).as_deref(), Ok("0000-01-01"));
    for outside in [MIN - 1, MAX + 1, i64::MIN, i64::MAX] {
        assert_eq!(format("%Y", outside, &TimeZone::UTC), Err(CivilError::Range));
        assert_eq!(local(outside, &TimeZone::UTC), None);
    }
    assert_eq!(format("%Y %!", end, &TimeZone::UTC), Err(CivilError::Format));
    assert_eq!(format("%Y %!", 0, &TimeZone::UTC), Err(CivilError::Format));
}

#[test]
fn seconds_before_1970_are_cut_downward() {
    for (form, text, expected) in [
        ("%s", "1969-12-31T23:59:59.999999Z", "-1"),
        ("%s%.3f", "1969-12-31T23:59:59.999999Z", "-1.999"),
        ("[%s] %F é", "1969-12-31T22:59:58.5Z", "[-3602] 1969-12-31 é"),
        ("%s", "1969-12-31T23:59:59Z", "-1"),
        ("%s%.3f", "1970-01-01T00:00:00.25Z", "0.250"),
        ("%s", "0000-01-01T00:00:00.5Z", "-62167219200"),
    ] {
        assert_eq!(format(form, at(text), &zone("Europe/Berlin")).as_deref(), Ok(expected), "{form} {text}");
    }
}

#[test]
fn the_ends_are_written_in_every_zone() {
    let write = |text: &str, name: &str| format("%Y-%m-%dT%H:%M:%S%:z %Z %A", at(text), &zone(name)).unwrap();
    assert_eq!(write("9999-12-31T23:00:00Z", "America/New_York"), "9999-12-31T18:00:00-05:00 EST Friday");
    assert_eq!(write("9999-12-31T22:00:00Z", "Europe/Berlin"), "9999-12-31T23:00:00+01:00 CET Friday");
    // The local clock may be further than the range.
    assert_eq!(write("9999-12-31T23:00:00Z", "Europe/Berlin"), "10000-01-01T00:00:00+01:00 CET Saturday");
    assert_eq!(write("9999-12-31T13:00:00Z", "Pacific/Auckland"), "10000-01-01T02:00:00+13:00 NZDT Saturday");
    assert_eq!(format("%F %C %G %y", MAX, &zone("Asia/Tokyo")).as_deref(), Ok("10000-01-01 100 9999 00"));
}

#[test]
fn the_ends_are_read_in_every_form() {
    for (form, text, expected) in [
        ("%Y-%m-%d", "9999-12-31", "9999-12-31T00:00:00Z"),
        ("%d.%m.%Y %H:%M:%S", "31.12.9999 23:59:59", "9999-12-31T23:59:59Z"),
        ("%Y-%m-%dT%H:%M:%S%.f", "9999-12-31T23:59:59.999999", "9999-12-31T23:59:59.999999Z"),
        ("%Y-%m-%d %H:%M %z", "9999-12-31 23:00 +0100", "9999-12-31T22:00:00Z"),
        ("%Y-%m-%d %H:%M %z", "9999-12-31 18:59 -0500", "9999-12-31T23:59:00Z"),
        ("%Y-%m-%d %H:%M %Q", "9999-12-31 18:00 America/New_York", "9999-12-31T23:00:00Z"),
        ("%a, %d %b %Y", "Fri, 31 Dec 9999", "9999-12-31T00:00:00Z"),
        ("%G-W%V-%u", "9999-W52-5", "9999-12-31T00:00:00Z"),
        ("%s", "253402300799", "9999-12-31T23:59:59Z"),
        ("[%s]", "[253402207201]", "9999-12-30T22:00:01Z"),
        ("%m %s", "12 253402300799", "9999-12-31T23:59:59Z"),
        ("%s%.f", "253402300799.5", "9999-12-31T23:59:59.5Z"),
        ("%s%.f", "1.25", "1970-01-01T00:00:01.25Z"),
        ("%Y-%m-%d", "0001-01-01", "0001-01-01T00:00:00Z"),
        ("%Y-%m-%d", "0000-01-01", "0000-01-01T00:00:00Z"),
    ] {
        assert_eq!(parse(form, text), Ok(at(expected)), "{form} {text}");
    }
    for (form, text, expected) in [
        ("%Y-%m-%d %H:%M %z", "9999-12-31 23:00 -0500", CivilError::Range),
        ("%Y-%m-%d %H:%M %z", "0000-01-01 00:00 +0100", CivilError::Range),
        ("%Y-%m-%d %H:%M %Q", "9999-12-31 23:00 America/New_York", CivilError::Range),
        ("%Y-%m-%d", "-001-01-01", CivilError::Range),
        ("%s", "253402300800", CivilError::Text),
        ("%Y-%m-%d", "9999-12-32", CivilError::Text),
        ("%Y-%m-%d", "9999-02-29", CivilError::Text),
        ("%a, %d %b %Y", "Thu, 31 Dec 9999", CivilError::Text),
        ("%Y-%m-%d %H:%M %Q", "9999-12-31 18:00 Mars/Olympus", CivilError::Text),
        ("%H:%M", "10:00", CivilError::Text),
    ] {
        assert_eq!(parse(form, text), Err(expected), "{form} {text}");
    }
}

#[test]
fn a_zone_in_the_text_is_honored() {
    assert_eq!(parse("%Y-%m-%d %H:%M %Q", "2026-07-01 12:00 Europe/Berlin"), Ok(at("2026-07-01T10:00:00Z")));
    assert_eq!(parse("%Y-%m-%d %H:%M %z %Q", "2026-07-01 12:00 +0100 Europe/Berlin"), Err(CivilError::Text));
    for (text, expected) in [
        ("2026-07-01T12:00:00[Europe/Berlin]", Some("2026-07-01T10:00:00Z")),
        ("2026-07-01T12:00:00+02:00[Europe/Berlin]", Some("2026-07-01T10:00:00Z")),
        ("2026-07-01T12:00:00Z[Europe/Berlin]", Some("2026-07-01T12:00:00Z")),
        ("2026-07-01T12:00:00+01:00[Europe/Berlin]", None),
        ("2026-07-01T12:00:00[Mars/Olympus]", None),
        ("9999-12-31T23:00[Europe/Berlin]", Some("9999-12-31T22:00:00Z")),
        ("9999-12-31T23:00-05:00[America/New_York]", None),
        ("99991231T235959Z", Some("9999-12-31T23:59:59Z")),
        ("9999-12-31T23:59Z", Some("9999-12-31T23:59:00Z")),
        ("+009999-12-31T23:59:59Z", Some("9999-12-31T23:59:59Z")),
        ("-000001-12-31T23:59:59Z", None),
    ] {
        assert_eq!(timestamp::parse(text), expected.map(at), "{text}");
    }
}

#[test]
fn local_times_that_a_zone_skips_or_repeats() {
    let berlin = zone("Europe/Berlin");
    let instant = |text: &str| instant(at(text), &berlin).map(timestamp::format);
    assert_eq!(instant("2026-03-29T02:30:00").as_deref(), Some("2026-03-29T01:30:00Z"));
    assert_eq!(instant("2026-10-25T02:30:00").as_deref(), Some("2026-10-25T00:30:00Z"));
    assert_eq!(instant("9999-12-31T23:59:59").as_deref(), Some("9999-12-31T22:59:59Z"));
    assert_eq!(super::instant(at("9999-12-31T23:00:00"), &zone("America/New_York")), None);
    assert_eq!(super::instant(at("0000-01-01T00:00:00"), &zone("Asia/Tokyo")), None);
}

fn any_zone() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"])
}

const LETTERS: &str = "AaBbCcDdeFfGgHhIjklMmNnPpQqRrSsTtUuVWwXxYyZz";

proptest! {
    #[test]
    fn agrees_with_the_library_where_it_reaches(at in MIN..=KNOWN_END, name in any_zone(), letter in prop::sample::select(LETTERS.chars().collect::<Vec<_>>()), flag in "[-_0^#]?[0-9]?") {
        let form = format!("x%{flag}{letter}|");
        let native = Timestamp::from_microsecond(at).unwrap().to_zoned(zone(name));
        // The library cuts these towards zero.
        let whole = if letter == 's' { at.div_euclid(SECOND) * SECOND } else { at };
        let native = if whole == at { native } else { Timestamp::from_microsecond(whole).unwrap().to_zoned(zone(name)) };
        prop_assert_eq!(format(&form, at, &zone(name)).ok(), strtime::format(&form, &native).ok());
    }

    /// The way over the years before is right wherever both ways are open.
    #[test]
    fn local_times_agree_with_the_library(at in MIN..=KNOWN_END, name in any_zone()) {
        let native = Timestamp::from_microsecond(at).unwrap().to_zoned(zone(name));
        let clock = at_offset(native.datetime(), Offset::UTC);
        prop_assert_eq!(local(at, &zone(name)), Some(clock));
        let back = native.datetime().to_zoned(zone(name)).ok().map(|zoned| micros_of(zoned.timestamp()));
        prop_assert_eq!(instant(clock, &zone(name)), back.filter(|at| in_range(*at)));
    }

    #[test]
    fn what_is_written_is_read_again(at in prop_oneof![MIN..=MAX, MAX - 200_000_000_000..=MAX, MIN..MIN + 200_000_000_000], name in any_zone()) {
        let zone = zone(name);
        // Zones before the age of standard time have offsets with seconds.
        let text = format("%Y-%m-%d %H:%M:%S%.6f %::z", at, &zone).unwrap();
        let in_four_digits = text.as_bytes().get(4) == Some(&b'-') && !text.starts_with('-');
        if in_four_digits {
            prop_assert_eq!(parse("%Y-%m-%d %H:%M:%S%.f %::z", &text), Ok(at), "{}", text);
        }
        let seconds = format("%s%.6f", at, &zone).unwrap();
        if at >= 0 {
            prop_assert_eq!(parse("%s%.f", &seconds), Ok(at), "{}", seconds);
        }
    }

    #[test]
    fn neither_way_panics(form in "[%a-zA-Z0-9:.é_^#-]{0,12}", text in "\\PC{0,24}", at in any::<i64>()) {
        let _any = format(&form, at, &TimeZone::UTC);
        if let Ok(at) = parse(&form, &text) {
            prop_assert!(in_range(at));
        }
    }
}

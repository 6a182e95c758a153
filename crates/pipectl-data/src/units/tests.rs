use std::str::FromStr;

use proptest::prelude::*;

use super::{Duration, Rate, Size, UnitError};

fn nanos(text: &str) -> Option<u128> {
    Duration::from_str(text).ok().map(|duration| duration.0.as_nanos())
}

fn refused<T: FromStr<Err = UnitError>>(text: &str) -> (String, String) {
    match text.parse::<T>() {
        Ok(_) => panic!("`{text}` should be refused"),
        Err(error) => (error.to_string(), text[error.range()].to_owned()),
    }
}

#[test]
fn durations_are_exact() {
    for (text, expected) in [
        ("60s", 60_000_000_000),
        ("1h30m", 5_400_000_000_000),
        ("500ms", 500_000_000),
        ("1d", 86_400_000_000_000),
        ("2w", 14 * 86_400_000_000_000),
        ("1.5s", 1_500_000_000),
        ("0.1us", 100),
        ("0s", 0),
        ("1_000ns", 1_000),
        ("1w2d3h4m5s6ms7us8ns", 788_645_006_007_008),
    ] {
        assert_eq!(nanos(text), Some(expected), "{text}");
    }
}

#[test]
fn durations_print_shortest() {
    for (written, printed) in
        [("60s", "1m"), ("90s", "90s"), ("90m", "90m"), ("3601s", "1h1s"), ("14d", "2w"), ("10d", "10d"), ("0ms", "0s")]
    {
        assert_eq!(Duration::from_str(written).map(|duration| duration.to_string()), Ok(printed.to_owned()));
    }
}

#[test]
fn bad_durations_say_what_to_write() {
    for (text, message, place) in [
        ("60", "`60` lacks a unit: write `60s`", "60"),
        ("", "the duration is empty", ""),
        ("-5s", "cannot be negative", "-5s"),
        ("5m-3s", "cannot be negative", "-3s"),
        ("60sec", "write `60s`", "sec"),
        ("5Minutes", "write `5m`", "Minutes"),
        ("1H", "write `1h`", "H"),
        ("2M", "months and years", "M"),
        ("30m1h", "largest unit first", "h"),
        ("1 h", "write `1h` without spaces", " h"),
        ("24 hours", "`hours` is not a unit of time: write `24h`", " hours"),
        ("soon", "starts with a number", "soon"),
        ("1.2.3s", "is not a number", "1.2.3"),
        ("0.5ns", "finer than a nanosecond", "0.5ns"),
        ("99999999999999w", "too long", "99999999999999w"),
        ("5☃", "is not a unit of time", "☃"),
        ("1h5", "`5` lacks a unit", "5"),
        ("999999999999999999999999999999999999999999s", "too large", "999999999999999999999999999999999999999999"),
    ] {
        let (found, at) = refused::<Duration>(text);
        assert!(found.contains(message), "{text}: {found}");
        assert_eq!(at, place, "{text}");
    }
}

#[test]
fn sizes() {
    for (text, bytes, printed) in [
        ("1MiB", 1 << 20, "1MiB"),
        ("64KB", 64_000, "64KB"),
        ("64kB", 64_000, "64KB"),
        ("1GiB", 1 << 30, "1GiB"),
        ("512B", 512, "512B"),
        ("1.5KiB", 1536, "1536B"),
        ("0B", 0, "0B"),
        ("1000KB", 1_000_000, "1MB"),
    ] {
        let size = Size::from_str(text).map(|size| (size.0, size.to_string()));
        assert_eq!(size, Ok((bytes, printed.to_owned())), "{text}");
    }
    for (text, message, place) in [
        ("64", "lacks a unit", "64"),
        ("64K", "write `64KiB` (powers of 1024) or `64KB`", "K"),
        ("1mib", "write `1MiB`", "mib"),
        ("1 MiB", "without spaces", " MiB"),
        ("-1B", "cannot be negative", "-1B"),
        ("0.3B", "no whole number of bytes", "0.3B"),
        ("9999999999TiB", "too large", "9999999999TiB"),
    ] {
        let (found, at) = refused::<Size>(text);
        assert!(found.contains(message), "{text}: {found}");
        assert_eq!(at, place, "{text}");
    }
}

#[test]
fn rates() {
    for (text, per_second, printed) in [
        ("200/s", 200.0, "200/s"),
        ("10/m", 10.0 / 60.0, "10/m"),
        ("5k/s", 5_000.0, "5k/s"),
        ("1.5M/s", 1_500_000.0, "1500k/s"),
        ("0.5/s", 0.5, "30/m"),
        ("1/d", 1.0 / 86_400.0, "1/d"),
    ] {
        let rate = Rate::from_str(text).map(|rate| (rate.0, rate.to_string()));
        assert_eq!(rate, Ok((per_second, printed.to_owned())), "{text}");
    }
    for (text, message, place) in [
        ("200", "has no period", "200"),
        ("200/sec", "write `200/s`", "sec"),
        ("200g/s", "is not a factor", "g"),
        ("0/s", "above 0", "0/s"),
        ("5/year", "is not a period", "year"),
        ("-5/s", "cannot be negative", "-5/s"),
    ] {
        let (found, at) = refused::<Rate>(text);
        assert!(found.contains(message), "{text}: {found}");
        assert_eq!(at, place, "{text}");
    }
}

#[test]
fn serde_takes_text_only() {
    assert_eq!(serde_json::from_str::<Size>("\"1MiB\"").ok(), Some(Size(1 << 20)));
    assert_eq!(serde_json::to_string(&Duration::from_secs(90)).ok().as_deref(), Some("\"90s\""));
    let error = serde_json::from_str::<Duration>("60").map_err(|error| error.to_string());
    assert!(error.is_err_and(|error| error.contains("write `60s` instead of `60`")));
    let schema = schemars::schema_for!(Rate).to_value();
    assert_eq!(schema["format"], "rate");
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(nanos in any::<u64>(), bytes in 0..i64::MAX as u64, rate in 1e-9_f64..1e12, whole in 1_u32..) {
        let duration = Duration(std::time::Duration::from_nanos(nanos));
        prop_assert_eq!(duration.to_string().parse::<Duration>(), Ok(duration));
        prop_assert_eq!(Size(bytes).to_string().parse::<Size>(), Ok(Size(bytes)));
        prop_assert_eq!(Rate(rate).to_string().parse::<Rate>(), Ok(Rate(rate)));
        let rate = Rate(f64::from(whole) / 3_600.0);
        prop_assert_eq!(rate.to_string().parse::<Rate>(), Ok(rate));
    }

    #[test]
    fn no_text_panics(text in "[0-9a-zA-Zµ☃ ./_-]{0,12}") {
        for error in [text.parse::<Duration>().err(), text.parse::<Size>().err(), text.parse::<Rate>().err()].into_iter().flatten() {
            prop_assert!(text.get(error.range()).is_some(), "{error}");
        }
    }
}

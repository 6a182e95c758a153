//! Times as logs write them.

use jiff::{Zoned, civil::DateTime, fmt::strtime::BrokenDownTime, tz::TimeZone};
use pipectl_data::{Micros, civil, timestamp};

/// How long `10/Oct/2000:13:55:36 -0700` is.
pub(super) const ACCESS_LOG_LENGTH: usize = 26;

/// `10/Oct/2000:13:55:36 -0700`, as access logs have it. A second 60 counts as 59.
pub(super) fn access_log(text: &[u8]) -> Option<Micros> {
    let text: &[u8; ACCESS_LOG_LENGTH] = text.try_into().ok()?;
    let &[d1, d2, b'/', m1, m2, m3, b'/', y1, y2, y3, y4, b':', ref clock @ .., b' ', sign, h1, h2, o1, o2] = text
    else {
        return None;
    };
    let (t1, t2) = match &[m1, m2, m3] {
        b"Jan" => (b'0', b'1'),
        b"Feb" => (b'0', b'2'),
        b"Mar" => (b'0', b'3'),
        b"Apr" => (b'0', b'4'),
        b"May" => (b'0', b'5'),
        b"Jun" => (b'0', b'6'),
        b"Jul" => (b'0', b'7'),
        b"Aug" => (b'0', b'8'),
        b"Sep" => (b'0', b'9'),
        b"Oct" => (b'1', b'0'),
        b"Nov" => (b'1', b'1'),
        b"Dec" => (b'1', b'2'),
        _ => return None,
    };
    let &[c1, c2, b':', c4, c5, b':', c7, c8] = clock else { return None };
    let (c7, c8) = if (c7, c8) == (b'6', b'0') { (b'5', b'9') } else { (c7, c8) };
    // The same instant in RFC 3339, for which there is a fast reader that checks every digit.
    let rfc3339 = [
        y1, y2, y3, y4, b'-', t1, t2, b'-', d1, d2, b'T', c1, c2, b':', c4, c5, b':', c7, c8, sign, h1, h2, b':', o1,
        o2,
    ];
    timestamp::parse(std::str::from_utf8(&rfc3339).ok()?)
}

/// How a node's timestamps are written.
#[derive(Debug, Clone)]
pub(super) enum TimeFormat {
    /// RFC 3339 or the form of access logs.
    Usual,
    /// strftime's letters.
    Letters(String),
}

impl TimeFormat {
    /// A format in strftime's letters, if it names a whole instant.
    ///
    /// # Errors
    /// Why it cannot be used, in one line.
    pub(super) fn letters(format: &str) -> Result<Self, String> {
        let sample = DateTime::constant(2001, 2, 3, 4, 5, 6, 0);
        let zoned: Zoned = sample.to_zoned(TimeZone::UTC).map_err(|error| error.to_string())?;
        let text = BrokenDownTime::from(&zoned).to_string(format).map_err(|error| brief(&error))?;
        match BrokenDownTime::parse(format, &text) {
            Err(error) => Err(brief(&error)),
            Ok(_) if civil::parse(format, &text).is_err() => {
                Err("it does not contain a full date with its year".to_owned())
            }
            Ok(_) => Ok(Self::Letters(format.to_owned())),
        }
    }

    pub(super) fn parse(&self, text: &str) -> Option<Micros> {
        match self {
            Self::Usual => timestamp::parse(text).or_else(|| access_log(text.as_bytes())),
            Self::Letters(format) => civil::parse(format, text).ok(),
        }
    }
}

/// The innermost reason of a library's error, which says it best.
fn brief(error: &jiff::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let text = innermost.to_string();
    let reason =
        text.strip_prefix("strftime formatting failed: ").or_else(|| text.strip_prefix("strptime parsing failed: "));
    reason.map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_log_times() {
        let parse = |text: &str| access_log(text.as_bytes());
        assert_eq!(parse("10/Oct/2000:13:55:36 -0700"), timestamp::parse("2000-10-10T20:55:36Z"));
        assert_eq!(parse("31/Dec/9999:23:59:59 +0000"), timestamp::parse("9999-12-31T23:59:59Z"));
        assert_eq!(parse("31/Dec/9999:23:59:59 -0500"), None);
        assert_eq!(parse("29/Feb/2024:00:00:60 +0530"), timestamp::parse("2024-02-28T18:30:59Z"));
        for bad in [
            "",
            "10/Oct/2000:13:55:36",
            "10/Okt/2000:13:55:36 -0700",
            "31/Feb/2000:13:55:36 -0700",
            "10/Oct/2000:25:55:36 -0700",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn formats_of_their_own() {
        let parse = |format: &str, text: &str| TimeFormat::letters(format).map(|format| format.parse(text));
        assert_eq!(parse("%d.%m.%Y %H:%M:%S", "31.01.2026 10:00:00"), Ok(Some(1_769_853_600_000_000)));
        assert_eq!(parse("%d.%m.%Y %H:%M:%S", "soon"), Ok(None));
        assert_eq!(parse("%Y/%m/%d", "2026/01/31"), Ok(Some(1_769_817_600_000_000)));
        assert_eq!(parse("%s", "1769853600"), Ok(Some(1_769_853_600_000_000)));
        assert_eq!(parse("%d/%b/%Y:%H:%M:%S %z", "31/Jan/2026:12:00:00 +0200"), Ok(Some(1_769_853_600_000_000)));
        assert_eq!(parse("%Y-%m-%dT%H:%M:%S%.f", "2026-01-31T10:00:00.25"), Ok(Some(1_769_853_600_250_000)));
        let text = |at: &str| timestamp::parse(at).expect(at);
        assert_eq!(parse("%d.%m.%Y", "31.12.9999"), Ok(Some(text("9999-12-31"))));
        assert_eq!(parse("%d.%m.%Y %H:%M:%S", "31.12.9999 23:59:59"), Ok(Some(text("9999-12-31T23:59:59Z"))));
        assert_eq!(parse("%d.%m.%Y", "01.01.0001"), Ok(Some(text("0001-01-01"))));
        assert_eq!(parse("%Y-%m-%d %H:%M %z", "9999-12-31 23:00 -0500"), Ok(None));
        assert_eq!(parse("%Y-%m-%d %H:%M %Q", "2026-01-31 11:00 Europe/Berlin"), Ok(Some(1_769_853_600_000_000)));
        assert!(parse("%b %d %H:%M:%S", "Jan 31 10:00:00").is_err_and(|error| error.contains("year")));
        assert!(parse("%Y-%m-%d %!", "").is_err());
        assert!(parse("%H:%M", "").is_err());
    }
}

//! Compares this machine's clock with a service's, from the date that its answers carry (RFC 9110, 6.6.1).

use jiff::fmt::rfc2822;
use pipectl_host::Micros;

use crate::{Finding, FindingOutcome};

/// A difference that does no harm; services tell whole seconds.
const HARMLESS: Micros = 5_000_000;

impl Finding {
    /// What an examination says of this machine's clock: `before` and `after` are when a service was asked and had
    /// answered, `date` is the header of its answer. `None` if that is no date.
    pub fn of_clock(before: Micros, after: Micros, date: &str) -> Option<Self> {
        let there = rfc2822::DateTimeParser::new().parse_timestamp(date).ok()?.as_microsecond();
        // Half of the way there and back, and half of the second that was cut off.
        let ahead = before.midpoint(after) - 500_000 - there;
        let seconds = (ahead.abs() + 500_000) / 1_000_000;
        let (outcome, detail) = if ahead.abs() <= HARMLESS {
            (FindingOutcome::Good, "it agrees with the clock of the service".to_owned())
        } else {
            let side = if ahead > 0 { "ahead of" } else { "behind" };
            (FindingOutcome::Doubtful, format!("it is {seconds} s {side} the clock of the service"))
        };
        let help = "Synchronize the clock of this machine with NTP: with a wrong clock, a start at a time reads from the \
                    wrong position, records seem early or late, and the service refuses signed requests.";
        let help = (outcome != FindingOutcome::Good).then(|| help.to_owned());
        Some(Self { what: "this machine's clock".to_owned(), outcome, detail, help })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_reported_and_harmless_ones_are_not() {
        const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
        let there = 784_111_777_000_000;
        let found = |ahead: Micros| {
            let here = there + ahead * 1_000_000;
            Finding::of_clock(here, here + 1_000_000, DATE).unwrap()
        };
        assert_eq!((found(2).outcome, found(2).help), (FindingOutcome::Good, None));
        let ahead = found(90);
        assert_eq!(
            (ahead.outcome, ahead.detail.as_str()),
            (FindingOutcome::Doubtful, "it is 90 s ahead of the clock of the service")
        );
        assert!(ahead.help.is_some());
        assert_eq!(found(-3_600).detail, "it is 3600 s behind the clock of the service");
        assert_eq!(Finding::of_clock(0, 0, "yesterday"), None);
    }
}

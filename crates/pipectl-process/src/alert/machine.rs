//! When the alert of one key fires and resolves: pure, in event time.

use pipectl_data::Micros;
use serde::{Deserialize, Serialize};

/// What the options say about time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// How long the condition must hold.
    pub(super) hold: Micros,
    /// How long no message follows another.
    pub(super) silence: Micros,
    /// Whether a resolution is a message.
    pub(super) send_resolved: bool,
}

/// How far the alert of a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    /// The condition does not hold.
    Calm,
    /// It has held since then, and not long enough.
    Pending(Micros),
    /// It fires since then; `notified` says whether there was a message.
    Firing { since: Micros, notified: bool },
}

/// The alert of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Alert {
    phase: Phase,
    /// When the last message of a firing alert was.
    notified_at: Option<Micros>,
}

/// A message to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: Kind,
    /// When the condition began to hold: what identifies the crossing.
    pub(super) since: Micros,
    /// When the alert fires or resolves.
    pub(super) at: Micros,
}

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Firing,
    Resolved,
}

impl Default for Alert {
    fn default() -> Self {
        Self { phase: Phase::Calm, notified_at: None }
    }
}

impl Alert {
    /// Takes a record of this time, which must not be before that of the record before. A condition that is null says
    /// nothing: it neither fires nor resolves.
    pub(super) fn record(
        &mut self,
        at: Micros,
        fire: Option<bool>,
        resolve: Option<bool>,
        rules: &Rules,
    ) -> Option<Message> {
        match self.phase {
            Phase::Calm if fire == Some(true) && rules.hold == 0 => self.fire(at, at, rules),
            Phase::Calm if fire == Some(true) => {
                self.phase = Phase::Pending(at);
                None
            }
            Phase::Pending(_) if fire == Some(false) => {
                self.phase = Phase::Calm;
                None
            }
            Phase::Firing { since, notified } if resolve == Some(true) => {
                self.phase = Phase::Calm;
                (notified && rules.send_resolved).then_some(Message { kind: Kind::Resolved, since, at })
            }
            _ => None,
        }
    }

    /// Event time has come to `now`, and no record before it follows.
    pub(super) fn time(&mut self, now: Micros, rules: &Rules) -> Option<Message> {
        match self.phase {
            Phase::Pending(since) => {
                let at = since.saturating_add(rules.hold);
                if at <= now { self.fire(since, at, rules) } else { None }
            }
            _ => None,
        }
    }

    fn fire(&mut self, since: Micros, at: Micros, rules: &Rules) -> Option<Message> {
        let notified = self.notified_at.is_none_or(|before| at.saturating_sub(before) >= rules.silence);
        self.phase = Phase::Firing { since, notified };
        if notified {
            self.notified_at = Some(at);
        }
        notified.then_some(Message { kind: Kind::Firing, since, at })
    }

    /// Whether the condition holds, but not long enough yet: then the newest record is what a message is about.
    pub(super) fn is_pending(&self) -> bool {
        matches!(self.phase, Phase::Pending(_))
    }

    /// When event time alone changes something next: a pending alert fires, or a calm one can be forgotten. `None` if
    /// nothing does before the next record.
    pub(super) fn due(&self, rules: &Rules) -> Option<Micros> {
        match (self.phase, self.notified_at) {
            (Phase::Pending(since), _) => Some(since.saturating_add(rules.hold)),
            (Phase::Calm, Some(notified_at)) => Some(notified_at.saturating_add(rules.silence)),
            _ => None,
        }
    }

    /// Whether a new alert would do the same from this time on.
    pub(super) fn is_forgettable(&self, now: Micros, rules: &Rules) -> bool {
        let silent = self.notified_at.is_some_and(|notified_at| now.saturating_sub(notified_at) < rules.silence);
        self.phase == Phase::Calm && !silent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages of an alert that fires below 10 and resolves at 15, as (kind, since, at).
    fn messages(rules: Rules, values: &[(Micros, Option<i64>)], end: Micros) -> Vec<(Kind, Micros, Micros)> {
        let mut alert = Alert::default();
        let mut said = Vec::new();
        for (at, value) in values {
            said.extend(alert.time(*at, &rules));
            said.extend(alert.record(*at, value.map(|value| value < 10), value.map(|value| value >= 15), &rules));
        }
        said.extend(alert.time(end, &rules));
        said.into_iter().map(|message| (message.kind, message.since, message.at)).collect()
    }

    const PLAIN: Rules = Rules { hold: 0, silence: 0, send_resolved: true };

    #[test]
    fn a_value_that_flaps_around_the_limit_fires_once() {
        let values =
            [(1, Some(12)), (2, Some(9)), (3, Some(11)), (4, Some(8)), (5, Some(14)), (6, Some(15)), (7, Some(9))];
        let expected = [(Kind::Firing, 2, 2), (Kind::Resolved, 2, 6), (Kind::Firing, 7, 7)];
        assert_eq!(messages(PLAIN, &values, 10), expected);
        let firing: Vec<_> = expected.into_iter().filter(|(kind, ..)| *kind == Kind::Firing).collect();
        assert_eq!(messages(Rules { send_resolved: false, ..PLAIN }, &values, 10), firing);
    }

    #[test]
    fn what_is_not_known_neither_fires_nor_resolves() {
        assert_eq!(
            messages(PLAIN, &[(1, None), (2, Some(9)), (3, None), (4, Some(20))], 9),
            [(Kind::Firing, 2, 2), (Kind::Resolved, 2, 4)]
        );
        let rules = Rules { hold: 5, ..PLAIN };
        assert_eq!(messages(rules, &[(1, Some(9)), (3, None)], 9), [(Kind::Firing, 1, 6)]);
    }

    #[test]
    fn a_condition_must_hold() {
        let rules = Rules { hold: 5, ..PLAIN };
        assert_eq!(messages(rules, &[(1, Some(9)), (5, Some(10)), (6, Some(9))], 10), []);
        assert_eq!(messages(rules, &[(1, Some(9)), (5, Some(10)), (6, Some(9))], 11), [(Kind::Firing, 6, 11)]);
        // It has held for all of five when it stops.
        assert_eq!(messages(rules, &[(1, Some(9)), (6, Some(20))], 6), [(Kind::Firing, 1, 6), (Kind::Resolved, 1, 6)]);
    }

    #[test]
    fn silence_follows_a_message() {
        let rules = Rules { silence: 10, ..PLAIN };
        let values = [(1, Some(9)), (2, Some(20)), (5, Some(9)), (6, Some(20)), (11, Some(9)), (12, Some(20))];
        let expected = [(Kind::Firing, 1, 1), (Kind::Resolved, 1, 2), (Kind::Firing, 11, 11), (Kind::Resolved, 11, 12)];
        assert_eq!(messages(rules, &values, 20), expected, "the crossing at 5 is silent, and so is its resolution");
        let mut alert = Alert::default();
        alert.record(1, Some(true), None, &rules);
        alert.record(2, Some(false), Some(true), &rules);
        assert_eq!((alert.due(&rules), alert.is_forgettable(10, &rules)), (Some(11), false));
        assert!(alert.is_forgettable(11, &rules));
    }
}

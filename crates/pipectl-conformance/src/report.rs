//! What the suite found, as data: for the table in a terminal, for JSON and for the documents.

use std::{fmt, fmt::Write as _, time::Duration};

/// How much is known of a backend that passes a case and all of the levels below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// It opens, writes, reads and resumes.
    Alpha,
    /// Everything but faults of the service.
    Beta,
    /// Faults too.
    Stable,
}

/// Why a case was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// The backend declares that it cannot do this, or the service that it cannot happen.
    Capability,
    /// The test peer cannot show it.
    Peer,
}

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not hold, and what was seen instead.
    Failed(String),
    /// It was left out, by whom and why.
    Skipped(LeftOut, String),
}

/// A case and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CaseResult {
    /// The case's name.
    pub name: String,
    /// What it proves, in one sentence.
    pub proves: String,
    /// To which level it belongs.
    pub level: Level,
    /// What became of it.
    pub outcome: Outcome,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// Where a backend stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Ladder {
    /// The highest level whose cases, and those of all levels below, fail nowhere; `None` below alpha.
    pub level: Option<Level>,
    /// Cases up to that level that the peer could not show.
    pub unproven: Vec<String>,
}

impl Ladder {
    /// Computes it from results.
    pub fn of(results: &[CaseResult]) -> Self {
        let fails = |level| {
            let mut cases = results.iter().filter(|case| case.level == level);
            cases.clone().next().is_none() || cases.any(|case| matches!(case.outcome, Outcome::Failed(_)))
        };
        let level = [Level::Alpha, Level::Beta, Level::Stable].into_iter().take_while(|level| !fails(*level)).last();
        let unproven = results
            .iter()
            .filter(|case| Some(case.level) <= level && matches!(case.outcome, Outcome::Skipped(LeftOut::Peer, _)))
            .map(|case| case.name.clone())
            .collect();
        Self { level, unproven }
    }
}

impl fmt::Display for Ladder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.level {
            None => "below alpha",
            Some(Level::Alpha) => "alpha",
            Some(Level::Beta) => "beta",
            Some(Level::Stable) => "stable",
        })?;
        if !self.unproven.is_empty() {
            write!(f, " (unproven: {})", self.unproven.join(", "))?;
        }
        Ok(())
    }
}

/// The results of a run of the suite.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Report {
    /// The backend's kind key.
    pub backend: String,
    /// What it was tried against.
    pub peer: String,
    /// Where it stands.
    pub ladder: Ladder,
    /// Each case, in the order in which they ran.
    pub cases: Vec<CaseResult>,
    /// What the results depend on, see [`key`](crate::key()); empty if that is not known.
    #[serde(default)]
    pub key: String,
}

impl Report {
    pub(crate) fn new(backend: &str, peer: String, cases: Vec<CaseResult>) -> Self {
        Self { backend: backend.to_owned(), peer, ladder: Ladder::of(&cases), cases, key: String::new() }
    }

    /// Adds results that are known from before, in the order of the suite.
    pub(crate) fn add(&mut self, known: Vec<CaseResult>) {
        self.cases.extend(known);
        let names = crate::case_names();
        self.cases.sort_by_key(|case| names.iter().position(|name| *name == case.name));
        self.ladder = Ladder::of(&self.cases);
    }

    /// The cases that failed, and how.
    pub fn failures(&self) -> Vec<(&str, &str)> {
        let failure = |case: &'_ CaseResult| matches!(case.outcome, Outcome::Failed(_));
        let cases = self.cases.iter().filter(|case| failure(case));
        cases
            .map(|case| match &case.outcome {
                Outcome::Failed(why) => (case.name.as_str(), why.as_str()),
                _ => (case.name.as_str(), ""),
            })
            .collect()
    }

    /// As a table for people.
    pub fn table(&self) -> String {
        let width = self.cases.iter().map(|case| case.name.len()).max().unwrap_or(0);
        let mut text = format!("{} against {}: {}\n", self.backend, self.peer, self.ladder);
        for case in &self.cases {
            let took = Duration::from_millis(case.took_ms).as_secs_f64();
            let (word, why) = match &case.outcome {
                Outcome::Passed => ("passed", ""),
                Outcome::Failed(why) => ("FAILED", why.as_str()),
                Outcome::Skipped(_, why) => ("skipped", why.as_str()),
            };
            let colon = if why.is_empty() { "" } else { ": " };
            // Writing to a text cannot fail.
            let _infallible = writeln!(text, "  {:width$}  {took:6.1} s  {word}{colon}{why}", case.name);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &str, level: Level, outcome: Outcome) -> CaseResult {
        CaseResult { name: name.into(), proves: "that it works".into(), level, outcome, took_ms: 1 }
    }

    #[test]
    fn a_level_needs_all_levels_below() {
        let failed = || Outcome::Failed("no".into());
        let ladder = |alpha, beta, stable| {
            Ladder::of(&[
                case("a", Level::Alpha, alpha),
                case("b", Level::Beta, beta),
                case("c", Level::Stable, stable),
            ])
        };
        assert_eq!(ladder(Outcome::Passed, Outcome::Passed, Outcome::Passed).level, Some(Level::Stable));
        assert_eq!(ladder(Outcome::Passed, Outcome::Passed, failed()).level, Some(Level::Beta));
        assert_eq!(ladder(Outcome::Passed, failed(), Outcome::Passed).level, Some(Level::Alpha));
        assert_eq!(ladder(failed(), Outcome::Passed, Outcome::Passed).level, None);
        assert_eq!(Ladder::of(&[]).level, None, "nothing proves nothing");
        let peer = Outcome::Skipped(LeftOut::Peer, "the peer has no restart".into());
        assert_eq!(ladder(Outcome::Passed, Outcome::Passed, peer).to_string(), "stable (unproven: c)");
    }
}

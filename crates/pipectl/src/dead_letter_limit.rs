//! `--max-dead-letters`: how many records a run may leave undelivered before it counts as failed.

use std::{fmt, str::FromStr};

use pipectl_ir::RunReport;

use crate::view;

/// A number of dead letters, or a share of the records that were read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum DeadLetterLimit {
    Count(u64),
    /// From 0 to 100.
    Percent(f64),
}

impl DeadLetterLimit {
    /// What to say if a run has more dead letters than allowed. Late records that a node drops by its spec are none.
    pub(crate) fn judge(self, report: &RunReport) -> Option<String> {
        let (dead, read) = (report.new_dead_letters(), report.new_records());
        let exceeded = match self {
            Self::Count(limit) => dead > limit,
            Self::Percent(limit) => dead as f64 * 100.0 > limit * read as f64,
        };
        exceeded.then(|| {
            format!(
                "error: pipeline `{}`: {} of {} read, more than `--max-dead-letters {self}` allows",
                report.pipeline,
                view::counted(dead, "dead letter"),
                view::counted(read, "record"),
            )
        })
    }
}

impl fmt::Display for DeadLetterLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl FromStr for DeadLetterLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || "write a number of records such as 10, or a percentage of the records read such as 0.5%".to_owned();
        let Some(percent) = text.trim().strip_suffix('%') else {
            return text.trim().parse().map(Self::Count).map_err(|_| wrong());
        };
        let percent: f64 = percent.trim().parse().map_err(|_| wrong())?;
        if (0.0..=100.0).contains(&percent) { Ok(Self::Percent(percent)) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipectl_ir::report::{Counts, NodeReport, Outcome};

    fn report(read: u64, dead: u64, before: u64) -> RunReport {
        let node = |name: &str, role: &str, counts: Counts, before: Counts| NodeReport {
            name: name.to_owned(),
            role: role.to_owned(),
            kind: "file".to_owned(),
            place: None,
            stateful: false,
            counts,
            before,
            reasons: std::collections::BTreeMap::new(),
            reasons_before: std::collections::BTreeMap::new(),
            metrics: pipectl_ir::metrics::NodeMetrics::default(),
        };
        RunReport {
            pipeline: "p".to_owned(),
            outcome: Outcome::Finished,
            started: 0,
            ended: 0,
            resumed_from: None,
            checkpoint: 1,
            nodes: vec![
                node("r", "source", Counts { input: read, ..Counts::default() }, Counts::default()),
                node(
                    "q",
                    "processor",
                    Counts { dead_lettered: before + dead, ..Counts::default() },
                    Counts { dead_lettered: before, ..Counts::default() },
                ),
            ],
            regions: Vec::new(),
        }
    }

    #[test]
    fn counts_and_shares_of_this_run_are_judged() {
        let judge = |limit: &str, read, dead, before| {
            limit.parse::<DeadLetterLimit>().unwrap().judge(&report(read, dead, before)).is_some()
        };
        assert!(!judge("2", 100, 2, 50) && judge("2", 100, 3, 0) && judge("0", 1, 1, 0) && !judge("0", 0, 0, 7));
        assert!(!judge("3%", 100, 3, 9) && judge("2.9%", 100, 3, 0) && judge("0%", 100, 1, 0));
        for wrong in ["-1", "x", "101%", "%", "NaN%", "1.5"] {
            assert!(wrong.parse::<DeadLetterLimit>().is_err(), "{wrong}");
        }
    }
}

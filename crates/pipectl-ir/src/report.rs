//! What a run came to.

use std::collections::BTreeMap;

use pipectl_data::Micros;

use crate::metrics::{NodeMetrics, RegionMetrics};

/// The code under which records are counted that came too late for some of their windows: they are in the results of the
/// others, so that they are no dead letters.
pub const PARTLY_LATE: &str = "partly_late";

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All sources ended, and what they brought is processed.
    Finished,
    /// It was asked to stop, drained and wrote a checkpoint.
    Stopped,
}

/// The counts of a node, over all runs that the checkpoint joins.
///
/// The ledger: a node without state has `in + extra = out + filtered + dead_lettered + in_flight`; one with windows has
/// `in = aggregated + held + filtered + dead_lettered + dropped_late + in_flight`, and `out` are the rows of its windows.
/// Results of windows that become dead letters are no input records, so they are counted apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Records taken.
    #[serde(rename = "in")]
    pub input: u64,
    /// Records passed on, each once however many nodes get it; for a sink, records written.
    #[serde(rename = "out")]
    pub output: u64,
    /// Records that a condition left out.
    pub filtered: u64,
    /// Records sent to the dead letters.
    pub dead_lettered: u64,
    /// Records that went into windows.
    pub absorbed: u64,
    /// Records that came after their window closed and were dropped because the node says so.
    pub dropped_late: u64,
    /// Of `dead_lettered` and `dropped_late`, those that were late.
    pub late: u64,
    /// Of `absorbed`, the records all of whose windows have closed.
    #[serde(default)]
    pub released: u64,
    /// Results of windows sent to the dead letters.
    #[serde(default)]
    pub dead_results: u64,
    /// Of `output`, the records beyond the first that a record gave.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub extra: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Counts {
    /// Records that are neither passed on, left out nor accounted for otherwise. 0 after a run that ended. The counts of
    /// a running node are read one after another, so a difference below zero is a record that was counted in between.
    pub fn in_flight(&self, stateful: bool) -> u64 {
        let gone = self.filtered + self.dead_lettered + self.dropped_late;
        let kept = if stateful { self.absorbed } else { self.output };
        (self.input + self.extra).saturating_sub(gone + kept)
    }

    /// Whether nothing was counted.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the ledger balances with nothing in flight, as it must after a run that ended.
    pub fn balances(&self, stateful: bool) -> bool {
        let kept = if stateful { self.absorbed } else { self.output };
        let gone = self.filtered + self.dead_lettered + self.dropped_late;
        self.input + self.extra == gone + kept && self.released <= self.absorbed
    }

    /// Records in windows that are still open.
    pub fn held(&self) -> u64 {
        self.absorbed.saturating_sub(self.released)
    }

    /// Input records and results that went to the dead letters.
    pub fn all_dead_lettered(&self) -> u64 {
        self.dead_lettered + self.dead_results
    }

    /// Adds another task's counts.
    pub fn add(&mut self, other: &Self) {
        self.input += other.input;
        self.output += other.output;
        self.filtered += other.filtered;
        self.dead_lettered += other.dead_lettered;
        self.absorbed += other.absorbed;
        self.dropped_late += other.dropped_late;
        self.late += other.late;
        self.released += other.released;
        self.dead_results += other.dead_results;
        self.extra += other.extra;
    }
}

/// A node of a run.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NodeReport {
    /// Its name.
    pub name: String,
    /// `source`, `stream`, `processor` or `sink`.
    pub role: String,
    /// The kind key.
    pub kind: String,
    /// For a sink, where a person finds its output.
    pub place: Option<String>,
    /// Whether it has windows.
    pub stateful: bool,
    /// Its counts.
    pub counts: Counts,
    /// Of `counts`, what earlier runs had counted.
    #[serde(default, skip_serializing_if = "Counts::is_zero")]
    pub before: Counts,
    /// Its dead letters, dropped late and partly late records by the code of their reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reasons: BTreeMap<String, u64>,
    /// Of `reasons`, what earlier runs had counted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reasons_before: BTreeMap<String, u64>,
    /// What was measured of it beside its counts.
    #[serde(default)]
    pub metrics: NodeMetrics,
}

impl NodeReport {
    /// Records and results that this run sent to the dead letters.
    pub fn new_dead_letters(&self) -> u64 {
        self.counts.all_dead_lettered().saturating_sub(self.before.all_dead_lettered())
    }

    /// What this run sent to the dead letters or dropped as late, by the code of the reason.
    pub fn new_reasons(&self) -> BTreeMap<&str, u64> {
        let before = |code: &String| self.reasons_before.get(code).copied().unwrap_or(0);
        let new = self.reasons.iter().map(|(code, count)| (code.as_str(), count.saturating_sub(before(code))));
        new.filter(|(_, count)| *count > 0).collect()
    }
}

impl RunReport {
    /// Records that this run read: from its sources, and what others wrote to the stream at its beginning.
    pub fn new_records(&self) -> u64 {
        let new = |node: &NodeReport| node.counts.input.saturating_sub(node.before.input);
        let sources = self.nodes.iter().filter(|node| node.role == "source");
        let first = self.nodes.first().filter(|node| node.role == "stream");
        sources.chain(first).map(new).sum()
    }

    /// Records and results that this run sent to the dead letters.
    pub fn new_dead_letters(&self) -> u64 {
        self.nodes.iter().map(NodeReport::new_dead_letters).sum()
    }

    /// Records of this run that are missing from windows which had closed, while they count in later ones.
    pub fn new_partly_late(&self) -> u64 {
        self.nodes.iter().filter_map(|node| node.new_reasons().get(PARTLY_LATE).copied()).sum()
    }

    /// Late records that this run dropped because their node says so.
    pub fn new_dropped(&self) -> u64 {
        let new = |node: &NodeReport| node.counts.dropped_late.saturating_sub(node.before.dropped_late);
        self.nodes.iter().map(new).sum()
    }
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RunReport {
    /// `metadata.name`.
    pub pipeline: String,
    /// How it ended.
    pub outcome: Outcome,
    /// When it started, on the host's clock; RFC 3339 in a document.
    #[serde(with = "pipectl_data::timestamp::text")]
    pub started: Micros,
    /// When it ended.
    #[serde(with = "pipectl_data::timestamp::text")]
    pub ended: Micros,
    /// Number of the checkpoint that it resumed from.
    pub resumed_from: Option<u64>,
    /// Number of the last checkpoint.
    pub checkpoint: u64,
    /// The nodes in topological order; the last one is the dead letters.
    pub nodes: Vec<NodeReport>,
    /// What was measured of each region.
    #[serde(default)]
    pub regions: Vec<RegionMetrics>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_documents_are_texts() {
        let report = RunReport {
            pipeline: "lab".to_owned(),
            outcome: Outcome::Finished,
            started: 0,
            ended: 1_500_000,
            resumed_from: None,
            checkpoint: 1,
            nodes: Vec::new(),
            regions: Vec::new(),
        };
        let document = serde_json::to_value(&report).unwrap();
        assert_eq!(document["started"], "1970-01-01T00:00:00Z");
        assert_eq!(document["ended"], "1970-01-01T00:00:01.500Z");
        assert_eq!(serde_json::from_value::<RunReport>(document).unwrap(), report);
    }
}

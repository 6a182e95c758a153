//! What a run came to.

use pipectl_data::Micros;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All sources ended and everything is delivered.
    Finished,
    /// It was told to stop, drained and wrote a checkpoint.
    Stopped,
}

/// The counts of a node, over all runs that the checkpoint joins.
///
/// The ledger: a node without state has `in = out + filtered + dead_lettered + in_flight`; one with windows has
/// `in = absorbed + filtered + dead_lettered + dropped_late + in_flight`, and `out` are the rows of its windows.
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
}

impl Counts {
    /// Records that are neither passed on, left out nor accounted for otherwise. 0 after a run that ended.
    pub fn in_flight(&self, stateful: bool) -> i64 {
        let gone = self.filtered + self.dead_lettered + self.dropped_late;
        let kept = if stateful { self.absorbed } else { self.output };
        self.input as i64 - (gone + kept) as i64
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
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RunReport {
    /// `metadata.name`.
    pub pipeline: String,
    /// How it ended.
    pub outcome: Outcome,
    /// When it started, on the host's clock.
    pub started: Micros,
    /// When it ended.
    pub ended: Micros,
    /// Number of the checkpoint that it resumed from.
    pub resumed_from: Option<u64>,
    /// Number of the last checkpoint.
    pub checkpoint: u64,
    /// The nodes in topological order; the last one is the dead letters.
    pub nodes: Vec<NodeReport>,
}

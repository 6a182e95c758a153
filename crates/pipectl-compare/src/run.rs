//! What is known of one run.

use std::collections::BTreeMap;

use pipectl_data::Micros;
use pipectl_ir::RunReport;

use crate::{Input, Origin, Row};

/// The rows that one sink was given, in the order in which it was given them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recorded {
    /// The rows.
    pub rows: Vec<Row>,
    /// Whether the order of each key is promised here.
    pub ordered: bool,
    /// Of which records of the input they are made.
    pub origin: Origin,
}

/// How long records were on their way, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Latency {
    /// Half of the records took at most this.
    pub p50: Micros,
    /// 99 of 100 records took at most this.
    pub p99: Micros,
}

impl Latency {
    /// Of these durations, in any order; nothing for none.
    pub fn of(mut durations: Vec<Micros>) -> Option<Self> {
        durations.sort_unstable();
        let at = |share: usize| durations.get((durations.len().saturating_sub(1)) * share / 100).copied();
        Some(Self { p50: at(50)?, p99: at(99)? })
    }
}

/// One run of the pipeline.
#[derive(Debug, Clone)]
pub struct Run {
    /// Where: the Environment's name.
    pub name: String,
    /// The backends that carried its streams, by kind.
    pub backends: Vec<String>,
    /// What the run came to.
    pub report: RunReport,
    /// The rows of every sink, the dead letters (without late records) among them.
    pub sinks: BTreeMap<String, Recorded>,
    /// What the sources read; empty where it was not kept.
    pub input: Input,
    /// How many records were late.
    pub late: u64,
    /// How often a backend was asked again after a refusal or a fault.
    pub retries: u64,
    /// How long records were on their way from their arrival in the last stream before a sink.
    pub latency: Option<Latency>,
}

impl Run {
    /// Records that the sources read.
    pub fn records(&self) -> u64 {
        self.report.nodes.iter().filter(|node| node.role == "source").map(|node| node.counts.input).sum()
    }

    /// How long it took, in seconds.
    pub fn seconds(&self) -> f64 {
        (self.report.ended - self.report.started).max(0) as f64 / 1e6
    }
}

//! Streams at a backend: which one, what it is like, and how it is written and read.

use std::{collections::BTreeMap, time::Duration};

use pipectl_data::Micros;
use serde_json::Value;

/// A stream at its backend, and what it should be like.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamTarget {
    /// What the backend calls it.
    pub name: String,
    /// Whether somebody else made it: it is never created, changed or deleted.
    pub existing: bool,
    /// How many partitions it should have; `None` leaves it to the backend's options or its default.
    pub partitions: Option<u32>,
    /// How long records should stay; `None` leaves it to the service.
    pub retention: Option<Duration>,
    /// Whether readers are promised the order of each key.
    pub ordered: bool,
    /// The backend's own options for this stream, as checked; `None` is their default.
    pub options: Option<Value>,
}

impl StreamTarget {
    /// A stream that exists, by its name alone.
    pub fn existing(name: impl Into<String>) -> Self {
        Self { name: name.into(), existing: true, partitions: None, retention: None, ordered: true, options: None }
    }
}

/// What a service says of a stream.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize)]
pub struct StreamState {
    /// What the backend calls it.
    pub name: String,
    /// Its partitions in the order of their numbers, closed ones that can still be read included; empty where there are
    /// none to see.
    pub partitions: Vec<PartitionState>,
    /// How long records stay, where the service says so.
    pub retention: Option<Duration>,
    /// How it is encrypted at rest, where the service says so: `KMS alias/aws/kinesis`.
    pub encryption: Option<String>,
    /// When it was made.
    pub created: Option<Micros>,
    /// How many records wait for the group that was asked about, where the service says so and no partition does.
    pub lag: Option<u64>,
    /// Whatever else a person would like to know, by name.
    pub settings: BTreeMap<String, String>,
}

/// What a service says of a partition.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct PartitionState {
    /// Its number.
    pub number: u32,
    /// What the backend calls it: `3`, `shardId-000000000003`.
    pub name: String,
    /// Whether it can still be written.
    pub open: bool,
    /// The numbers of those that it came from, where partitions split and merge.
    pub parents: Vec<u32>,
    /// The position of the oldest record that it holds, where the service says so.
    pub earliest: Option<String>,
    /// The position after the newest record, where the service says so.
    pub end: Option<String>,
    /// How many records wait for the group that was asked about, where the service says so.
    pub lag: Option<u64>,
    /// How long the oldest of the records that wait for the group has been there, where the service reports that instead;
    /// zero if none waits.
    pub behind: Option<Duration>,
}

/// A setting of a stream that is not what its Pipeline and Environment say.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// The setting, as the YAML calls it: `partitions`, `kms_key`.
    pub setting: String,
    /// What it is.
    pub is: String,
    /// What it should be.
    pub wanted: String,
    /// Whether nothing may be written as it is: what was to be encrypted with a key is not.
    pub blocking: bool,
}

impl Difference {
    /// If the two differ.
    pub fn of<T: PartialEq>(setting: &str, is: &T, wanted: &T, text: impl Fn(&T) -> String) -> Option<Self> {
        (is != wanted).then(|| Self { setting: setting.into(), is: text(is), wanted: text(wanted), blocking: false })
    }

    /// The same, as one that no run may begin with.
    #[must_use]
    pub fn blocking(self) -> Self {
        Self { blocking: true, ..self }
    }
}

impl StreamState {
    /// What differs from a target in what every backend has: the number of open partitions and the retention. Nothing for
    /// a setting that the target leaves open or the service does not tell.
    pub fn differences(&self, target: &StreamTarget) -> Vec<Difference> {
        let open = self.partitions.iter().filter(|partition| partition.open).count();
        let partitions = target
            .partitions
            .filter(|_| open > 0)
            .and_then(|wanted| Difference::of("partitions", &open, &(wanted as usize), ToString::to_string));
        let retention = self.retention.zip(target.retention).and_then(|(is, wanted)| {
            Difference::of("retention", &is, &wanted, |kept| pipectl_data::units::Duration(*kept).to_string())
        });
        partitions.into_iter().chain(retention).collect()
    }
}

/// Where reading begins where there is no position to go on from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StartAt {
    /// With the oldest record that the stream still holds.
    #[default]
    Earliest,
    /// With the records that come from now on.
    Latest,
    /// With the first record that the service took in at this moment (microseconds UTC) or later.
    Time(Micros),
    /// With the records at these positions, by partition number; a partition that is not named begins with its oldest.
    Positions(BTreeMap<u32, String>),
}

/// What a producer gets when it is opened. It is driven as a [`crate::SinkWriter`]:
///
/// - Batches have a payload (null is a tombstone), may have keys and headers, and no columns. Records with equal keys
///   come from one producer in the order in which they must be readable, across retries too.
/// - `write` takes a batch into the send buffer. It waits while more than `memory` bytes are unconfirmed, retries within
///   the backend's bounds, and keeps the order per key where the stream is ordered. Records that can never be written
///   (too large, a key that is not allowed) are answered. An error leaves nothing of the batch unsent and unknown: the
///   runtime stops on it and does not call again.
/// - Records that the service itself refuses for good later are reported by [`crate::SinkWriter::refused`].
/// - `checkpoint` returns when the service has confirmed everything that was accepted. `finish` does the same.
/// - With a `region` the producer is [two-phase](crate::SinkWriter::is_two_phase): what was accepted stays out of readers' sight until
///   `committed`, and what `checkpoint` answers is what [`crate::Connection::published`] knows a checkpoint by.
#[derive(Debug, Clone)]
pub struct ProducerContext {
    /// The stream's name in the Pipeline, for messages.
    pub node: String,
    /// Bytes that may be unconfirmed at a time, client buffers included.
    pub memory: u64,
    /// Set if the stream is written in transactions ([`crate::StreamFacts::transactional`]) and checkpoints are kept: the
    /// name of the region. All producers of a region that go to one service share a transaction.
    pub region: Option<String>,
}

impl ProducerContext {
    /// For a producer that nobody keeps checkpoints of.
    pub fn new(node: impl Into<String>, memory: u64) -> Self {
        Self { node: node.into(), memory, region: None }
    }
}

/// Who reads a stream, and where the truth about positions is.
#[derive(Debug, Clone, PartialEq)]
pub enum Ownership {
    /// This process reads all partitions. The positions are those of its checkpoint, as the readers'
    /// [`crate::SourceReader::position`] gave them, in the order of the subtasks; empty at a first start. The group's
    /// positions at the service are only a mirror, for people and their monitoring.
    Owned {
        /// One for each subtask, or none.
        positions: Vec<Value>,
    },
    /// Partitions are shared with other workers of the group. The truth are the group's positions at the service (or in
    /// its lease table), written by [`crate::SourceReader::committed`], fenced against a former owner.
    Shared,
    /// A look: reads all partitions and leaves no trace.
    Look,
}

/// What a consumer gets when it is opened. It answers one [`crate::SourceReader`] for each subtask. A partition belongs to
/// the subtask of its number modulo `subtasks` unless the service spreads it otherwise; where partitions are not to be seen,
/// records may come on any subtask.
///
/// - Each batch of a reader comes from one partition, with `Batch::partition` set to its number, `offsets` ascending
///   within it, the service's time of arrival, keys, headers and payload as they are. Where the service's positions are
///   no 64-bit numbers, `offsets` count and `Batch::positions` tells them.
/// - A reader reports of partitions that open, close, go to another worker and are read to their present end
///   ([`crate::Read`]).
/// - After [`crate::SourceReader::writers_finished`] it answers [`crate::Read::End`] when everything that was in its
///   partitions at that moment is read.
#[derive(Debug, Clone)]
pub struct ConsumerContext {
    /// The stream's name in the Pipeline, for messages.
    pub node: String,
    /// The consumer group: made of pipeline, Environment and stream, so that no two share one by accident.
    pub group: String,
    /// How many readers.
    pub subtasks: u32,
    /// Who else reads.
    pub ownership: Ownership,
    /// Where reading begins where there is no position.
    pub start: StartAt,
    /// Bytes that all readers together may have fetched and not yet handed on.
    pub memory: u64,
    /// The time between two checkpoints.
    pub checkpoint_every: Duration,
}

/// What an examination found out about one thing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// What was looked at: `reach 127.0.0.1:9092`, `write to topic orders`.
    pub what: String,
    /// How it is.
    pub outcome: FindingOutcome,
    /// What was found, in one line.
    pub detail: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// How a thing is that was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingOutcome {
    /// As it must be.
    Good,
    /// A run would work, but somebody should look.
    Doubtful,
    /// A run would fail.
    Bad,
    /// It could not be found out, and why.
    Unknown,
}

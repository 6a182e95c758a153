//! Reads a stream of a broker: the subtasks of one consumer and what they share.

mod batch;
mod subtask;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use pipectl_contract::{ConnectorError, ConsumerContext, Ownership, SourceReader, StartAt};
use pipectl_data::Micros;
use pipectl_host::Host;
use serde_json::Value;

use self::subtask::Subtask;
use crate::{
    Broker,
    broker::{Cell, lock},
    failure,
};

/// How long the partitions of a consumer that has gone without a word stay with it: short, since nothing but memory is
/// in between, and long enough for a test to see the time in which nobody reads them.
const SESSION: Duration = Duration::from_secs(1);

/// What a position says of a partition: the offset to go on with, and the epoch in which it was owned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mark {
    pub(crate) next: i64,
    #[serde(default)]
    pub(crate) epoch: u64,
}

/// A position as a checkpoint holds it: marks by partition.
pub(crate) type Marks = BTreeMap<u32, Mark>;

pub(crate) fn marks(position: &Value, node: &str) -> Result<Marks, ConnectorError> {
    serde::Deserialize::deserialize(position).map_err(|_: serde_json::Error| failure::position(node))
}

/// Where the truth about positions is.
#[derive(Debug)]
pub(crate) enum Mode {
    /// In the checkpoints of this process.
    Owned,
    /// In the group, of which this consumer is a member.
    Shared { member: u64 },
    /// Nowhere.
    Look,
}

/// What the subtasks of a consumer share.
#[derive(Debug)]
pub(crate) struct Team {
    pub(crate) broker: Broker,
    pub(crate) cell: Arc<Cell>,
    pub(crate) host: Host,
    pub(crate) node: String,
    pub(crate) group: String,
    pub(crate) subtasks: u32,
    pub(crate) mode: Mode,
    /// Where each partition that existed at the opening begins.
    pub(crate) begin: BTreeMap<u32, i64>,
    /// The partitions that had no position before.
    pub(crate) unplaced: BTreeSet<u32>,
    /// Records before this moment are passed over in a partition without a position.
    pub(crate) not_before: Option<Micros>,
    /// How far partitions are done with: read in a look, part of a durable checkpoint otherwise. What was made from a
    /// partition is read after that.
    pub(crate) done: Mutex<BTreeMap<u32, i64>>,
}

impl Drop for Team {
    fn drop(&mut self) {
        if let Mode::Shared { member } = self.mode {
            let session_ends = self.host.now() + SESSION.as_micros() as Micros;
            if let Some(group) = self.cell.lock().groups.get_mut(&self.group) {
                group.gone(member, session_ends);
            }
            self.cell.ring();
        }
    }
}

impl Team {
    /// Whether a partition's turn has come in this process.
    pub(crate) fn done(&self) -> BTreeMap<u32, i64> {
        lock(&self.done).clone()
    }
}

/// Opens a consumer.
pub(crate) fn open(
    broker: &Broker,
    cell: &Arc<Cell>,
    host: &Host,
    context: ConsumerContext,
) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError> {
    let subtasks = context.subtasks.max(1);
    let mut restored = None;
    if let Ownership::Owned { positions } = &context.ownership
        && !positions.is_empty()
    {
        let all = positions.iter().map(|position| marks(position, &context.node));
        restored = Some(all.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect::<Marks>());
    }
    let mut stream = cell.lock();
    stream.trim(host.now());
    let start = match &context.start {
        // A partition that is not named in a checkpoint has come since, and begins with its oldest.
        _ if restored.is_some() => StartAt::Earliest,
        start => start.clone(),
    };
    let begin: BTreeMap<u32, i64> = (0..stream.logs.len() as u32)
        .map(|number| {
            let mark = restored.as_ref().and_then(|marks| marks.get(&number));
            (number, mark.map_or_else(|| stream.start(number, &start), |mark| mark.next))
        })
        .collect();
    let mut unplaced: BTreeSet<u32> = begin
        .keys()
        .filter(|number| restored.as_ref().is_none_or(|marks| !marks.contains_key(number)))
        .copied()
        .collect();
    let mode = match context.ownership {
        Ownership::Owned { .. } => {
            stream.groups.entry(context.group.clone()).or_default();
            Mode::Owned
        }
        Ownership::Look => Mode::Look,
        Ownership::Shared => {
            let group = stream.groups.entry(context.group.clone()).or_default();
            // Written down at once: a member that starts at the latest and dies before its first commit must not make
            // the group pass over what came meanwhile.
            unplaced.retain(|number| !group.committed.contains_key(number));
            for (number, next) in &begin {
                group.committed.entry(*number).or_insert(*next);
            }
            Mode::Shared { member: group.join() }
        }
    };
    drop(stream);
    let not_before = match start {
        StartAt::Time(time) => Some(time),
        _ => None,
    };
    let team = Arc::new(Team {
        broker: broker.clone(),
        cell: Arc::clone(cell),
        host: host.clone(),
        node: context.node,
        group: context.group,
        subtasks,
        mode,
        done: Mutex::new(begin.clone()),
        begin,
        unplaced,
        not_before,
    });
    cell.ring();
    Ok((0..subtasks).map(|number| Box::new(Subtask::new(Arc::clone(&team), number)) as Box<dyn SourceReader>).collect())
}

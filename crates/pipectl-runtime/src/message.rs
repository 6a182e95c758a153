//! What travels between tasks.

use pipectl_data::{Batch, Micros, START_OF_TIME};

/// Why no more records come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The input has ended.
    Finished(Frontier),
    /// The run was asked to stop; the input has not ended, so windows stay open.
    Stopped,
}

impl End {
    /// Whether the input has ended.
    pub(crate) fn is_finished(self) -> bool {
        matches!(self, Self::Finished(_))
    }

    /// The end of several inputs together.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Finished(one), Self::Finished(other)) => Self::Finished(one.and(other)),
            _ => Self::Stopped,
        }
    }
}

/// How far event time is when an input ends. Input that comes in a later run is judged by it, so it depends on the records
/// alone and not on which task they went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frontier {
    /// The newest event time of all records; [`START_OF_TIME`] if there was none.
    pub(crate) newest: Micros,
    /// Whether windows close with it; not behind a node that keeps its windows open.
    pub(crate) closes: bool,
}

impl Default for Frontier {
    fn default() -> Self {
        Self { newest: START_OF_TIME, closes: true }
    }
}

impl Frontier {
    /// The frontier of several inputs together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { newest: self.newest.max(other.newest), closes: self.closes && other.closes }
    }
}

/// How far event time is while all inputs of a pipeline are idle and read to their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IdleTime {
    /// How long all of them have been idle.
    pub(crate) elapsed: Micros,
    /// The watermark, which goes on with the time that elapses.
    pub(crate) watermark: Micros,
}

/// One message of a queue.
#[derive(Debug, Clone)]
pub(crate) enum Message {
    /// Records.
    Batch(Batch),
    /// No record with an earlier event time is expected on this queue.
    Watermark(Micros),
    /// Nothing has come for a while: this queue does not hold back the watermark until it speaks again.
    Idle,
    /// All inputs of the pipeline are idle: event time goes on without records.
    IdleTime(IdleTime),
    /// Everything before belongs to the checkpoint of this number.
    Barrier(u64),
    /// No more records; barriers still come.
    End(End),
}

impl Message {
    /// Bytes that it counts for in its queue's budget. Barriers and the like are free: they must never wait behind a
    /// full queue for room.
    pub(crate) fn byte_size(&self) -> usize {
        match self {
            Self::Batch(batch) => batch.byte_size(),
            _ => 0,
        }
    }
}

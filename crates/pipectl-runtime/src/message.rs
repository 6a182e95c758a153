//! What travels between tasks.

use pipectl_data::{Batch, Micros};

/// Why no more records come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The input has ended.
    Finished,
    /// The run was told to stop; the input has not ended, so windows stay open.
    Stopped,
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

//! A task's part of a checkpoint: a JSON header and blobs.

use pipectl_data::{Micros, START_OF_TIME};
use serde_json::Value;

use crate::{checkpoint::frame, counters::SavedCounts, error::RunError};

/// What a task needs to go on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TaskState {
    /// Its counts.
    pub(crate) counts: SavedCounts,
    /// Its combined watermark.
    pub(crate) watermark: Micros,
    /// Where its source reader stands.
    pub(crate) position: Option<Value>,
    /// Records sent by each of its routes.
    pub(crate) sent: Vec<u64>,
    /// The state of each step, or of the sink's writer.
    pub(crate) parts: Vec<Vec<u8>>,
}

impl Default for TaskState {
    fn default() -> Self {
        Self {
            counts: SavedCounts::default(),
            watermark: START_OF_TIME,
            position: None,
            sent: Vec::new(),
            parts: Vec::new(),
        }
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Header {
    #[serde(flatten)]
    counts: SavedCounts,
    watermark: Micros,
    position: Option<Value>,
    sent: Vec<u64>,
}

impl TaskState {
    /// As bytes.
    pub(crate) fn encode(self) -> Result<Vec<u8>, RunError> {
        let header =
            Header { counts: self.counts, watermark: self.watermark, position: self.position, sent: self.sent };
        let header = serde_json::to_vec(&header).map_err(|error| RunError::failed(error.to_string()))?;
        Ok(frame::join(std::iter::once(header.as_slice()).chain(self.parts.iter().map(Vec::as_slice))))
    }

    /// From bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, RunError> {
        let broken = || RunError::failed("a task's state in the checkpoint cannot be read");
        let parts = frame::split(bytes).ok_or_else(broken)?;
        let (header, parts) = parts.split_first().ok_or_else(broken)?;
        let header: Header = serde_json::from_slice(header).map_err(|_| broken())?;
        Ok(Self {
            counts: header.counts,
            watermark: header.watermark,
            position: header.position,
            sent: header.sent,
            parts: parts.iter().map(|part| part.to_vec()).collect(),
        })
    }
}

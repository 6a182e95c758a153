//! Checkpoints, in a folder or in an object store: written whole or not at all, read back with every byte checked.

mod file;
pub mod frame;
mod lease;
#[cfg(feature = "objects")]
pub mod objects;
mod store;

use async_trait::async_trait;
pub use file::{Checkpoint, FORMAT, StateOf};
pub use lease::{Asked, Lease, held};
pub use store::Store;

use crate::RunError;

/// The checkpoints of one region, in the hands of the one process that may write them.
#[async_trait]
pub trait Checkpoints: std::fmt::Debug + Send + Sync {
    /// The newest checkpoint, if there is one.
    ///
    /// # Errors
    /// If it is damaged or out of reach. An older one is not taken instead: sinks may have published what came after it.
    async fn latest(&self) -> Result<Option<Checkpoint>, RunError>;

    /// The one that was the newest before the newest, if it is still there.
    ///
    /// # Errors
    /// As for the newest.
    async fn before_latest(&self) -> Result<Option<Checkpoint>, RunError>;

    /// Writes a checkpoint: when this returns it survives a crash of the machine, and it is whole or not there.
    ///
    /// # Errors
    /// If it cannot be written, or another process has the right to the region by now.
    async fn write(&self, checkpoint: Checkpoint) -> Result<(), RunError>;

    /// Notes that a checkpoint counts. The note may be lost in a crash; then whoever decided it is asked.
    ///
    /// # Errors
    /// If it cannot be written.
    async fn note_committed(&self, id: u64) -> Result<(), RunError>;

    /// Notes what was decided at the start of a run without a checkpoint. It survives a crash of the machine, and stays until
    /// the checkpoints are forgotten.
    ///
    /// # Errors
    /// If it cannot be written.
    async fn note_begun(&self, note: Vec<u8>) -> Result<(), RunError>;

    /// What was noted.
    ///
    /// # Errors
    /// If the note is out of reach.
    async fn begun(&self) -> Result<Option<Vec<u8>>, RunError>;

    /// Whether it was noted of a checkpoint that it counts.
    ///
    /// # Errors
    /// If the note is out of reach.
    async fn is_committed(&self, id: u64) -> Result<bool, RunError>;
}

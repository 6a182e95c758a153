//! Checkpoints on disk: written whole or not at all, read back with every byte checked.

mod file;
pub mod frame;
mod lease;
mod store;

pub use file::{Checkpoint, FORMAT};
pub use lease::{Asked, Lease};
pub use store::Store;

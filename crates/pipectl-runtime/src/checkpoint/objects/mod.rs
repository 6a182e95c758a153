//! Checkpoints in an object store, for workers on several machines that share no folder.
//!
//! One object for each pipeline, its *head*, says who owns the pipeline and which checkpoints count. It is only ever
//! replaced on the condition that it has not changed since it was read (`If-Match`, which S3, Blob storage and Cloud Storage
//! all honor), so that an owner that was thought dead can neither make a checkpoint count nor keep its right: its next
//! change is refused. Checkpoints are objects of their own, written before the head names them.

mod claim;
mod head;
mod place;
mod probe;
#[cfg(test)]
mod tests;

pub use claim::{Claim, LEASE, Sought};
pub use place::{Objects, Seen};

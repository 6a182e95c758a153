//! Lowers a Dag to a physical plan: which operators share a task, where records change tasks, what is decoded.
//!
//! Three decisions are taken here and nowhere else. *Decoding*: a source decodes the columns that somebody downstream
//! needs and no others; where nobody does, payloads pass undecoded. *Fusing*: everything that can run on a partition
//! alone stays in that partition's task. *Exchange*: records change tasks where a stream's key says so, and where a
//! window groups by something that the partitions do not already keep together.
//!
//! A durable stream cuts the Dag into regions ([`lower_regions`]): on one side it is written, on the other it is read, and
//! each side runs and is checkpointed alone.

mod columns;
mod lower;
mod regions;

pub use lower::{lower, lower_regions};
pub use regions::MeetAgain;

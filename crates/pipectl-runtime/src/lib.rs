//! Runs a physical plan: tasks, queues with a byte budget, barriers, checkpoints, dead letters, counts.
//!
//! One coordinator watches over all tasks of a region. Source tasks read and run the operators fused to them; operator
//! tasks take records from routes; sink tasks drive a writer. A checkpoint is a barrier that the sources send down
//! every route: a task that has it from all its inputs hands its state to the coordinator, and when all states are
//! there they are written as one file, atomically (Carbone et al., "Lightweight Asynchronous Snapshots for Distributed
//! Dataflows", <https://arxiv.org/abs/1506.08603>). Only then may sinks publish what came before the barrier.

mod build;
mod carry;
mod chain;
mod changes;
pub mod checkpoint;
mod connectors;
mod coordinator;
mod counters;
mod dead_letter;
mod error;
mod gate;
mod idleness;
mod job;
mod layout;
mod limit;
mod memory;
mod message;
mod meters;
mod observer;
mod outputs;
mod provision;
mod queue;
mod reads;
mod resume;
mod retry;
mod route;
mod run;
mod state;
mod steps;
mod stream_writer;
mod task;
mod work;

pub use build::consumer_group;
pub use carry::StateEdits;
pub use connectors::{Connectors, RegistryConnectors, RemoveOutput, target};
pub use counters::Counters;
pub use error::{RunError, RunErrorKind};
pub use job::{Job, reads, writes};
pub use limit::Limits;
pub use observer::Observer;
pub use outputs::{OutputPolicy, refuse_output};
pub use provision::{Differing, Provisioned, forget, provision, start_over};
pub use run::{RunOptions, Running, start};

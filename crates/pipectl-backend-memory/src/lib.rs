//! The in-memory backend: streams that live inside the running pipeline, and brokers that live inside the process.
//!
//! A memory stream has partitions and sends equal keys to the same one by pipectl's own versioned hash. Without a broker
//! it is not durable, so it does not cut a pipeline into regions: its records are in the checkpoint of the pipeline that
//! holds it. With a broker's name it is kept as long as the process lives, is written and read through a connection like
//! the streams of any service, and several consumers can share it.

mod backend;
mod broker;
mod connection;
mod failure;
mod options;
mod producer;
mod reader;

pub use backend::Memory;
pub use broker::Broker;
pub use options::{DEFAULT_PARTITIONS, MemoryOptions, MemoryStreamOptions};

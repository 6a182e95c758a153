//! Files as sources and sinks: `file`, `tail`, `stdin` and `stdout`.
//!
//! The sources cut bytes into records the same way and keep a position that a restart goes on from; the sink `file`
//! holds each record exactly once.

mod blocks;
mod columns;
mod file;
mod follow;
mod glob;
mod input;
mod mark;
mod sink;
mod stdin;
mod tail;
mod worker;

pub use file::{FileOptions, FileSource};
pub use input::{Format, OneOrMany, SourceCompression};
pub use sink::{
    file::{FileSink, FileSinkOptions, OnExisting, SinkCompression},
    format::SinkFormat,
    stdout::{StdoutOptions, StdoutSink},
};
pub use stdin::{StdinOptions, StdinSource};
pub use tail::{StartFrom, TailOptions, TailSource};

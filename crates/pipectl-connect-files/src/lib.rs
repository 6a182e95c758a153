//! Files as sources and sinks: `file`, `tail`, `stdin` and `stdout`.
//!
//! The sources cut bytes into records the same way and keep a position that a restart goes on from; the sink `file`
//! holds each record exactly once.

mod blocks;
mod columns;
mod documents;
mod encoding;
mod file;
mod file_id;
mod follow;
mod glob;
mod in_use;
mod input;
mod last_checkpoint;
mod mark;
mod paths;
mod sink;
mod stdin;
mod tail;
mod worker;

pub use file::{FileOptions, FileSource};
pub use input::{Format, Layout, OnError, OneOrMany, Oversize, SourceCompression};
pub use sink::{
    file::{FileSink, FileSinkOptions, OnExisting, SinkCompression},
    format::SinkFormat,
    stdout::{StdoutOptions, StdoutSink},
};
pub use stdin::{StdinOptions, StdinSource};
pub use tail::{StartFrom, TailOptions, TailSource};

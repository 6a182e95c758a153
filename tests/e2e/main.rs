//! The real binary, run as a person runs it: from a spec on disk to files and tables on disk.
//!
//! What it writes is held against other programs (DuckDB, SQLite, awk) or against an undisturbed run. Tools that are
//! missing are installed by `support/tools.rs`; a test whose tool cannot be had says `skipped: why` and passes.
#![allow(clippy::disallowed_methods, reason = "these tests stand outside of the process that they test, in real time")]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "seeds, counts and skipped tools are for who reads a test run"
)]

mod again;
mod alerts;
mod cases;
mod cli;
mod crash;
mod determinism;
mod evolve;
mod exact;
mod files;
mod functions;
mod meeting;
mod metrics;
mod readers;
mod secrets;
mod sensor_lab;
mod server_logs;
mod signals;
mod simple;
mod sql_answers;
mod support;
mod union;
mod unreachable;

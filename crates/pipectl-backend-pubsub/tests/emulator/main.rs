//! The backend against Google's emulator: what only a server can answer.
//!
//! Each test makes a topic of its own in the server that all of them share.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "tests run in real time, fail by panics and say aloud what they skip"
)]

mod admin;
mod conformance;
mod deliveries;
#[path = "../../src/emulator.rs"]
mod emulator;
mod outage;
mod records;
mod replay;
mod way;
mod world;

//! The real binary over real brokers: one pipeline, five backends, one result.
//!
//! Servers come from `pipectl-peers`; one that cannot be had is reported as `skipped: why`.
#![allow(clippy::disallowed_methods, reason = "these tests stand outside of the process that they test, in real time")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "skipped peers are for who reads a test run")]

mod beginning;
mod between;
mod by_hand;
mod clients;
mod compare;
#[path = "../../crates/pipectl-backend-pubsub/src/emulator.rs"]
#[allow(dead_code, reason = "shared with the backend, which uses all of it")]
mod emulator;
mod exactly_once;
mod failing;
mod ownership;
mod private;
mod remote_state;
mod testbed;
mod trouble;
mod workers;

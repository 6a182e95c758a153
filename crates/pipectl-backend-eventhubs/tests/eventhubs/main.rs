//! The backend against our emulator of Event Hubs and Microsoft's emulator of Blob storage, each started by the test.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests: the peers live in real time, and what cannot be is a failure"
)]

mod admin;
mod data_loss;
mod emulator;
mod read;
mod share;
mod sign;
mod support;
mod write;

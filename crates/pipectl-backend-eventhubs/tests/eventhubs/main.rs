//! The backend against our look-alike of Event Hubs and Microsoft's emulator of Blob storage, each started by the test.
#![allow(clippy::disallowed_methods, reason = "the peers live in real time")]

mod admin;
mod read;
mod share;
mod support;
mod write;

//! The backend against a real broker: what is special to Kafka, beside the suite that all backends pass.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests wait for real servers in real time")]
#![allow(clippy::print_stdout, clippy::unused_self, reason = "tests show figures; a lab makes streams")]

mod admin;
mod conformance;
mod groups;
mod lab;
mod raw;
mod reading;
mod restart;
mod secured;
mod speed;
mod tokens;
mod transactions;
mod writing;

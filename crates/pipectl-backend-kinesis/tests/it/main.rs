//! The backend against kinesis-mock and dynalite: what is special to Kinesis.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "tests wait for real servers in real time"
)]

mod aggregation;
mod beginnings;
mod bench;
mod conformance;
mod fan_out;
mod faults;
mod frames;
mod lag;
mod leases;
mod managing;
mod proxy;
mod reading;
mod sharding;
mod unread;
mod writing;

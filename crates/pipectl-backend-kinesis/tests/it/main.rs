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
mod bench;
mod conformance;
mod faults;
mod leases;
mod managing;
mod proxy;
mod reading;
mod sharding;
mod writing;

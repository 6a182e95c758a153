//! The backend against kinesis-mock and dynalite: what is special to Kinesis.
#![allow(clippy::disallowed_methods, missing_docs, reason = "tests wait for real servers in real time")]

mod aggregation;
mod bench;
mod conformance;
mod faults;
mod leases;
mod proxy;
mod reading;
mod sharding;
mod writing;

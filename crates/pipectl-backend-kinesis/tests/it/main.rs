//! The backend against kinesis-mock and dynalite: what is special to Kinesis.
#![allow(clippy::disallowed_methods, missing_docs, reason = "tests wait for real servers in real time")]

mod bench;
mod conformance;
mod leases;
mod reading;
mod sharding;
mod writing;

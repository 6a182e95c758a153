//! Fault proxies: they stand between a client and a peer and do what networks and busy services do.
//!
//! [`Tcp`] knows bytes only and serves any protocol; [`Http`] knows requests and their answers.

mod tcp;

pub use tcp::Tcp;

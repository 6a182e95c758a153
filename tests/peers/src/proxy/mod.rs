//! Fault proxies: they stand between a client and a peer and do what networks and busy services do.
//!
//! [`Tcp`] knows bytes only and serves any protocol; [`Http`], [`Grpc`] and [`Kafka`] know requests and their answers.

mod entries;
mod grpc;
mod http;
mod kafka;
mod listener;
mod message;
mod rule;
mod tcp;

pub use grpc::{Grpc, Spoil, code};
pub use http::Http;
pub use kafka::Kafka;
pub use rule::{Fired, Then, When};
pub use tcp::Tcp;

//! Fault proxies: they stand between a client and a peer and do what networks and busy services do.
//!
//! [`Tcp`] knows bytes only and serves any protocol; [`Http`] knows requests and their answers.

mod entries;
mod http;
mod message;
mod rule;
mod tcp;

pub use http::Http;
pub use rule::{Fired, Then, When};
pub use tcp::Tcp;

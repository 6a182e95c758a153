//! The Kafka backend: topics, idempotent and transactional producers, readers by position and by consumer group.
//!
//! Everything that the client library (rdkafka over librdkafka) has to say is translated here: to batches of columns, to
//! what a reader tells, to the few errors of the border. Nothing of it leaves the crate.

mod admin;
mod backend;
mod connection;
mod consumer;
mod error;
mod msk;
mod oidc;
mod options;
mod preflight;
mod producer;
mod renewed;
mod retry;
mod settings;
mod token;
mod topic;
mod watch;

pub use backend::Kafka;
pub use options::{Compression, KafkaOptions, KafkaStreamOptions, Login, MskIam, Oidc, OnDataLoss, Sasl, Tls};

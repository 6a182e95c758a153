//! Real servers for tests: installed by name, started on loopback, stopped by process id.
//!
//! A peer is a server that a backend speaks with: Kafka itself, or the most faithful stand-in that needs no container.
//! `Kafka::start()` installs it if this machine never had it, starts it on free ports of loopback, asks it until it
//! answers, and gives a [`Peer`] that stops it when dropped. `Kafka::shared()` gives the one that all tests of a
//! process use. Fault proxies stand in [`proxy`]. `README.md` beside this crate says what each peer can and cannot do.
//!
//! ```no_run
//! use pipectl_peers::{Kafka, need};
//!
//! fn a_test() {
//!     let kafka = need!(Kafka::shared());
//!     println!("bootstrap.servers={}", kafka.endpoint());
//!     kafka.restart();
//! }
//! ```
//!
//! Everything here is synchronous: call it outside of async code or in `spawn_blocking`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a tool of tests: the servers of others live in real time and in the machine's own environment"
)]

mod ask;
mod cache;
mod fault;
mod full;
mod kinds;
mod peer;
mod ports;
mod process;
pub mod proxy;
mod python;
pub mod running;
mod shell;
mod warnings;

pub use cache::{cache, lock};
pub use fault::{Fault, Skip};
pub use full::{TESTS, install_all, is_full};
pub use kinds::{
    azurite::{ACCOUNT as AZURITE_ACCOUNT, Azurite, KEY as AZURITE_KEY, make_container},
    dynamo::Dynamo,
    eventhubs::EventHubs,
    kafka::Kafka,
    kafka_secured::{PASSWORD as KAFKA_PASSWORD, Secured, USER as KAFKA_USER},
    kinesis::Kinesis,
    pubsub::PubSub,
};
pub use peer::{Kind, Peer};
pub use python::python;
pub use shell::{find, system};
pub use warnings::Warnings;

/// Gives a tool or a peer, or prints why there is none (`skipped: why`) and ends the test.
#[macro_export]
macro_rules! need {
    ($tool:expr) => {
        match $tool {
            Ok(tool) => tool,
            Err(why) => {
                println!("{why}");
                eprintln!("{why}");
                return;
            }
        }
    };
}

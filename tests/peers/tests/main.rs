//! Do the peers come up, answer, survive a restart, and go away with the test that started them?
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests of real servers live in real time, and a failing one may panic and say why it skips"
)]

mod grpc;
mod http;
mod kept;
mod secured;
mod servers;
mod supervision;
mod tcp;

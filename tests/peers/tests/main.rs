//! Do the peers come up, answer, survive a restart, and go away with the test that started them?
#![allow(clippy::disallowed_methods, reason = "tests of real servers live in real time")]

mod servers;

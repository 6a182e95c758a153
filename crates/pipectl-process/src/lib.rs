//! Operators as synchronous state machines: SQL, windows, parsing.
//!
//! An operator is given batches, watermarks and checkpoints, and answers with batches and dead letters. It does no
//! I/O and knows no clock: event time reaches it as watermarks, so the same input gives the same output.

pub mod alert;
pub mod parse;
pub mod sql;
pub mod window;

pub use pipectl_contract::{DeadLetters, Operator, OperatorError, Output, Reason};

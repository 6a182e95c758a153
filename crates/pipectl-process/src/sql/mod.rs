//! Queries over single rows: filter and project.

mod budget;
mod explain;
mod fallible;
mod frame;
mod kernel;
mod lower;
mod native;
mod operator;
mod program;
mod shield;

pub(crate) use frame::{Frame, Slot};
pub(crate) use lower::Layout;
pub use operator::SqlOperator;
pub(crate) use operator::dead_letter;
pub(crate) use program::{Course, Outcome, Program};

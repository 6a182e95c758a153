//! Queries over single rows: filter and project.

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
pub(crate) use operator::bury;
pub(crate) use program::{Outcome, Program};

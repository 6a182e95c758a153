//! Queries over single rows: filter and project.

mod coalesce;
mod explain;
mod frame;
mod kernel;
mod lower;
mod native;
mod operator;
mod program;

pub(crate) use frame::{Frame, Slot};
pub(crate) use lower::Layout;
pub use operator::SqlOperator;
pub(crate) use operator::bury;
pub(crate) use program::{Outcome, Program};

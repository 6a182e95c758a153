//! Tables: key to item, upsert; bound to SQLite.
//!
//! Every row is found by its key, so that writing the same records again leaves the same table: delivery is exactly
//! once in effect. A hidden column keeps the event time of each row, and an older record never replaces a newer one.

mod check;
mod earlier;
mod error;
mod options;
mod sink;
mod table;
mod values;
mod writer;

pub use options::{Sqlite, TableBinding, TableOptions};
pub use sink::Table;

#[cfg(test)]
mod tests;

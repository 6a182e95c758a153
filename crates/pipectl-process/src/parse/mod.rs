//! The `parse` processor: takes a column of text apart into typed columns.
//!
//! A line that does not have the form asked for, or a field of it that does not have its type, is a dead letter; every
//! other line is one row. The forms are access logs (scanned by hand, since this runs for each line of a busy server),
//! regular expressions, grok, CSV and JSON.

mod access_log;
mod check;
mod grok;
mod operator;
mod options;
mod pattern;
mod plan;
mod time;

pub use check::{ParseFacts, check};
pub use operator::ParseOperator;
pub use options::{CsvOptions, FieldType, JsonOptions, LogFormat, ParseOptions};

//! From columns to bytes.
//!
//! Values are written the same way everywhere: timestamps as [`crate::timestamp::format`] writes them (the epoch types
//! too, which are only ways to read one), dates as `2026-01-31`, bytes as base64, intervals as durations (`90s`), and
//! floats as the shortest text that reads back as the same value. What no format can hold is refused before, see
//! [`refused`].

pub mod csv;
pub mod jsonl;
mod key;
pub mod parquet;
mod range;
mod values;

pub use key::key_bytes;
pub use range::refused;
pub use values::ColumnText;

#[cfg(test)]
mod tests;

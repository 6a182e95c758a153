//! What flows: batches of records, their schemas and positions, the codecs and the compression.
//!
//! A [`Batch`] is columnar. Its payloads stay undecoded bytes until an operator needs columns; decoding goes straight
//! from bytes to the typed columns that are needed, without a tree of values in between.

mod batch;
pub mod civil;
pub mod compress;
mod data_type;
mod decimal;
pub mod decode;
pub mod encode;
mod field_type;
mod headers;
pub mod json;
pub mod key_hash;
mod schema;
mod secret;
mod share;
pub mod timestamp;
pub mod units;
pub mod whole;

pub use batch::{Batch, PayloadFormat, Rejected, SourceNotes};
pub use data_type::{BadType, DataType};
pub use decimal::{DecimalType, MOST_DIGITS, NotDecimal};
pub use field_type::FieldType;
pub use headers::{Headers, HeadersBuilder};
pub use schema::{Field, Schema};
pub use secret::Secret;
pub use share::{Share, tasks_of};

/// Microseconds since 1970-01-01T00:00:00Z, UTC.
pub type Micros = i64;

/// The watermark that closes everything, at the end of bounded input.
pub const END_OF_TIME: Micros = i64::MAX;

/// The watermark before anything was seen.
pub const START_OF_TIME: Micros = i64::MIN;

//! YAML text to a checked spec with the place of every key and value.
//!
//! `text ─tree▶ spanned tree ─interpolate▶ filled in ─walk▶ checked values ─lower▶ typed spec`. The shape is described
//! once, as JSON Schema: the walk checks by it ([`spec_schema`]) and editors complete by it ([`json_schema`]). Kinds of sources,
//! processors, sinks and backends are handed in as [`Kinds`]; this crate knows none but `sql` and `stream`.

mod editor;
mod fmt;
mod formats;
mod infer;
mod interpolate;
mod keys;
mod load;
mod lower;
pub mod model;
mod schema;
#[cfg(test)]
mod tests;
mod tree;
mod walk;

pub use fmt::{Formatted, format};
pub use infer::{InferError, infer, infer_rows, schema_block};
pub use interpolate::Resolver;
pub use load::{Input, load};
pub use model::Loaded;
pub use schema::{Kind, Kinds, json_schema, spec_schema};

//! YAML text to a checked spec with the place of every key and value.
//!
//! `text ─tree▶ spanned tree ─interpolate▶ filled in ─walk▶ checked values ─lower▶ typed spec`. The shape is described
//! once, as JSON Schema ([`json_schema`]): editors complete by it and the walk checks by it. Kinds of sources,
//! processors, sinks and backends are handed in as [`Kinds`]; this crate knows none but `sql` and `stream`.

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

pub use infer::{InferError, infer, schema_block};
pub use interpolate::Resolver;
pub use load::{Input, load};
pub use model::Loaded;
pub use schema::{Kind, Kinds, json_schema};

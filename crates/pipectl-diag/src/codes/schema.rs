//! Schemas, keys, time.

crate::codes::codes! {}

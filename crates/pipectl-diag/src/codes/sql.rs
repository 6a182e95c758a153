//! SQL.

crate::codes::codes! {}

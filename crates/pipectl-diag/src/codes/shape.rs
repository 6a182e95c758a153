//! The shape of a spec: keys, types, values.

crate::codes::codes! {}

//! Environments and bindings.

crate::codes::codes! {}

//! Commands: arguments, files, inputs.

crate::codes::codes! {}

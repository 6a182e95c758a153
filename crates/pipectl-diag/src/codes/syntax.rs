//! Text and YAML syntax.

crate::codes::codes! {}

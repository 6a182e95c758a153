//! Names and the graph.

crate::codes::codes! {}

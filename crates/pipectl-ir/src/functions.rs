//! The functions (being written).

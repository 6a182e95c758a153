//! From columns to bytes.

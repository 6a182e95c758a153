//! YAML text to a checked spec with the place of every key and value.
mod tree;

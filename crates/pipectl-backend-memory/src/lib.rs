//! The in-memory backend: partitions and a versioned key hash.

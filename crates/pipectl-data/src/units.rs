//! Durations, sizes and rates as people write them.

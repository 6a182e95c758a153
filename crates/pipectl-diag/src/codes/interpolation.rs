//! Variables and secrets.

crate::codes::codes! {}

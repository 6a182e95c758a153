//! The Google Pub/Sub backend.

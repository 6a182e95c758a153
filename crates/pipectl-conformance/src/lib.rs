//! The suites that every backend must pass.

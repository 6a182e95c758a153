//! Sinks: a file, and standard output.

pub(crate) mod file;
pub(crate) mod format;
pub(crate) mod stdout;

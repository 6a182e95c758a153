//! Other programs that tests compare with. How what is missing is installed, and what a test says if it cannot be had,
//! is pipectl-peers' affair.

use std::path::PathBuf;

pub(crate) use pipectl_peers::{need, system};

/// The release of DuckDB that results are compared with.
const DUCKDB: &str = "duckdb==1.5.5";

/// A Python that can `import duckdb`.
pub(crate) fn duckdb() -> Result<PathBuf, pipectl_peers::Skip> {
    pipectl_peers::python(&[DUCKDB])
}

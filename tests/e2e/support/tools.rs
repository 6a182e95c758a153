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

/// A Python with readers of Parquet as they were before there were view types.
pub(crate) fn old_readers() -> Result<PathBuf, pipectl_peers::Skip> {
    pipectl_peers::python(&["pyarrow==12.0.1", "numpy<2", "pandas<2.2"])
}

/// A Python with today's readers of Parquet.
pub(crate) fn new_readers() -> Result<PathBuf, pipectl_peers::Skip> {
    pipectl_peers::python(&["pyarrow==26.0.1", "pandas==3.1.1", "polars==2.1.0", DUCKDB])
}

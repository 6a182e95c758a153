//! Device and inode of a file: what it keeps when it is renamed, and what two names of one file share.

use std::{fs::Metadata, path::Path};

/// A file's device and inode.
pub(crate) type FileId = (u64, u64);

/// The identity of the file at `path`, links followed; `None` if there is none.
pub(crate) fn of(path: &Path) -> Option<FileId> {
    std::fs::metadata(path).ok().map(|metadata| of_metadata(path, &metadata))
}

/// The identity of the file at `path`, whose metadata is known.
#[cfg(unix)]
pub(crate) fn of_metadata(_path: &Path, metadata: &Metadata) -> FileId {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

/// Without inodes the name stands for the file; a rename then looks like a truncation.
#[cfg(not(unix))]
pub(crate) fn of_metadata(path: &Path, _metadata: &Metadata) -> FileId {
    (0, xxhash_rust::xxh3::xxh3_64(path.to_string_lossy().as_bytes()))
}

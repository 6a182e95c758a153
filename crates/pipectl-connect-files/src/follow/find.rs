//! Finding a file again that was renamed or copied: log rotation's two ways.

use std::{
    collections::BTreeSet,
    fs::Metadata,
    path::{Path, PathBuf},
};

use pipectl_data::compress::Compression;

use super::{Id, Place, followed::Followed};

/// Device and inode of the file at `path`; `None` if there is none.
pub(super) fn id(path: &Path) -> Option<Id> {
    std::fs::metadata(path).ok().map(|metadata| id_of(path, &metadata))
}

#[cfg(unix)]
pub(super) fn id_of(_path: &Path, metadata: &Metadata) -> Id {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

/// Without inodes the name stands for the file; a rename then looks like a truncation.
#[cfg(not(unix))]
pub(super) fn id_of(path: &Path, _metadata: &Metadata) -> Id {
    (0, xxhash_rust::xxh3::xxh3_64(path.to_string_lossy().as_bytes()))
}

/// The same file under another name beside `path`.
pub(super) fn renamed(place: &Place, path: &Path, known: &BTreeSet<Id>) -> Option<Followed> {
    let candidates = siblings(path).filter(|sibling| id(sibling) == Some((place.dev, place.inode)));
    first_that_resumes(candidates, place, known)
}

/// Another file beside `path` that begins with what was read. Nothing is found for a place at a file's very start,
/// where every file would fit.
pub(super) fn copy(place: &Place, path: &Path, known: &BTreeSet<Id>) -> Option<Followed> {
    if place.mark.length == 0 {
        return None;
    }
    let candidates = siblings(path).filter(|sibling| Compression::detect(sibling) == Compression::None);
    first_that_resumes(candidates, place, known)
}

/// A compressed file beside `path` that may be its rotated self.
pub(super) fn compressed(path: &Path) -> Option<PathBuf> {
    siblings(path).find(|sibling| Compression::detect(sibling) != Compression::None)
}

fn first_that_resumes(
    mut candidates: impl Iterator<Item = PathBuf>,
    place: &Place,
    known: &BTreeSet<Id>,
) -> Option<Followed> {
    candidates.find_map(|candidate| {
        let mut file = Followed::open(&candidate).ok().flatten()?;
        (!known.contains(&file.id) && file.resume(place).ok()?).then_some(file)
    })
}

/// Files in the same folder whose names begin like this one: `access.log.1`, `access.log-20260131`, `access-1.log`;
/// and the file itself. The latest changed come first, since the last rotation is the likeliest.
fn siblings(path: &Path) -> impl Iterator<Item = PathBuf> {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let fits = entry.file_name().to_string_lossy().starts_with(&stem);
        if let Some(metadata) = entry.metadata().ok().filter(|metadata| fits && metadata.is_file()) {
            found.push((std::cmp::Reverse(metadata.modified().ok()), entry.path()));
        }
    }
    found.sort();
    found.into_iter().map(|(_, path)| path)
}

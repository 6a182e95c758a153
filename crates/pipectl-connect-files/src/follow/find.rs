//! Finding a file again that was renamed or copied: log rotation's two ways.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use pipectl_data::compress::Compression;

use super::{Place, followed::Followed};
use crate::{
    file_id::{self, FileId},
    paths::{folder_of, usable},
};

/// The same file under another name beside `path`.
pub(super) fn renamed(place: &Place, path: &Path, known: &BTreeSet<FileId>) -> Option<Followed> {
    let candidates = siblings(path).filter(|sibling| file_id::of(sibling) == Some((place.dev, place.inode)));
    first_that_resumes(candidates, place, known)
}

/// Another file beside `path` that begins with what was read. Nothing is found for a place at a file's very start,
/// where every file would fit.
pub(super) fn copy(place: &Place, path: &Path, known: &BTreeSet<FileId>) -> Option<Followed> {
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
    known: &BTreeSet<FileId>,
) -> Option<Followed> {
    candidates.find_map(|candidate| {
        let mut file = Followed::open(&candidate).ok().flatten()?;
        (!known.contains(&file.id) && file.resume(place).ok()?).then_some(file)
    })
}

/// Whether a file may be another after a rotation, renamed or copied.
pub(crate) fn is_sibling(path: &Path, of: &Path) -> bool {
    let (Some(name), Some(stem)) = (path.file_name(), of.file_stem()) else { return false };
    folder_of(path) == folder_of(of) && name.as_encoded_bytes().starts_with(stem.as_encoded_bytes())
}

/// Files in the same folder whose names begin like this one: `access.log.1`, `access.log-20260131`, `access-1.log`;
/// and the file itself. The latest changed come first, since the last rotation is the likeliest.
fn siblings(path: &Path) -> impl Iterator<Item = PathBuf> {
    let folder = folder_of(path);
    let mut found = Vec::new();
    let entries = std::fs::read_dir(folder);
    if let Err(error) = &entries {
        tracing::warn!(folder = %folder.display(), %error, "cannot look for the rotated file");
    }
    for entry in entries.into_iter().flatten().flatten() {
        let sibling = usable(folder, entry.file_name());
        let fits = is_sibling(&sibling, path);
        if let Some(metadata) = entry.metadata().ok().filter(|metadata| fits && metadata.is_file()) {
            found.push((std::cmp::Reverse(metadata.modified().ok()), sibling));
        }
    }
    found.sort();
    found.into_iter().map(|(_, path)| path)
}

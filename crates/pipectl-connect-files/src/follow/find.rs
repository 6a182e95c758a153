//! Finding a file again that was renamed or copied: log rotation's two ways.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use pipectl_data::compress::Compression;

use super::{ResumePoint, followed::Followed, order::is_rotated};
use crate::{
    file_id::{self, FileId},
    paths::{folder_of, usable},
};

/// The same file under another name beside `path`.
pub(super) fn renamed(place: &ResumePoint, path: &Path, known: &BTreeSet<FileId>) -> Option<Followed> {
    let candidates = siblings(path).filter(|sibling| file_id::of(sibling) == Some((place.dev, place.inode)));
    first_that_resumes(candidates, place, known)
}

/// Another file beside `path` that begins with what was read. Nothing is found for a place at a file's very start,
/// where every file would fit.
pub(super) fn copy(place: &ResumePoint, path: &Path, known: &BTreeSet<FileId>) -> Option<Followed> {
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

/// The files that were rotated after `old`, which `path` once was, and before what has that name now, and the compressed
/// ones among them: a log that was rotated twice has one that nobody has seen. Only names that add a number or a date to
/// the log's own count, since other files beside it may begin with its name.
pub(super) fn between(old: &Followed, path: &Path, known: &BTreeSet<FileId>) -> (Vec<Followed>, Vec<PathBuf>) {
    match old.modified.filter(|_| is_numbered(&old.path, path)) {
        Some(since) => rotated_after(since, path, &known.iter().copied().chain([old.id]).collect()),
        None => (Vec::new(), Vec::new()),
    }
}

/// The same for a file that has just moved away from `path`, wherever it is now.
pub(super) fn after_move(old: &Followed, path: &Path, known: &BTreeSet<FileId>) -> (Vec<Followed>, Vec<PathBuf>) {
    let is_rotated = siblings(path).any(|sibling| file_id::of(&sibling) == Some(old.id) && is_numbered(&sibling, path));
    match old.modified.filter(|_| is_rotated) {
        Some(since) => rotated_after(since, path, known),
        None => (Vec::new(), Vec::new()),
    }
}

/// The same for what was rotated after an empty file was last written, at `since` in microseconds.
pub(super) fn rotated_since(since: i64, path: &Path, known: &BTreeSet<FileId>) -> (Vec<Followed>, Vec<PathBuf>) {
    let since = std::time::UNIX_EPOCH + std::time::Duration::from_micros(since.unsigned_abs());
    rotated_after(since, path, known)
}

fn rotated_after(since: std::time::SystemTime, path: &Path, known: &BTreeSet<FileId>) -> (Vec<Followed>, Vec<PathBuf>) {
    let (mut found, mut compressed) = (Vec::new(), Vec::new());
    for sibling in siblings(path).filter(|sibling| is_numbered(sibling, path)) {
        let is_later = std::fs::metadata(&sibling).and_then(|metadata| metadata.modified()).is_ok_and(|at| at > since);
        if !is_later || file_id::of(&sibling).is_none_or(|id| known.contains(&id)) {
            continue;
        }
        if Compression::detect(&sibling) == Compression::None {
            found.extend(Followed::open(&sibling).ok().flatten());
        } else {
            compressed.push(sibling);
        }
    }
    (found, compressed)
}

/// Whether a name adds a number or a date to that of a log: `access.log.1`, `access.log-20260131.gz`.
fn is_numbered(path: &Path, log: &Path) -> bool {
    let plain =
        if Compression::detect(path) == Compression::None { path.to_path_buf() } else { path.with_extension("") };
    let added = plain.as_os_str().as_encoded_bytes().get(log.as_os_str().len()..).unwrap_or_default();
    is_rotated(&plain, log) && added.iter().all(|byte| byte.is_ascii_digit() || b".-_:T".contains(byte))
}

fn first_that_resumes(
    mut candidates: impl Iterator<Item = PathBuf>,
    place: &ResumePoint,
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

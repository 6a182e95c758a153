//! The files that there are, and what shows that one is still the same.

use std::{
    collections::{HashMap, HashSet},
    fs::Metadata,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use pipectl_contract::ConnectorError;
use pipectl_data::compress::Compression;

use super::ledger::Entry;
use crate::{file_id, follow::is_sibling, in_use::InUse, paths::short_name};

/// The files that there are when a run begins.
pub(super) struct Listing {
    pub(super) paths: Vec<PathBuf>,
    pub(super) directory: PathBuf,
    /// The number on the disk of each file, where it has one.
    names: HashMap<String, Option<u64>>,
    /// The name of each file by its number on the disk.
    pub(super) inodes: HashMap<u64, String>,
    /// Keeps sinks from writing them.
    _in_use: Vec<InUse>,
}

impl Listing {
    /// Files in the order in which they are read. Of several names of one file, the first counts.
    pub(super) fn new(files: Vec<PathBuf>, directory: PathBuf, node: &str) -> Result<Self, ConnectorError> {
        let mut ids = HashSet::new();
        let mut names = HashMap::new();
        let mut inodes = HashMap::new();
        let mut paths = Vec::new();
        let mut in_use = Vec::new();
        for path in files {
            let name = short_name(&path, &directory);
            let id = file_id::of(&path);
            if let Some(id) = id {
                if !ids.insert(id) {
                    continue;
                }
                in_use.push(InUse::read(id, &name, node)?);
                inodes.insert(id.1, name.clone());
            }
            names.insert(name, id.map(|id| id.1));
            paths.push(path);
        }
        Ok(Self { paths, directory, names, inodes, _in_use: in_use })
    }

    /// Whether the file of an entry is among them, perhaps under another name.
    pub(super) fn has(&self, entry: &Entry) -> bool {
        self.has_name(entry) || self.inodes.contains_key(&entry.inode)
    }

    /// Whether a file has the name of an entry, perhaps another file.
    pub(super) fn has_name(&self, entry: &Entry) -> bool {
        self.names.contains_key(&entry.name)
    }

    /// Whether the file of an entry still has its name.
    pub(super) fn is_in_place(&self, entry: &Entry) -> bool {
        self.names.get(&entry.name) == Some(&Some(entry.inode))
    }

    /// The name that the file of an entry has now, if it is another one and the entry's own name is gone or taken.
    pub(super) fn moved(&self, entry: &Entry) -> Option<&String> {
        self.inodes.get(&entry.inode).filter(|name| **name != entry.name)
    }
}

/// What shows, without reading a file, that it has not changed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stat {
    pub(super) inode: u64,
    pub(super) size: u64,
    pub(super) modified: i64,
    /// When it was made, in microseconds, where the file system knows.
    born: Option<i64>,
    pub(super) is_regular: bool,
}

impl Stat {
    pub(super) fn of(path: &Path, metadata: &Metadata) -> Self {
        Self {
            inode: file_id::of_metadata(path, metadata).1,
            size: metadata.len(),
            modified: metadata.modified().ok().and_then(micros).unwrap_or(0),
            born: metadata.created().ok().and_then(micros),
            is_regular: metadata.is_file(),
        }
    }

    pub(super) fn is_unchanged(self, entry: &Entry) -> bool {
        self.size > 0 && self.size == entry.size && self.modified == entry.modified && self.inode == entry.inode
    }

    /// Whether a file that has the inode of an entry and another name can be the entry's file, so that its text decides.
    /// A file system gives the inode of a deleted file to a new one, and an export may hold the same every day: where
    /// there is nothing to go on with, only a file that is older than its entry is the same one.
    pub(super) fn may_be_moved(self, entry: &Entry) -> bool {
        let was_read_in_part = entry.size == 0;
        let is_older = self.born.is_some_and(|born| born < entry.modified);
        entry.byte > 0 && (was_read_in_part || self.size > entry.size || is_older)
    }
}

fn micros(time: SystemTime) -> Option<i64> {
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_micros()).ok()
}

/// Whether `name` is one that a rotation gives to the file of an entry, which a rotation may have named already:
/// `app.log.1.gz` becomes `app.log.2.gz`.
pub(super) fn is_moved(entry: &Entry, name: &str) -> bool {
    let (name, of) = (Path::new(name), Path::new(entry.own_name()));
    is_sibling(name, of) || is_sibling(name, &before_rotations(of))
}

/// The name without what compression and rotation add: `app.log` of `app.log.2.gz` and of `app.log-20260131`.
fn before_rotations(path: &Path) -> PathBuf {
    let plain =
        if Compression::detect(path) == Compression::None { path.to_path_buf() } else { path.with_extension("") };
    let text = plain.to_string_lossy();
    let stem = text.trim_end_matches(|end: char| end.is_ascii_digit() || "-_.:T".contains(end));
    // Only what is added after an extension: `part-0001` is a name of its own.
    if Path::new(stem).extension().is_some() { PathBuf::from(stem) } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_rotations_give_are_recognized() {
        let moved = |from: &str, to: &str| {
            let entry = Entry { name: from.to_owned(), inode: 1, size: 0, modified: 0, byte: 1, open_line: 0, mark: 0 };
            is_moved(&entry, to) && is_moved(&entry.rewritten(), to)
        };
        for (from, to) in [
            ("app.log", "app.log.1"),
            ("app.log.1", "app.log.2"),
            ("app.log.1.gz", "app.log.2.gz"),
            ("log/app.log-20260131", "log/app.log-20260131.gz"),
            ("app.log.1", "app.log.2.zst"),
            ("app", "app.1"),
        ] {
            assert!(moved(from, to), "{from} {to}");
        }
        for (from, to) in [("part-0001.jsonl", "part-0002.jsonl"), ("a/app.log", "b/app.log.1"), ("2026-01", "2026-02")]
        {
            assert!(!moved(from, to), "{from} {to}");
        }
    }
}

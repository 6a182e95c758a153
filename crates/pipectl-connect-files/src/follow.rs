//! The followed files of a `tail`: which there are, what is new in them, and what became of those that moved.

mod find;
mod followed;
mod order;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use pipectl_contract::{ConnectorError, ErrorKind};
use pipectl_data::{Micros, compress::Compression};
use serde::{Deserialize, Serialize};

use self::{
    followed::{Followed, Look},
    order::{Seen, order},
};
use crate::{
    blocks::{Block, Cut},
    glob::Pattern,
    mark::Mark,
};

/// How long a renamed or deleted file is still read without anything new in it: its writer may not know yet that it
/// moved (a web server writes on until it is told to reopen its logs).
const LINGER: Micros = 30_000_000;

/// The place in one file that a restart goes on from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Place {
    path: String,
    dev: u64,
    inode: u64,
    /// The fingerprint of what has been delivered.
    mark: Mark,
    /// Bytes delivered.
    offset: u64,
}

/// A file's device and inode.
type Id = (u64, u64);

/// What one look at the files brought.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    /// New records, of one file.
    pub(crate) block: Option<Block>,
    /// Where reading goes on after them, if that changed.
    pub(crate) places: Option<Vec<Place>>,
    /// Nothing is left, partial lines included; only if it was asked to finish.
    pub(crate) finished: bool,
}

/// The files and where each is read.
pub(crate) struct Follow {
    patterns: Vec<Pattern>,
    cut: Cut,
    /// Begin at the end of files that the first scan finds.
    from_end: bool,
    /// Places of the last run, until the first scan has looked for them.
    restored: Vec<Place>,
    files: Vec<Followed>,
    /// Whose turn it is, so that one busy file does not hide the others.
    turn: usize,
    /// Files that a warning was given for.
    warned: BTreeSet<PathBuf>,
}

impl Follow {
    pub(crate) fn new(patterns: Vec<Pattern>, cut: Cut, from_end: bool, restored: Vec<Place>) -> Self {
        Self { patterns, cut, from_end, restored, files: Vec::new(), turn: 0, warned: BTreeSet::new() }
    }

    /// Looks for new records and, if `scan`, first for new and moved files. `finish` also delivers last lines that
    /// have no line end.
    pub(crate) fn pass(&mut self, now: Micros, scan: bool, finish: bool) -> Result<Pass, ConnectorError> {
        let before = if scan { Some(self.places()) } else { None };
        if scan {
            self.scan(now)?;
        }
        let block = self.read(now, finish)?;
        let places = self.places();
        let changed = block.is_some() || before.is_some_and(|before| before != places);
        Ok(Pass { finished: finish && block.is_none(), block, places: changed.then_some(places) })
    }

    fn places(&self) -> Vec<Place> {
        let mut places: Vec<_> = self.files.iter().map(Followed::place).collect();
        places.sort();
        places
    }

    /// The first new records: of files that moved away before those that took their place.
    fn read(&mut self, now: Micros, finish: bool) -> Result<Option<Block>, ConnectorError> {
        'again: loop {
            let count = self.files.len();
            for index in self.order() {
                let Some(file) = self.files.get_mut(index) else { continue };
                let last = finish || file.left_since.is_some_and(|since| now - since >= LINGER);
                match file.look(&self.cut, last)? {
                    Look::Nothing => {}
                    Look::Block(block) => {
                        if file.left_since.is_some() {
                            file.left_since = Some(now);
                        }
                        self.turn = (index + 1) % count;
                        return Ok(Some(block));
                    }
                    Look::Truncated => {
                        // The rest of the old content, if there is a copy of it, comes before the new.
                        self.truncated(index, now);
                        continue 'again;
                    }
                }
            }
            break;
        }
        self.files.retain(|file| file.listed || file.left_since.is_none_or(|since| now - since < LINGER));
        Ok(None)
    }

    fn order(&self) -> Vec<usize> {
        let seen =
            self.files.iter().map(|file| Seen { path: &file.path, listed: file.listed, modified: file.modified });
        order(&seen.collect::<Vec<_>>(), self.turn)
    }

    /// A file begins anew. If its old content was copied away first, what was not read of it is read from the copy.
    fn truncated(&mut self, index: usize, now: Micros) {
        let Some(file) = self.files.get_mut(index) else { return };
        let old = file.place();
        let path = file.path.clone();
        file.restart();
        let known = self.files.iter().map(|file| file.id).collect();
        match find::copy(&old, &path, &known) {
            Some(mut copy) => {
                tracing::info!(file = %path.display(), copy = %copy.path.display(), "the file was truncated; the rest of its old content is read from the copy");
                copy.left_since = Some(now);
                self.files.push(copy);
            }
            None => {
                tracing::info!(file = %path.display(), read = old.offset, "the file was truncated; reading it from its start");
            }
        }
    }

    fn scan(&mut self, now: Micros) -> Result<(), ConnectorError> {
        let mut listed = BTreeMap::new();
        for path in self.expand()? {
            if let Some(id) = find::id(&path) {
                listed.entry(id).or_insert(path);
            }
        }
        for place in std::mem::take(&mut self.restored) {
            self.restore(&place, &listed, now)?;
        }
        for file in &mut self.files {
            file.age();
            if let Some(path) = listed.remove(&file.id) {
                file.path = path;
                file.listed = true;
                file.left_since = None;
            } else {
                file.listed = false;
                file.left_since.get_or_insert(now);
            }
        }
        let mut fresh: Vec<_> = listed.into_values().collect();
        fresh.sort();
        for path in fresh {
            let Some(mut file) = Followed::open(&path).map_err(|error| unreadable(&path, error))? else { continue };
            if self.files.iter().any(|known| known.id == file.id) {
                continue;
            }
            if self.from_end {
                file.skip_to_end(&self.cut).map_err(|error| unreadable(&path, error))?;
            }
            file.listed = true;
            self.files.push(file);
        }
        self.from_end = false;
        Ok(())
    }

    /// The files that match now, without folders and compressed files.
    fn expand(&mut self) -> Result<Vec<PathBuf>, ConnectorError> {
        let mut found = BTreeSet::new();
        for pattern in &self.patterns {
            pattern.expand(&mut found).map_err(|error| ConnectorError::io("look for files to follow", error))?;
        }
        found.retain(|path| {
            if Compression::detect(path) == Compression::None {
                return path.is_file();
            }
            if self.warned.insert(path.clone()) {
                tracing::warn!(file = %path.display(), "a compressed file matches `paths`; `tail` leaves it out, a `file` source can read it");
            }
            false
        });
        Ok(found.into_iter().collect())
    }

    /// Finds a file of the last run again: at its place, renamed, or copied.
    fn restore(&mut self, place: &Place, listed: &BTreeMap<Id, PathBuf>, now: Micros) -> Result<(), ConnectorError> {
        let path = Path::new(&place.path);
        let known: BTreeSet<Id> = self.files.iter().map(|file| file.id).collect();
        let same = |file: &Followed| file.id == (place.dev, place.inode);
        let here = listed.get(&(place.dev, place.inode)).map(PathBuf::as_path);
        if let Some(path) = here {
            let file = Followed::open(path).map_err(|error| unreadable(path, error))?;
            if let Some(mut file) = file.filter(|file| same(file) && !known.contains(&file.id)) {
                if !file.resume(place).map_err(|error| unreadable(path, error))? {
                    // The same inode with other content: it was truncated, or a new file got the number of a deleted one.
                    file.restart();
                    self.restore_moved(place, path, &known, now);
                }
                self.files.push(file);
                return Ok(());
            }
        }
        self.restore_moved(place, path, &known, now);
        Ok(())
    }

    fn restore_moved(&mut self, place: &Place, path: &Path, known: &BTreeSet<Id>, now: Micros) {
        let found = find::renamed(place, path, known).or_else(|| find::copy(place, path, known));
        if let Some(mut file) = found {
            tracing::info!(file = %place.path, now = %file.path.display(), "a followed file was moved while pipectl was away; going on in it");
            file.left_since = Some(now);
            self.files.push(file);
        } else if let Some(compressed) = find::compressed(path) {
            tracing::warn!(file = %place.path, read = place.offset, compressed = %compressed.display(), "a followed file was rotated and compressed while pipectl was away: what it held after the bytes that were read is missing");
        } else {
            tracing::warn!(file = %place.path, read = place.offset, "a followed file is gone: what it held after the bytes that were read is missing");
        }
    }
}

fn unreadable(path: &Path, error: std::io::Error) -> ConnectorError {
    ConnectorError::io(format_args!("follow `{}`", path.display()), error)
}

fn too_long(path: &Path, byte: u64) -> ConnectorError {
    let message = format!(
        "the record at byte {byte} of `{}` is longer than `max_record`: check `format`, or raise the limit",
        path.display()
    );
    ConnectorError::new(ErrorKind::Invalid, message)
}

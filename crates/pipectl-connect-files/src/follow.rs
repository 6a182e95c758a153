//! The followed files of a `tail`: which there are, what is new in them, and what became of those that moved.

mod find;
mod followed;
mod order;
mod problems;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

use pipectl_contract::{ConnectorError, ErrorKind};
use pipectl_data::{Micros, compress::Compression};
use serde::{Deserialize, Serialize};

pub(crate) use self::{find::is_sibling, followed::line_end, problems::Problem};
use self::{
    followed::{Followed, Look},
    order::{Seen, order},
    problems::Problems,
};
use crate::{
    blocks::{Block, Cut},
    file_id::{self, FileId},
    glob::{Found, Pattern},
    in_use::InUse,
    mark::Mark,
    paths::{absolute, folder_of, is_inside, link_error},
};

/// How long a renamed or deleted file is still read without anything new in it: its writer may not know yet that it
/// moved (a web server writes on until it is asked to reopen its logs).
const LINGER: Micros = 30_000_000;

/// The place in one file that a restart goes on from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct ResumePoint {
    path: String,
    dev: u64,
    inode: u64,
    /// The fingerprint of the first bytes that have been delivered.
    mark: Mark,
    /// The fingerprint of the bytes before `offset`, where `mark` does not hold them already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Mark>,
    /// Bytes delivered.
    offset: u64,
    /// When an empty file was last written, in microseconds: what it holds later may have been moved away meanwhile, and
    /// there is nothing in it to recognize that by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    empty_since: Option<i64>,
    /// Length of the last record, if it was delivered although its line had no end yet.
    #[serde(default, skip_serializing_if = "is_zero")]
    open_line: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(length: &u64) -> bool {
    *length == 0
}

/// What one look at the files brought.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    /// New records, of one file.
    pub(crate) block: Option<Block>,
    /// Where reading goes on after them, if that changed.
    pub(crate) places: Option<Vec<ResumePoint>>,
    /// Files and folders that cannot be read and were not reported yet.
    pub(crate) problems: Vec<Problem>,
    /// Nothing is left, partial lines included; only if it was asked to finish.
    pub(crate) finished: bool,
    /// What cannot be read at the end.
    pub(crate) unreadable: Vec<Problem>,
}

/// The files and where each is read.
pub(crate) struct Follow {
    patterns: Vec<Pattern>,
    cut: Cut,
    /// Begin at the end of files that the first scan finds.
    from_end: bool,
    /// Places of the last run, until the files have been found again.
    restored: Vec<ResumePoint>,
    files: Vec<Followed>,
    /// Whose turn it is, so that one busy file does not hide the others.
    turn: usize,
    /// Files that a warning was given for.
    warned: BTreeSet<PathBuf>,
    /// Patterns that a warning was given for, since they matched nothing.
    empty: BTreeSet<String>,
    problems: Problems,
    /// The source's name.
    node: String,
    /// An error that ends the source whatever its options say.
    fatal: Option<ConnectorError>,
}

impl Follow {
    pub(crate) fn new(
        patterns: Vec<Pattern>,
        cut: Cut,
        from_end: bool,
        restored: Vec<ResumePoint>,
        node: &str,
    ) -> Self {
        Self {
            patterns,
            cut,
            from_end,
            restored,
            files: Vec::new(),
            turn: 0,
            warned: BTreeSet::new(),
            empty: BTreeSet::new(),
            problems: Problems::default(),
            node: node.to_owned(),
            fatal: None,
        }
    }

    /// Looks for new records and, if `scan`, first for new and moved files. `finish` also delivers last lines that
    /// have no line end.
    pub(crate) fn pass(&mut self, now: Micros, scan: bool, finish: bool) -> Result<Pass, ConnectorError> {
        let before = if scan { Some(self.places()) } else { None };
        if scan {
            self.scan(now);
        }
        let block = self.read(now, finish)?;
        if let Some(error) = self.fatal.take() {
            return Err(error);
        }
        let places = self.places();
        let changed = block.is_some() || before.is_some_and(|before| before != places);
        let finished = finish && block.is_none();
        Ok(Pass {
            finished,
            block,
            places: changed.then_some(places),
            problems: self.problems.take_new(),
            unreadable: if finished { self.problems.all() } else { Vec::new() },
        })
    }

    fn places(&self) -> Vec<ResumePoint> {
        let mut places: Vec<_> = self.files.iter().map(Followed::place).chain(self.restored.iter().cloned()).collect();
        places.sort();
        places
    }

    /// The first new records: of files that moved away before those that took their place.
    fn read(&mut self, now: Micros, finish: bool) -> Result<Option<Block>, ConnectorError> {
        'again: loop {
            let count = self.files.len();
            for index in self.order() {
                let Some(file) = self.files.get_mut(index) else { continue };
                if !self.problems.may_try(&file.path, now) {
                    continue;
                }
                let last = finish || file.left_since.is_some_and(|since| now - since >= LINGER);
                let look = match file.look(&self.cut, last) {
                    Ok(look) => look,
                    Err(error) if file.listed => {
                        self.problems.add(&file.path, &error, now);
                        continue;
                    }
                    Err(error) => {
                        // Another file may have its name now, which must not wait for this one.
                        tracing::warn!(file = %file.path.display(), read = file.offset(), %error, "a file that was moved or removed cannot be read to its end");
                        self.files.remove(index);
                        continue 'again;
                    }
                };
                self.problems.solved(&file.path);
                match look {
                    Look::Nothing => {}
                    Look::Block(block) => {
                        if file.left_since.is_some() {
                            file.left_since = Some(now);
                        }
                        self.turn = (index + 1) % count;
                        return Ok(Some(block));
                    }
                    Look::Rewritten => {
                        // The rest of the old content, if there is a copy of it, comes before the new.
                        self.rewritten(index, now);
                        continue 'again;
                    }
                    Look::TooLong(byte) => return Err(too_long(&file.path, byte)),
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
    fn rewritten(&mut self, index: usize, now: Micros) {
        let Some(file) = self.files.get_mut(index) else { return };
        let old = file.place();
        let path = file.path.clone();
        if !file.listed {
            // Only the rest of its old content was of interest: the next rotation has copied over it.
            tracing::info!(file = %path.display(), read = old.offset, "a file that was moved away holds something else now; it is no longer followed");
            self.files.remove(index);
            return;
        }
        file.restart();
        let known = self.files.iter().map(|file| file.id).collect();
        match find::copy(&old, &path, &known) {
            Some(mut copy) => {
                tracing::info!(file = %path.display(), copy = %copy.path.display(), "the file was truncated; the rest of its old content is read from the copy");
                copy.left_since = Some(now);
                self.push(copy);
            }
            None => warn_rewritten(&path, old.offset),
        }
    }

    fn scan(&mut self, now: Micros) {
        let mut listed = BTreeMap::new();
        let (found, hidden) = self.expand(now);
        for path in found {
            if let Some(id) = file_id::of(&path) {
                listed.entry(id).or_insert(path);
            }
        }
        let restored = std::mem::take(&mut self.restored);
        let placed: BTreeSet<FileId> = restored.iter().map(|place| (place.dev, place.inode)).collect();
        for place in restored {
            self.restore(place, &listed, &placed, now);
        }
        let mut moved = Vec::new();
        for file in &mut self.files {
            file.age();
            if let Some(path) = listed.remove(&file.id) {
                file.path = path;
                file.listed = true;
                file.left_since = None;
            } else if !hidden.iter().any(|folder| is_inside(&file.path, folder)) {
                if std::mem::take(&mut file.listed) {
                    moved.push((file.id, file.path.clone()));
                }
                file.left_since.get_or_insert(now);
            }
        }
        // What waits to be restored must not be read from its start.
        listed.retain(|id, _| !self.restored.iter().any(|place| (place.dev, place.inode) == *id));
        let mut fresh: Vec<_> = listed.into_values().collect();
        fresh.sort();
        for path in fresh {
            if self.problems.may_try(&path, now)
                && let Err(error) = self.add(&path)
            {
                self.problems.add(&path, &error, now);
            }
        }
        for (id, path) in moved {
            self.rotated(id, &path, now);
        }
        self.from_end = false;
    }

    /// A file has moved away from `path`. What has its place now may not be the next one: a log can be rotated twice
    /// between two scans.
    fn rotated(&mut self, id: FileId, path: &Path, now: Micros) {
        if self.files.iter().any(|file| file.listed && file.path == path)
            && let Some(old) = self.files.iter().find(|file| file.id == id)
        {
            let known = self.files.iter().map(|file| file.id).collect();
            let found = find::after_move(old, path, &known);
            self.follow_between(found, now);
        }
    }

    /// Follows a file, unless a sink writes it.
    fn push(&mut self, mut file: Followed) {
        match InUse::read(file.id, &file.path.display().to_string(), &self.node) {
            Ok(in_use) => {
                file.in_use = Some(in_use);
                self.files.push(file);
            }
            Err(error) => self.fatal = Some(error),
        }
    }

    /// Begins to follow a file.
    fn add(&mut self, path: &Path) -> io::Result<()> {
        let Some(mut file) = Followed::open(path)? else { return Ok(()) };
        if self.files.iter().any(|known| known.id == file.id) {
            return Ok(());
        }
        if self.from_end {
            file.skip_to_end(&self.cut)?;
        }
        file.listed = true;
        self.problems.solved(path);
        self.push(file);
        Ok(())
    }

    /// The files that match now, without folders and compressed files, and the folders that cannot be listed.
    fn expand(&mut self, now: Micros) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let mut found = Found::default();
        for pattern in &self.patterns {
            let mut matching = Found::default();
            pattern.expand(&mut matching);
            if matching.files.is_empty() && self.empty.insert(pattern.text().to_owned()) {
                let folder = if pattern.is_name() { folder_of(pattern.base()) } else { pattern.base() };
                let folder = absolute(folder);
                if let Some(literal) = pattern.literal() {
                    tracing::warn!(pattern = %pattern.text(), folder = %folder.display(), "no file matches the pattern yet; waiting for one; to read the file with exactly this name, write `{literal}`");
                } else {
                    tracing::warn!(pattern = %pattern.text(), folder = %folder.display(), "no file matches the pattern yet; waiting for one");
                }
            }
            found.broken.append(&mut matching.broken);
            found.files.append(&mut matching.files);
            found.unreadable.append(&mut matching.unreadable);
        }
        for (path, error) in &found.unreadable {
            self.problems.add(path, error, now);
        }
        for (path, error) in found.broken {
            if error.kind() != io::ErrorKind::NotFound {
                self.problems.add(&path, &error, now);
            } else if self.warned.insert(path.clone()) {
                // Its target may still come.
                tracing::warn!(file = %path.display(), error = %link_error(&path, error), "a link matches `path` and leads to no file yet; waiting for one");
            }
        }
        let unreadable: BTreeSet<&PathBuf> = found.unreadable.iter().map(|(path, _)| path).collect();
        self.problems.solved_folders(&unreadable);
        let hidden = found.unreadable.into_iter().map(|(path, _)| path).collect();
        let mut files = found.files;
        files.retain(|path| {
            if Compression::detect(path) == Compression::None {
                return path.is_file();
            }
            if self.warned.insert(path.clone()) {
                tracing::warn!(file = %path.display(), "a compressed file matches `path`; `tail` ignores it, but a `file` source can read it");
            }
            false
        });
        (files.into_iter().collect(), hidden)
    }

    /// Finds a file of the last run again: at its place, renamed, or copied. Where that cannot be known yet, the place
    /// waits for the next scan.
    fn restore(
        &mut self,
        place: ResumePoint,
        listed: &BTreeMap<FileId, PathBuf>,
        placed: &BTreeSet<FileId>,
        now: Micros,
    ) {
        let path = PathBuf::from(&place.path);
        let known: BTreeSet<FileId> = self.files.iter().map(|file| file.id).collect();
        let id = (place.dev, place.inode);
        if let Some(path) = listed.get(&id) {
            match Followed::open(path).and_then(|file| {
                match file.filter(|file| file.id == id && !known.contains(&id)) {
                    Some(mut file) => file.resume(&place).map(|same| Some((file, same))),
                    None => Ok(None),
                }
            }) {
                Err(error) => {
                    self.problems.add(path, &error, now);
                    self.restored.push(place);
                    return;
                }
                Ok(Some((file, true))) => {
                    self.problems.solved(path);
                    if let Some(since) = place.empty_since {
                        let known = known.union(placed).copied().chain([id]).collect();
                        let found = find::rotated_since(since, path, &known);
                        self.follow_between(found, now);
                    }
                    self.push(file);
                    return;
                }
                Ok(Some((mut file, false))) => {
                    // The same inode with other content: it was rewritten, or a new file got the number of a deleted one.
                    file.restart();
                    let known = known.into_iter().chain([id]).collect();
                    if !self.restore_moved(&place, path, &known, placed, now) {
                        warn_rewritten(path, place.offset);
                    }
                    self.push(file);
                    return;
                }
                Ok(None) => {}
            }
        }
        if let Err(error) = std::fs::read_dir(folder_of(&path)) {
            self.problems.add(folder_of(&path), &error, now);
            self.restored.push(place);
        } else if !self.restore_moved(&place, &path, &known, placed, now) {
            if let Some(compressed) = find::compressed(&path) {
                tracing::warn!(file = %place.path, read = place.offset, compressed = %compressed.display(), "a followed file was rotated and compressed while pipectl was away: what it held after the bytes that were read is missing");
            } else {
                tracing::warn!(file = %place.path, read = place.offset, "a followed file is gone: what it held after the bytes that were read is missing");
            }
        }
    }

    /// Goes on in a file that was renamed, or in the copy of one; answers whether there is one. Files of `placed` have places
    /// of their own.
    fn restore_moved(
        &mut self,
        place: &ResumePoint,
        path: &Path,
        known: &BTreeSet<FileId>,
        placed: &BTreeSet<FileId>,
        now: Micros,
    ) -> bool {
        let found = find::renamed(place, path, known).or_else(|| find::copy(place, path, known));
        let Some(mut file) = found else { return false };
        tracing::info!(file = %place.path, now = %file.path.display(), "a followed file was moved while pipectl was away; going on in it");
        file.left_since = Some(now);
        let known: BTreeSet<FileId> =
            known.union(placed).copied().chain(self.files.iter().map(|file| file.id)).collect();
        let found = find::between(&file, path, &known);
        self.push(file);
        self.follow_between(found, now);
        true
    }

    /// Follows files that were rotated while nobody looked and that no checkpoint knows.
    fn follow_between(&mut self, (between, compressed): (Vec<Followed>, Vec<PathBuf>), now: Micros) {
        for mut file in between {
            tracing::info!(file = %file.path.display(), "a followed file was rotated more than once; this one is read too");
            file.left_since = Some(now);
            self.push(file);
        }
        for path in compressed {
            tracing::warn!(file = %path.display(), "a followed file was rotated more than once, and compressed before it was read: what this one holds is missing; a `file` source can read it");
        }
    }
}

fn warn_rewritten(path: &Path, read: u64) {
    tracing::warn!(
        file = %path.display(), read,
        "the file was truncated or rewritten; reading it from its start, and what it held after the bytes that were read is missing if there was more"
    );
}

fn too_long(path: &Path, byte: u64) -> ConnectorError {
    let message = format!(
        "the record at byte {byte} of `{}` is longer than `max_record`: check `format`, or raise the limit",
        path.display()
    );
    ConnectorError::new(ErrorKind::Invalid, message)
}

//! One followed file.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    time::SystemTime,
};

use pipectl_contract::ConnectorError;
use pipectl_data::Micros;

use super::{Id, Place, find, too_long, unreadable};
use crate::{
    blocks::{BLOCK, Block, Cut},
    mark::{self, Mark},
};

/// An open file and how far it was read.
pub(super) struct Followed {
    /// Its name when it was last seen.
    pub(super) path: PathBuf,
    pub(super) id: Id,
    /// Whether a pattern finds it now.
    pub(super) listed: bool,
    /// Since when no pattern finds it and nothing new came.
    pub(super) left_since: Option<Micros>,
    /// When it was last written, as of the last scan.
    pub(super) modified: Option<SystemTime>,
    file: File,
    /// Bytes delivered.
    offset: u64,
    /// The first of them.
    head: Vec<u8>,
    /// Length and time of change when there was nothing new, so that an idle file costs one system call.
    seen: Option<(u64, Option<SystemTime>)>,
}

/// What is new in a file.
pub(super) enum Look {
    Block(Block),
    Nothing,
    /// It is shorter than what was read of it, or begins with something else.
    Truncated,
}

impl Followed {
    /// Opens a file at its start; `None` if it is gone meanwhile.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        let id = find::id_of(path, &metadata);
        Ok(Some(Self {
            path: path.to_path_buf(),
            id,
            listed: false,
            left_since: None,
            modified: metadata.modified().ok(),
            file,
            offset: 0,
            head: Vec::new(),
            seen: None,
        }))
    }

    /// Goes on from a place, if this is still the file that it is in.
    pub(super) fn resume(&mut self, place: &Place) -> io::Result<bool> {
        if self.file.metadata()?.len() < place.offset {
            return Ok(false);
        }
        let head = self.read(0, place.mark.length)?;
        if !place.mark.matches(&head) {
            return Ok(false);
        }
        self.head = head;
        self.offset = place.offset;
        self.seen = None;
        Ok(true)
    }

    /// Looks when it was last written.
    pub(super) fn age(&mut self) {
        self.modified = self.file.metadata().and_then(|metadata| metadata.modified()).ok();
    }

    /// Begins anew.
    pub(super) fn restart(&mut self) {
        self.offset = 0;
        self.head.clear();
        self.seen = None;
    }

    /// Leaves out all whole lines that are there.
    pub(super) fn skip_to_end(&mut self, cut: &Cut) -> io::Result<()> {
        let mut end = self.file.metadata()?.len();
        let lowest = end.saturating_sub(cut.max_record as u64);
        // Backwards to the last line end; what is after it is a line that is still being written.
        while end > lowest {
            let start = end.saturating_sub(64 * 1024).max(lowest);
            let bytes = self.read(start, (end - start) as usize)?;
            if let Some(found) = memchr::memrchr(b'\n', &bytes) {
                end = start + found as u64 + 1;
                break;
            }
            end = start;
        }
        self.offset = end;
        self.head = self.read(0, mark::LENGTH.min(end as usize))?;
        Ok(())
    }

    /// Where a restart goes on.
    pub(super) fn place(&self) -> Place {
        Place {
            path: self.path.to_string_lossy().into_owned(),
            dev: self.id.0,
            inode: self.id.1,
            mark: Mark::of(&self.head),
            offset: self.offset,
        }
    }

    /// The next whole lines, about a block of them; with `last` also a last line without its end.
    pub(super) fn look(&mut self, cut: &Cut, last: bool) -> Result<Look, ConnectorError> {
        self.try_look(cut, last)
            .map_err(|error| unreadable(&self.path, error))?
            .map_err(|byte| too_long(&self.path, byte))
    }

    fn try_look(&mut self, cut: &Cut, last: bool) -> io::Result<Result<Look, u64>> {
        let metadata = self.file.metadata()?;
        let seen = Some((metadata.len(), metadata.modified().ok()));
        if self.seen == seen && !(last && metadata.len() > self.offset) {
            return Ok(Ok(Look::Nothing));
        }
        if metadata.len() < self.offset || self.read(0, self.head.len())? != self.head {
            return Ok(Ok(Look::Truncated));
        }
        let mut want = BLOCK;
        loop {
            let mut bytes = self.read(self.offset, want)?;
            let more = bytes.len() == want;
            let (mut records, mut consumed) = cut.records(&bytes);
            let partial = bytes.len() - consumed;
            if partial > cut.max_record {
                return Ok(Err(self.offset + consumed as u64));
            }
            if let Some(record) = records.iter().find(|range| range.len() > cut.max_record) {
                return Ok(Err(self.offset + record.start as u64));
            }
            if last && !more {
                let tail = bytes.get(consumed..).unwrap_or_default();
                records.extend(cut.last(tail).map(|range| range.start + consumed..range.end + consumed));
                consumed = bytes.len();
            }
            if consumed == 0 && more {
                want *= 2;
                continue;
            }
            bytes.truncate(consumed);
            if self.head.len() < mark::LENGTH {
                let missing = mark::LENGTH - self.head.len();
                self.head.extend_from_slice(bytes.get(..missing).unwrap_or(&bytes));
            }
            self.offset += consumed as u64;
            if records.is_empty() {
                if more {
                    continue;
                }
                self.seen = seen;
                return Ok(Ok(Look::Nothing));
            }
            return Ok(Ok(Look::Block(Block { bytes, records, end: self.offset })));
        }
    }

    /// Up to `length` bytes from `start`.
    fn read(&self, start: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if length > 0 {
            let mut file = &self.file;
            file.seek(SeekFrom::Start(start))?;
            bytes.reserve(length.min(BLOCK));
            file.take(length as u64).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    }
}

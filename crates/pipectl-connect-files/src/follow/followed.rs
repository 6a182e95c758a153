//! One followed file.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    time::SystemTime,
};

use encoding_rs::{Encoding, UTF_8};
use pipectl_data::Micros;

use super::ResumePoint;
use crate::{
    blocks::{BLOCK, Block, Cut, Records},
    encoding,
    file_id::{self, FileId},
    in_use::InUse,
    input::Oversize,
    mark::{self, Ends, Mark},
};

/// An open file and how far it was read.
pub(super) struct Followed {
    /// Its name when it was last seen.
    pub(super) path: PathBuf,
    pub(super) id: FileId,
    /// Whether a pattern finds it now.
    pub(super) listed: bool,
    /// Since when no pattern finds it and nothing new came.
    pub(super) left_since: Option<Micros>,
    /// When it was last written, as of the last scan.
    pub(super) modified: Option<SystemTime>,
    file: File,
    /// Keeps sinks from writing it.
    pub(super) in_use: Option<InUse>,
    /// Both ends of what was delivered.
    read: Ends,
    /// Length of the last record, if it was delivered although its line had no end yet.
    open_line: u64,
    /// Up to where the end of a line that is too long was looked for.
    searched: u64,
    /// Length and time of change when there was nothing new, so that an idle file costs one system call.
    seen: Option<(u64, Option<SystemTime>)>,
}

/// What is new in a file.
pub(super) enum Look {
    Block(Block),
    Nothing,
    /// It is shorter than what was read of it, or holds something else there.
    Rewritten,
    /// The record at this byte is longer than allowed.
    TooLong(u64),
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
        let id = file_id::of_metadata(path, &metadata);
        Ok(Some(Self {
            path: path.to_path_buf(),
            id,
            listed: false,
            left_since: None,
            modified: metadata.modified().ok(),
            file,
            in_use: None,
            read: Ends::default(),
            open_line: 0,
            searched: 0,
            seen: None,
        }))
    }

    /// Goes on from a place, if this is still the file that it is in.
    pub(super) fn resume(&mut self, place: &ResumePoint) -> io::Result<bool> {
        if self.file.metadata()?.len() < place.offset {
            return Ok(false);
        }
        let head = self.bytes(0, place.mark.length)?;
        // A position of an earlier version has no fingerprint of the last bytes.
        let length = place.before.as_ref().map_or(0, |before| before.length as u64);
        let tail = self.bytes(place.offset.saturating_sub(length), length as usize)?;
        if !place.mark.matches(&head) || place.before.as_ref().is_some_and(|before| !before.matches(&tail)) {
            return Ok(false);
        }
        self.read = Ends::new(head, tail, place.offset);
        self.open_line = place.open_line.min(place.offset);
        self.seen = None;
        Ok(true)
    }

    /// Looks when it was last written.
    pub(super) fn age(&mut self) {
        self.modified = self.file.metadata().and_then(|metadata| metadata.modified()).ok();
    }

    /// Begins anew.
    pub(super) fn restart(&mut self) {
        self.read = Ends::default();
        (self.open_line, self.searched) = (0, 0);
        self.seen = None;
    }

    /// Leaves out all whole lines that are there.
    pub(super) fn skip_to_end(&mut self, cut: &Cut) -> io::Result<()> {
        let mut end = self.file.metadata()?.len();
        let lowest = end.saturating_sub(cut.max_record as u64) & !1;
        let (encoding, _) = self.encoding(cut, &self.bytes(0, 3)?);
        // Backwards to the last line end; what is after it is a line that is still being written.
        while end > lowest {
            // In UTF-16, characters are at even places.
            let start = (end.saturating_sub(64 * 1024) & !1).max(lowest);
            let bytes = self.bytes(start, (end - start) as usize)?;
            if let Some(found) = encoding::after_last_line_end(&bytes, encoding) {
                end = start + found as u64;
                break;
            }
            end = start;
        }
        self.read = self.ends_at(end)?;
        Ok(())
    }

    /// Both ends of what is before this byte.
    fn ends_at(&self, end: u64) -> io::Result<Ends> {
        let head = self.bytes(0, mark::LENGTH.min(usize::try_from(end).unwrap_or(usize::MAX)))?;
        let tail = (end - head.len() as u64).min(mark::LENGTH as u64);
        let tail = self.bytes(end - tail, tail as usize)?;
        Ok(Ends::new(head, tail, end))
    }

    /// Bytes that were delivered.
    pub(super) fn offset(&self) -> u64 {
        self.read.length()
    }

    /// Where a restart goes on.
    pub(super) fn place(&self) -> ResumePoint {
        let tail = self.read.tail();
        ResumePoint {
            path: self.path.to_string_lossy().into_owned(),
            dev: self.id.0,
            inode: self.id.1,
            mark: Mark::of(self.read.head()),
            before: (!tail.is_empty()).then(|| Mark::of(tail)),
            offset: self.read.length(),
            empty_since: self.modified.filter(|_| self.read.length() == 0).and_then(micros),
            open_line: self.open_line,
        }
    }

    /// The next whole lines, about a block of them; with `last` also a last line without its end.
    pub(super) fn look(&mut self, cut: &Cut, last: bool) -> io::Result<Look> {
        let metadata = self.file.metadata()?;
        let seen = Some((metadata.len(), metadata.modified().ok()));
        if self.seen == seen && !(last && metadata.len() > self.offset()) {
            return Ok(Look::Nothing);
        }
        if metadata.len() < self.offset() {
            return Ok(Look::Rewritten);
        }
        let mut want = BLOCK;
        loop {
            let bytes = self.bytes(self.offset(), want)?;
            // Looked at after the bytes were read: whoever rewrites the file later does not change them any more.
            if !self.is_the_same()? {
                return Ok(Look::Rewritten);
            }
            let (encoding, mark) = self.encoding(cut, &bytes);
            if self.open_line > 0 && !bytes.is_empty() {
                // The last record was delivered although its line had no end yet; now the line goes on, or ends.
                let line = self.bytes(self.offset() - self.open_line, self.open_line as usize)?;
                let unit = encoding.map_or(1, encoding::unit);
                let next = bytes.get(..bytes.len().min(2 * unit)).unwrap_or_default();
                let next = encoding.map_or_else(|| next.to_vec(), |encoding| encoding::decode_so_far(next, encoding));
                match line_end(&next) {
                    Some(end) if end == 0 || !cut.ends_with_line(&text(&line, encoding)) => self.go_back(),
                    Some(end) => {
                        self.read.feed(bytes.get(..end * unit).unwrap_or_default());
                        self.open_line = 0;
                    }
                    None => return Ok(Look::Nothing),
                }
                continue;
            }
            let more = bytes.len() == want;
            // In UTF-16, lines can only be found once it is decoded; in all others, in the bytes as they are.
            let wide = encoding.filter(|encoding| encoding::unit(encoding) == 2);
            let decoded = wide.map(|wide| encoding::decode_utf16(bytes.get(mark..).unwrap_or_default(), wide));
            let skip = if decoded.is_some() { 0 } else { mark };
            let lines = decoded.as_deref().unwrap_or(&bytes);
            let is_over = last && !more;
            let mut records = cut.records(lines, skip, is_over);
            let too_long = cut.too_long(&records.ranges, lines.len() - records.end);
            let raw = |end: usize| match &decoded {
                Some(decoded) => mark + encoding::utf16_length(decoded.get(..end).unwrap_or_default()),
                None => end,
            };
            match too_long {
                None => {}
                Some(0) => {
                    let start = raw(records.ranges.first().map_or(records.end, |record| record.start)) as u64;
                    let look = self.oversized(self.offset() + start, cut, encoding, last)?;
                    if matches!(look, Look::Nothing) {
                        self.seen = seen;
                    }
                    return Ok(look);
                }
                // What is before it is delivered first.
                Some(count) => records.truncate(count),
            }
            let mut open_line = 0;
            if is_over && too_long.is_none() {
                if let Some(range) = cut.last(lines, records.end) {
                    open_line = (raw(lines.len()) - raw(records.end)) as u64;
                    records.ranges.push(range);
                }
                records.end = lines.len();
            }
            let Records { ranges: records, end: consumed, rejected } = records;
            if consumed == skip && more && records.is_empty() {
                want *= 2;
                continue;
            }
            let taken = if consumed == 0 { 0 } else { raw(consumed) };
            self.read.feed(bytes.get(..taken).unwrap_or_default());
            self.open_line = open_line;
            if records.is_empty() {
                if more {
                    continue;
                }
                self.seen = seen;
                return Ok(Look::Nothing);
            }
            let mut lines = decoded.unwrap_or(bytes);
            lines.truncate(consumed);
            let block = Block { bytes: lines, records, open_line, rejected };
            return Ok(Look::Block(match encoding.filter(|_| wide.is_none()) {
                Some(encoding) => block.decoded(encoding),
                None => block,
            }));
        }
    }

    /// How this file is written, and the length of the mark that says so at its start, if that is not read yet.
    fn encoding(&self, cut: &Cut, bytes: &[u8]) -> (Option<&'static Encoding>, usize) {
        let at_start = self.offset() == 0;
        let first = if at_start { bytes } else { self.read.head() };
        let (encoding, mark) = encoding::detect(first, cut.encoding.unwrap_or(UTF_8));
        (Some(encoding).filter(|encoding| *encoding != UTF_8), if at_start { mark } else { 0 })
    }

    /// A record that is longer than allowed and starts here. As long as its line has no end, it waits.
    fn oversized(
        &mut self,
        start: u64,
        cut: &Cut,
        encoding: Option<&'static Encoding>,
        last: bool,
    ) -> io::Result<Look> {
        if cut.oversize == Oversize::Fail {
            return Ok(Look::TooLong(start));
        }
        let unit = encoding.map_or(1, encoding::unit);
        let mut at = self.searched.max(start);
        let (end, length) = loop {
            let mut bytes = self.bytes(at, BLOCK)?;
            // Half a unit at the end waits for its other half.
            bytes.truncate(bytes.len() - bytes.len() % unit);
            match encoding::find_line_end(&bytes, encoding) {
                Some((found, length)) => break (at + (found + length) as u64, at + found as u64 - start),
                None if bytes.is_empty() && last => break (at, at - start),
                None if bytes.is_empty() => {
                    self.searched = at;
                    return Ok(Look::Nothing);
                }
                None => at += bytes.len() as u64,
            }
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let wanted = cut.kept() * unit;
        let kept = self.bytes(start, wanted.min(length))?;
        self.read = self.ends_at(end)?;
        (self.open_line, self.searched) = (0, 0);
        Ok(Look::Block(cut.shortened(text(&kept, encoding), length)))
    }

    /// Whether the file still holds what was read of it, as far as its ends show.
    fn is_the_same(&self) -> io::Result<bool> {
        let tail = self.read.tail();
        Ok(self.bytes(0, self.read.head().len())? == self.read.head()
            && self.bytes(self.offset() - tail.len() as u64, tail.len())? == tail)
    }

    /// The last line was delivered without its end, and its writer has gone on with it: the whole line is a record of its
    /// own, so that nobody gets the second half of one.
    fn go_back(&mut self) {
        tracing::warn!(
            file = %self.path.display(), byte = self.offset() - self.open_line,
            "a line was delivered without its end and has grown since; it is delivered again as a whole"
        );
        self.read.unread(std::mem::take(&mut self.open_line));
    }

    /// Up to `length` bytes from `start`.
    fn bytes(&self, start: u64, length: usize) -> io::Result<Vec<u8>> {
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

fn text(bytes: &[u8], encoding: Option<&'static Encoding>) -> Vec<u8> {
    encoding.map_or_else(|| bytes.to_vec(), |encoding| encoding::decode(bytes, encoding))
}

/// Length of the line end that `bytes` begin with, 0 if they begin with something else, `None` if that is not known yet.
pub(crate) fn line_end(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b'\n', ..] => Some(1),
        [b'\r', b'\n', ..] => Some(2),
        [] | [b'\r'] => None,
        _ => Some(0),
    }
}

fn micros(time: SystemTime) -> Option<i64> {
    i64::try_from(time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_micros()).ok()
}

//! Opens a file where the last run left it, if it is still the same one.

use std::{
    fs::File,
    io::{self, Read, Seek as _, SeekFrom},
    path::Path,
};

use encoding_rs::Encoding;
use pipectl_data::compress::Compression;

use super::ledger::{Entry, LastFile, fingerprint};
use crate::{
    blocks::{Blocks, Cut},
    encoding::{Utf8, utf16_mark},
    follow::line_end,
    mark::{self, Ends},
};

/// What is between the bytes on the disk and the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opening {
    pub(super) compression: Compression,
    pub(super) encoding: Option<&'static Encoding>,
}

impl Opening {
    /// Whether the text of a file is what is on the disk.
    pub(super) fn is_plain_at(self, path: &Path) -> io::Result<bool> {
        self.is_plain(&mut File::open(path)?)
    }

    /// The same for a file that is read from its start on.
    fn is_plain(self, file: &mut File) -> io::Result<bool> {
        if self.compression != Compression::None || self.encoding.is_some() {
            return Ok(false);
        }
        let first = read(file, 2)?;
        file.rewind()?;
        Ok(utf16_mark(&first).is_none())
    }

    /// The text of a file as UTF-8.
    pub(super) fn reader(self, file: File) -> Box<dyn Read + Send> {
        Box::new(Utf8::new(self.compression.reader(file), self.encoding))
    }
}

/// What became of a file since.
pub(super) enum Resumed {
    /// It is the same; these are the records that came since.
    Same(Blocks),
    /// The same, and the last record, which had no line end, has grown: it comes again, whole.
    Again(Blocks),
    /// Nothing has come.
    Nothing,
    /// It holds something else where it was read.
    Other,
}

/// What must be the same.
pub(super) enum Known<'a> {
    Entry(&'a Entry),
    /// What an earlier version knew.
    Last(&'a LastFile),
}

impl Known<'_> {
    fn byte(&self) -> u64 {
        match self {
            Self::Entry(entry) => entry.byte,
            Self::Last(last) => last.byte,
        }
    }

    fn open_line(&self) -> u64 {
        match self {
            Self::Entry(entry) => entry.open_line.min(entry.byte),
            Self::Last(_) => 0,
        }
    }

    fn fits(&self, ends: &Ends) -> bool {
        match self {
            Self::Entry(entry) => entry.mark == fingerprint(ends),
            Self::Last(last) => last.mark.matches(ends.head()),
        }
    }
}

/// Goes on in the file at `path` after what is known of it.
pub(super) fn resume(path: &Path, opening: Opening, cut: &Cut, known: &Known<'_>) -> io::Result<Resumed> {
    let open_line = known.open_line();
    let line_start = known.byte() - open_line;
    if open_line > cut.max_record as u64 {
        return resume_oversized(path, opening, cut, known, line_start);
    }
    let Some((mut input, before)) = skip(path, opening, line_start)? else { return Ok(Resumed::Other) };
    let mut line = Vec::new();
    input.by_ref().take(open_line).read_to_end(&mut line)?;
    let mut ends = before.clone();
    ends.feed(&line);
    if ends.length() < known.byte() || !known.fits(&ends) {
        return Ok(Resumed::Other);
    }
    if open_line == 0 {
        return Ok(Resumed::Same(Blocks::new(input, cut.clone(), ends, false)));
    }
    let mut next = Vec::new();
    input.by_ref().take(2).read_to_end(&mut next)?;
    let Some(length) = line_end(&next) else { return Ok(Resumed::Nothing) };
    if length > 0 && cut.ends_with_line(&line) {
        let (end, rest) = next.split_at(length);
        ends.feed(end);
        let input = io::Cursor::new(rest.to_vec()).chain(input);
        return Ok(Resumed::Same(Blocks::new(Box::new(input), cut.clone(), ends, false)));
    }
    line.extend_from_slice(&next);
    let input = io::Cursor::new(line).chain(input);
    Ok(Resumed::Again(Blocks::new(Box::new(input), cut.clone(), before, false)))
}

/// The same where the last line is longer than a record may be: it is never held in memory, and it ends with the next
/// line end whatever the format.
fn resume_oversized(
    path: &Path,
    opening: Opening,
    cut: &Cut,
    known: &Known<'_>,
    line_start: u64,
) -> io::Result<Resumed> {
    let Some((mut input, mut ends)) = skip(path, opening, known.byte())? else { return Ok(Resumed::Other) };
    if !known.fits(&ends) {
        return Ok(Resumed::Other);
    }
    let mut next = Vec::new();
    input.by_ref().take(2).read_to_end(&mut next)?;
    let Some(length) = line_end(&next) else { return Ok(Resumed::Nothing) };
    if length > 0 {
        let (end, rest) = next.split_at(length);
        ends.feed(end);
        let input = io::Cursor::new(rest.to_vec()).chain(input);
        return Ok(Resumed::Same(Blocks::new(Box::new(input), cut.clone(), ends, false)));
    }
    let Some((input, before)) = skip(path, opening, line_start)? else { return Ok(Resumed::Other) };
    Ok(Resumed::Again(Blocks::new(input, cut.clone(), before, false)))
}

/// What is after `length` bytes, and both ends of these; `None` if there are fewer.
fn skip(path: &Path, opening: Opening, length: u64) -> io::Result<Option<(Box<dyn Read + Send>, Ends)>> {
    let mut file = File::open(path)?;
    if opening.is_plain(&mut file)? {
        if file.metadata()?.len() < length {
            return Ok(None);
        }
        let head = length.min(mark::LENGTH as u64);
        let tail = (length - head).min(mark::LENGTH as u64);
        let ends = Ends::new(read(&file, head)?, Vec::new(), length);
        file.seek(SeekFrom::Start(length - tail))?;
        let ends = Ends::new(ends.head().to_vec(), read(&file, tail)?, length);
        file.seek(SeekFrom::Start(length))?;
        return Ok(Some((Box::new(file), ends)));
    }
    let mut input = opening.reader(file);
    let mut ends = Ends::default();
    let mut buffer = vec![0; 64 * 1024];
    while ends.length() < length {
        let want = usize::try_from(length - ends.length()).unwrap_or(usize::MAX).min(buffer.len());
        let got = match input.read(buffer.get_mut(..want).unwrap_or_default()) {
            Ok(0) => return Ok(None),
            Ok(got) => got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        ends.feed(buffer.get(..got).unwrap_or_default());
    }
    Ok(Some((input, ends)))
}

fn read(file: &File, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Length and fingerprint of all that a file holds now: for one that an earlier version had read to its end.
pub(super) fn whole(path: &Path, opening: Opening) -> io::Result<(u64, u64)> {
    let length = if opening.is_plain_at(path)? {
        std::fs::metadata(path)?.len()
    } else {
        io::copy(&mut opening.reader(File::open(path)?), &mut io::sink())?
    };
    let ends = skip(path, opening, length)?.map(|(_, ends)| ends).unwrap_or_default();
    Ok((ends.length(), fingerprint(&ends)))
}

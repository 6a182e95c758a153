//! Bytes cut into records: lines, or rows of CSV whose quoted fields may hold line ends.
//!
//! A block is one read of about 1 MiB; its records are views into it, so that no record is copied or allocated.

use std::{io, ops::Range};

use arrow_array::{BinaryViewArray, builder::make_view};
use arrow_buffer::{Buffer, ScalarBuffer};
use arrow_schema::ArrowError;

use crate::input::Format;

/// Bytes to read at once.
pub(crate) const BLOCK: usize = 1 << 20;

/// Where records end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) format: Format,
    /// The byte between the fields of CSV.
    pub(crate) delimiter: u8,
    /// Longer records are an error.
    pub(crate) max_record: usize,
}

impl Cut {
    /// The whole records at the front of `bytes`, without line ends, and where the first record starts that is not
    /// whole. Blank lines are no records, except in text.
    pub(crate) fn records(&self, bytes: &[u8]) -> (Vec<Range<usize>>, usize) {
        let mut records = Vec::new();
        let mut start = 0;
        match self.format {
            Format::Json | Format::Text => {
                for end in memchr::memchr_iter(b'\n', bytes) {
                    self.push(bytes, start..end, &mut records);
                    start = end + 1;
                }
            }
            Format::Csv => {
                let mut inside = false;
                let mut closed = None;
                for at in memchr::memchr2_iter(b'\n', b'"', bytes) {
                    if bytes.get(at) == Some(&b'\n') {
                        if !inside {
                            self.push(bytes, start..at, &mut records);
                            start = at + 1;
                        }
                    } else if inside {
                        inside = false;
                        closed = Some(at);
                    } else {
                        // A quote opens a field only at its start; a second quote right after one is an escape.
                        let before = at.checked_sub(1);
                        inside = at == start
                            || closed == before
                            || before.and_then(|at| bytes.get(at)) == Some(&self.delimiter);
                    }
                }
            }
        }
        (records, start)
    }

    /// The last record, which has no line end.
    pub(crate) fn last(&self, bytes: &[u8]) -> Option<Range<usize>> {
        let mut records = Vec::new();
        if !bytes.is_empty() {
            self.push(bytes, 0..bytes.len(), &mut records);
        }
        records.pop()
    }

    fn push(&self, bytes: &[u8], range: Range<usize>, records: &mut Vec<Range<usize>>) {
        let Some(record) = bytes.get(range.clone()) else { return };
        let end = if record.last() == Some(&b'\r') { range.end - 1 } else { range.end };
        if self.format == Format::Text || !record.iter().all(u8::is_ascii_whitespace) {
            records.push(range.start..end);
        }
    }
}

/// Whole records and the bytes that they are views of.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(crate) bytes: Vec<u8>,
    pub(crate) records: Vec<Range<usize>>,
    /// How many of the input's bytes have been taken up to the end of this block.
    pub(crate) end: u64,
}

impl Block {
    /// The records as payloads, without copying.
    pub(crate) fn into_payload(self) -> Result<BinaryViewArray, ArrowError> {
        let views: Vec<u128> = self
            .records
            .iter()
            .map(|range| make_view(self.bytes.get(range.clone()).unwrap_or_default(), 0, range.start as u32))
            .collect();
        BinaryViewArray::try_new(ScalarBuffer::from(views), vec![Buffer::from(self.bytes)], None)
    }
}

/// Why the next block cannot be had.
#[derive(Debug)]
pub(crate) enum BlockError {
    Io(io::Error),
    /// A record is longer than allowed; it starts at this byte of the input.
    TooLong(u64),
}

/// Cuts an input into blocks.
pub(crate) struct Blocks {
    input: Box<dyn io::Read + Send>,
    cut: Cut,
    /// What was read and is no whole record yet.
    rest: Vec<u8>,
    /// Where `rest` starts in the input.
    start: u64,
    ended: bool,
    /// Answer as soon as there is a record, as for a pipe, instead of filling the block.
    eager: bool,
}

impl Blocks {
    /// Blocks of `input`, which starts at byte `start` of its file.
    pub(crate) fn new(input: Box<dyn io::Read + Send>, cut: Cut, start: u64, eager: bool) -> Self {
        Self { input, cut, rest: Vec::new(), start, ended: false, eager }
    }

    /// The next block with at least one record; `None` at the end. After an error it can be asked again.
    pub(crate) fn next(&mut self) -> Result<Option<Block>, BlockError> {
        loop {
            if self.ended && self.rest.is_empty() {
                return Ok(None);
            }
            let filled = self.fill()?;
            if self.start == 0 && self.rest.starts_with(b"\xEF\xBB\xBF") {
                self.rest.drain(..3);
                self.start = 3;
            }
            let (mut records, mut consumed) = self.cut.records(&self.rest);
            if filled == 0 {
                self.ended = true;
                let tail = self.rest.get(consumed..).unwrap_or_default();
                records.extend(self.cut.last(tail).map(|range| range.start + consumed..range.end + consumed));
                consumed = self.rest.len();
            }
            let longest = records.iter().find(|range| range.len() > self.cut.max_record);
            if let Some(record) = longest {
                return Err(BlockError::TooLong(self.start + record.start as u64));
            }
            if self.rest.len() - consumed > self.cut.max_record {
                return Err(BlockError::TooLong(self.start + consumed as u64));
            }
            let rest = self.rest.get(consumed..).unwrap_or_default().to_vec();
            let mut bytes = std::mem::replace(&mut self.rest, rest);
            bytes.truncate(consumed);
            self.start += consumed as u64;
            if !records.is_empty() {
                return Ok(Some(Block { bytes, records, end: self.start }));
            }
        }
    }

    /// Reads up to a block more; 0 at the end.
    fn fill(&mut self) -> Result<usize, BlockError> {
        let before = self.rest.len();
        // At the end of a large partial record, one more block; otherwise up to a full one.
        let target = if before < BLOCK / 2 { BLOCK } else { before + BLOCK };
        let mut length = before;
        self.rest.resize(target, 0);
        let mut outcome = Ok(());
        while length < target {
            match self.input.read(self.rest.get_mut(length..).unwrap_or_default()) {
                Ok(0) => break,
                Ok(read) => {
                    length += read;
                    if self.eager {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    outcome = Err(BlockError::Io(error));
                    break;
                }
            }
        }
        self.rest.truncate(length);
        // What came before an error is delivered first; the error comes again at the next read.
        match outcome {
            Err(error) if length == before => Err(error),
            _ => Ok(length - before),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(format: Format) -> Cut {
        Cut { format, delimiter: b',', max_record: 1 << 20 }
    }

    fn records(format: Format, text: &str, chunk: usize) -> Vec<String> {
        struct Dribble(io::Cursor<Vec<u8>>, usize);
        impl io::Read for Dribble {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                let length = out.len().min(self.1);
                io::Read::read(&mut self.0, &mut out[..length])
            }
        }
        let input = Box::new(Dribble(io::Cursor::new(text.as_bytes().to_vec()), chunk));
        let mut blocks = Blocks::new(input, cut(format), 0, true);
        let mut found = Vec::new();
        while let Some(block) = blocks.next().expect("reads") {
            let payload = block.into_payload().expect("valid views");
            found.extend(payload.iter().flatten().map(|record| String::from_utf8_lossy(record).into_owned()));
        }
        found
    }

    #[test]
    fn lines_of_all_kinds() {
        for chunk in [1, 2, 7, 1000] {
            let json = records(Format::Json, "\u{feff}{\"a\":1}\r\n\n  \n{\"a\":22222222222222222}\n{}", chunk);
            assert_eq!(json, ["{\"a\":1}", "{\"a\":22222222222222222}", "{}"], "chunks of {chunk}");
            assert_eq!(records(Format::Text, "a\n\nb\r\n", chunk), ["a", "", "b"], "chunks of {chunk}");
            let csv = records(Format::Csv, "1,\"a\nb\"\"\n\"\n2,5\" pipe\n\"x\"\"\"\"\ny\",3", chunk);
            assert_eq!(csv, ["1,\"a\nb\"\"\n\"", "2,5\" pipe", "\"x\"\"\"\"\ny\",3"], "chunks of {chunk}");
        }
        assert!(records(Format::Json, "", 1).is_empty());
        assert!(records(Format::Json, "\n\n", 1).is_empty());
    }

    #[test]
    fn a_record_that_never_ends_is_an_error_with_its_place() {
        let cut = Cut { max_record: 10, ..cut(Format::Text) };
        let input = Box::new(io::Cursor::new(b"ok\n12345678901\n".to_vec()));
        let mut blocks = Blocks::new(input, cut, 0, false);
        assert!(matches!(blocks.next(), Err(BlockError::TooLong(3))));
    }
}

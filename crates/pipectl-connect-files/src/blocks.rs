//! Bytes cut into records: lines, or rows of CSV whose quoted fields may hold line ends.
//!
//! A block is one read of about 1 MiB; its records are views into it, so that no record is copied or allocated.

mod rows;

use std::{io, ops::Range, sync::Arc};

use arrow_array::{BinaryViewArray, Int64Array, builder::make_view};
use arrow_buffer::{Buffer, ScalarBuffer};
use arrow_schema::ArrowError;
use encoding_rs::Encoding;
use pipectl_contract::{ConnectorError, ErrorKind};
use pipectl_data::{Batch, Micros, PayloadFormat, SourceNotes, units::Size};

use crate::{
    documents::{DocumentEnd, documents},
    encoding::decode,
    input::{Format, Layout, Oversize},
    mark::Ends,
};

/// What some programs put in front of UTF-8; it is no part of the first record.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Bytes to read at once.
pub(crate) const BLOCK: usize = 1 << 20;

/// Where records end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) format: Format,
    /// How JSON documents follow each other.
    pub(crate) layout: Layout,
    /// The byte between the fields of CSV.
    pub(crate) delimiter: u8,
    /// Longer records are what `oversize` says.
    pub(crate) max_record: usize,
    pub(crate) oversize: Oversize,
    /// How followed files are written, unless it is UTF-8; other inputs are decoded before they are cut.
    pub(crate) encoding: Option<&'static Encoding>,
}

/// Bytes that a dead letter keeps of a record that is too long.
const EXCERPT: usize = 1024;

/// Whole records and the bytes that they are views of.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(crate) bytes: Vec<u8>,
    pub(crate) records: Vec<Range<usize>>,
    /// Length of the last record, if the input ended before its line did.
    pub(crate) open_line: u64,
    /// Records that go to the dead letters, by their number in the block, and why.
    pub(crate) rejected: Vec<(usize, String)>,
}

/// What a piece of an input holds.
#[derive(Debug, Default)]
pub(crate) struct Records {
    /// The whole records.
    pub(crate) ranges: Vec<Range<usize>>,
    /// Where the first record starts that is not whole.
    pub(crate) end: usize,
    /// See [`Block::rejected`].
    pub(crate) rejected: Vec<(usize, String)>,
}

impl Records {
    /// Only the first of them.
    pub(crate) fn truncate(&mut self, count: usize) {
        self.end = self.ranges.get(count).map_or(self.end, |record| record.start);
        self.ranges.truncate(count);
        self.rejected.retain(|(record, _)| *record < count);
    }
}

impl Block {
    /// Takes the first record out, which is the header.
    pub(crate) fn take_header(&mut self) -> &[u8] {
        let header = self.records.remove(0);
        self.rejected.retain(|(record, _)| *record > 0);
        for (record, _) in &mut self.rejected {
            *record -= 1;
        }
        self.bytes.get(header).unwrap_or_default()
    }

    /// The records as a batch of undecoded ones, without copying. The first has the number `first`.
    pub(crate) fn into_batch(
        self,
        first: i64,
        arrival: Micros,
        format: PayloadFormat,
        fields: Option<&[String]>,
    ) -> Result<Batch, ConnectorError> {
        let count = self.records.len();
        let notes = SourceNotes {
            fields: fields.map(<[String]>::to_vec),
            rejected: self.rejected.iter().map(|(record, reason)| (first + *record as i64, reason.clone())).collect(),
        };
        let payload = self.into_payload().map_err(|error| {
            ConnectorError::new(ErrorKind::Internal, format!("cannot view a block as records: {error}"))
        })?;
        let offsets = Int64Array::from_iter_values(first..first + count as i64);
        let mut batch = Batch::raw(0, offsets, Int64Array::from(vec![arrival; count]), payload, format);
        batch.notes = (notes != SourceNotes::default()).then(|| Arc::new(notes));
        Ok(batch)
    }

    /// A dead letter of its own, for an input that cannot be read.
    pub(crate) fn rejected(name: &str, reason: String) -> Self {
        let bytes = name.as_bytes().to_vec();
        let record = 0..bytes.len();
        Self { records: vec![record], bytes, rejected: vec![(0, reason)], ..Self::default() }
    }

    /// The same records in UTF-8.
    pub(crate) fn decoded(self, encoding: &'static Encoding) -> Self {
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let mut records = Vec::with_capacity(self.records.len());
        for record in &self.records {
            let start = bytes.len();
            bytes.extend(decode(self.bytes.get(record.clone()).unwrap_or_default(), encoding));
            records.push(start..bytes.len());
        }
        Self { bytes, records, ..self }
    }

    /// The records as payloads, without copying.
    fn into_payload(self) -> Result<BinaryViewArray, ArrowError> {
        let views: Vec<u128> = self
            .records
            .iter()
            .map(|range| make_view(self.bytes.get(range.clone()).unwrap_or_default(), 0, range.start as u32))
            .collect();
        BinaryViewArray::try_new(ScalarBuffer::from(views), vec![Buffer::from(self.bytes)], None)
    }
}

impl Cut {
    /// The whole records of `bytes` from `start` on, without line ends. Blank lines are no records, except in text. Nothing
    /// comes after `bytes` if `is_over`.
    pub(crate) fn records(&self, bytes: &[u8], mut start: usize, is_over: bool) -> Records {
        let mut ranges = Vec::new();
        match self.format {
            Format::Json if self.layout != Layout::Lines => {
                let (ranges, end) = documents(bytes, start, self.layout == Layout::Array);
                return Records { ranges, end, rejected: Vec::new() };
            }
            Format::Json | Format::Text => {
                let rest = bytes.get(start..).unwrap_or_default();
                let first = start;
                for end in memchr::memchr_iter(b'\n', rest).map(|at| first + at) {
                    self.push(bytes, start..end, &mut ranges);
                    start = end + 1;
                }
            }
            Format::Csv => return self.rows(bytes, start, is_over),
        }
        Records { ranges, end: start, rejected: Vec::new() }
    }

    /// The last record, which starts at `from` and has no line end.
    pub(crate) fn last(&self, bytes: &[u8], from: usize) -> Option<Range<usize>> {
        let mut records = Vec::new();
        if from < bytes.len() {
            self.push(bytes, from..bytes.len(), &mut records);
        }
        records.pop()
    }

    /// Whether a line end right after `record` ends it; it may stand inside of quotes or brackets.
    pub(crate) fn ends_with_line(&self, record: &[u8]) -> bool {
        (self.format != Format::Csv && self.layout == Layout::Lines)
            || self.records(&[record, b"\n"].concat(), 0, false).end > 0
    }

    /// How many of the records come before the first that is longer than allowed, or before what is left after them if
    /// that is.
    pub(crate) fn too_long(&self, records: &[Range<usize>], left: usize) -> Option<usize> {
        let found = records.iter().position(|record| record.len() > self.max_record);
        found.or_else(|| (left > self.max_record).then_some(records.len()))
    }

    /// How many bytes are kept of a record that is too long.
    pub(crate) fn kept(&self) -> usize {
        if self.oversize == Oversize::Truncate { self.max_record } else { EXCERPT.min(self.max_record) }
    }

    /// A record that is too long as a block of its own: its first bytes, and its length.
    pub(crate) fn shortened(&self, mut kept: Vec<u8>, length: usize) -> Block {
        kept.truncate(self.kept().min(length));
        if kept.last() == Some(&b'\r') && kept.len() == length {
            kept.pop();
        }
        if length > kept.len() {
            // No half a character at the end; what is no UTF-8 anyway stays as it is.
            let whole = kept.utf8_chunks().last().filter(|last| last.invalid().len() < 4 && !last.invalid().is_empty());
            let broken = whole.map_or(0, |last| last.invalid().len());
            kept.truncate(kept.len() - broken);
        }
        let mut rejected = Vec::new();
        // Only text is still a record when its end is missing.
        if self.oversize == Oversize::DeadLetter || self.format != Format::Text {
            let limit = Size(self.max_record as u64);
            rejected.push((
                0,
                if length > self.max_record {
                    format!(
                        "the record has {length} bytes, and `max_record` is {limit}: only the first {} are kept",
                        kept.len()
                    )
                } else {
                    format!(
                        "a quote opens here, and the record does not end within `max_record`, {limit}; only this line is left out"
                    )
                },
            ));
        }
        let record = 0..kept.len();
        Block { bytes: kept, records: vec![record], open_line: 0, rejected }
    }

    fn push(&self, bytes: &[u8], range: Range<usize>, records: &mut Vec<Range<usize>>) {
        let Some(record) = bytes.get(range.clone()) else { return };
        let end = if record.last() == Some(&b'\r') { range.end - 1 } else { range.end };
        if self.format == Format::Text || !record.iter().all(u8::is_ascii_whitespace) {
            records.push(range.start..end);
        }
    }
}

/// The documents that are no JSON, such as one that the end of the file cuts off: copied as they are they would be
/// records that nobody can read.
fn broken_documents(bytes: &[u8], documents: &[Range<usize>]) -> Vec<(usize, String)> {
    let problem = |document: &Range<usize>| {
        let bytes = bytes.get(document.clone()).unwrap_or_default();
        let error = serde_json::from_slice::<&serde_json::value::RawValue>(bytes).err()?;
        Some(format!("the document is not valid JSON: {error}"))
    };
    let numbered = documents.iter().enumerate();
    numbered.filter_map(|(number, document)| Some((number, problem(document)?))).collect()
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
    /// Both ends of what came before `rest`.
    taken: Ends,
    ended: bool,
    /// An error that came after bytes which are delivered first.
    failed: Option<io::Error>,
    /// Answer as soon as there is a record, as for a pipe, instead of filling the block.
    eager: bool,
}

impl Blocks {
    /// Blocks of `input`, of which `taken` was read before.
    pub(crate) fn new(input: Box<dyn io::Read + Send>, cut: Cut, taken: Ends, eager: bool) -> Self {
        Self { input, cut, rest: Vec::new(), taken, ended: false, failed: None, eager }
    }

    /// Both ends of what has been read up to the end of the last block.
    pub(crate) fn taken(&self) -> &Ends {
        &self.taken
    }

    /// The next block with at least one record; `None` at the end. After an error it can be asked again.
    pub(crate) fn next(&mut self) -> Result<Option<Block>, BlockError> {
        loop {
            if self.ended && self.rest.is_empty() {
                return Ok(None);
            }
            let filled = self.fill()?;
            let start = self.taken.length();
            let skip = if start == 0 && self.rest.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
            let mut records = self.cut.records(&self.rest, skip, filled == 0);
            let mut open_line = 0;
            if filled == 0 {
                self.ended = true;
                if let Some(range) = self.cut.last(&self.rest, records.end) {
                    open_line = (self.rest.len() - records.end) as u64;
                    records.ranges.push(range);
                }
                records.end = self.rest.len();
            }
            match self.cut.too_long(&records.ranges, self.rest.len() - records.end) {
                None => {}
                Some(0) => {
                    let first = records.ranges.first().map_or(records.end, |record| record.start);
                    return self.oversized(first).map(Some);
                }
                Some(count) => {
                    // What is before it is delivered first.
                    records.truncate(count);
                    open_line = 0;
                }
            }
            if self.cut.layout != Layout::Lines {
                records.rejected.extend(broken_documents(&self.rest, &records.ranges));
            }
            let bytes = self.take(records.end);
            let Records { ranges: records, rejected, .. } = records;
            if !records.is_empty() {
                return Ok(Some(Block { bytes, records, open_line, rejected }));
            }
        }
    }

    /// The first bytes of what was read.
    fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.rest.get(count..).unwrap_or_default().to_vec();
        let mut bytes = std::mem::replace(&mut self.rest, rest);
        bytes.truncate(count);
        self.taken.feed(&bytes);
        bytes
    }

    /// A record that is longer than allowed and starts here. Its end is the next line end, also in CSV: a quote that
    /// never ends must not take the rest of the file with it. Where documents are not lines, it is that of the document.
    fn oversized(&mut self, start: usize) -> Result<Block, BlockError> {
        self.take(start);
        if self.cut.oversize == Oversize::Fail {
            return Err(BlockError::TooLong(self.taken.length()));
        }
        let mut kept = Vec::new();
        let mut length = 0;
        let mut open_line = 0;
        let is_lines = self.cut.layout == Layout::Lines;
        let mut scan = DocumentEnd::default();
        loop {
            let end =
                if is_lines { memchr::memchr(b'\n', &self.rest).map(|end| end + 1) } else { scan.find(&self.rest) };
            let part = self.take(end.unwrap_or(self.rest.len()));
            length += part.len();
            let missing = self.cut.kept().saturating_sub(kept.len());
            kept.extend_from_slice(part.get(..missing).unwrap_or(&part));
            if end.is_some() {
                length -= usize::from(is_lines);
                break;
            }
            if self.fill()? == 0 {
                self.ended = true;
                open_line = length as u64;
                break;
            }
        }
        Ok(Block { open_line, ..self.cut.shortened(kept, length) })
    }

    /// Reads up to a block more; 0 at the end.
    fn fill(&mut self) -> Result<usize, BlockError> {
        if let Some(error) = self.failed.take() {
            return Err(BlockError::Io(error));
        }
        let before = self.rest.len();
        // At the end of a large partial record, one more block; otherwise up to a full one.
        let target = if before < BLOCK / 2 { BLOCK } else { before + BLOCK };
        let mut length = before;
        self.rest.resize(target, 0);
        while length < target && self.failed.is_none() {
            match self.input.read(self.rest.get_mut(length..).unwrap_or_default()) {
                Ok(0) => break,
                Ok(read) => {
                    length += read;
                    if self.eager {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.failed = Some(error),
            }
        }
        self.rest.truncate(length);
        match self.failed.take_if(|_| length == before) {
            Some(error) => Err(BlockError::Io(error)),
            None => Ok(length - before),
        }
    }
}

#[cfg(test)]
mod tests;

//! Which files were read and how far: the position of the source `file`.
//!
//! It is written into every checkpoint, and a folder may hold ten thousand files, so entries are packed: names without
//! what they share with the one before, and one fingerprint for both ends of what was read.

use std::{collections::HashMap, io::Read as _};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use pipectl_contract::{ConnectorError, ErrorKind};
use pipectl_data::compress::Compression;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::mark::{Ends, Mark};

/// Entries that a position holds unpacked, at most.
const MANY: usize = 256;
/// Files that are gone and yet remembered, should they come back.
const VANISHED: usize = 10_000;

/// One file that was read, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The file, as its pattern found it, relative to the spec's folder where it is inside.
    pub(super) name: String,
    pub(super) inode: u64,
    /// The size on the disk when its end was reached; 0 as long as there is more to read.
    #[serde(default)]
    pub(super) size: u64,
    /// When it was last written then, in microseconds.
    #[serde(default)]
    pub(super) modified: i64,
    /// Bytes that have been delivered, after decompression.
    pub(super) byte: u64,
    /// Length of the last record, if the file ended before its line did.
    #[serde(default)]
    pub(super) open_line: u64,
    /// The fingerprint of both ends of those bytes.
    pub(super) mark: u64,
}

/// Stands after the name in entries of files that hold something else now, before the fingerprint: a file may be rewritten
/// several times. No file has such a name.
const REWRITTEN: char = '\0';

impl Entry {
    /// What was read of a file before it was rewritten, kept beside the entry of what it holds now: it may have been
    /// copied, and a run that is stopped before it comes to the copy must know it afterwards.
    pub(super) fn rewritten(&self) -> Self {
        Self { name: format!("{}{REWRITTEN}{:016x}", self.own_name(), self.mark), ..self.clone() }
    }

    /// The name of its file.
    pub(super) fn own_name(&self) -> &str {
        self.name.split(REWRITTEN).next().unwrap_or_default()
    }

    /// Whether this is such an entry.
    pub(super) fn is_rewritten(&self) -> bool {
        self.name.contains(REWRITTEN)
    }
}

/// The fingerprint of an entry.
pub(super) fn fingerprint(ends: &Ends) -> u64 {
    xxhash_rust::xxh3::xxh3_64(&[ends.head(), ends.tail()].concat())
}

/// Where reading goes on, as checkpoints hold it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Position {
    /// Records delivered, of all files.
    pub(super) record: i64,
    /// Entries, packed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    files: String,
    /// Entries that were added or changed since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    recent: Vec<Entry>,
    /// What versions before 0.2 wrote instead: the file that was read last, in the order of names, and how far.
    #[serde(flatten, skip_serializing)]
    pub(super) last: Option<LastFile>,
}

/// A position that is one file.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct LastFile {
    pub(super) file: String,
    pub(super) byte: u64,
    pub(super) mark: Mark,
}

/// The files that were read, in the order in which they were.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    /// Records delivered.
    pub(super) record: i64,
    entries: Vec<Entry>,
    by_name: HashMap<String, usize>,
    /// The entries, packed, of the moment when there were so many; and which ones are newer.
    packed: String,
    recent: Vec<usize>,
}

impl Ledger {
    /// Reads a position; with what an earlier version wrote, where it did.
    pub(super) fn restore(position: Value) -> Result<(Self, Option<LastFile>), ConnectorError> {
        let invalid = |error: String| {
            let message = format!("the checkpoint's position in the files cannot be read: {error}");
            ConnectorError::new(ErrorKind::Invalid, message)
        };
        let position: Position = serde_json::from_value(position).map_err(|error| invalid(error.to_string()))?;
        let mut ledger = Self { record: position.record, ..Self::default() };
        for entry in unpack(&position.files).ok_or_else(|| invalid("it is damaged".to_owned()))? {
            ledger.put(entry);
        }
        ledger.recent.clear();
        ledger.packed = position.files;
        for entry in position.recent {
            ledger.put(entry);
        }
        Ok((ledger, position.last))
    }

    /// What a checkpoint holds.
    pub(super) fn position(&self) -> Value {
        let recent = self.recent.iter().filter_map(|index| self.entries.get(*index)).cloned().collect();
        let position = Position { record: self.record, files: self.packed.clone(), recent, last: None };
        serde_json::to_value(&position).unwrap_or_default()
    }

    /// Adds an entry, or takes it for the one of the same name.
    pub(super) fn put(&mut self, entry: Entry) {
        let next = self.entries.len();
        let index = if let Some(index) = self.by_name.get(&entry.name) {
            *index
        } else {
            self.by_name.insert(entry.name.clone(), next);
            next
        };
        match self.entries.get_mut(index) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
        if !self.recent.contains(&index) {
            self.recent.push(index);
        }
        if self.recent.len() > MANY {
            self.pack();
        }
    }

    /// The entry of this name.
    pub(super) fn by_name(&self, name: &str) -> Option<&Entry> {
        self.entries.get(*self.by_name.get(name)?)
    }

    /// All entries.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Forgets the entries with these names.
    pub(super) fn forget(&mut self, gone: impl Fn(&Entry) -> bool) {
        let before = self.entries.len();
        self.entries.retain(|entry| !gone(entry));
        if self.entries.len() < before {
            self.by_name = self.entries.iter().enumerate().map(|(index, entry)| (entry.name.clone(), index)).collect();
            self.pack();
        }
    }

    /// Forgets the oldest of the files that are gone, if there are very many. Not if all are gone: then their disk is
    /// probably not mounted.
    pub(super) fn forget_vanished(&mut self, is_there: impl Fn(&Entry) -> bool) {
        let gone: Vec<&str> =
            self.entries.iter().filter(|entry| !is_there(entry)).map(|entry| entry.name.as_str()).collect();
        if gone.len() == self.entries.len() || gone.len() <= VANISHED {
            return;
        }
        let oldest: std::collections::HashSet<String> =
            gone.iter().take(gone.len() - VANISHED).map(|name| (*name).to_owned()).collect();
        self.forget(|entry| oldest.contains(&entry.name));
    }

    fn pack(&mut self) {
        self.packed = pack(&self.entries);
        self.recent.clear();
    }
}

fn pack(entries: &[Entry]) -> String {
    let mut bytes = Vec::new();
    let (mut name, mut inode, mut modified) = ("", 0_u64, 0_i64);
    put_number(&mut bytes, entries.len() as u64);
    for entry in entries {
        let shared = entry.name.bytes().zip(name.bytes()).take_while(|(one, other)| one == other).count();
        let rest = entry.name.as_bytes().get(shared..).unwrap_or_default();
        put_number(&mut bytes, shared as u64);
        put_number(&mut bytes, rest.len() as u64);
        bytes.extend_from_slice(rest);
        put_number(&mut bytes, zigzag(entry.inode.wrapping_sub(inode).cast_signed()));
        put_number(&mut bytes, entry.size);
        put_number(&mut bytes, zigzag(entry.modified.wrapping_sub(modified)));
        put_number(&mut bytes, zigzag(entry.byte.wrapping_sub(entry.size).cast_signed()));
        put_number(&mut bytes, entry.open_line);
        bytes.extend_from_slice(&entry.mark.to_le_bytes());
        (name, inode, modified) = (&entry.name, entry.inode, entry.modified);
    }
    // Into memory nothing fails.
    STANDARD_NO_PAD.encode(Compression::Zstd.compress(&bytes).unwrap_or_default())
}

fn unpack(text: &str) -> Option<Vec<Entry>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let compressed = STANDARD_NO_PAD.decode(text).ok()?;
    let mut bytes = Vec::new();
    Compression::Zstd.reader(std::io::Cursor::new(compressed)).read_to_end(&mut bytes).ok()?;
    let mut rest = bytes.as_slice();
    let count = take_number(&mut rest)?;
    let mut entries = Vec::new();
    let (mut name, mut inode, mut modified) = (Vec::new(), 0_u64, 0_i64);
    for _ in 0..count {
        name.truncate(usize::try_from(take_number(&mut rest)?).ok()?);
        let length = usize::try_from(take_number(&mut rest)?).ok()?;
        name.extend_from_slice(rest.split_off(..length)?);
        inode = inode.wrapping_add(unzigzag(take_number(&mut rest)?).cast_unsigned());
        let size = take_number(&mut rest)?;
        modified = modified.wrapping_add(unzigzag(take_number(&mut rest)?));
        let byte = size.wrapping_add(unzigzag(take_number(&mut rest)?).cast_unsigned());
        let open_line = take_number(&mut rest)?;
        let mark = u64::from_le_bytes(rest.split_off(..8)?.try_into().ok()?);
        let name = String::from_utf8(name.clone()).ok()?;
        entries.push(Entry { name, inode, size, modified, byte, open_line, mark });
    }
    rest.is_empty().then_some(entries)
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// LEB128: seven bits a byte.
fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.split_off_first()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn entry() -> impl Strategy<Value = Entry> {
        let numbers = (any::<u64>(), any::<u64>(), any::<i64>(), any::<u64>(), any::<u64>(), any::<u64>());
        ("in/[a-cé]{0,6}", numbers).prop_map(|(name, (inode, size, modified, byte, open_line, mark))| Entry {
            name,
            inode,
            size,
            modified,
            byte,
            open_line,
            mark,
        })
    }

    proptest! {
        #[test]
        fn entries_survive_a_checkpoint(entries in prop::collection::vec(entry(), 0..700)) {
            prop_assert_eq!(unpack(&pack(&entries)), Some(entries.clone()));
            let mut ledger = Ledger { record: 7, ..Ledger::default() };
            for entry in entries {
                ledger.put(entry);
            }
            let (restored, last) = Ledger::restore(ledger.position()).expect("restores");
            prop_assert!(last.is_none());
            prop_assert_eq!(restored.record, 7);
            prop_assert_eq!(restored.entries(), ledger.entries());
        }

        #[test]
        fn damage_is_noticed(cut in 0_usize..40) {
            let entries: Vec<Entry> = (0..9).map(|number| Entry {
                name: format!("in/{number}"), inode: number, size: 1, modified: 2, byte: 3, open_line: 0, mark: number,
            }).collect();
            let packed = pack(&entries);
            prop_assume!(cut < packed.len());
            let position = json!({ "record": 0, "files": packed[..cut.max(1)] });
            prop_assert!(Ledger::restore(position).is_err());
        }
    }

    #[test]
    fn ten_thousand_files_are_small() {
        let mut ledger = Ledger::default();
        for number in 0..10_000_u64 {
            ledger.put(Entry {
                name: format!("in/2026-11-30/events-{:05}-part-{:03}.jsonl.gz", number / 7, number % 7),
                inode: 1_000_000 + number * 3 % 11_000,
                size: 100_000 + number * 7919 % 50_000,
                modified: 1_790_000_000_000_000 + number.cast_signed() * 31_000_123,
                byte: 700_000 + number * 7907 % 400_000,
                open_line: 0,
                mark: xxhash_rust::xxh3::xxh3_64(&number.to_le_bytes()),
            });
        }
        let length = ledger.position().to_string().len();
        assert!(length < 400_000, "{length} bytes");
    }

    #[test]
    fn what_is_gone_for_long_is_forgotten_but_not_a_whole_disk() {
        let mut ledger = Ledger::default();
        for number in 0..VANISHED as u64 + 20 {
            let name = format!("{number}");
            ledger.put(Entry { name, inode: number, size: 1, modified: 0, byte: 1, open_line: 0, mark: 0 });
        }
        ledger.forget_vanished(|_| false);
        assert_eq!(ledger.entries().len(), VANISHED + 20, "nothing is there: not mounted");
        ledger.forget_vanished(|entry| entry.name == "3");
        assert_eq!(ledger.entries().len(), VANISHED + 1);
        assert!(ledger.by_name("3").is_some() && ledger.by_name("4").is_none() && ledger.by_name("20").is_some());
        let (restored, _) = Ledger::restore(ledger.position()).expect("restores");
        assert_eq!(restored.entries(), ledger.entries());
    }

    #[test]
    fn positions_of_earlier_versions_are_read() {
        let old = json!({ "file": "b.log", "byte": 8, "record": 2, "mark": { "length": 8, "hash": "00" } });
        let (ledger, last) = Ledger::restore(old).expect("restores");
        let last = last.expect("a file");
        assert_eq!((ledger.record, last.file.as_str(), last.byte, last.mark.length), (2, "b.log", 8, 8));
        let nothing = json!({ "file": null, "byte": 0, "record": 0, "mark": null });
        assert!(Ledger::restore(nothing).expect("restores").1.is_none());
    }
}

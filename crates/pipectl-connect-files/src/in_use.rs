//! Which files the sources of this process read and its sinks write, by device and inode.
//!
//! The compiler refuses a sink that writes what a source reads as far as names show. Links give a file other names, which
//! only the disk knows; so both sides are held against each other before a sink changes anything.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use pipectl_contract::{ConnectorError, ErrorKind};

use crate::file_id::FileId;

/// What is done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Side {
    Read,
    Written,
    /// Written by a redirection of standard output.
    Printed,
}

/// By whom, and how many times.
type Table = HashMap<(FileId, Side), (String, usize)>;

static TABLE: Mutex<Option<Table>> = Mutex::new(None);

/// A file that is read or written as long as this lives.
#[derive(Debug)]
pub(crate) struct InUse {
    id: FileId,
    side: Side,
}

impl InUse {
    /// A source begins to read a file, which no sink may write.
    pub(crate) fn read(id: FileId, name: &str, node: &str) -> Result<Self, ConnectorError> {
        Self::begin(id, Side::Read, node).map_err(|(side, sink)| conflict(name, node, side, &sink))
    }

    /// A sink is about to write a file, which no source may read.
    pub(crate) fn write(id: FileId, name: &str, node: &str) -> Result<Self, ConnectorError> {
        Self::begin(id, Side::Written, node).map_err(|(_, source)| conflict(name, &source, Side::Written, node))
    }

    /// A sink is about to write to standard output, which leads to a file that no source may read.
    pub(crate) fn print(id: FileId, node: &str) -> Result<Self, ConnectorError> {
        Self::begin(id, Side::Printed, node).map_err(|(_, source)| conflict("", &source, Side::Printed, node))
    }

    /// The error is the other side, and its node.
    fn begin(id: FileId, side: Side, node: &str) -> Result<Self, (Side, String)> {
        let mut table = table();
        let table = table.get_or_insert_default();
        let others: &[Side] = if side == Side::Read { &[Side::Written, Side::Printed] } else { &[Side::Read] };
        for other in others {
            if let Some((node, _)) = table.get(&(id, *other)) {
                return Err((*other, node.clone()));
            }
        }
        table.entry((id, side)).or_insert_with(|| (node.to_owned(), 0)).1 += 1;
        Ok(Self { id, side })
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        if let Some(table) = table().as_mut() {
            let key = (self.id, self.side);
            if let Some((_, count)) = table.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    table.remove(&key);
                }
            }
        }
    }
}

fn table() -> MutexGuard<'static, Option<Table>> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn conflict(name: &str, source: &str, side: Side, sink: &str) -> ConnectorError {
    let message = if side == Side::Printed {
        let name = if name.is_empty() { String::new() } else { format!(", `{name}`") };
        format!(
            "standard output, to which sink `{sink}` writes, goes to a file that source `{source}` reads{name}: redirect it to a file that no source reads"
        )
    } else {
        format!(
            "sink `{sink}` writes `{name}`, which source `{source}` reads, perhaps by another name (a link): write to another file"
        )
    };
    ConnectorError::new(ErrorKind::Invalid, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_or_written() {
        let id = (u64::MAX, 7);
        let first = InUse::read(id, "a", "r").expect("free");
        let second = InUse::read(id, "a", "s").expect("two sources may read one file");
        let error = InUse::write(id, "b", "out").expect_err("read");
        assert!(error.message.contains("sink `out` writes `b`, which source `r` reads"), "{error}");
        drop(first);
        assert!(InUse::write(id, "b", "out").is_err());
        drop(second);
        let written = InUse::write(id, "b", "out").expect("free");
        assert!(InUse::read(id, "a", "r").is_err());
        drop(written);
        let printed = InUse::print(id, "out").expect("free");
        let error = InUse::read(id, "a", "r").expect_err("printed");
        assert!(error.message.contains("source `r` reads, `a`: redirect it"), "{error}");
        drop(printed);
        let _read = InUse::read(id, "a", "r").expect("free");
        let error = InUse::print(id, "out").expect_err("read");
        assert!(error.message.contains("sink `out` writes, goes to a file that source `r` reads: redirect"), "{error}");
    }
}

//! Fingerprints of what was read of a file: they report whether a file is still the one that was read.
//!
//! The first bytes alone do not: a log that begins with the same banner after each start has the same ones. So the bytes
//! right before the place where reading goes on are looked at too.

use serde::{Deserialize, Serialize};

/// Bytes that are looked at, at most, at either end of what was read.
pub(crate) const LENGTH: usize = 1024;

/// How many bytes, and XXH3 (64 bits) of them in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) length: usize,
    pub(crate) hash: String,
}

impl Mark {
    /// Of these bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { length: bytes.len(), hash: format!("{:016x}", xxhash_rust::xxh3::xxh3_64(bytes)) }
    }

    /// Whether a file that starts with `head` is the same file.
    pub(crate) fn matches(&self, head: &[u8]) -> bool {
        head.get(..self.length).is_some_and(|head| Self::of(head) == *self)
    }
}

/// Both ends of what was read of a file: its first bytes and the last ones before the place where reading goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ends {
    head: Vec<u8>,
    /// Empty as long as the head is everything.
    tail: Vec<u8>,
    length: u64,
}

impl Ends {
    /// Of a file whose ends are known.
    pub(crate) fn new(head: Vec<u8>, tail: Vec<u8>, length: u64) -> Self {
        Self { head, tail, length }
    }

    /// More was read.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        let missing = LENGTH.saturating_sub(self.head.len()).min(bytes.len());
        let (first, bytes) = bytes.split_at(missing);
        self.head.extend_from_slice(first);
        if bytes.len() >= LENGTH {
            self.tail.clear();
            self.tail.extend_from_slice(bytes.get(bytes.len() - LENGTH..).unwrap_or_default());
        } else if !bytes.is_empty() {
            self.tail.extend_from_slice(bytes);
            let surplus = self.tail.len().saturating_sub(LENGTH);
            self.tail.drain(..surplus);
        }
    }

    /// The last `count` bytes count as not read.
    pub(crate) fn unread(&mut self, count: u64) {
        self.length = self.length.saturating_sub(count);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.tail.truncate(self.tail.len().saturating_sub(count));
        self.head.truncate(usize::try_from(self.length).unwrap_or(usize::MAX));
    }

    /// Bytes that were read.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The first bytes.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// The last bytes, as far as they are not part of the head.
    pub(crate) fn tail(&self) -> &[u8] {
        &self.tail
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ends_are_those_of_all_bytes(parts in prop::collection::vec(0_usize..3000, 0..8), back in 0_u64..2000) {
            let total: usize = parts.iter().sum();
            let bytes: Vec<u8> = (0..total).map(|at| (at * 31 % 251) as u8).collect();
            let mut ends = Ends::default();
            let mut rest = bytes.as_slice();
            for part in parts {
                let (first, after) = rest.split_at(part);
                ends.feed(first);
                rest = after;
            }
            prop_assert_eq!(ends.length(), total as u64);
            prop_assert_eq!(ends.head(), &bytes[..total.min(LENGTH)]);
            let expected = &bytes[total.min(LENGTH)..];
            prop_assert_eq!(ends.tail(), &expected[expected.len().saturating_sub(LENGTH)..]);
            ends.unread(back);
            let left = total.saturating_sub(back as usize);
            prop_assert_eq!(ends.length(), left as u64);
            prop_assert!(bytes[..left].starts_with(ends.head()));
            prop_assert!(bytes[..left].ends_with(ends.tail()));
        }
    }
}

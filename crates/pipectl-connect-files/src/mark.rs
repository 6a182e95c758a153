//! A fingerprint of a file's first bytes: it tells whether a file is still the one that was read.

use serde::{Deserialize, Serialize};

/// Bytes that are looked at, at most.
pub(crate) const LENGTH: usize = 1024;

/// How many first bytes, and XXH3 (64 bits) of them in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) length: usize,
    pub(crate) hash: String,
}

impl Mark {
    /// Of what was read of a file so far, of which `head` is the first part.
    pub(crate) fn of(head: &[u8]) -> Self {
        let head = head.get(..LENGTH).unwrap_or(head);
        Self { length: head.len(), hash: format!("{:016x}", xxhash_rust::xxh3::xxh3_64(head)) }
    }

    /// Whether a file that starts with `head` is the same file.
    pub(crate) fn matches(&self, head: &[u8]) -> bool {
        head.get(..self.length).is_some_and(|head| Self::of(head) == *self)
    }
}

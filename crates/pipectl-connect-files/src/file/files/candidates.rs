//! What is known of a file, perhaps under another name.

use std::{cmp::Reverse, collections::BTreeMap, path::Path};

use pipectl_data::compress::Compression;

use super::{
    super::{
        ledger::Entry,
        listing::{Stat, is_moved},
    },
    Files,
};

/// Files of which a compressed one may be a copy: the newest of them.
const MANY: usize = 16;

impl Files {
    /// The entries that may be those of a file; its text decides. Names decide where nothing else does: a new file may have
    /// got the inode of a deleted one, and even the same content.
    pub(super) fn candidates(&self, name: &str, stat: Stat) -> Vec<Entry> {
        let by_name = self.known.by_name(name);
        let mut found = self.same_inode(name, stat);
        // Another file has taken the name: the old one may be in the listing under a name of its own.
        found.extend(
            by_name.filter(|entry| entry.inode != stat.inode && !self.listing.inodes.contains_key(&entry.inode)),
        );
        if by_name.is_none_or(|entry| entry.inode != stat.inode) {
            found.extend(self.rewritten.iter().filter(|entry| is_moved(entry, name)));
            found.extend(self.otherwise_compressed(name));
        }
        found.into_iter().cloned().collect()
    }

    /// Entries of a file that had this name or others. The one that got furthest comes first, since a file that was renamed
    /// several times has several.
    fn same_inode(&self, name: &str, stat: Stat) -> Vec<&Entry> {
        let is_moved = |entry: &Entry| {
            let may_be = stat.is_unchanged(entry) || is_moved(entry, name) || stat.may_be_moved(entry);
            may_be && !self.listing.is_in_place(entry)
        };
        let indices = self.by_inode.get(&stat.inode).into_iter().flatten();
        let entries = indices.filter_map(|index| self.known.entries().get(*index));
        let mut found: Vec<&Entry> = entries.filter(|entry| entry.name == name || is_moved(entry)).collect();
        found.sort_by_key(|entry| (Reverse(entry.byte), entry.name != name));
        found
    }

    /// Entries of a file that has been compressed since, or decompressed.
    fn otherwise_compressed(&self, name: &str) -> Vec<&Entry> {
        let plain = plain_name(name);
        let mut found = Vec::new();
        if plain != name {
            found.extend(self.known.by_name(plain));
            // It may be one that was rotated and compressed, so that its old name and number are gone.
            let is_plain = |entry: &&Entry| is_moved(entry, name) && plain_name(&entry.name) == entry.name;
            found.extend(self.known.entries().iter().rev().filter(is_plain).take(MANY));
        }
        let compressed = [Compression::Gzip, Compression::Zstd, Compression::Snappy]
            .map(|compression| self.known.by_name(&format!("{plain}{}", compression.extension())));
        found.extend(compressed.into_iter().flatten().filter(|entry| entry.name != name && !self.listing.has(entry)));
        found
    }

    /// Keeps what is known of files that have other names now: those come later, and their old entries must not be lost to
    /// new files with their old names, should the run be stopped in between.
    pub(super) fn keep_moved(&mut self) {
        let mut moved: BTreeMap<&String, &Entry> = BTreeMap::new();
        for entry in self.known.entries().iter().filter(|entry| !entry.is_rewritten()) {
            let Some(name) = self.listing.moved(entry).filter(|_| !self.listing.is_in_place(entry)) else { continue };
            let is_known = self.known.by_name(name).is_some_and(|known| known.inode == entry.inode);
            if is_known || moved.get(name).is_some_and(|other| other.byte > entry.byte) {
                continue;
            }
            let path = self.listing.directory.join(name);
            let stat = std::fs::metadata(&path).map(|metadata| Stat::of(&path, &metadata));
            let may_be = |stat: Stat| stat.is_unchanged(entry) || stat.may_be_moved(entry);
            if is_moved(entry, name) || stat.is_ok_and(may_be) {
                moved.insert(name, entry);
            }
        }
        for (name, entry) in moved {
            // What had this name is gone, perhaps compressed.
            let taken = self.known.by_name(name).filter(|taken| !self.listing.inodes.contains_key(&taken.inode));
            self.entries.extend(taken.map(Entry::rewritten));
            self.entries.push(Entry { name: name.clone(), ..entry.clone() });
        }
    }
}

/// The name of a file without what compression adds.
fn plain_name(name: &str) -> &str {
    match Compression::detect(Path::new(name)) {
        Compression::None => name,
        _ => name.rsplit_once('.').map_or(name, |(plain, _)| plain),
    }
}

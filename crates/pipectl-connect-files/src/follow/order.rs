//! In which order files are looked at: what was rotated away comes before what took its place.
//!
//! After a pause there may be several files of one log with new lines in each. Read newest first, or a block of each in
//! turn, their records would come far out of order, and windows would take the older ones for late.

use std::{path::Path, time::SystemTime};

/// What the order depends on.
pub(super) struct Seen<'a> {
    pub(super) path: &'a Path,
    /// Whether a pattern finds it now.
    pub(super) listed: bool,
    pub(super) modified: Option<SystemTime>,
}

/// The files by their numbers: those that moved away, then the others in turn, so that one busy file does not hide the
/// rest. Files of the same log stand in the order of their age.
pub(super) fn order(files: &[Seen<'_>], turn: usize) -> Vec<usize> {
    let count = files.len();
    let mut moved: Vec<usize> = (0..count).filter(|index| !files[*index].listed).collect();
    moved.sort_by_key(|index| files[*index].modified);
    let mut others: Vec<usize> =
        (0..count).map(|index| (index + turn) % count).filter(|index| files[*index].listed).collect();
    for newest in (0..count).filter(|index| files[*index].listed) {
        let name = files[newest].path;
        let of_log = |index: &usize| *index == newest || is_rotated(files[*index].path, name);
        // The places that the files of this log have in the turn are given to them by age.
        let places: Vec<usize> = (0..others.len()).filter(|place| of_log(&others[*place])).collect();
        if places.len() < 2 {
            continue;
        }
        let mut by_age: Vec<usize> = places.iter().map(|place| others[*place]).collect();
        by_age.sort_by_key(|index| (*index == newest, files[*index].modified));
        for (place, index) in places.into_iter().zip(by_age) {
            others[place] = index;
        }
    }
    moved.append(&mut others);
    moved
}

/// Whether a name is that of a log with something added, as `access.log.1` or `access.log-20260131` to `access.log`.
pub(super) fn is_rotated(path: &Path, log: &Path) -> bool {
    let added = path.as_os_str().as_encoded_bytes().strip_prefix(log.as_os_str().as_encoded_bytes());
    added.is_some_and(|added| matches!(added, [b'.' | b'-' | b'_', ..]) && !added.contains(&b'/'))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn names(files: &[(&'static str, bool, u64)], turn: usize) -> Vec<&'static str> {
        let seen = |(path, listed, age): &(&'static str, bool, u64)| Seen {
            path: Path::new(*path),
            listed: *listed,
            modified: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1000 - age)),
        };
        let seen: Vec<Seen<'_>> = files.iter().map(seen).collect();
        order(&seen, turn).into_iter().map(|index| files[index].0).collect()
    }

    #[test]
    fn files_of_one_log_come_by_age_whoever_has_the_turn() {
        let log = [("a.log", true, 1), ("a.log.1", true, 2), ("a.log.10", true, 9), ("a.log.2", true, 3)];
        for turn in 0..log.len() {
            assert_eq!(names(&log, turn), ["a.log.10", "a.log.2", "a.log.1", "a.log"], "{turn}");
        }
        // The name alone says which is the newest, should both have been written at the same moment.
        assert_eq!(names(&[("a.log", true, 2), ("a.log-20260131", true, 2)], 0), ["a.log-20260131", "a.log"]);
        assert_eq!(names(&[("a.log", true, 1), ("x", false, 3), ("y", false, 5)], 0), ["y", "x", "a.log"]);
    }

    #[test]
    fn different_logs_take_turns() {
        let logs = [("a.log", true, 1), ("a1.log", true, 5), ("b/a.log", true, 3)];
        assert_eq!(names(&logs, 0), ["a.log", "a1.log", "b/a.log"]);
        assert_eq!(names(&logs, 1), ["a1.log", "b/a.log", "a.log"]);
        let mixed = [("a.log", true, 1), ("b.log", true, 1), ("a.log.1", true, 2)];
        assert_eq!(names(&mixed, 0), ["a.log.1", "b.log", "a.log"]);
        assert_eq!(names(&mixed, 1), ["b.log", "a.log.1", "a.log"]);
    }
}

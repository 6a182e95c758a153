//! Files and folders that cannot be read now: each is reported when that begins, left alone for a while and tried again.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

use pipectl_contract::{ConnectorError, ErrorKind};
use pipectl_data::Micros;

/// How long a file that cannot be read is left alone.
const PAUSE: Micros = 5_000_000;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) path: PathBuf,
    /// What is wrong, in one line that names the file.
    pub(crate) message: String,
    kind: ErrorKind,
}

impl Problem {
    /// The same as an error that ends the source.
    pub(crate) fn into_error(self) -> ConnectorError {
        ConnectorError::new(self.kind, self.message)
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Problems {
    now: BTreeMap<PathBuf, (Problem, Micros)>,
    new: Vec<Problem>,
}

impl Problems {
    /// Something cannot be read.
    pub(super) fn add(&mut self, path: &Path, error: &io::Error, now: Micros) {
        let copy = error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error);
        let error = ConnectorError::io(format_args!("read `{}`", path.display()), copy);
        let problem = Problem { path: path.to_path_buf(), message: error.message, kind: error.kind };
        let before = self.now.insert(path.to_path_buf(), (problem.clone(), now + PAUSE));
        if before.is_none_or(|(before, _)| before != problem) {
            self.new.push(problem);
        }
    }

    /// Whether a file may be tried again.
    pub(super) fn may_try(&self, path: &Path, now: Micros) -> bool {
        self.now.get(path).is_none_or(|(_, again)| now >= *again)
    }

    /// A file can be read.
    pub(super) fn solved(&mut self, path: &Path) {
        if self.now.remove(path).is_some() {
            tracing::info!(file = %path.display(), "can be read again");
        }
    }

    /// All folders but these can be read.
    pub(super) fn solved_folders(&mut self, unreadable: &BTreeSet<&PathBuf>) {
        let solved: Vec<PathBuf> =
            self.now.keys().filter(|path| path.is_dir() && !unreadable.contains(path)).cloned().collect();
        for path in solved {
            self.solved(&path);
        }
        // What is gone is no problem any more.
        self.now.retain(|path, _| path.symlink_metadata().is_ok());
    }

    /// What was added since the last call.
    pub(super) fn take_new(&mut self) -> Vec<Problem> {
        std::mem::take(&mut self.new)
    }

    /// What cannot be read now.
    pub(super) fn all(&self) -> Vec<Problem> {
        self.now.values().map(|(problem, _)| problem.clone()).collect()
    }
}

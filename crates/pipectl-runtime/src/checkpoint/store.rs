//! A directory of checkpoints, owned by one process at a time.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

use super::Checkpoint;
use crate::error::{RunError, RunErrorKind};

/// How many checkpoints stay; the older one is for people who want to look, never resumed from by itself.
const KEPT: usize = 2;

/// The directory. While it exists, no other process can open the same one.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    /// Held for its lock, which the operating system lets go when the process ends, however it ends.
    _lock: File,
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> RunError {
    RunError {
        kind: RunErrorKind::Outside,
        message: format!("cannot {what} `{}`: {error}", path.display()),
        help: Vec::new(),
    }
}

impl Store {
    /// Opens the directory, making it if need be, and takes its lock.
    ///
    /// # Errors
    /// If another process holds it (the message names that process), or the disk refuses.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, RunError> {
        let directory = directory.into();
        fs::create_dir_all(&directory).map_err(|error| failed("create", &directory, &error))?;
        let path = directory.join("owner");
        let mut lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| failed("open", &path, &error))?;
        if lock.try_lock().is_err() {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            let holder =
                if holder.is_empty() { "another process".to_owned() } else { format!("process {}", holder.trim()) };
            return Err(RunError {
                kind: RunErrorKind::Outside,
                message: format!("{holder} already runs this pipeline (state in `{}`)", directory.display()),
                help: vec!["stop it first, or give this run another `--state`".to_owned()],
            });
        }
        let owned = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
        owned.map_err(|error| failed("write", &path, &error))?;
        let store = Self { directory, _lock: lock };
        store.remove_unfinished()?;
        Ok(store)
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The newest checkpoint, if there is one.
    ///
    /// # Errors
    /// If it is damaged. An older one is not taken instead: sinks may have published what came after it.
    pub fn latest(&self) -> Result<Option<Checkpoint>, RunError> {
        let Some(path) = self.files()?.pop() else { return Ok(None) };
        let bytes = fs::read(&path).map_err(|error| failed("read", &path, &error))?;
        let checkpoint = Checkpoint::decode(&bytes).map_err(|reason| {
            RunError::failed(format!("cannot resume from `{}`: {reason}", path.display())).help(
                "restore the file from a backup, or start over with `--fresh` (everything is read and written again)",
            )
        })?;
        Ok(Some(checkpoint))
    }

    /// Writes a checkpoint: when this returns it survives a crash of the machine, and it is whole or not there.
    pub fn write(&self, checkpoint: &Checkpoint) -> Result<(), RunError> {
        let path = self.directory.join(format!("checkpoint-{:012}", checkpoint.id));
        let unfinished = path.with_extension("unfinished");
        let bytes = checkpoint.encode().map_err(RunError::failed)?;
        let written = File::create(&unfinished)
            .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&unfinished, &path))
            .and_then(|()| File::open(&self.directory)?.sync_all());
        written.map_err(|error| failed("write", &path, &error))?;
        let mut files = self.files()?;
        let old = files.len().saturating_sub(KEPT);
        for path in files.drain(..old) {
            fs::remove_file(&path).map_err(|error| failed("remove", &path, &error))?;
        }
        Ok(())
    }

    /// Forgets all checkpoints: the next run starts over.
    pub fn clear(&self) -> Result<(), RunError> {
        for path in self.files()? {
            fs::remove_file(&path).map_err(|error| failed("remove", &path, &error))?;
        }
        Ok(())
    }

    /// The checkpoints, oldest first.
    fn files(&self) -> Result<Vec<PathBuf>, RunError> {
        self.matching(|name| name.starts_with("checkpoint-") && !name.ends_with(".unfinished"))
    }

    /// What a crash in the middle of a write left behind.
    fn remove_unfinished(&self) -> Result<(), RunError> {
        for path in self.matching(|name| name.ends_with(".unfinished"))? {
            fs::remove_file(&path).map_err(|error| failed("remove", &path, &error))?;
        }
        Ok(())
    }

    fn matching(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, RunError> {
        let mut found = Vec::new();
        let entries = fs::read_dir(&self.directory).map_err(|error| failed("read", &self.directory, &error))?;
        for entry in entries {
            let path = entry.map_err(|error| failed("read", &self.directory, &error))?.path();
            if path.file_name().and_then(|name| name.to_str()).is_some_and(&wanted) {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(id: u64) -> Checkpoint {
        Checkpoint { id, fingerprint: "f".to_owned(), time: 0, finished: false, tasks: Vec::new() }
    }

    #[test]
    fn the_newest_is_found_and_old_ones_go() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        assert_eq!(store.latest().unwrap(), None);
        for id in 1..=4 {
            store.write(&checkpoint(id)).unwrap();
        }
        assert_eq!(store.latest().unwrap(), Some(checkpoint(4)));
        assert_eq!(store.files().unwrap().len(), KEPT);
        store.clear().unwrap();
        assert_eq!(store.latest().unwrap(), None);
    }

    #[test]
    fn a_second_owner_is_refused_and_a_damaged_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let refused = Store::open(directory.path()).unwrap_err();
        assert_eq!(refused.kind, RunErrorKind::Outside);
        assert!(refused.message.contains(&std::process::id().to_string()), "{refused}");
        store.write(&checkpoint(1)).unwrap();
        fs::write(directory.path().join("checkpoint-000000000001"), b"PIPECTLC torn").unwrap();
        assert!(store.latest().unwrap_err().message.contains("checkpoint-000000000001"));
        drop(store);
        Store::open(directory.path()).unwrap();
    }
}

//! A directory of checkpoints, owned by one process at a time.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use pipectl_host::Host;

use super::{
    Checkpoint, Checkpoints,
    lease::{Asked, Lease},
};
use crate::error::{RunError, RunErrorKind};

/// How many checkpoints stay. The older one is resumed from where the newest turns out not to count; otherwise it is for
/// people who want to look.
const KEPT: usize = 2;

/// The file that holds the number of the last checkpoint that is known to count.
const PUBLISHED: &str = "published";

/// The file that holds what was decided when the run started without a checkpoint.
const BEGUN: &str = "begun";

/// The file that stands for the right to a directory.
const OWNER: &str = "owner";

/// The directory. While it exists, no other process can open the same one.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    _lease: Lease,
    /// For one of several workers: the lease that keeps out a process that would run the region alone.
    region: Option<Lease>,
}

/// A directory behind the face of checkpoints: what waits for the disk runs where it holds up nobody.
#[derive(Debug)]
struct OnDisk {
    store: Arc<Store>,
    host: Host,
}

impl OnDisk {
    async fn ask<T: Send + 'static>(&self, question: impl FnOnce(&Store) -> T + Send + 'static) -> T {
        let store = Arc::clone(&self.store);
        self.host.blocking(move || question(&store)).await
    }
}

#[async_trait]
impl Checkpoints for OnDisk {
    async fn latest(&self) -> Result<Option<Checkpoint>, RunError> {
        self.ask(Store::latest).await
    }

    async fn before_latest(&self) -> Result<Option<Checkpoint>, RunError> {
        self.ask(Store::before_latest).await
    }

    async fn write(&self, checkpoint: Checkpoint) -> Result<(), RunError> {
        self.ask(move |store| store.write(&checkpoint)).await
    }

    async fn note_committed(&self, id: u64) -> Result<(), RunError> {
        self.ask(move |store| store.note_committed(id)).await
    }

    async fn note_begun(&self, note: Vec<u8>) -> Result<(), RunError> {
        self.ask(move |store| store.write_durably(BEGUN, &note)).await
    }

    async fn begun(&self) -> Result<Option<Vec<u8>>, RunError> {
        self.ask(Store::begun).await
    }

    async fn is_committed(&self, id: u64) -> Result<bool, RunError> {
        Ok(self.ask(move |store| store.is_committed(id)).await)
    }
}

pub(super) fn failed(what: &str, path: &Path, error: &std::io::Error) -> RunError {
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
        let lease = Lease::ask(&directory, OWNER)?.or_refuse(&directory)?;
        Self::with(directory, lease)
    }

    /// Opens the first of a directory's folders for workers that no other process has: each worker of a shared region
    /// keeps there what its sinks need, under a small number that is the same again after a restart.
    ///
    /// # Errors
    /// If a process runs the region alone, or the disk refuses.
    pub fn open_worker(directory: impl Into<PathBuf>) -> Result<(Self, u32), RunError> {
        let directory = directory.into();
        let region = Lease::ask_shared(&directory, OWNER)?.or_refuse(&directory)?;
        for number in 0.. {
            let folder = directory.join(format!("worker-{number}"));
            if let Asked::Ours(lease) = Lease::ask(&folder, OWNER)? {
                let mut store = Self::with(folder, lease)?;
                store.region = Some(region);
                return Ok((store, number));
            }
        }
        Err(RunError::failed("there are more workers than numbers"))
    }

    fn with(directory: PathBuf, lease: Lease) -> Result<Self, RunError> {
        let store = Self { directory, _lease: lease, region: None };
        store.remove_unfinished()?;
        Ok(store)
    }

    /// As a run takes it.
    pub fn on(self, host: &Host) -> Box<dyn Checkpoints> {
        Box::new(OnDisk { store: Arc::new(self), host: host.clone() })
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn latest(&self) -> Result<Option<Checkpoint>, RunError> {
        self.files()?.pop().map(|path| Self::read(&path)).transpose()
    }

    fn before_latest(&self) -> Result<Option<Checkpoint>, RunError> {
        self.files()?.iter().rev().nth(1).map(|path| Self::read(path)).transpose()
    }

    fn note_committed(&self, id: u64) -> Result<(), RunError> {
        let path = self.directory.join(PUBLISHED);
        fs::write(&path, id.to_string()).map_err(|error| failed("write", &path, &error))
    }

    fn is_committed(&self, id: u64) -> bool {
        fs::read_to_string(self.directory.join(PUBLISHED)).is_ok_and(|text| text.trim() == id.to_string())
    }

    fn read(path: &Path) -> Result<Checkpoint, RunError> {
        let bytes = fs::read(path).map_err(|error| failed("read", path, &error))?;
        Checkpoint::decode(&bytes).map_err(|reason| {
            RunError::failed(format!("cannot resume from `{}`: {reason}", path.display())).help(
                "restore the file from a backup, or start over with `--fresh` (everything is read and written again)",
            )
        })
    }

    fn write(&self, checkpoint: &Checkpoint) -> Result<(), RunError> {
        let bytes = checkpoint.encode().map_err(RunError::failed)?;
        self.write_durably(&format!("checkpoint-{:012}", checkpoint.id), &bytes)?;
        let mut files = self.files()?;
        let old = files.len().saturating_sub(KEPT);
        for path in files.drain(..old) {
            fs::remove_file(&path).map_err(|error| failed("remove", &path, &error))?;
        }
        Ok(())
    }

    /// Writes a file whole or not at all.
    fn write_durably(&self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        let path = self.directory.join(name);
        let unfinished = path.with_extension("unfinished");
        let written = File::create(&unfinished)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&unfinished, &path))
            .and_then(|()| File::open(&self.directory)?.sync_all());
        written.map_err(|error| failed("write", &path, &error))
    }

    fn begun(&self) -> Result<Option<Vec<u8>>, RunError> {
        let path = self.directory.join(BEGUN);
        match fs::read(&path) {
            Ok(note) => Ok(Some(note)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &path, &error)),
        }
    }

    /// Forgets all checkpoints: the next run starts over.
    pub fn clear(&self) -> Result<(), RunError> {
        for path in self.matching(|name| name == PUBLISHED || name == BEGUN)?.into_iter().chain(self.files()?) {
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
    use super::{super::StateOf, *};

    fn checkpoint(id: u64) -> Checkpoint {
        Checkpoint {
            id,
            of: StateOf::Digest("f".to_owned()),
            time: 0,
            finished: false,
            drained: false,
            tasks: Vec::new(),
        }
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
        assert_eq!(store.before_latest().unwrap(), Some(checkpoint(3)));
        store.note_committed(4).unwrap();
        store.write_durably(BEGUN, b"note").unwrap();
        assert_eq!(store.begun().unwrap().as_deref(), Some(&b"note"[..]));
        assert!(store.is_committed(4) && !store.is_committed(3));
        store.clear().unwrap();
        assert_eq!(store.latest().unwrap(), None);
        assert!(!store.is_committed(4), "a later run's fourth is another one");
        assert_eq!(store.begun().unwrap(), None);
    }

    #[test]
    fn a_second_owner_is_refused_and_a_damaged_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        assert_eq!(Store::open(directory.path()).unwrap_err().kind, RunErrorKind::Outside);
        assert_eq!(Store::open_worker(directory.path()).unwrap_err().kind, RunErrorKind::Outside);
        store.write(&checkpoint(1)).unwrap();
        fs::write(directory.path().join("checkpoint-000000000001"), b"PIPECTLC torn").unwrap();
        assert!(store.latest().unwrap_err().message.contains("checkpoint-000000000001"));
        drop(store);
        Store::open(directory.path()).unwrap();
    }

    #[test]
    fn workers_have_numbers_that_are_free_again_after_them() {
        let directory = tempfile::tempdir().unwrap();
        let (first, number) = Store::open_worker(directory.path()).unwrap();
        assert_eq!(number, 0);
        let (_second, number) = Store::open_worker(directory.path()).unwrap();
        assert_eq!(number, 1);
        assert!(Store::open(directory.path()).is_err(), "nobody runs alone what others share");
        drop(first);
        assert_eq!(Store::open_worker(directory.path()).unwrap().1, 0);
    }
}

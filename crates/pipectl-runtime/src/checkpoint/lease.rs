//! Who may run what only one process may: a lock that the operating system lets go when its holder ends, however it ends.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
};

use super::store::failed;
use crate::error::{RunError, RunErrorKind};

/// The right to a directory. It ends with the value, or with the process.
///
/// The lock is the kernel's: a holder that is stopped or slow still has it, so that no two ever run side by side, and one
/// that was killed has lost it at once.
#[derive(Debug)]
pub struct Lease {
    /// Held for its lock.
    _lock: File,
}

/// What came of asking for a lease.
#[derive(Debug)]
pub enum Asked {
    /// It is ours.
    Ours(Lease),
    /// Another process has it; how it is called in messages: `process 4711`.
    Held(String),
}

impl Lease {
    /// Asks for the lease on a directory, which is made if need be. `name` is the file that stands for it there.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn ask(directory: &Path, name: &str) -> Result<Asked, RunError> {
        let (mut lock, path) = open(directory, name)?;
        if lock.try_lock().is_err() {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            let holder = holder.trim();
            let holder = if holder.is_empty() { "another process".to_owned() } else { format!("process {holder}") };
            return Ok(Asked::Held(holder));
        }
        let owned = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
        owned.map_err(|error| failed("write", &path, &error))?;
        Ok(Asked::Ours(Self { _lock: lock }))
    }

    /// Asks for a lease that others may have at the same time, if they ask in this way too.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn ask_shared(directory: &Path, name: &str) -> Result<Asked, RunError> {
        let (lock, path) = open(directory, name)?;
        if lock.try_lock_shared().is_err() {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            return Ok(Asked::Held(format!("process {}", holder.trim())));
        }
        Ok(Asked::Ours(Self { _lock: lock }))
    }
}

impl Asked {
    /// The lease, or the error that names its holder.
    ///
    /// # Errors
    /// If another process has it.
    pub fn or_refuse(self, directory: &Path) -> Result<Lease, RunError> {
        match self {
            Self::Ours(lease) => Ok(lease),
            Self::Held(holder) => Err(held(&holder, &directory.display().to_string())),
        }
    }
}

/// That another process runs what only one may.
pub fn held(holder: &str, state: &str) -> RunError {
    RunError {
        kind: RunErrorKind::Outside,
        message: format!("{holder} already runs this pipeline (state in `{state}`)"),
        help: vec![
            "stop it first, or give this run another `--state`".to_owned(),
            "or wait for its end and take over, with `--standby`".to_owned(),
        ],
    }
}

fn open(directory: &Path, name: &str) -> Result<(File, std::path::PathBuf), RunError> {
    fs::create_dir_all(directory).map_err(|error| failed("create", directory, &error))?;
    let path = directory.join(name);
    let lock = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    lock.map(|lock| (lock, path.clone())).map_err(|error| failed("open", &path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_the_other_learns_who_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let lease = Lease::ask(directory.path(), "lease").unwrap().or_refuse(directory.path()).unwrap();
        let refused = Lease::ask(directory.path(), "lease").unwrap().or_refuse(directory.path()).unwrap_err();
        assert_eq!(refused.kind, RunErrorKind::Outside);
        assert!(refused.message.contains(&std::process::id().to_string()), "{refused}");
        assert!(matches!(Lease::ask_shared(directory.path(), "lease").unwrap(), Asked::Held(_)));
        drop(lease);
        let one = Lease::ask_shared(directory.path(), "lease").unwrap();
        assert!(matches!(one, Asked::Ours(_)));
        let other = Lease::ask_shared(directory.path(), "lease").unwrap();
        assert!(matches!(other, Asked::Ours(_)));
        assert!(matches!(Lease::ask(directory.path(), "lease").unwrap(), Asked::Held(_)));
    }
}

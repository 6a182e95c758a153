//! Where finished files go. Today a directory of this machine; a store of a cloud is one more variant.
//!
//! Written here instead of taken from a library because of two promises: a file is on the disk, not only in the
//! kernel's memory, before the checkpoint that forgets its bytes; and a simulated run does it in place, not on a thread
//! whose end depends on chance.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use pipectl_contract::ConnectorError;
use pipectl_host::Host;

/// How many bytes a temporary name is longer than the final one.
pub(crate) const TEMPORARY_EXTRA: usize = ".".len() + SUFFIX.len();
const SUFFIX: &str = ".part";

/// A finished file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    /// Its name in the store.
    pub(crate) name: String,
    /// Its content.
    pub(crate) bytes: Bytes,
}

/// A store of files.
#[derive(Debug, Clone)]
pub(crate) enum Store {
    /// A directory.
    Directory(PathBuf),
}

impl Store {
    /// Opens a directory, which is created if need be.
    pub(crate) async fn directory(host: &Host, root: PathBuf) -> Result<Self, ConnectorError> {
        host.blocking(move || {
            create_folder(&root)?;
            Ok(Self::Directory(root))
        })
        .await
    }

    /// Puts files, each at once under its final name or not at all; one that is there already is replaced. They have
    /// reached the disk when this returns. Putting the same ones again changes nothing.
    pub(crate) async fn put(&self, host: &Host, objects: Vec<Object>) -> Result<(), ConnectorError> {
        let Self::Directory(root) = self;
        let root = root.clone();
        host.blocking(move || put_all(&root, &objects)).await
    }
}

fn put_all(root: &Path, objects: &[Object]) -> Result<(), ConnectorError> {
    let mut folders = BTreeSet::new();
    for object in objects {
        let path = root.join(&object.name);
        let folder = path.parent().unwrap_or(root).to_owned();
        let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Hidden, and always the same: what a crash leaves behind is overwritten by the next try.
        let temporary = folder.join(format!(".{file_name}{SUFFIX}"));
        if folders.insert(folder.clone()) {
            create_folder(&folder)?;
        }
        write_synced(&temporary, &object.bytes)
            .and_then(|()| fs::rename(&temporary, &path))
            .map_err(|error| ConnectorError::io(format_args!("write `{}`", path.display()), error))?;
    }
    folders.iter().try_for_each(|folder| sync_folder(folder))
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Creates a folder and those above it that are missing, so that their names survive a power cut.
fn create_folder(folder: &Path) -> Result<(), ConnectorError> {
    if folder.is_dir() {
        return Ok(());
    }
    let missing: Vec<&Path> =
        folder.ancestors().take_while(|above| !above.as_os_str().is_empty() && !above.exists()).collect();
    fs::create_dir_all(folder)
        .map_err(|error| ConnectorError::io(format_args!("create the folder `{}`", folder.display()), error))?;
    missing.iter().filter_map(|made| made.parent()).try_for_each(sync_folder)
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> Result<(), ConnectorError> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)
        .and_then(|opened| opened.sync_all())
        .map_err(|error| ConnectorError::io(format_args!("sync the folder `{}`", folder.display()), error))
}

/// Other systems cannot open a folder to sync it.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> Result<(), ConnectorError> {
    Ok(())
}

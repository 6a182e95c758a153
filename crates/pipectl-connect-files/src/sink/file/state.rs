//! What a checkpoint knows of a file, and how the file is known again.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use pipectl_contract::{ConnectorError, ErrorKind};
use pipectl_data::{compress::Compression, key_hash};
use serde::{Deserialize, Serialize};

use super::super::format::SinkFormat;

/// What a checkpoint holds, as one line of JSON; the held bytes come after it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) version: u32,
    /// The length of the file up to which it holds what came before the checkpoint, on the disk.
    pub(super) length: u64,
    /// How many bytes follow, which `SinkWriter::committed` appends.
    pub(super) held: usize,
    /// Whether the run had finished writing: what is in the file beyond this is not ours.
    #[serde(default)]
    pub(super) closed: bool,
    /// How rows are written; unknown in checkpoints of earlier versions.
    #[serde(default)]
    pub(super) written: Option<Written>,
    /// The hash of the last bytes before `length`, by which the file is known again.
    #[serde(default)]
    pub(super) tail: Option<u64>,
}

/// How many bytes a file is known by.
const TAIL: u64 = 4096;

/// How the rows of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Written {
    pub(super) format: SinkFormat,
    pub(super) compression: Compression,
}

/// CSV that is there must have the columns that come, in their order, or its rows would mean something else.
pub(super) fn check_header(path: &Path, compression: Compression, wanted: &[u8]) -> Result<(), ConnectorError> {
    let failed = |error| ConnectorError::io(format_args!("read `{}`", path.display()), error);
    let file = File::open(path).map_err(failed)?;
    let mut found = Vec::new();
    compression.reader(file).take(wanted.len() as u64).read_to_end(&mut found).map_err(failed)?;
    if found == wanted {
        return Ok(());
    }
    let line = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().to_owned();
    let message = format!(
        "`{}` begins with `{}`, and rows with the columns `{}` cannot come after it: name another file, or replace this one \
         with `--replace-output`, and with `--reset NODE` if the sink has a checkpoint",
        path.display(),
        line(&found),
        line(wanted)
    );
    Err(ConnectorError::new(ErrorKind::Conflict, message))
}

/// The hash of the last bytes before this length; `None` if there are none, or the file is shorter.
pub(super) fn tail_of(path: &Path, length: u64) -> io::Result<Option<u64>> {
    if length == 0 {
        return Ok(None);
    }
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    let start = length.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(start))?;
    file.take(length - start).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 == length - start).then(|| key_hash::hash(&bytes)))
}

//! What earlier runs have left where a sink writes. It is never mixed with new output silently, and never removed unasked.

use std::path::PathBuf;

use pipectl_data::Schema;
use pipectl_host::Host;
use serde::{Deserialize, Serialize};

/// A piece of output that is there before a run begins: a file, a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierOutput {
    /// What a person calls it.
    pub name: String,
    /// What tells it from a newer one of the same name.
    pub identity: String,
}

/// What a sink that starts without a checkpoint does about output of earlier runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Earlier {
    /// There is none.
    #[default]
    None,
    /// It stays, and new output comes beside it or after it.
    Keep,
    /// It is readable until the first checkpoint of this run is durable. Then the new output takes its place, and
    /// [`Sink::remove`](crate::Sink::remove) removes the rest.
    Replace,
}

/// Where a sink looks for output of earlier runs.
#[derive(Debug, Clone)]
pub struct OutputContext {
    /// The door to the outside.
    pub host: Host,
    /// `metadata.name` of the pipeline.
    pub pipeline: String,
    /// The folder of the pipeline's output, where the binding names no other.
    pub output: String,
    /// The node's name.
    pub node: String,
    /// Relative paths start here.
    pub directory: PathBuf,
    /// The columns that come in.
    pub schema: Schema,
    /// What is to become of it, as far as somebody has said so.
    pub wanted: Earlier,
}

/// The default folder of a pipeline's output. Environments do not share one.
pub fn output_folder(pipeline: &str, environment: &str) -> String {
    if environment == DEFAULT_ENVIRONMENT { format!("out/{pipeline}") } else { format!("out/{pipeline}@{environment}") }
}

/// The name of the Environment where none is chosen.
pub const DEFAULT_ENVIRONMENT: &str = "default";

/// What tells a file from another one that takes its name later: its number on the disk, its length and when it was
/// last changed.
pub fn file_identity(metadata: &std::fs::Metadata) -> String {
    let changed = metadata.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let changed = changed.unwrap_or_default().as_nanos();
    #[cfg(unix)]
    let number = std::os::unix::fs::MetadataExt::ino(metadata);
    #[cfg(not(unix))]
    let number = 0;
    format!("{number}.{}.{changed}", metadata.len())
}

/// Removes a file if it is still the one of this identity; answers whether it was.
///
/// # Errors
/// If it is and cannot be removed.
pub fn remove_file(path: &std::path::Path, identity: &str) -> std::io::Result<bool> {
    match std::fs::metadata(path) {
        Ok(metadata) if file_identity(&metadata) == identity => std::fs::remove_file(path).map(|()| true),
        Ok(_) => Ok(false),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

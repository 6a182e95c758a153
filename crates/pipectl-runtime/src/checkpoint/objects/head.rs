//! The object that says who owns a pipeline and which of its checkpoints count.

use std::collections::BTreeMap;

use object_store::path::Path;

/// The head of a pipeline, as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Head {
    /// Who owns it, for people: `process 4711 on rack-3`. Empty: nobody, the last owner has given it up.
    pub(super) owner: String,
    /// How many owners there have been.
    pub(super) epoch: u64,
    /// Grows with every change, so that a watcher sees that the owner lives.
    pub(super) beat: u64,
    /// What counts, by region.
    pub(super) regions: BTreeMap<String, Region>,
}

/// What counts in a region.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Region {
    /// The newest checkpoint.
    pub(super) newest: Option<Name>,
    /// The one before it.
    pub(super) before: Option<Name>,
    /// The number of the last one that is known to count where a transaction decides.
    pub(super) published: Option<u64>,
}

/// What a checkpoint is called: its number, and the owner that wrote it, so that no two owners write the same object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Name {
    pub(super) id: u64,
    pub(super) epoch: u64,
}

impl Name {
    /// Its object.
    pub(super) fn path(self, folder: &Path, region: &str) -> Path {
        let Self { id, epoch } = self;
        folder.clone().join(region).join(format!("checkpoint-{id:012}-{epoch:06}"))
    }
}

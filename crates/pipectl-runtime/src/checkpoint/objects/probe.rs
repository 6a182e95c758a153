//! Tries what checkpoints need of an object store, with a small object that is gone afterwards.

use object_store::{Error, ObjectStoreExt as _, PutMode, PutOptions, UpdateVersion, path::Path};
use pipectl_host::Host;

use super::Objects;
use crate::error::RunError;

impl Objects {
    /// Writes an object, changes it on the condition that it is as it was, sees that the same change is refused when it is
    /// not, and removes it: all that owners and checkpoints need.
    ///
    /// # Errors
    /// If the store is out of reach, refuses one of these, or makes a change that it should have refused.
    pub async fn probe(&self, host: &Host) -> Result<(), RunError> {
        let path = self.prefix.clone().join(format!("pipectl-doctor-{}.json", host.id("probe of a state")));
        let tried = self.try_changes(&path).await;
        match self.store.delete(&path).await {
            Ok(()) | Err(Error::NotFound { .. }) => tried,
            Err(error) => tried.and(Err(self.failed("remove an object", &error))),
        }
    }

    async fn try_changes(&self, path: &Path) -> Result<(), RunError> {
        let put = |mode| self.store.put_opts(path, "{}".into(), PutOptions::from(mode));
        let made = put(PutMode::Create).await.map_err(|error| self.failed("make an object", &error))?;
        let version = UpdateVersion { e_tag: made.e_tag, version: made.version };
        let changed = put(PutMode::Update(version.clone())).await;
        changed.map_err(|error| self.failed("change an object", &error))?;
        match put(PutMode::Update(version)).await {
            Err(Error::Precondition { .. }) => Ok(()),
            Err(error) => Err(self.failed("change an object", &error)),
            Ok(_) => Err(RunError::failed(format!(
                "`{}` accepts stale changes: two owners could run a pipeline at the same time",
                self.address
            ))
            .help("keep the state in a store that supports `If-Match`, such as S3, Blob storage or Cloud Storage")),
        }
    }
}

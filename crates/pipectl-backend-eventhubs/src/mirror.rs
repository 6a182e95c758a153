//! The checkpoints of an owner, written to Blob storage too: for people and their tools, never read by us.

use std::collections::BTreeMap;

use crate::{
    blobs::Blobs,
    error::Failure,
    position::{Mark, Position},
};

/// Where an owner's checkpoints are shown.
pub(crate) struct Mirror {
    blobs: Blobs,
    /// What was written last and its version, so that nothing is written twice.
    written: BTreeMap<u32, (Mark, Option<String>)>,
}

impl Mirror {
    pub(crate) fn new(blobs: Blobs) -> Self {
        Self { blobs, written: BTreeMap::new() }
    }

    /// Writes what is new. That it cannot be written must not stop the run.
    pub(crate) async fn write(&mut self, position: &Position, stream: &str) {
        for (number, mark) in &position.partitions {
            let known = self.written.get(number);
            if mark.sequence < 0 || known.is_some_and(|(known, _)| !known.gives_way_to(mark)) {
                continue;
            }
            let version = known.and_then(|(_, version)| version.clone());
            match self.put(*number, mark, version).await {
                Ok(version) => {
                    self.written.insert(*number, (mark.clone(), version));
                }
                Err(failure) => tracing::warn!(stream, "checkpoints are not mirrored: {}", failure.text),
            }
        }
    }

    async fn put(&self, number: u32, mark: &Mark, version: Option<String>) -> Result<Option<String>, Failure> {
        if let Some(version) = version
            && let Some(written) = self.blobs.put_mark(number, Some(mark), Some(&version)).await?
        {
            return Ok(Some(written));
        }
        // The first one, or somebody else has written: what is there now is replaced.
        let found = self.blobs.mark(number).await?.map(|(_, version)| version);
        self.blobs.put_mark(number, Some(mark), found.as_deref()).await
    }
}

//! The right to a pipeline, renewed while it is held, and the checkpoints that are written under it.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use futures::TryStreamExt as _;
use object_store::{ObjectStoreExt as _, PutMode, PutOptions, UpdateVersion, path::Path};
use pipectl_host::{Host, JoinHandle};
use tokio::sync::Mutex;

use super::{
    head::{Head, Name},
    place::{Objects, bytes},
};
use crate::{
    checkpoint::{Checkpoint, Checkpoints},
    error::{RunError, RunErrorKind},
};

/// For how long an owner may be silent before others count it as dead.
pub const LEASE: Duration = Duration::from_secs(15);
/// How often an owner says that it lives: it may fail twice in a row.
const RENEW: Duration = Duration::from_secs(5);

/// What came of asking for a pipeline.
#[derive(Debug)]
pub enum Sought {
    /// It is ours.
    Ours(Arc<Claim>),
    /// Another process owns it, or did until a moment ago; how it is called in messages.
    Held(String),
}

/// The right to a pipeline.
#[derive(Debug)]
pub struct Claim {
    objects: Objects,
    host: Host,
    folder: Path,
    epoch: u64,
    /// The head as it is, unless somebody else has changed it since.
    pub(super) held: Mutex<(Head, UpdateVersion)>,
}

impl Claim {
    pub(super) fn new(objects: Objects, host: Host, folder: Path, head: Head, version: UpdateVersion) -> Arc<Self> {
        Arc::new(Self { objects, host, folder, epoch: head.epoch, held: Mutex::new((head, version)) })
    }

    /// Renews the right for as long as somebody holds it; that it is lost shows at the next checkpoint.
    pub fn keep(self: &Arc<Self>) -> JoinHandle<()> {
        let (claim, host): (Weak<Self>, _) = (Arc::downgrade(self), self.host.clone());
        self.host.spawn(async move {
            loop {
                host.sleep(RENEW).await;
                let Some(claim) = claim.upgrade() else { return };
                if let Err(error) = claim.change(|_| {}).await {
                    tracing::warn!("{error}");
                }
            }
        })
    }

    /// Gives the right up, so that the next owner need not wait.
    ///
    /// # Errors
    /// If the store is out of reach, or another process has taken over.
    pub async fn release(&self) -> Result<(), RunError> {
        self.change(|head| head.owner.clear()).await
    }

    /// Forgets all checkpoints: the next run starts over.
    ///
    /// # Errors
    /// If the store is out of reach, or another process has taken over.
    pub async fn clear(&self) -> Result<(), RunError> {
        self.change(|head| head.regions.clear()).await?;
        let head = self.head_path();
        let store = &self.objects.store;
        let failed = |error| self.objects.failed("remove checkpoints", &error);
        let found: Vec<_> = store.list(Some(&self.folder)).try_collect().await.map_err(failed)?;
        for object in found.into_iter().filter(|object| object.location != head) {
            store.delete(&object.location).await.map_err(failed)?;
        }
        Ok(())
    }

    /// The checkpoints of a region, under this right.
    pub fn region(self: &Arc<Self>, name: &str) -> Box<dyn Checkpoints> {
        Box::new(InObjects { claim: Arc::clone(self), region: name.to_owned() })
    }

    fn head_path(&self) -> Path {
        self.folder.clone().join("head.json")
    }

    /// Changes the head, if it is still ours.
    async fn change(&self, change: impl FnOnce(&mut Head)) -> Result<(), RunError> {
        let mut held = self.held.lock().await;
        let mut head = held.0.clone();
        change(&mut head);
        head.beat += 1;
        let options = PutOptions::from(PutMode::Update(held.1.clone()));
        let path = self.head_path();
        let version = match self.objects.store.put_opts(&path, bytes(&head)?.into(), options).await {
            Ok(result) => UpdateVersion { e_tag: result.e_tag, version: result.version },
            Err(object_store::Error::Precondition { .. } | object_store::Error::NotFound { .. }) => {
                // An answer may have been lost and the request repeated: then what is there is what we wrote.
                match self.objects.read(&path).await? {
                    Some((found, version)) if found == head => version,
                    found => return Err(self.lost(found.map(|(head, _)| head.owner))),
                }
            }
            Err(error) => return Err(self.objects.failed("write the head of a pipeline", &error)),
        };
        *held = (head, version);
        Ok(())
    }

    fn lost(&self, owner: Option<String>) -> RunError {
        let owner = owner.filter(|owner| !owner.is_empty()).unwrap_or_else(|| "another process".to_owned());
        RunError {
            kind: RunErrorKind::Outside,
            message: format!("{owner} has taken over this pipeline (state in `{}`)", self.objects.address),
            help: vec![
                "this process was silent for too long; its work since its last checkpoint is discarded".to_owned(),
            ],
        }
    }
}

/// The checkpoints of a region.
#[derive(Debug)]
struct InObjects {
    claim: Arc<Claim>,
    region: String,
}

impl InObjects {
    async fn read(&self, name: Option<Name>) -> Result<Option<Checkpoint>, RunError> {
        let Some(name) = name else { return Ok(None) };
        let path = name.path(&self.claim.folder, &self.region);
        let objects = &self.claim.objects;
        let failed = |error| objects.failed("read a checkpoint", &error);
        let bytes = objects.store.get(&path).await.map_err(failed)?.bytes().await.map_err(failed)?;
        let checkpoint = Checkpoint::decode(&bytes).map_err(|reason| {
            RunError::failed(format!("cannot resume from `{}/{path}`: {reason}", objects.address)).help(
                "restore the object from a backup, or start over with `--fresh` (everything is read and written again)",
            )
        })?;
        Ok(Some(checkpoint))
    }

    fn begun_path(&self) -> Path {
        self.claim.folder.clone().join(self.region.as_str()).join("begun")
    }

    async fn names(&self) -> (Option<Name>, Option<Name>, Option<u64>) {
        let held = self.claim.held.lock().await;
        held.0
            .regions
            .get(&self.region)
            .map_or((None, None, None), |region| (region.newest, region.before, region.published))
    }
}

#[async_trait]
impl Checkpoints for InObjects {
    async fn latest(&self) -> Result<Option<Checkpoint>, RunError> {
        self.read(self.names().await.0).await
    }

    async fn before_latest(&self) -> Result<Option<Checkpoint>, RunError> {
        self.read(self.names().await.1).await
    }

    async fn write(&self, checkpoint: Checkpoint) -> Result<(), RunError> {
        let name = Name { id: checkpoint.id, epoch: self.claim.epoch };
        let (objects, folder) = (&self.claim.objects, &self.claim.folder);
        let path = name.path(folder, &self.region);
        let bytes = checkpoint.encode().map_err(RunError::failed)?;
        let written = objects.store.put(&path, bytes.into()).await;
        written.map_err(|error| objects.failed("write a checkpoint", &error))?;
        let mut dropped = Vec::new();
        self.claim
            .change(|head| {
                let region = head.regions.entry(self.region.clone()).or_default();
                // One that turned out not to count is replaced, and so is never the one before.
                let before = [region.newest, region.before].into_iter().flatten().find(|known| known.id < name.id);
                dropped = [region.newest, region.before]
                    .into_iter()
                    .flatten()
                    .filter(|known| Some(*known) != before)
                    .collect();
                (region.newest, region.before) = (Some(name), before);
            })
            .await?;
        for old in dropped.into_iter().filter(|old| *old != name) {
            if let Err(error) = objects.store.delete(&old.path(folder, &self.region)).await {
                tracing::debug!(%error, "removing an old checkpoint");
            }
        }
        Ok(())
    }

    async fn note_committed(&self, id: u64) -> Result<(), RunError> {
        let region = self.region.clone();
        self.claim.change(|head| head.regions.entry(region).or_default().published = Some(id)).await
    }

    async fn note_begun(&self, note: Vec<u8>) -> Result<(), RunError> {
        let objects = &self.claim.objects;
        let written = objects.store.put(&self.begun_path(), note.into()).await;
        written.map(|_| ()).map_err(|error| objects.failed("write a note", &error))
    }

    async fn begun(&self) -> Result<Option<Vec<u8>>, RunError> {
        let objects = &self.claim.objects;
        let failed = |error| objects.failed("read a note", &error);
        match objects.store.get(&self.begun_path()).await {
            Ok(found) => Ok(Some(found.bytes().await.map_err(failed)?.to_vec())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    async fn is_committed(&self, id: u64) -> Result<bool, RunError> {
        Ok(self.names().await.2 == Some(id))
    }
}

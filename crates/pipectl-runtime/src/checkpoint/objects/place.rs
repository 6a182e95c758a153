//! An object store by its address, and asking there for the right to a pipeline.

use std::{fmt, sync::Arc};

use object_store::{
    ObjectStore, ObjectStoreExt as _, ObjectStoreScheme, PutMode, PutOptions, RetryConfig, UpdateVersion,
    aws::AmazonS3Builder, azure::MicrosoftAzureBuilder, gcp::GoogleCloudStorageBuilder, path::Path,
};
use pipectl_host::{Host, Micros};
use url::Url;

use super::{
    claim::{Claim, LEASE, Sought},
    head::Head,
};
use crate::error::{RunError, RunErrorKind};

/// For how long a request is repeated that does not get through. Longer than a lease: while nobody gets through, nobody can
/// take over either.
const RETRY_FOR: std::time::Duration = std::time::Duration::from_secs(30);

/// Where the state of pipelines is kept.
#[derive(Clone)]
pub struct Objects {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) prefix: Path,
    pub(super) address: String,
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Objects").field(&self.address).finish()
    }
}

/// What a watcher has seen of an owner, and since when nothing has changed.
#[derive(Debug, Default)]
pub struct Seen {
    version: Option<UpdateVersion>,
    since: Micros,
    changes: u32,
}

impl Seen {
    /// How often the owner was seen to do something, its first sight included.
    pub fn changes(&self) -> u32 {
        self.changes
    }
}

impl Objects {
    /// By an address: `s3://bucket/path`, `az://container/path`, `gs://bucket/path`. Who asks, and where the service is, the
    /// usual variables give (`AWS_…`, `AZURE_STORAGE_…`, `GOOGLE_…`).
    ///
    /// # Errors
    /// If the address is none of these, or a variable is missing or wrong.
    pub fn open(address: &str) -> Result<Self, RunError> {
        let wrong = |reason: String| {
            RunError::failed(format!("state cannot be kept at `{address}`: {reason}"))
                .help("name a folder, or s3://BUCKET/PATH, az://CONTAINER/PATH or gs://BUCKET/PATH")
        };
        let url = Url::parse(address).map_err(|error| wrong(error.to_string()))?;
        let (scheme, prefix) = ObjectStoreScheme::parse(&url).map_err(|error| wrong(error.to_string()))?;
        let retry = RetryConfig { retry_timeout: RETRY_FOR, max_retries: usize::MAX, ..RetryConfig::default() };
        let store: Result<Arc<dyn ObjectStore>, object_store::Error> = match scheme {
            ObjectStoreScheme::AmazonS3 => AmazonS3Builder::from_env()
                .with_url(address)
                .with_retry(retry)
                .build()
                .map(|store| Arc::new(store) as _),
            ObjectStoreScheme::MicrosoftAzure => MicrosoftAzureBuilder::from_env()
                .with_url(address)
                .with_retry(retry)
                .build()
                .map(|store| Arc::new(store) as _),
            ObjectStoreScheme::GoogleCloudStorage => GoogleCloudStorageBuilder::from_env()
                .with_url(address)
                .with_retry(retry)
                .build()
                .map(|store| Arc::new(store) as _),
            _ => return Err(wrong(format!("`{}` is no object store that can refuse a stale change", url.scheme()))),
        };
        let store = store.map_err(|error| wrong(error.to_string()))?;
        Ok(Self { store, prefix, address: address.trim_end_matches('/').to_owned() })
    }

    /// The address that it was opened with.
    pub fn address(&self) -> &str {
        &self.address
    }

    #[cfg(test)]
    pub(super) fn in_memory() -> Self {
        let store = Arc::new(object_store::memory::InMemory::new());
        Self { store, prefix: Path::default(), address: "memory://".to_owned() }
    }

    pub(super) fn failed(&self, what: &str, error: &object_store::Error) -> RunError {
        RunError {
            kind: RunErrorKind::Outside,
            message: format!("cannot {what} in `{}`: {error}", self.address),
            help: Vec::new(),
        }
    }

    /// Asks for the right to a pipeline. An owner that has given it up is followed at once. Another one counts as dead when
    /// its head has not changed for [`LEASE`] while `seen` watched: ask again with the same `seen`.
    ///
    /// # Errors
    /// If the store is out of reach or refuses, or holds something that is no head.
    pub async fn ask(&self, pipeline: &str, host: &Host, seen: &mut Seen) -> Result<Sought, RunError> {
        let folder = self.prefix.clone().join(pipeline);
        let path = folder.clone().join("head.json");
        let now = host.now();
        let (head, mode) = match self.read(&path).await? {
            None => (Head::default(), PutMode::Create),
            Some((head, version)) => {
                let lease = i64::try_from(LEASE.as_micros()).unwrap_or(i64::MAX);
                let changed = seen.version.as_ref() != Some(&version);
                if changed {
                    *seen = Seen { version: Some(version.clone()), since: now, changes: seen.changes + 1 };
                }
                if !head.owner.is_empty() && now.saturating_sub(seen.since) < lease {
                    return Ok(Sought::Held(head.owner));
                }
                (head, PutMode::Update(version))
            }
        };
        let head = Head { owner: host.process_name(), epoch: head.epoch + 1, beat: head.beat + 1, ..head };
        let written = self.store.put_opts(&path, bytes(&head)?.into(), PutOptions::from(mode)).await;
        match written {
            Ok(result) => {
                let version = UpdateVersion { e_tag: result.e_tag, version: result.version };
                Ok(Sought::Ours(Claim::new(self.clone(), host.clone(), folder, head, version)))
            }
            // Somebody else was quicker.
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                let owner = self.read(&path).await?.map(|(head, _)| head.owner).unwrap_or_default();
                Ok(Sought::Held(owner))
            }
            Err(error) => Err(self.failed("take over a pipeline", &error)),
        }
    }

    /// A head and its version, if there is one.
    pub(super) async fn read(&self, path: &Path) -> Result<Option<(Head, UpdateVersion)>, RunError> {
        let what = "read the head of a pipeline";
        let found = match self.store.get(path).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(self.failed(what, &error)),
        };
        let version = UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
        let bytes = found.bytes().await.map_err(|error| self.failed(what, &error))?;
        let head = serde_json::from_slice(&bytes).map_err(|error| {
            RunError::failed(format!("`{}/{path}` is not the head of a pipeline: {error}", self.address))
                .help("choose another location with `--state`, or remove the object to start over")
        })?;
        Ok(Some((head, version)))
    }
}

/// A head as it is written.
pub(super) fn bytes(head: &Head) -> Result<Vec<u8>, RunError> {
    serde_json::to_vec(head).map_err(|error| RunError::failed(error.to_string()))
}

//! Ownership and checkpoints in Blob storage, in the form of the official processors: a blob without content for each
//! partition, whose metadata says who owns it or how far it is read. Every change names the version that it replaces.

use std::{fmt, sync::Arc};

use azure_core::credentials::TokenCredential;
use futures::StreamExt;
use object_store::{
    Attribute, AttributeValue, Attributes, CredentialProvider, GetOptions, ObjectStore, ObjectStoreExt, PutMode,
    PutOptions, PutPayload, RetryConfig, UpdateVersion,
    azure::{AzureCredential, MicrosoftAzureBuilder},
    path::Path,
};
use pipectl_contract::ErrorKind;

use crate::{error::Failure, namespace::Namespace, options::Checkpoints, position::Mark};

/// What storage asks tokens for.
const SCOPE: &str = "https://storage.azure.com/.default";

/// When the hub was made that a checkpoint is of (microseconds UTC): ours alone, which other processors pass over.
const CREATED: &str = "hubcreated";

/// The blobs of one hub and consumer group.
#[derive(Clone)]
pub(crate) struct Blobs {
    store: Arc<dyn ObjectStore>,
    /// `namespace/hub/group`, all in lower case.
    prefix: String,
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blobs").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// Who owns a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Empty: somebody gave it up.
    pub(crate) owner: String,
    pub(crate) version: String,
}

impl Blobs {
    pub(crate) fn open(
        namespace: &Namespace,
        checkpoints: &Checkpoints,
        hub: &str,
        group: &str,
    ) -> Result<Self, Failure> {
        let store = store(namespace, checkpoints)?;
        let prefix = format!("{}/{hub}/{group}", namespace.name).to_lowercase();
        Ok(Self { store, prefix })
    }

    fn path(&self, what: &str, partition: u32) -> Path {
        Path::from(format!("{}/{what}/{partition}", self.prefix))
    }

    async fn read(&self, what: &str, partition: u32) -> Result<Option<(Attributes, String)>, Failure> {
        let options = GetOptions { head: true, ..Default::default() };
        match self.store.get_opts(&self.path(what, partition), options).await {
            Ok(found) => Ok(Some((found.attributes.clone(), found.meta.e_tag.clone().unwrap_or_default()))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failure(&error)),
        }
    }

    /// Writes a blob if its version is still this one (`None`: if there is none). Answers the new version, or `None` if
    /// somebody else was quicker.
    async fn write(
        &self,
        what: &str,
        partition: u32,
        metadata: &[(&'static str, String)],
        version: Option<&str>,
    ) -> Result<Option<String>, Failure> {
        let mode = match version {
            Some(version) => PutMode::Update(UpdateVersion { e_tag: Some(version.to_owned()), version: None }),
            None => PutMode::Create,
        };
        let attributes: Attributes = metadata
            .iter()
            .map(|(name, value)| (Attribute::Metadata((*name).into()), AttributeValue::from(value.clone())))
            .collect();
        let options = PutOptions { mode, attributes, ..Default::default() };
        match self.store.put_opts(&self.path(what, partition), PutPayload::new(), options).await {
            Ok(put) => Ok(Some(put.e_tag.unwrap_or_default())),
            Err(
                object_store::Error::Precondition { .. }
                | object_store::Error::AlreadyExists { .. }
                | object_store::Error::NotFound { .. },
            ) => Ok(None),
            Err(error) => Err(failure(&error)),
        }
    }

    pub(crate) async fn claim(&self, partition: u32) -> Result<Option<Claim>, Failure> {
        let found = self.read("ownership", partition).await?;
        Ok(found
            .map(|(attributes, version)| Claim { owner: value(&attributes, "ownerid").unwrap_or_default(), version }))
    }

    /// Claims or renews a partition; `None` if somebody else was quicker.
    pub(crate) async fn put_claim(
        &self,
        partition: u32,
        owner: &str,
        version: Option<&str>,
    ) -> Result<Option<String>, Failure> {
        self.write("ownership", partition, &[("ownerid", owner.to_owned())], version).await
    }

    /// How far the group is in a partition, and the version of the blob that says so.
    pub(crate) async fn mark(&self, partition: u32) -> Result<Option<(Option<Mark>, String)>, Failure> {
        Ok(self.read("checkpoint", partition).await?.map(|(attributes, version)| {
            let sequence = value(&attributes, "sequencenumber").and_then(|text| text.parse().ok());
            let offset = value(&attributes, "offset").filter(|text| !text.is_empty());
            let created = value(&attributes, CREATED).and_then(|text| text.parse().ok());
            (sequence.map(|sequence| Mark { offset, sequence, created }), version)
        }))
    }

    /// Writes a checkpoint; `None` if the blob is no longer the one of this version.
    pub(crate) async fn put_mark(
        &self,
        partition: u32,
        mark: Option<&Mark>,
        version: Option<&str>,
    ) -> Result<Option<String>, Failure> {
        let metadata = mark.map(|mark| {
            let offset = mark.offset.clone().unwrap_or_default();
            let both = [("sequencenumber", mark.sequence.to_string()), ("offset", offset)];
            both.into_iter().chain(mark.created.map(|created| (CREATED, created.to_string()))).collect::<Vec<_>>()
        });
        self.write("checkpoint", partition, &metadata.unwrap_or_default(), version).await
    }

    /// Whether the container answers to these credentials.
    pub(crate) async fn probe(&self) -> Result<(), Failure> {
        match self.store.list(Some(&Path::from(self.prefix.as_str()))).next().await {
            Some(Err(error)) => Err(failure(&error)),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    /// Removes all blobs of the hub, of every group.
    pub(crate) async fn remove_hub(&self) -> Result<(), Failure> {
        let hub = self.prefix.rsplit_once('/').map_or(self.prefix.as_str(), |(hub, _)| hub);
        self.remove(&Path::from(hub)).await
    }

    /// Removes what is kept of the group.
    pub(crate) async fn remove_group(&self) -> Result<(), Failure> {
        self.remove(&Path::from(self.prefix.as_str())).await
    }

    async fn remove(&self, prefix: &Path) -> Result<(), Failure> {
        let mut found = self.store.list(Some(prefix));
        while let Some(meta) = found.next().await {
            match self.store.delete(&meta.map_err(|error| failure(&error))?.location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(failure(&error)),
            }
        }
        Ok(())
    }
}

/// Metadata names come back in whatever case the server likes.
fn value(attributes: &Attributes, wanted: &str) -> Option<String> {
    attributes.iter().find_map(|(name, value)| match name {
        Attribute::Metadata(name) if name.eq_ignore_ascii_case(wanted) => Some(value.as_ref().to_owned()),
        _ => None,
    })
}

fn store(namespace: &Namespace, checkpoints: &Checkpoints) -> Result<Arc<dyn ObjectStore>, Failure> {
    let mut builder = MicrosoftAzureBuilder::new()
        .with_account(&checkpoints.account)
        .with_container_name(&checkpoints.container)
        .with_retry(RetryConfig {
            max_retries: 5,
            retry_timeout: namespace.options.retry.bound.0,
            ..Default::default()
        });
    if let Some(endpoint) = &checkpoints.endpoint {
        builder = builder.with_endpoint(endpoint.clone()).with_allow_http(endpoint.starts_with("http://"));
    }
    builder = if let Some(key) = &checkpoints.key {
        builder.with_access_key(key.expose())
    } else {
        builder.with_credentials(Arc::new(Bearer(namespace.credential()?)))
    };
    let store = builder.build().map_err(|error| failure(&error))?;
    Ok(Arc::new(store))
}

/// The namespace's credentials, for storage; they keep a token until it is about to run out.
#[derive(Debug)]
struct Bearer(Arc<dyn TokenCredential>);

#[async_trait::async_trait]
impl CredentialProvider for Bearer {
    type Credential = AzureCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AzureCredential>> {
        let token = self.0.get_token(&[SCOPE], None).await;
        let token = token.map_err(|error| object_store::Error::Generic { store: "azure", source: Box::new(error) })?;
        Ok(Arc::new(AzureCredential::BearerToken(token.token.secret().to_owned())))
    }
}

fn failure(error: &object_store::Error) -> Failure {
    let kind = match error {
        object_store::Error::NotFound { .. } => ErrorKind::NotFound,
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => ErrorKind::Denied,
        object_store::Error::Precondition { .. } | object_store::Error::AlreadyExists { .. } => ErrorKind::Conflict,
        object_store::Error::InvalidPath { .. } | object_store::Error::UnknownConfigurationKey { .. } => {
            ErrorKind::Invalid
        }
        _ => ErrorKind::Unavailable,
    };
    let text = error.to_string().split_whitespace().take(60).collect::<Vec<_>>().join(" ");
    Failure::new(kind, format!("the checkpoint storage: {text}"))
}

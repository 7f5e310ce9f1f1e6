//! Where recordings of a rule lie: a folder or a bucket, by one trait (`object_store`).
//!
//! An object is whole or not there: a folder's are renamed into place.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ClientOptions, GetOptions, GetRange, ObjectStore, ObjectStoreExt, RetryConfig};

use super::book::Meta;
use crate::config::RecordingSettings;

/// A store that says nothing for so long fails: what is to be written waits in the live window, forty seconds as a rule.
const PATIENCE: Duration = Duration::from_secs(10);
/// What says that a folder is a recording.
pub(super) const META: &str = "recording.json";

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// It is not there.
    #[error("there is no such file in the store")]
    Missing,
    /// Something else; the text is for the log.
    #[error("the store does not take or give it: {0}")]
    Failed(String),
}

impl From<object_store::Error> for StoreError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::Missing,
            other => Self::Failed(other.to_string()),
        }
    }
}

/// A rule's store.
#[derive(Debug, Clone)]
pub(super) struct Store {
    objects: Arc<dyn ObjectStore>,
    root: Path,
    /// Of a store on this machine.
    folder: Option<PathBuf>,
}

impl Store {
    /// Makes the folder, or the client of the bucket; asks nothing of that yet.
    pub(super) fn open(settings: &RecordingSettings) -> Result<Self, StoreError> {
        let failed = |error: std::io::Error| StoreError::Failed(error.to_string());
        if let Some(folder) = &settings.folder {
            std::fs::create_dir_all(folder).map_err(failed)?;
            let objects = Arc::new(LocalFileSystem::new_with_prefix(folder)?);
            return Ok(Self { objects, root: Path::default(), folder: Some(folder.clone()) });
        }
        let Some(s3) = &settings.s3 else { return Err(StoreError::Failed("no place is given".to_owned())) };
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(&s3.bucket)
            .with_region(&s3.region)
            .with_client_options(ClientOptions::new().with_timeout(PATIENCE).with_connect_timeout(PATIENCE))
            .with_retry(RetryConfig { max_retries: 2, retry_timeout: PATIENCE, ..RetryConfig::default() });
        if let Some(endpoint) = &s3.endpoint {
            // Plain HTTP only where it was written so: for a store beside this server.
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        if let (Some(id), Some(secret)) = (&s3.access_key_id, &s3.secret_access_key) {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret.expose());
        }
        Ok(Self { objects: Arc::new(builder.build()?), root: Path::from(s3.prefix.as_str()), folder: None })
    }

    fn path(&self, parts: [&str; 3]) -> Path {
        parts.into_iter().fold(self.root.clone(), |path, part| path.join(part))
    }

    pub(super) async fn put(&self, place: (&str, &str), name: &str, body: impl Into<Bytes>) -> Result<(), StoreError> {
        self.objects.put(&self.path([place.0, place.1, name]), body.into().into()).await?;
        Ok(())
    }

    /// A file, or a part of it; also its whole length and where the part lies in it.
    pub(super) async fn get(
        &self,
        place: (&str, &str),
        name: &str,
        range: Option<GetRange>,
    ) -> Result<(Bytes, u64, std::ops::Range<u64>), StoreError> {
        let options = GetOptions { range, ..GetOptions::default() };
        let found = self.objects.get_opts(&self.path([place.0, place.1, name]), options).await?;
        let (length, range) = (found.meta.size, found.range.clone());
        Ok((found.bytes().await?, length, range))
    }

    /// What recordings there are. One whose description can't be read is left alone.
    pub(super) async fn all(&self) -> Result<Vec<Meta>, StoreError> {
        let mut found = Vec::new();
        let prefix = Some(&self.root).filter(|root| !root.as_ref().is_empty());
        for stream in self.objects.list_with_delimiter(prefix).await?.common_prefixes {
            for recording in self.objects.list_with_delimiter(Some(&stream)).await?.common_prefixes {
                let body = match self.objects.get(&recording.clone().join(META)).await {
                    Ok(body) => body.bytes().await?,
                    Err(object_store::Error::NotFound { .. }) => continue,
                    Err(error) => return Err(error.into()),
                };
                match serde_json::from_slice::<Meta>(&body) {
                    // Its own names are trusted only where they are those of its place.
                    Ok(meta) if self.path([&meta.stream, &meta.id, META]) == recording.clone().join(META) => {
                        found.push(meta);
                    }
                    _ => tracing::warn!(%recording, "a recording that can't be read is left alone"),
                }
            }
        }
        Ok(found)
    }

    /// Deletes a recording; the description goes first, so that nothing half deleted is taken for one.
    pub(super) async fn delete(&self, stream: &str, id: &str) -> Result<(), StoreError> {
        match self.objects.delete(&self.path([stream, id, META])).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        if let Some(folder) = &self.folder {
            // With what a killed server was just writing.
            return match tokio::fs::remove_dir_all(folder.join(stream).join(id)).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(StoreError::Failed(error.to_string()))
                }
                _ => Ok(()),
            };
        }
        let place = self.root.clone().join(stream).join(id);
        let objects = self.objects.list(Some(&place)).map_ok(|object| object.location).boxed();
        self.objects.delete_stream(objects).try_collect::<Vec<_>>().await?;
        Ok(())
    }
}

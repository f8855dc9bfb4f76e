//! Objects in memory, on S3, GCS or Azure, or in an embedder's storage, through the `object_store` crate.

use super::{BufferedDraft, Draft, Folder, Found, ObjectError, Objects, Operation};
use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{Error, GetOptions, ObjectStore, ObjectStoreExt as _, PutPayload};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The objects whose names start with a prefix.
#[derive(Debug)]
pub(crate) struct Remote {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    url: String,
}

impl Remote {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, prefix: Path, url: String) -> Self {
        Self { store, prefix, url }
    }

    fn path(&self, name: &str) -> Path {
        name.split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }
}

#[async_trait::async_trait]
impl Objects for Remote {
    fn url(&self) -> &str {
        &self.url
    }

    async fn put(&self, name: &str, parts: Vec<Bytes>) -> Result<(), ObjectError> {
        let payload = PutPayload::from_iter(parts);
        let put = self.store.put(&self.path(name), payload).await;
        put.map(drop).map_err(|error| failed(Operation::Put, name, error))
    }

    fn draft(self: Arc<Self>) -> Result<Box<dyn Draft>, ObjectError> {
        Ok(Box::new(BufferedDraft::new(self)))
    }

    async fn get(&self, name: &str, range: Option<Range<u64>>) -> Result<Bytes, ObjectError> {
        if range.as_ref().is_some_and(Range::is_empty) {
            return Ok(Bytes::new()); // no service has a request for nothing
        }
        let failed = |error| failed(Operation::Get, name, error);
        let wanted = range.as_ref().map(|range| range.end - range.start);
        let options = GetOptions { range: range.map(Into::into), ..GetOptions::default() };
        let result = self.store.get_opts(&self.path(name), options).await.map_err(failed)?;
        let bytes = result.bytes().await.map_err(failed)?;
        if wanted.is_some_and(|wanted| wanted != bytes.len() as u64) {
            return Err(ObjectError::from_io(Operation::Get, name, io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(bytes)
    }

    async fn head(&self, name: &str) -> Result<Found, ObjectError> {
        let meta = self.store.head(&self.path(name)).await;
        let meta = meta.map_err(|error| failed(Operation::Get, name, error))?;
        let name = name.rsplit('/').next().unwrap_or(name).to_owned();
        Ok(Found { name, size: meta.size, modified: meta.last_modified.into() })
    }

    async fn list(&self, folder: Folder, after: Option<&str>) -> Result<Vec<Found>, ObjectError> {
        let prefix = self.path(folder.name());
        let list = match after {
            Some(after) => self.store.list_with_offset(Some(&prefix), &prefix.clone().join(after)),
            None => self.store.list(Some(&prefix)),
        };
        let failed = |error| failed(Operation::List, folder.name(), error);
        let mut objects: Vec<Found> = list
            .map_ok(|meta| Found {
                name: meta.location.filename().unwrap_or_default().to_owned(),
                size: meta.size,
                modified: SystemTime::from(meta.last_modified),
            })
            .try_collect()
            .await
            .map_err(failed)?;
        objects.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(objects)
    }

    async fn delete(&self, name: &str) -> Result<(), ObjectError> {
        match self.store.delete(&self.path(name)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(Operation::Delete, name, error)),
        }
    }

    async fn rename(&self, _from: &str, _to: &str) -> Option<Result<(), ObjectError>> {
        None // a copy and a deletion there
    }

    async fn holds_anything(&self) -> Result<bool, ObjectError> {
        let first = self.store.list(Some(&self.prefix)).try_next().await;
        first.map(|first| first.is_some()).map_err(|error| failed(Operation::List, "", error))
    }

    async fn sweep(&self, _older_than: Duration) -> Result<u64, ObjectError> {
        Ok(0) // a put is all or nothing there
    }

    fn gap(&self) -> u64 {
        1 << 20
    }
}

fn failed(operation: Operation, name: &str, error: Error) -> ObjectError {
    let kind = match &error {
        Error::NotFound { .. } => io::ErrorKind::NotFound,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
        Error::Generic { source, .. } => io_kind(source.as_ref()),
        _ => io::ErrorKind::Other,
    };
    ObjectError { operation, name: name.to_owned(), kind, source: error.into() }
}

/// Returns the kind of the I/O error at the root of another error.
fn io_kind(error: &(dyn std::error::Error + 'static)) -> io::ErrorKind {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .map(io::Error::kind)
        .next()
        .unwrap_or(io::ErrorKind::Other)
}

//! Named, immutable objects in folders, on a disk or through the `object_store` crate.

pub(crate) mod disk;
pub(crate) mod remote;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _};
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Storage for a store's objects.
#[async_trait::async_trait]
pub(crate) trait Objects: fmt::Debug + Send + Sync + 'static {
    /// Returns the URL that identifies this storage to people and to the cache.
    fn url(&self) -> &str;

    /// Stores the concatenated `parts`, and replaces an object of that name. Once this returns, they survive a
    /// crash. After an error, the object is stored completely or not at all.
    async fn put(&self, name: &str, parts: Vec<Bytes>) -> Result<(), ObjectError>;

    /// Stores an object under a name that should be unused. Where that can be done in one step, an existing
    /// object stays. Read it back to see which one won.
    async fn create(&self, name: &str, bytes: Bytes) -> Result<(), ObjectError> {
        self.put(name, vec![bytes]).await
    }

    /// Starts an object that is written as its bytes arrive, and gets its name at the end.
    fn draft(self: Arc<Self>) -> Result<Box<dyn Draft>, ObjectError>;

    /// Returns the folder for temporary files, if this storage is a disk.
    fn temporary_folder(&self) -> Option<PathBuf> {
        None
    }

    /// Returns whether this storage is a disk, where each read takes little time.
    fn is_local(&self) -> bool {
        self.temporary_folder().is_some()
    }

    /// Returns a range of an object, or all of it. A range beyond the object's end is an error.
    async fn get(&self, name: &str, range: Option<Range<u64>>) -> Result<Bytes, ObjectError>;

    /// Returns ranges of many small objects in this order, several at a time.
    fn get_many(self: Arc<Self>, wanted: Wanted, concurrency: usize) -> GotMany {
        let reads = wanted.map(move |(name, range)| {
            let objects = Arc::clone(&self);
            async move { objects.get(&name, Some(range)).await }
        });
        stream::iter(reads).buffered(concurrency).boxed()
    }

    /// Returns the metadata of an object.
    async fn head(&self, name: &str) -> Result<Found, ObjectError>;

    /// Returns the objects of a folder by name, or those whose names come after `after`.
    async fn list(&self, folder: Folder, after: Option<&str>) -> Result<Vec<Found>, ObjectError>;

    /// Removes an object. A missing one is not an error.
    async fn delete(&self, name: &str) -> Result<(), ObjectError>;

    /// Renames an object in one step, durably, or returns `None` where that cannot be done.
    async fn rename(&self, from: &str, to: &str) -> Option<Result<(), ObjectError>>;

    /// Returns whether [`renew`](Self::renew) works here.
    fn renews(&self) -> bool {
        false
    }

    /// Gives an object the current time if it has exactly these bytes, makes its name durable, and returns
    /// whether it did.
    async fn renew(&self, _name: &str, _bytes: &Bytes) -> Result<bool, ObjectError> {
        Ok(false)
    }

    /// Makes objects durable that other processes have written to a folder and that lists show already. Most
    /// services show only durable objects.
    async fn settle(&self, _folder: Folder) -> Result<(), ObjectError> {
        Ok(())
    }

    /// Returns whether there is any object here, whatever its name. The remains of an unfinished store do not
    /// count.
    async fn holds_anything(&self) -> Result<bool, ObjectError>;

    /// Removes the temporary files of writers that died; returns how many there were.
    async fn sweep(&self, older_than: Duration) -> Result<u64, ObjectError>;

    /// Returns whether a read may have failed only for this object, so that others can still be read.
    fn is_of_one(&self, error: &ObjectError) -> bool {
        error.kind == io::ErrorKind::PermissionDenied
    }

    /// Longest gap between two ranges that is cheaper to read than a second request, in bytes.
    fn gap(&self) -> u64;
}

/// An unfinished object. If it is dropped or a write fails, nothing remains.
#[async_trait::async_trait]
pub(crate) trait Draft: fmt::Debug + Send {
    /// Appends the concatenated `parts`.
    async fn append(self: Box<Self>, parts: Vec<Bytes>) -> Result<Box<dyn Draft>, ObjectError>;

    /// Appends the last `parts`, and stores the object as [`Objects::put`] does.
    async fn store(self: Box<Self>, name: &str, parts: Vec<Bytes>) -> Result<(), ObjectError>;
}

/// A draft that is buffered in memory, for storage that takes whole objects.
#[derive(Debug)]
pub(crate) struct BufferedDraft {
    objects: Arc<dyn Objects>,
    parts: Vec<Bytes>,
}

impl BufferedDraft {
    pub(crate) fn new(objects: Arc<dyn Objects>) -> Self {
        Self { objects, parts: Vec::new() }
    }
}

#[async_trait::async_trait]
impl Draft for BufferedDraft {
    async fn append(mut self: Box<Self>, parts: Vec<Bytes>) -> Result<Box<dyn Draft>, ObjectError> {
        self.parts.extend(parts);
        Ok(self)
    }

    async fn store(mut self: Box<Self>, name: &str, parts: Vec<Bytes>) -> Result<(), ObjectError> {
        self.parts.extend(parts);
        self.objects.put(name, self.parts).await
    }
}

/// Ranges of objects to read.
pub(crate) type Wanted = Box<dyn Iterator<Item = (String, Range<u64>)> + Send>;
/// The bytes of these ranges, or why they cannot be read.
pub(crate) type GotMany = BoxStream<'static, Result<Bytes, ObjectError>>;

/// The folders of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Folder {
    Packs,
    Dooms,
    Finished,
    Pending,
    Manifests,
    Clock,
}

impl Folder {
    pub(crate) const ALL: [Self; 6] =
        [Self::Packs, Self::Dooms, Self::Finished, Self::Pending, Self::Manifests, Self::Clock];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Packs => "packs",
            Self::Dooms => "dooms",
            Self::Finished => "finished",
            Self::Pending => "pending",
            Self::Manifests => "manifests",
            Self::Clock => "clock",
        }
    }

    /// Returns the full name of an object in this folder.
    pub(crate) fn object(self, name: impl fmt::Display) -> String {
        format!("{}/{name}", self.name())
    }
}

/// An object in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The name within its folder.
    pub(crate) name: String,
    /// Length in bytes.
    pub(crate) size: u64,
    /// When it was written, by the clock of the file system or service.
    pub(crate) modified: SystemTime,
}

/// The operation on an object that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Writing it.
    Put,
    /// Reading it.
    Get,
    /// Listing its folder.
    List,
    /// Removing it.
    Delete,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Put => "write",
            Self::Get => "read",
            Self::List => "list",
            Self::Delete => "delete",
        })
    }
}

/// An object could not be written, read, listed or deleted.
#[derive(Debug, thiserror::Error)]
#[error("could not {operation} {name}")]
pub struct ObjectError {
    /// The operation that failed.
    pub operation: Operation,
    /// The object's name in the store.
    pub name: String,
    /// The kind of failure.
    pub kind: io::ErrorKind,
    /// The error of the disk or the service.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl ObjectError {
    pub(crate) fn from_io(operation: Operation, name: &str, error: io::Error) -> Self {
        Self { operation, name: name.to_owned(), kind: error.kind(), source: error.into() }
    }

    pub(crate) fn is_not_found(&self) -> bool {
        self.kind == io::ErrorKind::NotFound
    }

    /// The stable, machine-readable name of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self.kind {
            io::ErrorKind::NotFound => "object_not_found",
            io::ErrorKind::PermissionDenied => "permission_denied",
            io::ErrorKind::ReadOnlyFilesystem => "read_only",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "storage_full",
            _ => "storage_failed",
        }
    }
}

/// Returns an object if it exists and has at most `limit` bytes, or its length if it has more.
pub(crate) async fn get_bounded(
    objects: &dyn Objects,
    name: &str,
    limit: u64,
) -> Result<Option<Result<Bytes, u64>>, ObjectError> {
    let Some(object) = found(objects.head(name).await)? else { return Ok(None) };
    if object.size > limit {
        return Ok(Some(Err(object.size)));
    }
    Ok(found(objects.get(name, Some(0..object.size)).await)?.map(Ok))
}

/// Turns "not found" into `None`.
pub(crate) fn found<T>(result: Result<T, ObjectError>) -> Result<Option<T>, ObjectError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

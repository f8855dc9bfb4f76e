//! A store, and what this process knows about it.

use crate::chunk::ChunkId;
use crate::error::StoreError;
use crate::format::{self, Format, FormatError};
use crate::host::{Host, TokioHost, start_work, within};
use crate::index::{CACHE_PATIENCE, Cache, View};
use crate::location::Location;
use crate::name::TimeName;
use crate::objects::{Objects, get_bounded};
use crate::options::StoreOptions;
use crate::rules::Rules;
use chunker::hashing::HashAlgorithm;
use object_store::ObjectStore;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

/// A store of chunks and files. Cheap to clone; all clones share their index.
///
/// Any number of processes on any number of machines can use one store at the same time, including
/// collectors.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) objects: Arc<dyn Objects>,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) options: StoreOptions,
    pub(crate) rules: Rules,
    pub(crate) format: Format,
    view: RwLock<View>,
    pub(crate) cache: Cache,
}

/// Maximum age of the view that says which chunks are missing. A commit looks again.
const VIEW_AGE: Duration = Duration::from_secs(5);

impl Store {
    /// Opens the store at an address: a path, `file://…`, `memory://`, `s3://bucket/prefix`,
    /// `gs://bucket/prefix` or `az://container/prefix`.
    ///
    /// The last three need the feature `aws`, `gcp` or `azure`, and take credentials and endpoint from the
    /// usual environment variables (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, …). Writes the object `format`
    /// if there is no store yet and [`StoreOptions::create`] allows it; otherwise writes nothing.
    ///
    /// # Errors
    /// [`StoreError::Format`] when there is no store, something else, or a store of another version;
    /// [`StoreError::InvalidOption`]; [`StoreError::NoRuntime`]; [`StoreError::Object`].
    pub async fn open(address: &str, options: StoreOptions) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| StoreError::NoRuntime)?;
        let host: Arc<dyn Host> = Arc::new(TokioHost::new(runtime));
        let objects = Location::parse(address)?.open(&host)?;
        Self::open_with(objects, host, options, Rules::ALL).await
    }

    /// Opens the store in `objects`, for embedders with their own [`ObjectStore`]; `url` distinguishes the
    /// store from others in the cache. The names of its objects start with `prefix`.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn over(
        objects: Arc<dyn ObjectStore>,
        prefix: object_store::path::Path,
        url: &str,
        host: Arc<dyn Host>,
        options: StoreOptions,
    ) -> Result<Self, StoreError> {
        let objects = Arc::new(crate::objects::remote::Remote::new(objects, prefix, url.to_owned()));
        Self::open_with(objects, host, options, Rules::ALL).await
    }

    pub(crate) async fn open_with(
        objects: Arc<dyn Objects>,
        host: Arc<dyn Host>,
        options: StoreOptions,
        rules: Rules,
    ) -> Result<Self, StoreError> {
        let options = options.checked()?;
        let format = open_format(objects.as_ref(), host.as_ref(), &options).await?;
        let cache = Cache::new(options.cache.path().as_deref(), objects.url(), format.id);
        let opened = cache.clone();
        let opening = start_work(&host, move || opened.open());
        let snapshot = within(&host, CACHE_PATIENCE, opening).await.transpose()?.flatten();
        let view = RwLock::new(View::new(snapshot));
        Ok(Self { inner: Arc::new(Inner { objects, host, options, rules, format, view, cache }) })
    }

    /// The store's address.
    #[must_use]
    pub fn url(&self) -> &str {
        self.inner.objects.url()
    }

    /// Returns for each digest whether its chunk is missing, in the same order.
    ///
    /// The answer is a hint, and may be some seconds old: it may report a chunk as missing that another
    /// process has just added, and one as present that is about to be collected. Only
    /// [`commit`](Self::commit) is certain. If this process has found every copy of a chunk that it read
    /// to be damaged, the chunk is missing: adding it again heals the store.
    ///
    /// # Errors
    /// [`StoreError::Object`], when the store cannot be listed; [`StoreError::Doom`], when no commit could
    /// succeed.
    pub async fn missing(
        &self,
        algorithm: HashAlgorithm,
        digests: &[[u8; 32]],
    ) -> Result<Vec<bool>, StoreError> {
        self.missing_of(digests.iter().map(|&digest| ChunkId::new(algorithm, digest)).collect()).await
    }

    /// Returns for each chunk whether it is missing, as [`missing`](Self::missing) does.
    pub(crate) async fn missing_of(&self, ids: Arc<[ChunkId]>) -> Result<Vec<bool>, StoreError> {
        let inner = &self.inner;
        let age = inner.view().dooms_listed.map(|listed| listed.age(inner.host.as_ref()));
        if age.is_none_or(|age| age > VIEW_AGE) || !inner.view().packs_listed {
            inner.refresh(false).await?;
        }
        inner.all_dooms_known()?; // better now than once everything is uploaded
        let missing = inner.look_up(ids, |view, id| Ok(!view.has(id)?)).await?;
        crate::observability::looked_up(&missing);
        Ok(missing)
    }

    /// Reads the footers of packs that other processes have added, and the dooms that they have written.
    ///
    /// You never need to call this: operations look for themselves. But you can call it when a program
    /// starts, so that the first question is answered quickly.
    ///
    /// # Errors
    /// [`StoreError::Object`], when the store cannot be listed or read.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        self.inner.refresh(false).await
    }
}

/// Reads the store's format from `objects`. If there is no store and the options allow it, creates one first.
async fn open_format(
    objects: &dyn Objects,
    host: &dyn Host,
    options: &StoreOptions,
) -> Result<Format, StoreError> {
    if let Some(format) = read_format(objects).await? {
        return Ok(format);
    }
    if !options.create {
        return Err(FormatError::NoStore { url: objects.url().to_owned() }.into());
    }
    if objects.holds_anything().await? {
        // Another process may have created the store in the meantime.
        return read_format(objects).await?.ok_or_else(|| FormatError::NotAStore.into());
    }
    let id = TimeName::now(host).map_err(StoreError::Random)?;
    let format = Format { id, listing_lag: options.listing_lag };
    objects.create(format::NAME, format.to_text().into()).await?;
    // If several processes create the store at the same time, one wins.
    read_format(objects).await?.ok_or_else(|| FormatError::NotAStore.into())
}

/// Returns the format of the store in `objects`, if there is one.
async fn read_format(objects: &dyn Objects) -> Result<Option<Format>, StoreError> {
    match get_bounded(objects, format::NAME, format::LONGEST).await? {
        None => Ok(None),
        Some(Ok(bytes)) => Ok(Some(Format::parse(&bytes)?)),
        Some(Err(_)) => Err(FormatError::NotAStore.into()),
    }
}

impl Inner {
    pub(crate) fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn view_mut(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn new_name(&self) -> Result<TimeName, StoreError> {
        TimeName::now(self.host.as_ref()).map_err(StoreError::Random)
    }
}

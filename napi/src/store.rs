//! A store of chunks and files.

pub mod reports;
pub(crate) mod stream;

use crate::failure::Failure;
use crate::fields::Fields;
use crate::number::{Number, option};
use crate::runtime::promise;
use ::bytes::Bytes;
use chunker_store::{
    CacheFolder, CheckOptions, CollectOptions, FileEntry, Root, Store, StoreError, StoreOptions,
};
use futures::Stream;
use napi::Env;
use napi::bindgen_prelude::{BufferSlice, Object, PromiseRaw};
use napi_derive::napi;
use reports::{Check, Collection, StoredFile, Usage};
use std::future::Future;
use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stream::Pulled;
use tokio::sync::watch;

/// An open store.
#[napi(js_name = "Store")]
pub struct JsStore(pub(crate) Store);

#[napi]
impl JsStore {
    /// Opens the store at an address: see [`Store::open`].
    #[napi(catch_unwind)]
    pub fn open<'env>(
        env: &'env Env,
        address: String,
        options: Object<'_>,
    ) -> Result<PromiseRaw<'env, JsStore>, Failure> {
        let options = store_options(&Fields(options))?;
        let opening = async move { Ok(Store::open(&address, options).await?) };
        promise(env, opening, |_, store| Ok(Self(store)))
    }

    /// Returns its address.
    #[napi(catch_unwind)]
    pub fn url(&self) -> String {
        self.0.url().to_owned()
    }

    /// Resolves with how much is stored.
    #[napi(catch_unwind)]
    pub fn usage<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, Usage>, Failure> {
        let store = self.0.clone();
        promise(env, async move { Ok(store.usage().await?) }, |_, usage| Ok(usage.into()))
    }

    /// Resolves with the list of files.
    #[napi(catch_unwind)]
    pub fn files<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, Files>, Failure> {
        let store = self.0.clone();
        let listing = async move { Ok(store.manifests().await?) };
        promise(env, listing, |_, files| Ok(Files(Pulled::new(files))))
    }

    /// Deletes a file; resolves with whether there was one.
    #[napi(catch_unwind)]
    pub fn delete<'env>(&self, env: &'env Env, root: String) -> Result<PromiseRaw<'env, bool>, Failure> {
        let (store, root) = (self.0.clone(), root.parse::<Root>()?);
        promise(env, async move { Ok(store.delete(&root).await?) }, |_, deleted| Ok(deleted))
    }

    /// Resolves with the bytes of a file from `start` to `end`; `undefined` stands for the start and end of
    /// the file.
    #[napi(catch_unwind)]
    pub fn read<'env>(
        &self,
        env: &'env Env,
        root: String,
        start: Number<'_>,
        end: Number<'_>,
    ) -> Result<PromiseRaw<'env, Pieces>, Failure> {
        let (store, root) = (self.0.clone(), root.parse::<Root>()?);
        let start = option(start, "start is not an integer from 0 to 2^53-1")?;
        let end = option(end, "end is not an integer from 0 to 2^53-1")?;
        let reading = async move {
            let manifest = store.manifest(&root).await?;
            let range = start.unwrap_or(0)..end.unwrap_or_else(|| manifest.total_length());
            Ok(store.read_manifest(&manifest, Some(range))?)
        };
        promise(env, reading, |_, pieces| Ok(Pieces::new(pieces)))
    }

    /// Deletes data that no file needs: see [`Store::collect`].
    #[napi(catch_unwind)]
    pub fn collect<'env>(
        &self,
        env: &'env Env,
        options: Object<'_>,
        stop: &Stop,
    ) -> Result<PromiseRaw<'env, Collection>, Failure> {
        let fields = Fields(options);
        let options = CollectOptions::new();
        let options = fields.integer("minAgeMs", options, |o, ms| o.min_age(Duration::from_millis(ms)))?;
        let options = fields.integer("maxWaste", options, |o, percent| {
            o.max_waste(u8::try_from(percent).unwrap_or(u8::MAX))
        })?;
        let options = fields.boolean("dryRun", options, CollectOptions::dry_run)?;
        let store = self.0.clone();
        let collecting = async move { Ok(store.collect(options).await?) };
        promise(env, stop.before(collecting), |_, report| Ok(report.into()))
    }

    /// Checks whether the store is sound: see [`Store::check`].
    #[napi(catch_unwind)]
    pub fn check<'env>(
        &self,
        env: &'env Env,
        options: Object<'_>,
        stop: &Stop,
    ) -> Result<PromiseRaw<'env, Check>, Failure> {
        let fields = Fields(options);
        let options = fields.boolean("readData", CheckOptions::new(), CheckOptions::read_data)?;
        let options = fields.boolean("repair", options, CheckOptions::repair)?;
        let store = self.0.clone();
        let checking = async move { Ok(store.check(options).await?) };
        promise(env, stop.before(checking), |_, report| Ok(report.into()))
    }
}

fn store_options(fields: &Fields<'_>) -> Result<StoreOptions, Failure> {
    let options = fields.boolean("create", StoreOptions::new(), StoreOptions::create)?;
    let options = fields.integer("level", options, |options, level| {
        options.level(i32::try_from(level).unwrap_or(i32::MAX)) // above the levels of every codec
    })?;
    let options = fields.integer("packSize", options, StoreOptions::pack_size)?;
    let options = fields.integer("concurrency", options, |options, requests| {
        options.concurrency(usize::try_from(requests).unwrap_or(usize::MAX))
    })?;
    let options = fields
        .integer("listingLagMs", options, |options, ms| options.listing_lag(Duration::from_millis(ms)))?;
    let options = fields.integer("manifestLimit", options, StoreOptions::manifest_limit)?;
    Ok(match fields.text("cache")?.as_deref() {
        None => options,
        Some("") => options.cache(CacheFolder::None),
        Some(folder) => options.cache(CacheFolder::At(folder.into())),
    })
}

/// Stops long-running work.
#[napi]
#[derive(Default)]
pub struct Stop(watch::Sender<bool>);

#[napi]
impl Stop {
    /// Returns a handle that can stop work.
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops the work: its promise rejects.
    #[napi(catch_unwind)]
    pub fn now(&self) {
        self.0.send_replace(true);
    }

    /// Returns the result of `work`, unless it is stopped first.
    fn before<T: Send>(
        &self,
        work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> impl Future<Output = Result<T, Failure>> + Send + 'static {
        let mut stopped = self.0.subscribe();
        async move {
            tokio::select! {
                biased;
                Ok(_) = stopped.wait_for(|stopped| *stopped) => Err(Failure::CLOSED),
                result = work => result,
            }
        }
    }
}

/// The files of a store.
#[napi]
pub struct Files(Pulled<FileEntry>);

/// Files to list together.
const FILES: usize = 1000;

#[napi]
impl Files {
    /// Resolves with the next files, none at the end.
    #[napi(catch_unwind)]
    pub fn next<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, Vec<StoredFile>>, Failure> {
        let next = self.0.next(|files| files.len() >= FILES);
        promise(env, next, |_, files| Ok(files.into_iter().map(StoredFile::from).collect()))
    }

    /// Ends the list.
    #[napi(catch_unwind)]
    pub fn free(&self) -> Result<(), Failure> {
        self.0.close()
    }
}

/// Bytes that are handed over piece by piece.
#[napi]
pub struct Pieces {
    pulled: Pulled<Bytes>,
    /// The announced piece, in parts, until it is taken; `None` once the reading has ended.
    announced: Arc<Mutex<Option<Vec<Bytes>>>>,
}

/// Bytes to hand over together, if there are that many: each time costs some 50 µs.
const PIECE: usize = 1 << 20;

impl Pieces {
    pub(crate) fn new(stream: impl Stream<Item = Result<Bytes, StoreError>> + Send + 'static) -> Self {
        Self { pulled: Pulled::new(stream), announced: Arc::new(Mutex::new(Some(Vec::new()))) }
    }
}

#[napi]
impl Pieces {
    /// Resolves with the length of the next piece, `null` at the end.
    #[napi(catch_unwind)]
    pub fn next<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, Option<u32>>, Failure> {
        let announced = Arc::clone(&self.announced);
        promise(env, self.pulled.next(|parts| length(parts) >= PIECE), move |_, parts| {
            let mut announced = lock(&announced);
            let piece = announced.as_mut().ok_or(Failure::CLOSED)?;
            piece.extend(parts);
            if piece.is_empty() {
                return Ok(None);
            }
            let length = length(piece);
            Ok(Some(length.try_into().map_err(|_| Failure::memory(length))?))
        })
    }

    /// Copies the announced piece to the start of `into`.
    #[napi(catch_unwind)]
    pub fn take(&self, mut into: BufferSlice<'_>) -> Result<(), Failure> {
        let piece = lock(&self.announced).as_mut().map(take).ok_or(Failure::CLOSED)?;
        let mut rest = &mut into[..];
        for part in piece {
            let Some((start, after)) = rest.split_at_mut_checked(part.len()) else {
                return Err(Failure::argument("there is no room for the piece"));
            };
            start.copy_from_slice(&part);
            rest = after;
        }
        Ok(())
    }

    /// Ends the reading.
    #[napi(catch_unwind)]
    pub fn free(&self) -> Result<(), Failure> {
        *lock(&self.announced) = None;
        self.pulled.close()
    }
}

fn length(parts: &[Bytes]) -> usize {
    parts.iter().map(Bytes::len).sum()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

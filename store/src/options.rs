//! What a program can choose about a store.

use crate::error::StoreError;
use chunker::compression::Codec;
use std::path::PathBuf;
use std::time::Duration;

/// Options of a store. The default suits most programs.
///
/// ```
/// use chunker_store::StoreOptions;
///
/// let options = StoreOptions::new().level(9).create(false);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    pub(crate) create: bool,
    pub(crate) level: i32,
    pub(crate) pack_size: u64,
    pub(crate) concurrency: usize,
    pub(crate) cache: CacheFolder,
    pub(crate) listing_lag: Duration,
    pub(crate) manifest_limit: u64,
}

/// Where the index of a store is kept on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheFolder {
    /// In the folder `chunker` of the platform's cache folder, or nowhere if there is none.
    #[default]
    Platform,
    /// In this folder, which many stores can share.
    At(PathBuf),
    /// Nowhere: every process reads the footers of all packs.
    None,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            create: true,
            level: 3,
            pack_size: 16 << 20,
            concurrency: 32,
            cache: CacheFolder::Platform,
            listing_lag: Duration::ZERO,
            manifest_limit: chunker::manifest::Manifest::DEFAULT_LIMIT as u64,
        }
    }
}

impl StoreOptions {
    /// Returns the default options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a store is made where there is none. Default: true.
    #[must_use]
    pub const fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// The level of zstd for new chunks: 1 to 22, or 0 to store them as they are. Default: 3.
    ///
    /// Whatever the level, a chunk that does not become smaller is stored as it is.
    #[must_use]
    pub const fn level(mut self, level: i32) -> Self {
        self.level = level;
        self
    }

    /// Bytes after which a pack is written: 1 KiB to 1 GiB. Default: 16 MiB.
    ///
    /// A pack holds up to one chunk more. A writer needs memory for about eight packs.
    #[must_use]
    pub const fn pack_size(mut self, bytes: u64) -> Self {
        self.pack_size = bytes;
        self
    }

    /// Requests under way at the same time for one operation: 1 to 1024. Default: 32.
    #[must_use]
    pub const fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = requests;
        self
    }

    /// Where the index is kept on this machine. Default: [`CacheFolder::Platform`].
    #[must_use]
    pub fn cache(mut self, cache: CacheFolder) -> Self {
        self.cache = cache;
        self
    }

    /// For how long a list may lack an object that was written, or have one that was deleted, at most one
    /// hour. Default: 0, right for local disks, S3, GCS, Azure and memory; a network file system with cached
    /// folders needs as long as it caches.
    ///
    /// It is fixed when a store is made.
    #[must_use]
    pub const fn listing_lag(mut self, lag: Duration) -> Self {
        self.listing_lag = lag;
        self
    }

    /// The longest manifest that is written or read, in bytes, 36 for every chunk. Default: 64 MiB.
    #[must_use]
    pub const fn manifest_limit(mut self, bytes: u64) -> Self {
        self.manifest_limit = bytes;
        self
    }

    pub(crate) fn checked(self) -> Result<Self, StoreError> {
        let invalid = |option, value, expected| Err(StoreError::InvalidOption { option, value, expected });
        let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        if self.level != 0 && !(1..=*Codec::Zstd.levels().end()).contains(&self.level) {
            return invalid("level", self.level.into(), "0 to 22");
        }
        if !(1 << 10..=1 << 30).contains(&self.pack_size) {
            return invalid("pack_size", signed(self.pack_size), "1024 to 1073741824");
        }
        if !(1..=1024).contains(&self.concurrency) {
            return invalid("concurrency", signed(self.concurrency as u64), "1 to 1024");
        }
        if self.listing_lag > Duration::from_hours(1) {
            return invalid("listing_lag", signed(self.listing_lag.as_secs()), "at most 3600 seconds");
        }
        Ok(self)
    }

    pub(crate) fn zstd_level(&self) -> Option<i32> {
        (self.level != 0).then_some(self.level)
    }
}

impl CacheFolder {
    pub(crate) fn path(&self) -> Option<PathBuf> {
        use etcetera::BaseStrategy as _;
        match self {
            Self::Platform => Some(etcetera::choose_base_strategy().ok()?.cache_dir().join("chunker")),
            Self::At(path) => Some(path.clone()),
            Self::None => None,
        }
    }
}

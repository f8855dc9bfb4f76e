//! Options of a store.

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

/// Where to keep the index of a store on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheFolder {
    /// In the folder `chunker` of the platform's cache folder, or nowhere without one.
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

    /// Whether to create a store if there is none. Default: true.
    #[must_use]
    pub const fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// The zstd level for new chunks: 1 to 22, or 0 to store them uncompressed. Default: 3.
    ///
    /// At any level, a chunk that does not shrink is stored uncompressed. So is a chunk above 8 KiB if three samples
    /// of it shrink by less than 1 %, unless the chunk before it did shrink.
    #[must_use]
    pub const fn level(mut self, level: i32) -> Self {
        self.level = level;
        self
    }

    /// Size in bytes at which a pack is written: 1 KiB to 1 GiB. Default: 16 MiB.
    ///
    /// A pack can exceed it by one chunk. A writer needs memory for about eight packs.
    #[must_use]
    pub const fn pack_size(mut self, bytes: u64) -> Self {
        self.pack_size = bytes;
        self
    }

    /// Largest number of simultaneous requests for one operation: 1 to 1024. Default: 32.
    #[must_use]
    pub const fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = requests;
        self
    }

    /// Where to keep the index on this machine. Default: [`CacheFolder::Platform`].
    #[must_use]
    pub fn cache(mut self, cache: CacheFolder) -> Self {
        self.cache = cache;
        self
    }

    /// The time for which a list may lack a new object, or still have a deleted one, at most one hour. The
    /// default, 0, is right for local disks, S3, GCS, Azure and memory; for a network file system, use the
    /// time for which it caches folders.
    ///
    /// It is fixed when a store is created.
    #[must_use]
    pub const fn listing_lag(mut self, lag: Duration) -> Self {
        self.listing_lag = lag;
        self
    }

    /// Size in bytes of the largest manifest to write or read, 36 for every chunk. Default: 64 MiB.
    #[must_use]
    pub const fn manifest_limit(mut self, bytes: u64) -> Self {
        self.manifest_limit = bytes;
        self
    }

    pub(crate) fn checked(self) -> Result<Self, StoreError> {
        let invalid = |option, value, expected| Err(StoreError::InvalidOption { option, value, expected });
        if self.level != 0 && !(1..=*Codec::Zstd.levels().end()).contains(&self.level) {
            return invalid("level", self.level.to_string(), "0 to 22");
        }
        if !(1 << 10..=1 << 30).contains(&self.pack_size) {
            return invalid("pack_size", self.pack_size.to_string(), "1024 to 1073741824");
        }
        if !(1..=1024).contains(&self.concurrency) {
            return invalid("concurrency", self.concurrency.to_string(), "1 to 1024");
        }
        if self.listing_lag > Duration::from_hours(1) {
            return invalid("listing_lag", format!("{:?}", self.listing_lag), "at most an hour");
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

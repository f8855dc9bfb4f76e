//! The same store for programs without an async runtime: every call blocks until it is done.
//!
//! ```no_run
//! use chunker::hashing::HashAlgorithm;
//! use chunker_store::{StoreOptions, blocking::Store};
//!
//! let store = Store::open("/var/lib/backups", StoreOptions::new())?;
//! let digest = HashAlgorithm::Blake3.digest(b"chunk");
//! let mut packs = store.pack_writer(HashAlgorithm::Blake3);
//! packs.add(digest, b"chunk"[..].into())?;
//! packs.seal()?;
//! # Ok::<(), chunker_store::StoreError>(())
//! ```

use crate::check::{CheckOptions, CheckReport};
use crate::chunk::Root;
use crate::collect::{CollectOptions, CollectReport};
use crate::error::{CommitError, StoreError};
use crate::files::{FileEntry, Usage};
use crate::options::StoreOptions;
use crate::pack::Sealed;
use crate::read::Results;
use bytes::{Buf as _, Bytes};
use chunker::compression::DecompressionLimits;
use chunker::hashing::HashAlgorithm;
use chunker::manifest::Manifest;
use futures::StreamExt as _;
use std::fmt;
use std::io::{self, BufRead, Read};
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::runtime::Runtime;

/// A store with blocking calls. It has its own runtime of two threads.
///
/// Do not use it, or drop its last clone, inside an async task.
#[derive(Clone, Debug)]
pub struct Store {
    store: crate::Store,
    runtime: Arc<Runtime>,
}

impl Store {
    /// Opens the store at an address, as [`crate::Store::open`].
    ///
    /// # Errors
    /// As there, and [`StoreError::NoRuntime`] when its threads cannot be started.
    pub fn open(address: &str, options: StoreOptions) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("chunker-store")
            .enable_all()
            .build()
            .map_err(|_| StoreError::NoRuntime)?;
        let store = runtime.block_on(crate::Store::open(address, options))?;
        Ok(Self { store, runtime: Arc::new(runtime) })
    }

    /// The store for async tasks, which run on this store's runtime.
    #[must_use]
    pub fn asynchronous(&self) -> &crate::Store {
        &self.store
    }

    /// The store's address.
    #[must_use]
    pub fn url(&self) -> &str {
        self.store.url()
    }

    /// As [`crate::Store::missing`].
    ///
    /// # Errors
    /// As there.
    pub fn missing(&self, algorithm: HashAlgorithm, digests: &[[u8; 32]]) -> Result<Vec<bool>, StoreError> {
        self.runtime.block_on(self.store.missing(algorithm, digests))
    }

    /// As [`crate::Store::refresh`].
    ///
    /// # Errors
    /// As there.
    pub fn refresh(&self) -> Result<(), StoreError> {
        self.runtime.block_on(self.store.refresh())
    }

    /// As [`crate::Store::pack_writer`].
    #[must_use]
    pub fn pack_writer(&self, algorithm: HashAlgorithm) -> PackWriter {
        PackWriter { writer: self.store.pack_writer(algorithm), runtime: Arc::clone(&self.runtime) }
    }

    /// As [`crate::Store::get`].
    ///
    /// # Errors
    /// As there.
    pub fn get(&self, algorithm: HashAlgorithm, digest: [u8; 32]) -> Result<Option<Bytes>, StoreError> {
        self.runtime.block_on(self.store.get(algorithm, digest))
    }

    /// As [`crate::Store::get_many`].
    pub fn get_many(
        &self,
        algorithm: HashAlgorithm,
        digests: impl IntoIterator<Item = [u8; 32]>,
    ) -> Iter<([u8; 32], Option<Bytes>)> {
        self.iter(self.store.get_many(algorithm, digests))
    }

    /// As [`crate::Store::read`], as a reader.
    ///
    /// # Errors
    /// As there; errors of the reader hold a [`StoreError`].
    pub fn read(&self, root: &Root, range: Option<Range<u64>>) -> Result<Reader, StoreError> {
        let pieces = self.runtime.block_on(self.store.read(root, range))?;
        Ok(Reader { pieces: self.iter(pieces), piece: Bytes::new() })
    }

    /// As [`crate::Store::commit`].
    ///
    /// # Errors
    /// As there.
    pub fn commit(&self, manifest: &Manifest) -> Result<Root, CommitError> {
        self.runtime.block_on(self.store.commit(manifest))
    }

    /// As [`crate::Store::manifest`].
    ///
    /// # Errors
    /// As there.
    pub fn manifest(&self, root: &Root) -> Result<Manifest, StoreError> {
        self.runtime.block_on(self.store.manifest(root))
    }

    /// As [`crate::Store::manifests`].
    ///
    /// # Errors
    /// As there.
    pub fn manifests(&self) -> Result<Iter<FileEntry>, StoreError> {
        let entries = self.runtime.block_on(self.store.manifests())?;
        Ok(self.iter(entries))
    }

    /// As [`crate::Store::roots`].
    ///
    /// # Errors
    /// As there.
    pub fn roots(&self) -> Result<Vec<(Root, SystemTime)>, StoreError> {
        self.runtime.block_on(self.store.roots())
    }

    /// As [`crate::Store::delete`].
    ///
    /// # Errors
    /// As there.
    pub fn delete(&self, root: &Root) -> Result<bool, StoreError> {
        self.runtime.block_on(self.store.delete(root))
    }

    /// As [`crate::Store::collect`].
    ///
    /// # Errors
    /// As there.
    pub fn collect(&self, options: CollectOptions) -> Result<CollectReport, StoreError> {
        self.runtime.block_on(self.store.collect(options))
    }

    /// As [`crate::Store::check`].
    ///
    /// # Errors
    /// As there.
    pub fn check(&self, options: CheckOptions) -> Result<CheckReport, StoreError> {
        self.runtime.block_on(self.store.check(options))
    }

    /// As [`crate::Store::usage`].
    ///
    /// # Errors
    /// As there.
    pub fn usage(&self) -> Result<Usage, StoreError> {
        self.runtime.block_on(self.store.usage())
    }

    fn iter<T>(&self, stream: Results<T>) -> Iter<T> {
        Iter { stream, runtime: Arc::clone(&self.runtime) }
    }
}

/// As [`crate::PackWriter`].
#[derive(Debug)]
pub struct PackWriter {
    writer: crate::PackWriter,
    runtime: Arc<Runtime>,
}

impl PackWriter {
    /// As [`crate::PackWriter::add`].
    ///
    /// # Errors
    /// As there.
    pub fn add(&mut self, digest: [u8; 32], chunk: Bytes) -> Result<bool, StoreError> {
        self.runtime.block_on(self.writer.add(digest, chunk))
    }

    /// As [`crate::PackWriter::add_hashed`].
    ///
    /// # Errors
    /// As there.
    pub fn add_hashed(&mut self, digest: [u8; 32], chunk: Bytes) -> Result<bool, StoreError> {
        self.runtime.block_on(self.writer.add_hashed(digest, chunk))
    }

    /// As [`crate::PackWriter::add_compressed`].
    ///
    /// # Errors
    /// As there.
    pub fn add_compressed(
        &mut self,
        digest: [u8; 32],
        frame: Bytes,
        limits: DecompressionLimits,
    ) -> Result<bool, StoreError> {
        self.runtime.block_on(self.writer.add_compressed(digest, frame, limits))
    }

    /// As [`crate::PackWriter::seal`].
    ///
    /// # Errors
    /// As there.
    pub fn seal(&mut self) -> Result<Sealed, StoreError> {
        self.runtime.block_on(self.writer.seal())
    }
}

/// An iterator over a stream of the store; it ends with the first error.
pub struct Iter<T> {
    stream: Results<T>,
    runtime: Arc<Runtime>,
}

impl<T> Iterator for Iter<T> {
    type Item = Result<T, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.runtime.block_on(self.stream.next())
    }
}

impl<T> fmt::Debug for Iter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").finish_non_exhaustive()
    }
}

/// The bytes of a file.
#[derive(Debug)]
pub struct Reader {
    pieces: Iter<Bytes>,
    piece: Bytes,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut piece = self.fill_buf()?;
        let length = piece.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Reader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.piece.is_empty() {
            match self.pieces.next() {
                Some(piece) => self.piece = piece.map_err(io::Error::other)?,
                None => break,
            }
        }
        Ok(&self.piece)
    }

    fn consume(&mut self, length: usize) {
        self.piece.advance(length);
    }
}

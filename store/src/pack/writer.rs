//! Writes chunks into packs: encodes them on all cores, and writes several packs at a time.

use super::builder::Builder;
use super::encoding::{Encoded, Incoming, Kind, encode};
use super::format::MAX_CHUNK;
use crate::chunk::{ChunkId, algorithm_byte};
use crate::error::StoreError;
use crate::host::{Moment, Task, start_task, start_work};
use crate::objects::{Folder, ObjectError};
use crate::pack::encoding::ChunkError;
use crate::rules::Rule;
use crate::store::{Inner, Store};
use bytes::Bytes;
use chunker::compression::DecompressionLimits;
use chunker::hashing::HashAlgorithm;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// Bytes of chunks to encode together.
const BATCH: usize = 1 << 20;
/// Packs to write at the same time.
const WRITES: usize = 4;

/// Adds chunks to a store, in packs.
///
/// It encodes chunks and writes packs in the background while you add more, in bounded memory. Added chunks
/// are in the store only once [`seal`](Self::seal) has returned. A writer that is dropped before that, or
/// whose process dies, leaves complete packs or nothing; a collection later removes chunks that no file uses.
#[derive(Debug)]
pub struct PackWriter {
    inner: Arc<Inner>,
    algorithm: HashAlgorithm,
    batch: Vec<Incoming>,
    batch_bytes: usize,
    encoding: VecDeque<Task<Result<Vec<Encoded>, ChunkError>>>,
    pack: Builder,
    pack_raw: u64,
    writing: VecDeque<Task<Result<(), StoreError>>>,
    /// Chunks that were added since the last seal.
    added: HashSet<[u8; 32]>,
    sealed: Sealed,
    failed: bool,
}

/// What a [`PackWriter`] added to the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sealed {
    /// Number of packs.
    pub packs: u64,
    /// Number of chunks.
    pub chunks: u64,
    /// Length of all chunks in bytes.
    pub bytes: u64,
    /// Bytes that the chunks take up in the store, without their checksums and the packs' footers.
    pub stored_bytes: u64,
}

impl Store {
    /// Returns a writer for chunks with digests of this algorithm.
    #[must_use]
    pub fn pack_writer(&self, algorithm: HashAlgorithm) -> PackWriter {
        PackWriter::new(Arc::clone(&self.inner), algorithm)
    }
}

impl PackWriter {
    pub(crate) fn new(inner: Arc<Inner>, algorithm: HashAlgorithm) -> Self {
        Self {
            inner,
            algorithm,
            batch: Vec::new(),
            batch_bytes: 0,
            encoding: VecDeque::new(),
            pack: Builder::default(),
            pack_raw: 0,
            writing: VecDeque::new(),
            added: HashSet::new(),
            sealed: Sealed::default(),
            failed: false,
        }
    }

    /// Adds a chunk, and checks its digest before it is stored.
    ///
    /// Returns whether the chunk is new to this writer. It does not ask the store; see
    /// [`missing`](Store::missing).
    ///
    /// # Errors
    /// [`StoreError::Chunk`] here or later, when an earlier chunk does not have its digest or a length of 1
    /// to 2^30 bytes; [`StoreError::Object`], when a pack could not be written. After an error every call
    /// returns [`StoreError::WriterFailed`].
    pub async fn add(&mut self, digest: [u8; 32], chunk: Bytes) -> Result<bool, StoreError> {
        self.push(digest, chunk, Kind::Unverified).await
    }

    /// Adds a chunk whose digest the caller has just computed, without computing it again.
    ///
    /// With a wrong digest, it stores a chunk that nobody can use.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub async fn add_hashed(&mut self, digest: [u8; 32], chunk: Bytes) -> Result<bool, StoreError> {
        self.push(digest, chunk, Kind::Hashed).await
    }

    /// Adds a chunk that is already zstd frames. The frames are kept as they are, once they decompress within
    /// `limits` to content with this digest.
    ///
    /// Frames whose window is above 8 MiB and above the chunk's length are not kept, because readers of a
    /// store need not have that much memory. Their content is added as by [`add`](Self::add).
    ///
    /// # Errors
    /// As [`add`](Self::add), and [`StoreError::Chunk`] when the frames are damaged or exceed the limits.
    pub async fn add_compressed(
        &mut self,
        digest: [u8; 32],
        frame: Bytes,
        limits: DecompressionLimits,
    ) -> Result<bool, StoreError> {
        self.push(digest, frame, Kind::Frame(limits)).await
    }

    /// Writes everything added since the last seal, and returns once it is durable: from now on, it is
    /// in the store, even after a crash, until a collection removes it because no file uses it.
    ///
    /// # Errors
    /// As [`add`](Self::add). Some of the packs in progress may have been written, others not.
    pub async fn seal(&mut self) -> Result<Sealed, StoreError> {
        self.guarded(async |writer| {
            writer.start_batch();
            while !writer.encoding.is_empty() {
                writer.finish_batch().await?;
            }
            writer.start_pack();
            while let Some(write) = writer.writing.pop_front() {
                write.await??;
            }
            writer.added.clear();
            Ok(std::mem::take(&mut writer.sealed))
        })
        .await
    }

    async fn push(&mut self, digest: [u8; 32], bytes: Bytes, kind: Kind) -> Result<bool, StoreError> {
        let id = ChunkId::new(self.algorithm, digest);
        self.guarded(async |writer| {
            if algorithm_byte(id.algorithm) == 0 {
                return Err(StoreError::UnknownAlgorithm { algorithm: id.algorithm });
            }
            if bytes.is_empty() || bytes.len() > MAX_CHUNK as usize {
                return Err(ChunkError::Length { id, length: bytes.len() }.into());
            }
            if !writer.added.insert(digest) {
                return Ok(false);
            }
            writer.batch_bytes += bytes.len();
            writer.batch.push(Incoming { id, bytes, kind });
            if writer.batch_bytes >= BATCH {
                writer.start_batch();
            }
            while writer.encoding.len() > writer.inner.host.parallelism() {
                writer.finish_batch().await?;
            }
            Ok(true)
        })
        .await
    }

    /// Runs a step that may fail. After a failure or a cancellation, the writer is unusable.
    async fn guarded<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if std::mem::replace(&mut self.failed, true) {
            return Err(StoreError::WriterFailed);
        }
        let result = work(self).await;
        self.failed = result.is_err();
        result
    }

    fn start_batch(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        if !batch.is_empty() {
            let level = self.inner.options.zstd_level();
            self.encoding.push_back(start_work(&self.inner.host, move || encode(batch, level)));
        }
    }

    /// Moves the chunks of the oldest batch into packs.
    async fn finish_batch(&mut self) -> Result<(), StoreError> {
        let Some(batch) = self.encoding.pop_front() else { return Ok(()) };
        for chunk in batch.await?? {
            self.push_encoded(chunk).await?;
        }
        Ok(())
    }

    /// Appends a chunk that is encoded and verified.
    pub(crate) async fn push_encoded(&mut self, chunk: Encoded) -> Result<(), StoreError> {
        if !self.pack.fits(&chunk) {
            self.start_pack();
        }
        self.sealed.chunks += 1;
        self.sealed.bytes += u64::from(chunk.length);
        self.sealed.stored_bytes += chunk.stored.len() as u64;
        self.pack_raw += u64::from(chunk.length);
        self.pack.push(chunk);
        if self.pack.size() >= self.inner.options.pack_size {
            self.start_pack();
        }
        while self.writing.len() > WRITES {
            if let Some(write) = self.writing.pop_front() {
                write.await??;
            }
        }
        Ok(())
    }

    fn start_pack(&mut self) {
        let pack = std::mem::take(&mut self.pack);
        let raw = std::mem::take(&mut self.pack_raw);
        if !pack.is_empty() {
            self.sealed.packs += 1;
            let write = write_pack(Arc::clone(&self.inner), pack, raw);
            self.writing.push_back(start_task(&self.inner.host, write));
        }
    }
}

/// Writes a pack that is still in memory.
pub(super) async fn write_pack(inner: Arc<Inner>, pack: Builder, raw: u64) -> Result<(), StoreError> {
    let objects = Arc::clone(&inner.objects);
    store_pack(&inner, pack, raw, async |name, parts| objects.put(name, parts).await).await
}

/// Writes the rest of a pack with `write`, under a name for this moment, then adds it to the view.
pub(super) async fn store_pack(
    inner: &Inner,
    pack: Builder,
    raw: u64,
    write: impl AsyncFnOnce(&str, Vec<Bytes>) -> Result<(), ObjectError>,
) -> Result<(), StoreError> {
    let size = pack.size();
    let (entries, parts) = pack.finish();
    let name = inner.new_name()?;
    if !inner.rules.hold(Rule::DurablePacks) {
        inner.view_mut().add(name, size, &entries);
    }
    let start = Moment::now(inner.host.as_ref());
    write(&Folder::Packs.object(name), parts).await?;
    if inner.is_recent(start) {
        inner.view_mut().add(name, size, &entries);
    } // else the next list says whether it is still there
    crate::observability::pack_written(entries.len(), raw, size);
    Ok(())
}

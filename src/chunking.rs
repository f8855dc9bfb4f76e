//! From bytes in memory to chunks with digests.
//!
//! | the caller has | and wants | function |
//! |---|---|---|
//! | a slice | digests and places | [`chunk_descriptors`] |
//! | a slice | payloads that borrow | [`chunk_slices`] |
//! | a slice | payloads that own | [`chunk_data`], [`chunk_data_with_hash`] |
//! | [`Bytes`] | payloads that share it | [`chunk_bytes`] |
//! | pieces, as they come | digests and places | [`PushChunker`] |
//! | pieces, as they come | payloads that own | [`PayloadChunker`] |
#![cfg_attr(feature = "std", doc = "| a reader | payloads that own | [`ChunkStream`], [`chunk_stream`] |")]
#![cfg_attr(feature = "std", doc = "| many readers | payloads that own | [`chunk_batch`] |")]
#![cfg_attr(feature = "rayon", doc = "| a slice, and many cores | cut points | [`cut_points_parallel`] |")]
#![cfg_attr(
    feature = "rayon",
    doc = "| a slice, and many cores | digests and places | [`chunk_descriptors_parallel`] |"
)]
#![cfg_attr(
    feature = "rayon",
    doc = "| [`Bytes`], and many cores | payloads that share it | [`chunk_bytes_parallel`] |"
)]
#![cfg_attr(
    feature = "rayon",
    doc = "| a reader, and many cores | payloads that own, or what is made of them | [`ChunkPipeline`] |"
)]
#![cfg_attr(
    feature = "rayon",
    doc = "| many readers, and many cores | payloads that own | [`chunk_batch_parallel`] |"
)]
#![cfg_attr(feature = "async", doc = "| an asynchronous reader | payloads that own | [`AsyncChunkStream`] |")]

#[cfg(feature = "async")]
pub use crate::async_stream::AsyncChunkStream;
#[cfg(feature = "std")]
pub use crate::chunk::BatchChunkResult;
pub use crate::chunk::{ChunkDescriptor, ChunkMetadata, ChunkSlice};
pub use crate::hashing::HashAlgorithm;
pub use crate::options::{ChunkingOptions, OptionsError};
#[cfg(feature = "rayon")]
pub use crate::parallel::{
    ChunkPipeline, chunk_batch_parallel, chunk_bytes_parallel, chunk_descriptors_parallel,
    cut_points_parallel,
};
pub use crate::push::{PayloadChunker, PushChunker};
#[cfg(feature = "std")]
pub use crate::stream::{ChunkStream, ReadError};

use crate::cut::{CutPoints, cut_points};
use crate::observability::hooks::{self, Observer};
use alloc::vec::Vec;
use bytes::Bytes;

/// Why an input cannot be chunked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkingError {
    /// A chunk does not lie within the data.
    #[error("chunk of {length} bytes at {offset} does not lie in data of {data_len} bytes")]
    Bounds {
        /// Length of the data in bytes.
        data_len: usize,
        /// Where the chunk begins.
        offset: u64,
        /// Length of the chunk in bytes.
        length: usize,
    },
    /// Reading failed.
    #[cfg(feature = "std")]
    #[error(transparent)]
    Io(#[from] ReadError),
    /// A chunk has no bytes.
    #[error("chunk without bytes")]
    ZeroLengthChunk,
    /// The sizes are not allowed.
    #[error("invalid chunking options")]
    InvalidOptions(#[from] OptionsError),
    /// Chunks of these options could need more memory than allowed.
    #[error("chunks need a buffer of {required} bytes, {limit} are allowed")]
    BufferLimitExceeded {
        /// Bytes that the largest chunk needs.
        required: usize,
        /// Bytes allowed.
        limit: usize,
    },
}

impl ChunkingError {
    /// The stable, machine-readable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Bounds { .. } => "chunk_bounds_invalid",
            #[cfg(feature = "std")]
            Self::Io(_) => "io_error",
            Self::ZeroLengthChunk => "zero_length_chunk",
            Self::InvalidOptions(error) => error.code(),
            Self::BufferLimitExceeded { .. } => "memory_limit_exceeded",
        }
    }
}

/// Returns the chunks of `data` with SHA-256 digests and payloads of their own.
///
/// `None` stands for the default of a size. Empty data has no chunks. Every payload is a copy: where
/// that is not needed, [`chunk_slices`] borrows, [`chunk_bytes`] shares, and [`chunk_descriptors`]
/// leaves payloads out.
///
/// # Errors
/// [`ChunkingError::InvalidOptions`].
pub fn chunk_data(
    data: &[u8],
    min_size: Option<usize>,
    avg_size: Option<usize>,
    max_size: Option<usize>,
) -> Result<Vec<ChunkMetadata>, ChunkingError> {
    chunk_data_with_hash(data, min_size, avg_size, max_size, HashAlgorithm::Sha256)
}

/// Like [`chunk_data`], with digests of the algorithm `hash`.
///
/// # Errors
/// [`ChunkingError::InvalidOptions`].
pub fn chunk_data_with_hash(
    data: &[u8],
    min_size: Option<usize>,
    avg_size: Option<usize>,
    max_size: Option<usize>,
    hash: HashAlgorithm,
) -> Result<Vec<ChunkMetadata>, ChunkingError> {
    let options = ChunkingOptions::resolve(min_size, avg_size, max_size)
        .inspect_err(|error| hooks::failed(error.code()))?;
    let own = |chunk: ChunkSlice<'_>| chunk.with_payload(Bytes::copy_from_slice(chunk.payload));
    Ok(chunk_slices(data, options, hash).map(own).collect())
}

/// Returns the chunks of `data`; their payloads share its memory and keep it alive.
#[must_use]
pub fn chunk_bytes(data: &Bytes, options: ChunkingOptions, hash: HashAlgorithm) -> Vec<ChunkMetadata> {
    let share = |chunk: ChunkSlice<'_>| chunk.with_payload(data.slice_ref(chunk.payload));
    chunk_slices(data, options, hash).map(share).collect()
}

/// Returns the digests and places of the chunks of `data`.
#[must_use]
pub fn chunk_descriptors(data: &[u8], options: ChunkingOptions, hash: HashAlgorithm) -> Vec<ChunkDescriptor> {
    chunk_slices(data, options, hash).map(|chunk| chunk.descriptor()).collect()
}

/// Returns an iterator over the chunks of `data`; each is cut and hashed when it is asked for.
pub fn chunk_slices(data: &[u8], options: ChunkingOptions, hash: HashAlgorithm) -> ChunkSlices<'_> {
    ChunkSlices { cuts: cut_points(data, options), data, start: 0, hash, observer: Observer::default() }
}

/// Iterator over the chunks of a slice, made by [`chunk_slices`].
#[derive(Clone, Debug)]
pub struct ChunkSlices<'a> {
    cuts: CutPoints<'a>,
    data: &'a [u8],
    start: usize,
    hash: HashAlgorithm,
    observer: Observer,
}

impl<'a> Iterator for ChunkSlices<'a> {
    type Item = ChunkSlice<'a>;

    fn next(&mut self) -> Option<ChunkSlice<'a>> {
        let Some(end) = self.observer.cutting(|| self.cuts.next()) else {
            self.observer.ended();
            return None;
        };
        let payload = &self.data[self.start..end];
        let offset = self.start as u64;
        self.start = end;
        // Hashed while it is in cache from the scan.
        let hash = self.observer.digest(self.hash, payload);
        self.observer.emitted(self.hash, offset, payload.len());
        Some(ChunkSlice { hash, offset, payload })
    }
}

impl core::iter::FusedIterator for ChunkSlices<'_> {}

/// Returns the chunks of all that `reader` gives, with SHA-256 digests.
///
/// # Errors
/// [`ChunkingError::InvalidOptions`], or [`ChunkingError::Io`] of the first error of `reader`.
#[cfg(feature = "std")]
pub fn chunk_stream<R: std::io::Read>(
    reader: R,
    min_size: Option<usize>,
    avg_size: Option<usize>,
    max_size: Option<usize>,
) -> Result<Vec<ChunkMetadata>, ChunkingError> {
    ChunkStream::new(reader, min_size, avg_size, max_size)?.collect()
}

/// Chunks every reader; one that fails does not stop the others.
///
/// The chunks of a reader that failed are not in the result, only its error is.
#[cfg(feature = "std")]
pub fn chunk_batch<R: std::io::Read>(
    readers: impl IntoIterator<Item = R>,
    options: ChunkingOptions,
    hash: HashAlgorithm,
) -> BatchChunkResult {
    let chunk = |reader| ChunkStream::with_options(reader, options, hash)?.collect();
    BatchChunkResult::new(readers.into_iter().map(chunk).collect())
}

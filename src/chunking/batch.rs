//! Chunks of many readers; a failure does not stop the others.

use super::chunk::{ChunkDescriptor, ChunkMetadata};
use super::error::ChunkingError;
use super::stream::{ChunkStream, DescriptorStream};
use crate::profile::Profile;
use alloc::vec::Vec;
use std::io::Read;

/// The results of many inputs: the chunks or the error of each.
#[derive(Debug)]
pub struct BatchChunkResult<C = ChunkMetadata> {
    /// The chunks or the error of each input, in the order of the inputs.
    pub results: Vec<Result<Vec<C>, ChunkingError>>,
    /// Bytes in all chunks of `results`.
    pub total_bytes_processed: u64,
    /// Number of all chunks of `results`.
    pub total_chunks_emitted: u64,
}

impl BatchChunkResult {
    pub(crate) fn of_chunks(results: Vec<Result<Vec<ChunkMetadata>, ChunkingError>>) -> Self {
        Self::new(results, |chunk| chunk.length)
    }
}

impl BatchChunkResult<ChunkDescriptor> {
    pub(crate) fn of_descriptors(results: Vec<Result<Vec<ChunkDescriptor>, ChunkingError>>) -> Self {
        Self::new(results, |chunk| chunk.length)
    }
}

impl<C> BatchChunkResult<C> {
    fn new(results: Vec<Result<Vec<C>, ChunkingError>>, length: impl Fn(&C) -> usize) -> Self {
        let chunks = || results.iter().flatten().flatten();
        Self {
            total_bytes_processed: chunks().map(|chunk| length(chunk) as u64).sum(),
            total_chunks_emitted: chunks().count() as u64,
            results,
        }
    }
}

/// Chunks every reader; a failure does not stop the others.
///
/// For a reader that fails, the result has only the error, without the chunks before it.
pub fn chunk_batch<R: Read>(
    readers: impl IntoIterator<Item = R>,
    profile: impl Into<Profile>,
) -> BatchChunkResult {
    let profile = profile.into();
    let chunk = |reader| ChunkStream::with_profile(reader, profile)?.collect();
    BatchChunkResult::of_chunks(readers.into_iter().map(chunk).collect())
}

/// Returns the digests and positions of the chunks of every reader, as [`chunk_batch`] does, but keeps none
/// of their bytes.
pub fn chunk_batch_descriptors<R: Read>(
    readers: impl IntoIterator<Item = R>,
    profile: impl Into<Profile>,
) -> BatchChunkResult<ChunkDescriptor> {
    let profile = profile.into();
    let chunk = |reader| DescriptorStream::new(reader, profile)?.collect();
    BatchChunkResult::of_descriptors(readers.into_iter().map(chunk).collect())
}

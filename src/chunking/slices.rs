//! Chunks of bytes in memory.

use super::chunk::{ChunkDescriptor, ChunkMetadata, ChunkSlice};
use super::error::ChunkingError;
use crate::algorithm::HashAlgorithm;
use crate::cut::{CutPoints, cut_points};
use crate::observability::hooks::{self, Observer};
use crate::options::ChunkingOptions;
use crate::profile::Profile;
use alloc::vec::Vec;
use bytes::Bytes;

/// Returns the chunks of `data` with SHA-256 digests and their own payloads.
///
/// `None` stands for the default size. Empty data has no chunks. Every payload is a copy: if you do
/// not need that, [`chunk_slices`] borrows, [`chunk_bytes`] shares, and [`chunk_descriptors`]
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

/// Like [`chunk_data`], with digests by the algorithm `hash`.
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
    Ok(chunk_slices(data, Profile::from(options).hash(hash)).map(own).collect())
}

/// Returns the chunks of `data`; their payloads share its memory and keep it alive.
#[must_use]
pub fn chunk_bytes(data: &Bytes, profile: impl Into<Profile>) -> Vec<ChunkMetadata> {
    let share = |chunk: ChunkSlice<'_>| chunk.with_payload(data.slice_ref(chunk.payload));
    chunk_slices(data, profile).map(share).collect()
}

/// Returns the digests and positions of the chunks of `data`.
#[must_use]
pub fn chunk_descriptors(data: &[u8], profile: impl Into<Profile>) -> Vec<ChunkDescriptor> {
    chunk_slices(data, profile).map(|chunk| chunk.descriptor()).collect()
}

/// Returns an iterator over the chunks of `data`, which cuts and hashes each chunk on demand.
///
/// ```
/// use chunker::Profile;
/// use chunker::chunking::chunk_slices;
///
/// for chunk in chunk_slices(b"bytes in memory", Profile::MEDIUM) {
///     println!("{} {} {}", chunk.hash_hex(), chunk.offset, chunk.payload.len());
/// }
/// ```
pub fn chunk_slices(data: &[u8], profile: impl Into<Profile>) -> ChunkSlices<'_> {
    let profile = profile.into();
    ChunkSlices {
        cuts: cut_points(data, profile),
        data,
        start: 0,
        hash: profile.hash_algorithm(),
        observer: Observer::default(),
    }
}

/// Iterator over the chunks of a slice, from [`chunk_slices`].
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

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.cuts.size_hint()
    }
}

impl core::iter::FusedIterator for ChunkSlices<'_> {}

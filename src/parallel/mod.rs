//! The same chunks, found on all threads of a [rayon] pool.
//!
//! The pool is the caller's (`pool.install(|| …)`), or otherwise the global one, whose size
//! `RAYON_NUM_THREADS` sets. A buffer below 1 MiB, or below six average chunks, is chunked on the calling
//! thread.

mod blocks;
mod descriptors;
mod ordered;
mod pipeline;
mod segments;

pub use descriptors::DescriptorPipeline;
pub use pipeline::ChunkPipeline;

use crate::chunking::batch::BatchChunkResult;
use crate::chunking::chunk::{ChunkDescriptor, ChunkMetadata};
use crate::chunking::slices::chunk_descriptors;
use crate::chunking::stream::{ChunkStream, DescriptorStream};
use crate::cut::cut_points;
use crate::observability::hooks::{self, Observer};
use crate::profile::Profile;
use alloc::vec::Vec;
use bytes::Bytes;
use rayon::prelude::*;
use segments::{Found, windows};
use std::io::Read;

/// Returns the cut points of `input`, as [`cut_points`] does, found on all threads of the pool.
///
/// Memory beyond the result is a few words per cut.
///
/// ```
/// use chunker::{Profile, cut_points};
/// use chunker::chunking::cut_points_parallel;
///
/// let input: Vec<u8> = (0..5_000_000u32).map(|i| i.wrapping_mul(i).to_be_bytes()[1]).collect();
/// assert!(cut_points(&input, Profile::SMALL).eq(cut_points_parallel(&input, Profile::SMALL)));
/// ```
#[must_use]
pub fn cut_points_parallel(input: &[u8], profile: impl Into<Profile>) -> Vec<usize> {
    let profile = profile.into();
    if is_for_one_thread(input, profile) {
        return cut_points(input, profile).collect();
    }
    windows(input, profile, |_, _| ()).flatten().map(|chunk| chunk.end).collect()
}

/// Returns the digests and positions of the chunks of `data`, as [`chunk_descriptors`] does, found and
/// hashed on all threads of the pool.
///
/// A memory-mapped file is a slice too: see `examples/mmap.rs`. Memory beyond the result
/// is at most twice the size of the result.
#[must_use]
pub fn chunk_descriptors_parallel(data: &[u8], profile: impl Into<Profile>) -> Vec<ChunkDescriptor> {
    let profile = profile.into();
    if is_for_one_thread(data, profile) {
        return chunk_descriptors(data, profile);
    }
    let hash = profile.hash_algorithm();
    // Hashed while it is in cache from the scan, unless it may turn out to be no chunk.
    let early = |chunk: &[u8], settled: bool| settled.then(|| hooks::digest_of_chunk(hash, chunk));
    let describe = |Found { start, end, value }: Found<Option<[u8; 32]>>| ChunkDescriptor {
        hash: value.unwrap_or_else(|| hooks::digest_of_chunk(hash, &data[start..end])),
        offset: start as u64,
        length: end - start,
    };
    let mut chunks = Vec::new();
    for window in windows(data, profile, early) {
        chunks.par_extend(window.into_par_iter().map(describe));
    }
    let mut observer = Observer::default();
    chunks.iter().for_each(|chunk: &ChunkDescriptor| observer.emitted(hash, chunk.offset, chunk.length));
    chunks
}

/// Returns the chunks of `data`, as [`chunk_bytes`](crate::chunking::chunk_bytes) does, found and
/// hashed on all threads of the pool; their payloads share its memory and keep it alive.
#[must_use]
pub fn chunk_bytes_parallel(data: &Bytes, profile: impl Into<Profile>) -> Vec<ChunkMetadata> {
    let mut rest = data.clone();
    let share = |ChunkDescriptor { hash, offset, length }| {
        let payload = rest.split_to(length);
        ChunkMetadata { hash, offset, length, payload }
    };
    chunk_descriptors_parallel(data, profile).into_iter().map(share).collect()
}

/// Chunks every reader, as [`chunk_batch`](crate::chunking::chunk_batch) does, each on one thread of
/// the pool.
///
/// Takes a reader from `readers` only when a thread is free for it, so no more files are open than
/// there are threads.
pub fn chunk_batch_parallel<R: Read + Send>(
    readers: impl IntoIterator<Item = R, IntoIter: Send>,
    profile: impl Into<Profile>,
) -> BatchChunkResult {
    let profile = profile.into();
    let chunk = |reader| ChunkStream::with_profile(reader, profile)?.collect();
    BatchChunkResult::of_chunks(each(readers, chunk))
}

/// Returns the digests and positions of the chunks of every reader, as [`chunk_batch_parallel`] does, but
/// keeps none of their bytes.
pub fn chunk_batch_descriptors_parallel<R: Read + Send>(
    readers: impl IntoIterator<Item = R, IntoIter: Send>,
    profile: impl Into<Profile>,
) -> BatchChunkResult<ChunkDescriptor> {
    let profile = profile.into();
    let chunk = |reader| DescriptorStream::new(reader, profile)?.collect();
    BatchChunkResult::of_descriptors(each(readers, chunk))
}

/// Returns what `chunk` makes of every reader, in their order.
fn each<R: Send, T: Send>(
    readers: impl IntoIterator<Item = R, IntoIter: Send>,
    chunk: impl Fn(R) -> T + Sync,
) -> Vec<T> {
    let numbered = |(index, reader)| (index, chunk(reader));
    let mut results: Vec<_> = readers.into_iter().enumerate().par_bridge().map(numbered).collect();
    results.sort_unstable_by_key(|&(index, _)| index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Whether threads would gain nothing on `input`.
fn is_for_one_thread(input: &[u8], profile: Profile) -> bool {
    let threshold = (6 * profile.options().avg_size()).max(1024 * 1024);
    input.len() < threshold || rayon::current_num_threads() == 1
}

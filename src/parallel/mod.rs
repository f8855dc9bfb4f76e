//! The same chunks by all threads of a [rayon] pool.
//!
//! The pool is the caller's: `pool.install(|| …)`, or else the global one, whose size
//! `RAYON_NUM_THREADS` sets. A buffer below a threshold is chunked by the calling thread: one of
//! 1 MiB or six average chunks, whichever is more, or of the bytes that the environment variable
//! `CHUNKER_PARALLEL_THRESHOLD` says.

mod pipeline;
mod segments;

pub use pipeline::ChunkPipeline;

use crate::chunk::{BatchChunkResult, ChunkDescriptor, ChunkMetadata};
use crate::chunking::chunk_descriptors;
use crate::cut::cut_points;
use crate::environment;
use crate::hashing::HashAlgorithm;
use crate::observability::hooks::{self, Observer};
use crate::options::{ChunkingOptions, OptionsError};
use crate::stream::ChunkStream;
use alloc::vec::Vec;
use bytes::Bytes;
use rayon::prelude::*;
use segments::{Found, windows};
use std::io::Read;

/// Returns the cut points of `input`, as [`cut_points`] does, found by all threads of the pool.
///
/// Memory beyond the result is a few words for each cut.
///
/// ```
/// use chunker::{ChunkingOptions, cut_points};
/// use chunker::chunking::cut_points_parallel;
///
/// let input: Vec<u8> = (0..5_000_000u32).map(|i| i.wrapping_mul(i).to_be_bytes()[1]).collect();
/// let options = ChunkingOptions::resolve(Some(4096), Some(16384), Some(65536))?;
/// assert!(cut_points(&input, options).eq(cut_points_parallel(&input, options)?));
/// # Ok::<(), chunker::OptionsError>(())
/// ```
///
/// # Errors
/// [`OptionsError::ParallelThreshold`].
pub fn cut_points_parallel(input: &[u8], options: ChunkingOptions) -> Result<Vec<usize>, OptionsError> {
    if is_for_one_thread(input, options)? {
        return Ok(cut_points(input, options).collect());
    }
    Ok(windows(input, options, |_, _| ()).flatten().map(|chunk| chunk.end).collect())
}

/// Returns the digests and places of the chunks of `data`, as [`chunk_descriptors`] does, found and
/// hashed by all threads of the pool.
///
/// A file that is mapped into memory is a slice as well: `examples/mmap.rs`. Memory beyond the result
/// is at most twice that of the result.
///
/// # Errors
/// [`OptionsError::ParallelThreshold`].
pub fn chunk_descriptors_parallel(
    data: &[u8],
    options: ChunkingOptions,
    hash: HashAlgorithm,
) -> Result<Vec<ChunkDescriptor>, OptionsError> {
    if is_for_one_thread(data, options)? {
        return Ok(chunk_descriptors(data, options, hash));
    }
    // Hashed while it is in cache from the scan, unless it may turn out to be no chunk.
    let early = |chunk: &[u8], settled: bool| settled.then(|| hooks::digest_of_chunk(hash, chunk));
    let describe = |Found { start, end, value }: Found<Option<[u8; 32]>>| ChunkDescriptor {
        hash: value.unwrap_or_else(|| hooks::digest_of_chunk(hash, &data[start..end])),
        offset: start as u64,
        length: end - start,
    };
    let mut chunks = Vec::new();
    for window in windows(data, options, early) {
        chunks.par_extend(window.into_par_iter().map(describe));
    }
    let mut observer = Observer::default();
    chunks.iter().for_each(|chunk: &ChunkDescriptor| observer.emitted(hash, chunk.offset, chunk.length));
    Ok(chunks)
}

/// Returns the chunks of `data`, as [`chunk_bytes`](crate::chunking::chunk_bytes) does, found and
/// hashed by all threads of the pool; their payloads share its memory and keep it alive.
///
/// # Errors
/// [`OptionsError::ParallelThreshold`].
pub fn chunk_bytes_parallel(
    data: &Bytes,
    options: ChunkingOptions,
    hash: HashAlgorithm,
) -> Result<Vec<ChunkMetadata>, OptionsError> {
    let mut rest = data.clone();
    let share = |ChunkDescriptor { hash, offset, length }| {
        let payload = rest.split_to(length);
        ChunkMetadata { hash, offset, length, payload }
    };
    Ok(chunk_descriptors_parallel(data, options, hash)?.into_iter().map(share).collect())
}

/// Chunks every reader, as [`chunk_batch`](crate::chunking::chunk_batch) does, each by one thread of
/// the pool.
///
/// A reader is taken from `readers` when a thread is free for it, so that not more files are open than
/// there are threads.
pub fn chunk_batch_parallel<R: Read + Send>(
    readers: impl IntoIterator<Item = R, IntoIter: Send>,
    options: ChunkingOptions,
    hash: HashAlgorithm,
) -> BatchChunkResult {
    let chunk = |(index, reader)| {
        let chunks = ChunkStream::with_options(reader, options, hash).and_then(Iterator::collect);
        (index, chunks)
    };
    let mut results: Vec<_> = readers.into_iter().enumerate().par_bridge().map(chunk).collect();
    results.sort_unstable_by_key(|&(index, _)| index);
    BatchChunkResult::new(results.into_iter().map(|(_, chunks)| chunks).collect())
}

/// Whether threads would gain nothing on `input`.
fn is_for_one_thread(input: &[u8], options: ChunkingOptions) -> Result<bool, OptionsError> {
    let threshold =
        environment::size("CHUNKER_PARALLEL_THRESHOLD", 0..=usize::MAX, OptionsError::ParallelThreshold)
            .inspect_err(|error| hooks::failed(error.code()))?
            .unwrap_or_else(|| (6 * options.avg_size()).max(1024 * 1024));
    Ok(input.len() < threshold || rayon::current_num_threads() == 1)
}

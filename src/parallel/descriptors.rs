//! Digests and positions of a reader's chunks, hashed on many threads while it is read.

use super::blocks::{BlockReader, Unhashed};
use super::ordered::Ordered;
use crate::chunking::chunk::ChunkDescriptor;
use crate::chunking::error::ChunkingError;
use crate::observability::hooks::Observer;
use crate::profile::Profile;
use alloc::sync::Arc;
use core::fmt;
use rayon::ThreadPool;
use std::io::Read;

/// Iterator over the digests and positions of a reader's chunks, in order: a
/// [`ChunkPipeline`](super::ChunkPipeline) without payloads.
///
/// Threads, errors and limits are the same, but it hashes chunks where they were read, so it needs less CPU time.
///
/// ```
/// use chunker::Profile;
/// use chunker::chunking::DescriptorPipeline;
///
/// let reader = std::io::Cursor::new(vec![7; 5_000_000]);
/// let chunks: Result<Vec<_>, _> = DescriptorPipeline::new(reader, Profile::LARGE)?.collect();
/// assert_eq!(chunks?.last().map(|chunk| chunk.offset), Some(4 << 20));
/// # Ok::<(), chunker::chunking::ChunkingError>(())
/// ```
pub struct DescriptorPipeline(Ordered<Unhashed, ChunkDescriptor>);

impl DescriptorPipeline {
    /// Returns a pipeline over the chunks of `reader`.
    ///
    /// # Errors
    /// As [`ChunkPipeline::mapped`](super::ChunkPipeline::mapped).
    pub fn new<R: Read + Send + 'static>(
        reader: R,
        profile: impl Into<Profile>,
    ) -> Result<Self, ChunkingError> {
        Self::resume_at(reader, profile, 0)
    }

    /// Returns a pipeline for the rest of an input that was cut at `offset`, in bytes.
    ///
    /// `reader` starts there; the chunks are those of the whole input.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn resume_at<R: Read + Send + 'static>(
        reader: R,
        profile: impl Into<Profile>,
        offset: u64,
    ) -> Result<Self, ChunkingError> {
        Self::start(None, reader, profile.into(), offset)
    }

    /// Like [`resume_at`](Self::resume_at), with the threads of `pool`.
    ///
    /// Call [`next`](Iterator::next) outside the pool: the caller only waits, and however long the
    /// reader takes, it blocks no thread of the pool.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn in_pool<R: Read + Send + 'static>(
        pool: Arc<ThreadPool>,
        reader: R,
        profile: impl Into<Profile>,
        offset: u64,
    ) -> Result<Self, ChunkingError> {
        Self::start(Some(pool), reader, profile.into(), offset)
    }

    fn start<R: Read + Send + 'static>(
        pool: Option<Arc<ThreadPool>>,
        reader: R,
        profile: Profile,
        offset: u64,
    ) -> Result<Self, ChunkingError> {
        let mut reader = BlockReader::resume_at(reader, profile, offset)?;
        let hash = profile.hash_algorithm();
        let work = move |chunk: Unhashed| chunk.hashed(hash, &mut Observer::untimed());
        Ordered::start(pool, offset, move || reader.next(), work).map(Self)
    }
}

impl Iterator for DescriptorPipeline {
    type Item = Result<ChunkDescriptor, ChunkingError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl core::iter::FusedIterator for DescriptorPipeline {}

impl fmt::Debug for DescriptorPipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DescriptorPipeline").finish_non_exhaustive()
    }
}

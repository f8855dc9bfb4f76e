//! Chunks of a reader, hashed and processed on many threads while it is read.

use super::ordered::Ordered;
use crate::chunking::chunk::ChunkMetadata;
use crate::chunking::error::ChunkingError;
use crate::chunking::push::Payload;
use crate::chunking::stream::{Reading, answered};
use crate::observability::hooks::Observer;
use crate::profile::Profile;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use rayon::ThreadPool;
use std::io::Read;

/// Iterator over the chunks of a reader, or over the results of a closure for them, in order.
///
/// A dedicated thread reads and cuts. The threads of the [rayon] pool that [`next`](Iterator::next)
/// is called in hash the chunks and run the closure, and so does the caller while it waits. All chunks
/// that end in one read are one piece of work. A caller that must not block the threads of a pool passes
/// it to [`in_pool`](Self::in_pool).
///
/// The pipeline runs ahead only so far: at most `2 * threads + 3` pieces of work exist, being read, waiting,
/// in progress or done, each of at most `max_size` bytes and one read (1 MiB, or what
/// `CHUNKER_READ_SLICE_CAP_BYTES` allows), plus about 100 bytes per chunk. Payloads that the caller keeps come on top.
///
/// The iterator returns the first error of the reader once, after all chunks before it, and then ends. A
/// panic of the reader or of the closure resumes in `next`. If you drop the iterator, the
/// reading thread stops after its current read, and the pool after its current pieces.
///
/// ```
/// use chunker::Profile;
/// use chunker::chunking::ChunkPipeline;
///
/// let reader = std::io::Cursor::new(vec![7; 5_000_000]);
/// let squeezed = ChunkPipeline::mapped(reader, Profile::LARGE, |chunk| {
///     let mut payload = chunk.payload.to_vec(); // here one would compress it
///     payload.dedup();
///     (chunk.hash, payload)
/// })?;
/// for chunk in squeezed {
///     let (hash, payload) = chunk?;
///     assert_eq!(payload, [7]);
/// }
/// # Ok::<(), chunker::chunking::ChunkingError>(())
/// ```
pub struct ChunkPipeline<T = ChunkMetadata>(Ordered<Payload, T>);

impl ChunkPipeline {
    /// Returns a pipeline that yields the chunks of `reader`.
    ///
    /// # Errors
    /// As [`mapped`](Self::mapped).
    pub fn new<R: Read + Send + 'static>(
        reader: R,
        profile: impl Into<Profile>,
    ) -> Result<Self, ChunkingError> {
        Self::mapped(reader, profile, |chunk| chunk)
    }
}

impl<T: Send + 'static> ChunkPipeline<T> {
    /// Returns a pipeline that yields the result of `map` for each chunk of `reader`.
    ///
    /// # Errors
    /// [`ChunkingError::Environment`] when `CHUNKER_READ_SLICE_CAP_BYTES` is set, but not to
    /// an integer in `1..=1 GiB`; [`ChunkingError::Io`] when no thread can be started.
    pub fn mapped<R: Read + Send + 'static>(
        reader: R,
        profile: impl Into<Profile>,
        map: impl Fn(ChunkMetadata) -> T + Send + Sync + 'static,
    ) -> Result<Self, ChunkingError> {
        Self::resume_at(reader, profile, 0, map)
    }

    /// Returns a pipeline for the rest of an input that was cut at `offset`, in bytes.
    ///
    /// `reader` starts there; the chunks are those of the whole input.
    ///
    /// # Errors
    /// As [`mapped`](Self::mapped).
    pub fn resume_at<R: Read + Send + 'static>(
        reader: R,
        profile: impl Into<Profile>,
        offset: u64,
        map: impl Fn(ChunkMetadata) -> T + Send + Sync + 'static,
    ) -> Result<Self, ChunkingError> {
        Self::start(None, reader, profile.into(), offset, map)
    }

    /// Like [`resume_at`](Self::resume_at), with the threads of `pool`.
    ///
    /// Call [`next`](Iterator::next) outside the pool: the caller only waits, and however long the
    /// reader takes, it blocks no thread of the pool.
    ///
    /// # Errors
    /// As [`mapped`](Self::mapped).
    pub fn in_pool<R: Read + Send + 'static>(
        pool: Arc<ThreadPool>,
        reader: R,
        profile: impl Into<Profile>,
        offset: u64,
        map: impl Fn(ChunkMetadata) -> T + Send + Sync + 'static,
    ) -> Result<Self, ChunkingError> {
        Self::start(Some(pool), reader, profile.into(), offset, map)
    }

    fn start<R: Read + Send + 'static>(
        pool: Option<Arc<ThreadPool>>,
        mut reader: R,
        profile: Profile,
        offset: u64,
        map: impl Fn(ChunkMetadata) -> T + Send + Sync + 'static,
    ) -> Result<Self, ChunkingError> {
        let (mut reading, hash) = (Reading::resume_at(profile, offset)?, profile.hash_algorithm());
        let read = move || {
            let Ok(payload) = reading.next(|space| answered(reader.read(space)));
            Some(payload?.map(|first| {
                let mut batch = Vec::from([first]);
                batch.extend(core::iter::from_fn(|| reading.next_buffered()));
                batch
            }))
        };
        let work = move |payload: Payload| map(payload.hashed(hash, &mut Observer::untimed()));
        Ordered::start(pool, offset, read, work).map(Self)
    }
}

impl<T: Send + 'static> Iterator for ChunkPipeline<T> {
    type Item = Result<T, ChunkingError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl<T: Send + 'static> core::iter::FusedIterator for ChunkPipeline<T> {}

impl<T> fmt::Debug for ChunkPipeline<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkPipeline").finish_non_exhaustive()
    }
}

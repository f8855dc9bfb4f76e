//! Chunks of an asynchronous reader.

use super::chunk::ChunkMetadata;
use super::error::ChunkingError;
use super::stream::Reading;
use crate::algorithm::HashAlgorithm;
use crate::profile::Profile;
use core::pin::Pin;
use core::task::{Context, Poll};
use futures_core::Stream;
use futures_io::AsyncRead;

/// [`Stream`] over the chunks of an async reader. It is [`ChunkStream`](super::ChunkStream) for async
/// code, with the same chunks, bounds and errors.
///
/// For a tokio reader, use `from_tokio` (feature `tokio`). Chunks are cut and hashed on the
/// task that polls: about a millisecond for 1 MiB.
#[derive(Debug)]
pub struct AsyncChunkStream<R> {
    reader: R,
    reading: Reading,
    hash: HashAlgorithm,
}

impl<R: AsyncRead + Unpin> AsyncChunkStream<R> {
    /// Returns a stream over the chunks of `reader`.
    ///
    /// # Errors
    /// [`ChunkingError::Environment`] when `CHUNKER_READ_SLICE_CAP_BYTES` is set, but not to
    /// an integer in `1..=1 GiB`.
    pub fn new(reader: R, profile: impl Into<Profile>) -> Result<Self, ChunkingError> {
        Self::resume_at(reader, profile, 0)
    }

    /// Returns a stream for the rest of an input that was cut at `offset`, in bytes.
    ///
    /// `reader` starts there; the chunks are those of the whole input.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn resume_at(reader: R, profile: impl Into<Profile>, offset: u64) -> Result<Self, ChunkingError> {
        let profile = profile.into();
        let reading = Reading::resume_at(profile, offset)?;
        Ok(Self { reader, reading, hash: profile.hash_algorithm() })
    }

    /// Returns this stream if it can never hold more than `limit` bytes of its input.
    ///
    /// # Errors
    /// [`ChunkingError::BufferLimitExceeded`].
    pub fn within_buffer_limit(self, limit: usize) -> Result<Self, ChunkingError> {
        self.reading.check_buffer_limit(limit)?;
        Ok(self)
    }

    /// Returns the offset of the last cut: all bytes before it are in chunks that were returned.
    #[must_use]
    pub fn last_cut(&self) -> u64 {
        self.reading.last_cut()
    }
}

/// The reader has no answer yet, and will wake the task.
struct Pending;

impl<R: AsyncRead + Unpin> Stream for AsyncChunkStream<R> {
    type Item = Result<ChunkMetadata, ChunkingError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { reader, reading, hash } = self.get_mut();
        let item = reading.next(|space| match Pin::new(&mut *reader).poll_read(context, space) {
            Poll::Ready(answer) => Ok(answer),
            Poll::Pending => Err(Pending),
        });
        match item {
            Ok(item) => Poll::Ready(item.map(|payload| Ok(payload?.hashed(*hash, reading.observer())))),
            Err(Pending) => Poll::Pending,
        }
    }
}

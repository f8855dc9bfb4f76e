//! Adapters from the readers and writers of tokio to those of `futures`.

use super::async_stream::AsyncChunkStream;
use super::error::ChunkingError;
use crate::profile::Profile;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;
use tokio::io::ReadBuf;

/// Adapts a reader or writer of tokio to `futures`.
///
/// [`AsyncChunkStream::from_tokio`] wraps its reader itself; to resume, give `Tokio(reader)` to
/// [`AsyncChunkStream::resume_at`].
#[derive(Debug)]
pub struct Tokio<T>(pub T);

impl<R: tokio::io::AsyncRead + Unpin> AsyncChunkStream<Tokio<R>> {
    /// Returns a stream over the chunks of a tokio reader.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_tokio(reader: R, profile: impl Into<Profile>) -> Result<Self, ChunkingError> {
        Self::new(Tokio(reader), profile)
    }
}

impl<R: tokio::io::AsyncRead + Unpin> futures_io::AsyncRead for Tokio<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        space: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut space = ReadBuf::new(space);
        ready!(Pin::new(&mut self.get_mut().0).poll_read(context, &mut space))?;
        Poll::Ready(Ok(space.filled().len()))
    }
}

impl<W: tokio::io::AsyncWrite + Unpin> futures_io::AsyncWrite for Tokio<W> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(context, data)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(context)
    }
}

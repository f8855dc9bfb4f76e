//! Reassembly of an input from chunks that arrive asynchronously.

use super::{Manifest, ManifestError};
use crate::chunking::chunk::ChunkDescriptor;
use alloc::boxed::Box;
use core::error::Error;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use futures_io::AsyncWrite;
use std::io;

impl Manifest {
    /// Writes the input to `writer`, from chunks that `fetch` returns: [`reassemble`](Self::reassemble) for
    /// async code.
    ///
    /// Fetches one chunk after another. Verifies every chunk before it writes it, so `writer` gets a correct
    /// prefix of the input whatever `fetch` returns. A chunk is hashed on the task that polls: about a
    /// millisecond for 1 MiB.
    ///
    /// ```
    /// use chunker::Profile;
    /// use chunker::chunking::chunk_descriptors;
    /// use chunker::manifest::Manifest;
    ///
    /// let manifest = Manifest::new(Profile::SMALL, chunk_descriptors(b"content", Profile::SMALL))?;
    /// let mut copy = Vec::new();
    /// let fetch = |_chunk| async { Ok::<_, std::io::Error>(b"content") }; // from where it is stored
    /// futures::executor::block_on(manifest.reassemble_async(fetch, &mut copy))?;
    /// assert_eq!(copy, b"content");
    /// # Ok::<(), chunker::manifest::ManifestError>(())
    /// ```
    ///
    /// # Errors
    /// As [`reassemble`](Self::reassemble).
    pub async fn reassemble_async<F, P, E, W>(
        &self,
        mut fetch: impl FnMut(ChunkDescriptor) -> F,
        mut writer: W,
    ) -> Result<(), ManifestError>
    where
        F: Future<Output = Result<P, E>>,
        P: AsRef<[u8]>,
        E: Into<Box<dyn Error + Send + Sync>>,
        W: AsyncWrite + Unpin,
    {
        for (index, chunk) in self.chunks.iter().enumerate() {
            let payload = fetch(*chunk)
                .await
                .map_err(|source| ManifestError::Fetch { index, source: source.into() })?;
            self.verify_chunk(index, payload.as_ref())?;
            write_all(&mut writer, payload.as_ref()).await?;
        }
        Ok(poll_fn(|context| Pin::new(&mut writer).poll_flush(context)).await?)
    }

    /// Like [`reassemble_async`](Self::reassemble_async), with a tokio writer.
    ///
    /// # Errors
    /// As [`reassemble`](Self::reassemble).
    #[cfg(feature = "tokio")]
    pub async fn reassemble_tokio<F, P, E, W>(
        &self,
        fetch: impl FnMut(ChunkDescriptor) -> F,
        writer: W,
    ) -> Result<(), ManifestError>
    where
        F: Future<Output = Result<P, E>>,
        P: AsRef<[u8]>,
        E: Into<Box<dyn Error + Send + Sync>>,
        W: tokio::io::AsyncWrite + Unpin,
    {
        self.reassemble_async(fetch, crate::chunking::tokio::Tokio(writer)).await
    }
}

async fn write_all(writer: &mut (impl AsyncWrite + Unpin), mut data: &[u8]) -> io::Result<()> {
    while !data.is_empty() {
        let written = poll_fn(|context| Pin::new(&mut *writer).poll_write(context, data)).await;
        match written {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(length) => {
                let claimed = || io::Error::other("the writer claims more bytes than it was given");
                data = data.get(length..).ok_or_else(claimed)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

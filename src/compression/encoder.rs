//! Compression through a writer.

use super::codec::Codec;
use super::error::CompressionError;
use super::formats::AnyWriter;
use crate::observability::hooks::{self, StreamObserver};
use std::io::{self, Write};

/// Writer that compresses its input into another writer.
///
/// Call [`finish`](Self::finish) to complete the frame: without it, the frame stays truncated.
///
/// The length of the content is unknown at the start, so zstd's levels 20, 21 and 22 always ask
/// for windows of 32, 64 and 128 MiB, which [`DecompressionLimits`](super::DecompressionLimits) refuses
/// by default.
pub struct Encoder<W: Write> {
    inner: AnyWriter<Sink<W>>,
    codec: Codec,
}

impl<W: Write> Encoder<W> {
    /// Returns an encoder that writes to `writer`; `None` stands for the codec's default level.
    ///
    /// # Errors
    /// [`CompressionError::InvalidLevel`], or [`CompressionError::Failed`] if memory runs out.
    pub fn new(codec: Codec, level: Option<i32>, writer: W) -> Result<Self, CompressionError> {
        Self::opened_by(codec, level, writer, |sink, level| AnyWriter::new(codec, sink, level))
    }

    /// Like [`new`](Self::new), by the writer that `open` returns for a level that the codec has.
    pub(super) fn opened_by(
        codec: Codec,
        level: Option<i32>,
        writer: W,
        open: impl FnOnce(Sink<W>, i32) -> io::Result<AnyWriter<Sink<W>>>,
    ) -> Result<Self, CompressionError> {
        let sink = Sink::new(writer, StreamObserver::compressing(codec.name()));
        let new = || {
            let inner = open(sink, codec.level(level)?)
                .map_err(|source| CompressionError::Failed { codec, source })?;
            Ok(Self { inner, codec })
        };
        new().inspect_err(|error: &CompressionError| hooks::failed(error.code()))
    }

    /// Returns the writer, so that you can take the output so far.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.inner.sink().writer
    }

    /// Ends the frame and returns the writer.
    ///
    /// # Errors
    /// [`CompressionError::Io`] with the error of the writer, or [`CompressionError::Failed`].
    pub fn finish(mut self) -> Result<W, CompressionError> {
        self.inner.sink().open = true;
        let codec = self.codec;
        self.inner.finish().map(|sink| sink.writer).map_err(|error| {
            let error = error.downcast().unwrap_or_else(|source| CompressionError::Failed { codec, source });
            hooks::failed(error.code());
            error
        })
    }

    /// Lets the writer be written to during one call.
    fn opened<T>(&mut self, call: impl FnOnce(&mut AnyWriter<Sink<W>>) -> io::Result<T>) -> io::Result<T> {
        self.inner.sink().open = true;
        let result = call(&mut self.inner);
        self.inner.sink().open = false;
        result.map_err(|error| match error.downcast() {
            Ok(CompressionError::Io(source)) => source,
            Ok(other) => other.into_io(),
            Err(error) => error,
        })
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let length = self.opened(|inner| inner.write(data))?;
        self.inner.sink().observer.read(length);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.opened(AnyWriter::flush)
    }
}

/// Writer that is written to only during calls of the encoder: some libraries end their stream when
/// they are dropped, and what was cut off would look whole.
pub(super) struct Sink<W> {
    writer: W,
    open: bool,
    observer: StreamObserver,
}

impl<W: Write> Sink<W> {
    fn new(writer: W, observer: StreamObserver) -> Self {
        Self { writer, open: false, observer }
    }

    fn guarded<T>(&mut self, call: impl FnOnce(&mut W) -> io::Result<T>) -> io::Result<T> {
        if !self.open {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.open = false; // stays so when the writer panics
        let result = call(&mut self.writer);
        self.open = true;
        result.map_err(|error| CompressionError::Io(error).into_io())
    }
}

impl<W: Write> Write for Sink<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let length = self.guarded(|writer| writer.write(data))?;
        self.observer.wrote(length);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.guarded(W::flush)
    }
}

impl<W: Write> std::fmt::Debug for Encoder<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("codec", &self.codec).finish_non_exhaustive()
    }
}

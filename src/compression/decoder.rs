//! Decompression through a reader, within limits.

use super::codec::Codec;
use super::error::CompressionError;
use super::formats::AnyReader;
use super::limits::{Allowance, DecompressionLimits};
use crate::observability::hooks::{self, StreamObserver};
use std::io::{self, BufRead, Read};

/// Reader that decompresses all frames of another reader.
///
/// Its errors hold a [`CompressionError`]; after an error, it returns no more data.
pub struct Decoder<R: BufRead> {
    inner: AnyReader<Source<R>>,
    codec: Codec,
    allowance: Allowance,
    state: State,
    observer: StreamObserver,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unread,
    Reading,
    /// The end was reached or an error was returned.
    Ended,
}

impl<R: BufRead> Decoder<R> {
    /// Returns a reader that decompresses `reader`.
    ///
    /// # Errors
    /// [`CompressionError::InvalidWindowLog`], or [`CompressionError::Failed`] if memory runs out.
    pub fn new(codec: Codec, reader: R, limits: DecompressionLimits) -> Result<Self, CompressionError> {
        Self::counting_bytes(codec, reader, limits).inspect_err(|error| hooks::failed(error.code()))
    }

    /// Like [`new`](Self::new), for a caller that counts errors.
    pub(super) fn counting_bytes(
        codec: Codec,
        reader: R,
        limits: DecompressionLimits,
    ) -> Result<Self, CompressionError> {
        Self::opened_by(codec, reader, limits, |source, limits| AnyReader::new(codec, source, limits))
    }

    /// Like [`counting_bytes`](Self::counting_bytes), by the reader that `open` returns for limits that were
    /// checked.
    pub(super) fn opened_by(
        codec: Codec,
        reader: R,
        limits: DecompressionLimits,
        open: impl FnOnce(Source<R>, DecompressionLimits) -> Result<AnyReader<Source<R>>, CompressionError>,
    ) -> Result<Self, CompressionError> {
        let observer = StreamObserver::decompressing(codec.name());
        let inner = open(Source::new(reader), limits.checked()?)?;
        Ok(Self { inner, codec, allowance: Allowance::new(limits), state: State::Unread, observer })
    }

    /// The reader that was given to [`new`](Self::new).
    pub(super) fn source(&mut self) -> &mut R {
        &mut self.inner.source().reader
    }

    /// Says that the reader is not empty: nothing needs to be read from it to know that.
    pub(super) fn has_data(&mut self) {
        if self.state == State::Unread {
            self.state = State::Reading;
        }
    }

    /// [`Read::read`], with errors as they are.
    pub(super) fn read_typed(&mut self, buffer: &mut [u8]) -> Result<usize, CompressionError> {
        if buffer.is_empty() || self.state == State::Ended {
            return Ok(0);
        }
        let result = self.read_within_limit(buffer);
        let consumed = std::mem::take(&mut self.inner.source().consumed);
        self.observer.read(consumed);
        if let Ok(length) = result {
            self.observer.wrote(length);
        }
        match &result {
            // The caller may try again.
            Err(CompressionError::Io(source))
                if matches!(source.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
            Ok(0) | Err(_) => self.state = State::Ended,
            Ok(_) => {}
        }
        result
    }

    /// Reads, and fails if there is more than allowed.
    fn read_within_limit(&mut self, buffer: &mut [u8]) -> Result<usize, CompressionError> {
        let from_io = |error| CompressionError::from_io(self.codec, error);
        if self.state == State::Unread {
            if self.inner.source().fill_buf().map_err(from_io)?.is_empty() {
                return Err(CompressionError::Truncated { codec: self.codec });
            }
            self.state = State::Reading;
        }
        self.allowance.read(&mut self.inner, buffer).map_err(from_io)
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.read_typed(buffer);
        if let (Err(error), State::Ended) = (&read, self.state) {
            hooks::failed(error.code());
        }
        read.map_err(CompressionError::into_io)
    }
}

impl<R: BufRead> std::fmt::Debug for Decoder<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder")
            .field("codec", &self.codec)
            .field("left", &self.allowance.left())
            .finish_non_exhaustive()
    }
}

/// Reader whose errors are marked as its own: the libraries pass them on, and have errors of the same
/// kinds for data that are damaged.
pub(super) struct Source<R> {
    reader: R,
    /// Bytes that were taken from it since this was last looked at.
    consumed: usize,
}

impl<R> Source<R> {
    fn new(reader: R) -> Self {
        Self { reader, consumed: 0 }
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer).map_err(|error| CompressionError::Io(error).into_io());
        self.consumed += read.as_ref().unwrap_or(&0);
        read
    }
}

impl<R: BufRead> BufRead for Source<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf().map_err(|error| CompressionError::Io(error).into_io())
    }

    fn consume(&mut self, length: usize) {
        self.reader.consume(length);
        self.consumed += length;
    }
}

//! Decompression of data that arrives in pieces, for callers that cannot block in a reader.

use super::codec::Codec;
use super::decoder::Decoder;
use super::error::CompressionError;
use super::limits::DecompressionLimits;
use crate::observability::hooks;
use alloc::vec::Vec;
use std::io::{self, BufRead, Read};

/// Decompresses data that you push in pieces of any size.
///
/// Keeps what was pushed and not yet read, and the codec's window; LZ4 keeps a block of at most 4 MiB until
/// it is whole. How the data is split changes neither its content nor whether it is accepted. If it has two
/// faults, it may change which one is reported.
///
/// ```
/// # #[cfg(feature = "zstd")] {
/// use chunker::compression::{Codec, DecompressionLimits, PushDecoder, compress_zstd};
///
/// let compressed = compress_zstd(b"data", None)?;
/// let mut decoder = PushDecoder::new(Codec::Zstd, DecompressionLimits::default())?;
/// let (mut buffer, mut output) = ([0; 1024], Vec::new());
/// for piece in compressed.chunks(3) {
///     decoder.push(piece)?;
///     while let length @ 1.. = decoder.read(&mut buffer)? {
///         output.extend_from_slice(&buffer[..length]);
///     }
/// }
/// decoder.finish();
/// while let length @ 1.. = decoder.read(&mut buffer)? {
///     output.extend_from_slice(&buffer[..length]);
/// }
/// assert_eq!(output, b"data");
/// # }
/// # Ok::<(), chunker::compression::CompressionError>(())
/// ```
#[derive(Debug)]
pub struct PushDecoder(Decoder<Pieces>);

impl PushDecoder {
    /// Returns a new decoder.
    ///
    /// # Errors
    /// As [`Decoder::new`].
    pub fn new(codec: Codec, limits: DecompressionLimits) -> Result<Self, CompressionError> {
        Self::opened_by(|pieces| Decoder::counting_bytes(codec, pieces, limits))
    }

    /// Returns a decoder by what `open` returns for no data.
    pub(super) fn opened_by(
        open: impl FnOnce(Pieces) -> Result<Decoder<Pieces>, CompressionError>,
    ) -> Result<Self, CompressionError> {
        Ok(Self(counted(open(Pieces::default()))?))
    }

    /// Appends a piece of the compressed data.
    ///
    /// # Errors
    /// [`CompressionError::Ended`] after [`finish`](Self::finish), and after an error of
    /// [`read`](Self::read).
    pub fn push(&mut self, piece: &[u8]) -> Result<(), CompressionError> {
        let pieces = self.0.source();
        if pieces.ended {
            return counted(Err(CompressionError::Ended));
        }
        pieces.append(piece);
        if !piece.is_empty() {
            self.0.has_data();
        }
        Ok(())
    }

    /// Ends the data. [`read`](Self::read) then reports whether the data was complete.
    pub fn finish(&mut self) {
        self.0.source().ended = true;
    }

    /// Decompresses into `buffer`, and returns the number of bytes: 0 if it needs the next piece and,
    /// after [`finish`](Self::finish), at the end.
    ///
    /// # Errors
    /// As [`decompress`](super::decompress). After an error, it returns no more bytes.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, CompressionError> {
        match self.0.read_typed(buffer) {
            Err(CompressionError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) => {
                self.0.source().end();
                counted(Err(error))
            }
            length => length,
        }
    }
}

fn counted<T>(result: Result<T, CompressionError>) -> Result<T, CompressionError> {
    result.inspect_err(|error| hooks::failed(error.code()))
}

/// What was pushed and not yet read: a reader that would block until there is more.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    bytes: Vec<u8>,
    /// Where in `bytes` the rest begins.
    start: usize,
    ended: bool,
}

impl Pieces {
    fn append(&mut self, piece: &[u8]) {
        // Moving what is left only when that is the smaller part keeps the cost of small pieces low.
        if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(piece);
    }

    /// Ends the input, and drops what was not read.
    fn end(&mut self) {
        *self = Self { ended: true, ..Self::default() };
    }
}

impl BufRead for Pieces {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let rest = &self.bytes[self.start..];
        if rest.is_empty() && !self.ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(rest)
    }

    fn consume(&mut self, length: usize) {
        self.start += length;
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}

//! Decompression as a reader, within limits.

use super::Codec;
use super::error::CompressionError;
use crate::observability::hooks::StreamObserver;
use std::io::{self, BufRead, Read};

/// How much a decompression may produce and keep in memory.
///
/// The time that it takes is bounded by the lengths of input and output: frames without content give no
/// output, but take their time. The slowest are those of bzip2, at most some microseconds for a byte of
/// input; so bound the length of input that nobody vouches for.
///
/// ```
/// use chunker::compression::DecompressionLimits;
///
/// let limits = DecompressionLimits::default().with_max_output(1_000_000).with_max_window_log(27);
/// assert_eq!(limits.max_memory, 66 << 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecompressionLimits {
    /// Bytes of output; exactly as many are allowed.
    pub max_output: u64,
    /// Base-2 logarithm of the largest window that a zstd frame may ask for, in `10..=30`: what zstd
    /// allows on every target.
    ///
    /// Frames of the levels 20, 21 and 22 ask for 25, 26 and 27, unless their content is known to be
    /// shorter when compressing begins.
    pub max_window_log: u32,
    /// Bytes of memory that an .xz stream may ask for.
    pub max_memory: u64,
}

impl Default for DecompressionLimits {
    /// 1 GiB of output; 8 MiB of window for zstd, as RFC 9659 asks of every decoder; 66 MiB of memory
    /// for xz, which is what its level 9 needs.
    fn default() -> Self {
        Self { max_output: 1 << 30, max_window_log: 23, max_memory: 66 << 20 }
    }
}

impl DecompressionLimits {
    /// Returns these limits with another one for the output, in bytes.
    #[must_use]
    pub const fn with_max_output(self, max_output: u64) -> Self {
        Self { max_output, ..self }
    }

    /// Returns these limits with another base-2 logarithm of zstd's window, `10..=30`.
    #[must_use]
    pub const fn with_max_window_log(self, max_window_log: u32) -> Self {
        Self { max_window_log, ..self }
    }

    /// Returns these limits with another one for the memory of xz, in bytes.
    #[must_use]
    pub const fn with_max_memory(self, max_memory: u64) -> Self {
        Self { max_memory, ..self }
    }

    /// Returns these limits.
    ///
    /// # Errors
    /// [`CompressionError::InvalidWindowLog`].
    pub(super) fn checked(self) -> Result<Self, CompressionError> {
        match self.max_window_log {
            10..=30 => Ok(self),
            window_log => Err(CompressionError::InvalidWindowLog { window_log }),
        }
    }
}

/// Reader of the content of all frames that another reader gives.
///
/// Its errors hold a [`CompressionError`]; after one it gives no more data.
pub struct Decoder<R: BufRead> {
    inner: Inner<R>,
    codec: Codec,
    limit: u64,
    /// Bytes that may still be read.
    left: u64,
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

#[allow(clippy::large_enum_variant)] // one lives as long as a stream, and the sizes are the libraries'
enum Inner<R: BufRead> {
    #[cfg(feature = "zstd")]
    Zstd(super::zstd_frames::ZstdFrames<Source<R>>),
    #[cfg(feature = "lz4")]
    Lz4(super::lz4_frames::Lz4Frames<Source<R>>),
    #[cfg(feature = "xz")]
    Xz(super::xz::Reader<Source<R>>),
    #[cfg(feature = "bzip2")]
    Bzip2(bzip2::bufread::MultiBzDecoder<Source<R>>),
}

impl<R: BufRead> Decoder<R> {
    /// Returns a reader of what `reader` holds compressed.
    ///
    /// # Errors
    /// [`CompressionError::InvalidWindowLog`], or [`CompressionError::Failed`] when memory is short.
    pub fn new(codec: Codec, reader: R, limits: DecompressionLimits) -> Result<Self, CompressionError> {
        let observer = StreamObserver::decompressing(codec.name());
        Self::observed(codec, reader, limits, observer)
    }

    /// Like [`new`](Self::new), for a caller that counts what it decompresses.
    #[cfg(any(feature = "xz", feature = "bzip2"))]
    pub(super) fn unobserved(
        codec: Codec,
        reader: R,
        limits: DecompressionLimits,
    ) -> Result<Self, CompressionError> {
        Self::observed(codec, reader, limits, StreamObserver::silent())
    }

    fn observed(
        codec: Codec,
        reader: R,
        limits: DecompressionLimits,
        observer: StreamObserver,
    ) -> Result<Self, CompressionError> {
        let inner = Inner::new(codec, Source::new(reader), limits.checked()?)?;
        let limit = limits.max_output;
        Ok(Self { inner, codec, limit, left: limit, state: State::Unread, observer })
    }

    /// Returns a reader of zstd's frames that were compressed with a dictionary.
    #[cfg(feature = "zstd")]
    pub(super) fn with_dictionary(
        reader: R,
        dictionary: &[u8],
        limits: DecompressionLimits,
    ) -> Result<Self, CompressionError> {
        let limits = limits.checked()?;
        let inner =
            Inner::Zstd(super::zstd_frames::ZstdFrames::new(Source::new(reader), dictionary, limits)?);
        let (codec, limit) = (Codec::Zstd, limits.max_output);
        let observer = StreamObserver::decompressing(codec.name());
        Ok(Self { inner, codec, limit, left: limit, state: State::Unread, observer })
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

    /// Appends all that is left to `output`, in space that grows to at most one byte beyond the limit.
    #[cfg(any(feature = "zstd", feature = "xz", feature = "bzip2"))]
    pub(super) fn read_all(
        mut self,
        limits: DecompressionLimits,
        output: &mut alloc::vec::Vec<u8>,
    ) -> Result<(), CompressionError> {
        let mut growth = super::growth::Growth::new(limits, output);
        loop {
            let space = growth.space(output);
            // `read_to_end` of so many bytes fills the space, and allocates nothing.
            let read = self.by_ref().take(space as u64).read_to_end(output);
            if read.map_err(|error| CompressionError::from_io(self.codec, error))? < space {
                return Ok(());
            }
        }
    }

    /// Reads, and checks that there is no more than allowed.
    fn read_within_limit(&mut self, buffer: &mut [u8]) -> Result<usize, CompressionError> {
        let from_io = |error| CompressionError::from_io(self.codec, error);
        if self.state == State::Unread {
            if self.inner.source().fill_buf().map_err(from_io)?.is_empty() {
                return Err(CompressionError::Truncated { codec: self.codec });
            }
            self.state = State::Reading;
        }
        if self.left == 0 {
            return match self.inner.read(&mut [0]).map_err(from_io)? {
                0 => Ok(0),
                _ => Err(CompressionError::SizeExceeded { limit: self.limit }),
            };
        }
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let length = self.inner.read(&mut buffer[..most]).map_err(from_io)?;
        self.left -= length as u64;
        Ok(length)
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_typed(buffer).map_err(CompressionError::into_io)
    }
}

impl<R: BufRead> std::fmt::Debug for Decoder<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder")
            .field("codec", &self.codec)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl<R: BufRead> Inner<R> {
    fn new(codec: Codec, reader: Source<R>, limits: DecompressionLimits) -> Result<Self, CompressionError> {
        Ok(match codec {
            #[cfg(feature = "zstd")]
            Codec::Zstd => Self::Zstd(super::zstd_frames::ZstdFrames::new(reader, &[], limits)?),
            #[cfg(feature = "lz4")]
            Codec::Lz4 => Self::Lz4(super::lz4_frames::Lz4Frames::new(reader)),
            #[cfg(feature = "xz")]
            Codec::Xz => {
                let reader = super::xz::reader(reader, limits.max_memory);
                Self::Xz(reader.map_err(|source| CompressionError::Failed { codec, source })?)
            }
            #[cfg(feature = "bzip2")]
            Codec::Bzip2 => Self::Bzip2(bzip2::bufread::MultiBzDecoder::new(reader)),
        })
    }

    fn source(&mut self) -> &mut Source<R> {
        match self {
            #[cfg(feature = "zstd")]
            Self::Zstd(decoder) => decoder.get_mut(),
            #[cfg(feature = "lz4")]
            Self::Lz4(decoder) => decoder.get_mut(),
            #[cfg(feature = "xz")]
            Self::Xz(decoder) => super::xz::source(decoder),
            #[cfg(feature = "bzip2")]
            Self::Bzip2(decoder) => decoder.get_mut(),
        }
    }
}

impl<R: BufRead> Read for Inner<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            #[cfg(feature = "zstd")]
            Self::Zstd(decoder) => decoder.read(buffer),
            #[cfg(feature = "lz4")]
            Self::Lz4(decoder) => decoder.read(buffer),
            #[cfg(feature = "xz")]
            Self::Xz(decoder) => decoder.read(buffer),
            #[cfg(feature = "bzip2")]
            Self::Bzip2(decoder) => decoder.read(buffer),
        }
    }
}

/// Reader whose errors are marked as its own: the libraries pass them on, and have errors of the same
/// kinds for data that are damaged.
struct Source<R> {
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

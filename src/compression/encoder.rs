//! Compression as a writer.

use super::Codec;
use super::error::CompressionError;
use crate::observability::hooks::{self, StreamObserver};
use std::io::{self, Write};

/// Writer that compresses what it is given into another writer.
///
/// The frame is whole only after [`finish`](Self::finish): one that is dropped before stays truncated.
///
/// How long the content becomes is not known when it begins. So zstd's levels 20, 21 and 22 always ask
/// for windows of 32, 64 and 128 MiB, which [`DecompressionLimits`](super::DecompressionLimits) refuses
/// by default.
pub struct Encoder<W: Write> {
    inner: Inner<W>,
    codec: Codec,
}

#[allow(clippy::large_enum_variant)] // one lives as long as a stream, and the sizes are the libraries'
enum Inner<W: Write> {
    #[cfg(feature = "zstd")]
    Zstd(zstd::stream::write::Encoder<'static, Sink<W>>),
    #[cfg(feature = "lz4")]
    Lz4(lz4_flex::frame::FrameEncoder<Sink<W>>),
    #[cfg(feature = "xz")]
    Xz(super::xz::Writer<Sink<W>>),
    #[cfg(feature = "bzip2")]
    Bzip2(bzip2::write::BzEncoder<Sink<W>>),
}

impl<W: Write> Encoder<W> {
    /// Returns a writer into `writer`; `None` stands for the codec's default level.
    ///
    /// # Errors
    /// [`CompressionError::InvalidLevel`], or [`CompressionError::Failed`] when memory is short.
    pub fn new(codec: Codec, level: Option<i32>, writer: W) -> Result<Self, CompressionError> {
        let sink = Sink::new(writer, StreamObserver::compressing(codec.name()));
        let new = || Self::with_level(codec, codec.level(level)?, sink);
        new().inspect_err(|error| hooks::failed(error.code()))
    }

    /// Returns a writer of a zstd frame that is compressed with a dictionary, which decompressing needs
    /// too; `None` stands for level 3.
    ///
    /// # Errors
    /// As [`new`](Self::new); also [`CompressionError::Failed`] when `dictionary` is damaged.
    #[cfg(feature = "zstd")]
    pub fn with_dictionary(
        dictionary: &[u8],
        level: Option<i32>,
        writer: W,
    ) -> Result<Self, CompressionError> {
        let codec = Codec::Zstd;
        let sink = Sink::new(writer, StreamObserver::compressing(codec.name()));
        let new = || {
            let inner = Inner::with_dictionary(dictionary, codec.level(level)?, sink)
                .map_err(|source| CompressionError::Failed { codec, source })?;
            Ok(Self { inner, codec })
        };
        new().inspect_err(|error: &CompressionError| hooks::failed(error.code()))
    }

    /// Returns a writer for a compression that its caller counts, with a level that the codec has.
    #[cfg(any(feature = "lz4", feature = "xz", feature = "bzip2"))]
    pub(super) fn unobserved(codec: Codec, level: i32, writer: W) -> Result<Self, CompressionError> {
        Self::with_level(codec, level, Sink::new(writer, StreamObserver::silent()))
    }

    fn with_level(codec: Codec, level: i32, sink: Sink<W>) -> Result<Self, CompressionError> {
        let inner =
            Inner::new(codec, level, sink).map_err(|source| CompressionError::Failed { codec, source })?;
        Ok(Self { inner, codec })
    }

    /// Returns the writer, of which what was written so far may be taken.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.inner.sink().writer
    }

    /// Ends the frame and returns the writer.
    ///
    /// # Errors
    /// [`CompressionError::Io`] with what the writer says, or [`CompressionError::Failed`].
    pub fn finish(mut self) -> Result<W, CompressionError> {
        self.inner.sink().open = true;
        let codec = self.codec;
        match self.inner.finish() {
            Ok(sink) => Ok(sink.writer),
            Err(error) => {
                Err(error.downcast().unwrap_or_else(|source| CompressionError::Failed { codec, source }))
            }
        }
    }

    /// Lets the writer be written to during one call.
    fn opened<T>(&mut self, call: impl FnOnce(&mut Inner<W>) -> io::Result<T>) -> io::Result<T> {
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
        let length = self.opened(|inner| match inner {
            #[cfg(feature = "zstd")]
            Inner::Zstd(encoder) => encoder.write(data),
            #[cfg(feature = "lz4")]
            Inner::Lz4(encoder) => encoder.write(data),
            #[cfg(feature = "xz")]
            Inner::Xz(encoder) => encoder.write(data),
            #[cfg(feature = "bzip2")]
            Inner::Bzip2(encoder) => encoder.write(data),
        })?;
        self.inner.sink().observer.read(length);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.opened(|inner| match inner {
            #[cfg(feature = "zstd")]
            Inner::Zstd(encoder) => encoder.flush(),
            #[cfg(feature = "lz4")]
            Inner::Lz4(encoder) => encoder.flush(),
            #[cfg(feature = "xz")]
            Inner::Xz(encoder) => encoder.flush(),
            #[cfg(feature = "bzip2")]
            Inner::Bzip2(encoder) => encoder.flush(),
        })
    }
}

impl<W: Write> Inner<W> {
    /// Returns the codec's writer, with a level that it has.
    fn new(codec: Codec, level: i32, sink: Sink<W>) -> io::Result<Self> {
        Ok(match codec {
            #[cfg(feature = "zstd")]
            Codec::Zstd => Self::Zstd(zstd::stream::write::Encoder::new(sink, level)?),
            #[cfg(feature = "lz4")]
            Codec::Lz4 => Self::Lz4(lz4_flex::frame::FrameEncoder::new(sink)),
            #[cfg(feature = "xz")]
            Codec::Xz => Self::Xz(super::xz::writer(sink, level.unsigned_abs())?),
            #[cfg(feature = "bzip2")]
            Codec::Bzip2 => {
                let level = bzip2::Compression::new(level.unsigned_abs());
                Self::Bzip2(bzip2::write::BzEncoder::new(sink, level))
            }
        })
    }

    #[cfg(feature = "zstd")]
    fn with_dictionary(dictionary: &[u8], level: i32, sink: Sink<W>) -> io::Result<Self> {
        let mut encoder = zstd::stream::write::Encoder::with_dictionary(sink, level, dictionary)?;
        // Without it, another dictionary of the same id would silently give other data.
        encoder.include_checksum(true)?;
        Ok(Self::Zstd(encoder))
    }

    fn sink(&mut self) -> &mut Sink<W> {
        match self {
            #[cfg(feature = "zstd")]
            Self::Zstd(encoder) => encoder.get_mut(),
            #[cfg(feature = "lz4")]
            Self::Lz4(encoder) => encoder.get_mut(),
            #[cfg(feature = "xz")]
            Self::Xz(encoder) => super::xz::sink(encoder),
            #[cfg(feature = "bzip2")]
            Self::Bzip2(encoder) => encoder.get_mut(),
        }
    }

    fn finish(self) -> io::Result<Sink<W>> {
        match self {
            #[cfg(feature = "zstd")]
            Self::Zstd(encoder) => encoder.finish(),
            #[cfg(feature = "lz4")]
            Self::Lz4(encoder) => Ok(encoder.finish()?),
            #[cfg(feature = "xz")]
            Self::Xz(encoder) => encoder.finish(),
            #[cfg(feature = "bzip2")]
            Self::Bzip2(encoder) => encoder.finish(),
        }
    }
}

/// Writer that is written to only during calls of the encoder: some libraries end their stream when
/// they are dropped, and what was cut off would look whole.
struct Sink<W> {
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

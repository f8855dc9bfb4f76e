//! Compression as a writer.

use super::Codec;
use super::error::CompressionError;
use std::io::{self, Write};

/// Writer that compresses what it is given into another writer.
///
/// The frame is whole only after [`finish`](Self::finish).
pub struct Encoder<W: Write> {
    inner: Inner<W>,
    codec: Codec,
}

#[allow(clippy::large_enum_variant)] // one lives as long as a stream, and the sizes are the libraries'
enum Inner<W: Write> {
    #[cfg(feature = "zstd")]
    Zstd(zstd::stream::write::Encoder<'static, W>),
    #[cfg(feature = "lz4")]
    Lz4(lz4_flex::frame::FrameEncoder<W>),
    #[cfg(feature = "xz")]
    Xz(super::xz::Writer<W>),
    #[cfg(feature = "bzip2")]
    Bzip2(bzip2::write::BzEncoder<W>),
}

impl<W: Write> Encoder<W> {
    /// Returns a writer into `writer`; `None` stands for the codec's default level.
    ///
    /// # Errors
    /// [`CompressionError::InvalidLevel`], or [`CompressionError::Failed`] when memory is short.
    pub fn new(codec: Codec, level: Option<i32>, writer: W) -> Result<Self, CompressionError> {
        let level = codec.level(level)?;
        Self::with_level(codec, level, writer).map_err(|source| CompressionError::Failed { codec, source })
    }

    /// Returns a writer with a level that the codec has.
    pub(super) fn with_level(codec: Codec, level: i32, writer: W) -> io::Result<Self> {
        let inner = match codec {
            #[cfg(feature = "zstd")]
            Codec::Zstd => Inner::Zstd(zstd::stream::write::Encoder::new(writer, level)?),
            #[cfg(feature = "lz4")]
            Codec::Lz4 => Inner::Lz4(lz4_flex::frame::FrameEncoder::new(writer)),
            #[cfg(feature = "xz")]
            Codec::Xz => Inner::Xz(super::xz::writer(writer, level.unsigned_abs())?),
            #[cfg(feature = "bzip2")]
            Codec::Bzip2 => {
                let level = bzip2::Compression::new(level.unsigned_abs());
                Inner::Bzip2(bzip2::write::BzEncoder::new(writer, level))
            }
        };
        Ok(Self { inner, codec })
    }

    /// Returns the writer, of which what was written so far may be taken.
    pub fn get_mut(&mut self) -> &mut W {
        match &mut self.inner {
            #[cfg(feature = "zstd")]
            Inner::Zstd(encoder) => encoder.get_mut(),
            #[cfg(feature = "lz4")]
            Inner::Lz4(encoder) => encoder.get_mut(),
            #[cfg(feature = "xz")]
            Inner::Xz(encoder) => super::xz::sink(encoder),
            #[cfg(feature = "bzip2")]
            Inner::Bzip2(encoder) => encoder.get_mut(),
        }
    }

    /// Ends the frame and returns the writer.
    ///
    /// # Errors
    /// What the writer says.
    pub fn finish(self) -> io::Result<W> {
        match self.inner {
            #[cfg(feature = "zstd")]
            Inner::Zstd(encoder) => encoder.finish(),
            #[cfg(feature = "lz4")]
            Inner::Lz4(encoder) => Ok(encoder.finish()?),
            #[cfg(feature = "xz")]
            Inner::Xz(encoder) => encoder.finish(),
            #[cfg(feature = "bzip2")]
            Inner::Bzip2(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match &mut self.inner {
            #[cfg(feature = "zstd")]
            Inner::Zstd(encoder) => encoder.write(data),
            #[cfg(feature = "lz4")]
            Inner::Lz4(encoder) => encoder.write(data),
            #[cfg(feature = "xz")]
            Inner::Xz(encoder) => encoder.write(data),
            #[cfg(feature = "bzip2")]
            Inner::Bzip2(encoder) => encoder.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.inner {
            #[cfg(feature = "zstd")]
            Inner::Zstd(encoder) => encoder.flush(),
            #[cfg(feature = "lz4")]
            Inner::Lz4(encoder) => encoder.flush(),
            #[cfg(feature = "xz")]
            Inner::Xz(encoder) => encoder.flush(),
            #[cfg(feature = "bzip2")]
            Inner::Bzip2(encoder) => encoder.flush(),
        }
    }
}

impl<W: Write> std::fmt::Debug for Encoder<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("codec", &self.codec).finish_non_exhaustive()
    }
}

//! The formats, each in a file or a folder of its own, and the one place where one is chosen.
//!
//! Each implements [`Format`] by its library. The rest of [`compression`](super) knows [`Codec`]s, and calls
//! the functions and types of this file.

#[cfg(feature = "bzip2")]
mod bzip2;
mod format;
#[cfg_attr(
    not(all(feature = "zstd", feature = "lz4")),
    allow(dead_code, reason = "what a format that is left out would use")
)]
mod growth;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(feature = "xz")]
mod xz;
#[cfg(feature = "zstd")]
pub(super) mod zstd;

use super::codec::Codec;
use super::error::CompressionError;
use super::limits::DecompressionLimits;
use alloc::vec::Vec;
use format::Format;
use std::io::{self, BufRead, Read, Write};

/// Does `$body` for the format that `$value` stands for, one of `$enum`, which has a variant for each:
/// with what the variant holds as `$inner`, the [`Format`] as `$Format`, the same variant of `$into` as
/// `$wrap`, and the format's field of `$all` as `$field`.
macro_rules! by_format {
    (
        $value:expr, $enum:ident $(($inner:ident))? $(as $Format:ident)? $(into $wrap:ident of $into:ident)?
        $(with $field:ident of $all:ident)?
        => $body:expr
    ) => {
        match $value {
            #[cfg(feature = "zstd")]
            $enum::Zstd $(($inner))? => {
                $(use zstd::Zstd as $Format;)?
                $(use $into::Zstd as $wrap;)?
                $(let $field = &mut $all.zstd;)?
                $body
            }
            #[cfg(feature = "lz4")]
            $enum::Lz4 $(($inner))? => {
                $(use lz4::Lz4 as $Format;)?
                $(use $into::Lz4 as $wrap;)?
                $(let $field = &mut $all.lz4;)?
                $body
            }
            #[cfg(feature = "xz")]
            $enum::Xz $(($inner))? => {
                $(use xz::Xz as $Format;)?
                $(use $into::Xz as $wrap;)?
                $(let $field = &mut $all.xz;)?
                $body
            }
            #[cfg(feature = "bzip2")]
            $enum::Bzip2 $(($inner))? => {
                $(use bzip2::Bzip2 as $Format;)?
                $(use $into::Bzip2 as $wrap;)?
                $(let $field = &mut $all.bzip2;)?
                $body
            }
        }
    };
}

/// Appends `data` compressed to `output`, with a level that the codec has; on an error a part of it.
pub(super) fn compress(
    codec: Codec,
    data: &[u8],
    level: i32,
    output: &mut Vec<u8>,
) -> Result<(), CompressionError> {
    by_format!(codec, Codec as Chosen => Chosen::compress(data, level, output))
        .map_err(|source| CompressionError::Failed { codec, source })
}

/// Appends `data` decompressed to `output`; on an error a part of it.
pub(super) fn decompress(
    codec: Codec,
    data: &[u8],
    limits: DecompressionLimits,
    output: &mut Vec<u8>,
) -> Result<(), CompressionError> {
    by_format!(codec, Codec as Chosen => Chosen::decompress(data, limits, output))
}

/// What formats keep from one input for the next.
#[derive(Default)]
pub(super) struct Kept {
    #[cfg(feature = "zstd")]
    zstd: <zstd::Zstd as Format>::Kept,
    #[cfg(feature = "lz4")]
    lz4: <lz4::Lz4 as Format>::Kept,
    #[cfg(feature = "xz")]
    xz: <xz::Xz as Format>::Kept,
    #[cfg(feature = "bzip2")]
    bzip2: <bzip2::Bzip2 as Format>::Kept,
}

impl Kept {
    /// [`compress`], with what was kept.
    pub(super) fn compress(
        &mut self,
        codec: Codec,
        data: &[u8],
        level: i32,
        output: &mut Vec<u8>,
    ) -> Result<(), CompressionError> {
        by_format!(codec, Codec as Chosen with kept of self => Chosen::compress_again(kept, data, level, output))
            .map_err(|source| CompressionError::Failed { codec, source })
    }

    /// [`decompress`], with what was kept.
    pub(super) fn decompress(
        &mut self,
        codec: Codec,
        data: &[u8],
        limits: DecompressionLimits,
        output: &mut Vec<u8>,
    ) -> Result<(), CompressionError> {
        by_format!(codec, Codec as Chosen with kept of self => Chosen::decompress_again(kept, data, limits, output))
    }
}

/// The writer of a format.
#[allow(clippy::large_enum_variant)] // one lives as long as a stream, and the sizes are the libraries'
pub(super) enum AnyWriter<W: Write> {
    #[cfg(feature = "zstd")]
    Zstd(<zstd::Zstd as Format>::Writer<W>),
    #[cfg(feature = "lz4")]
    Lz4(<lz4::Lz4 as Format>::Writer<W>),
    #[cfg(feature = "xz")]
    Xz(<xz::Xz as Format>::Writer<W>),
    #[cfg(feature = "bzip2")]
    Bzip2(<bzip2::Bzip2 as Format>::Writer<W>),
}

impl<W: Write> AnyWriter<W> {
    /// Returns the codec's writer, with a level that it has.
    pub(super) fn new(codec: Codec, sink: W, level: i32) -> io::Result<Self> {
        by_format!(codec, Codec as Chosen into wrap of AnyWriter => Chosen::writer(sink, level).map(wrap))
    }

    pub(super) fn sink(&mut self) -> &mut W {
        by_format!(self, AnyWriter(writer) as Chosen => Chosen::sink(writer))
    }

    pub(super) fn finish(self) -> io::Result<W> {
        by_format!(self, AnyWriter(writer) as Chosen => Chosen::finish(writer))
    }
}

impl<W: Write> Write for AnyWriter<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        by_format!(self, AnyWriter(writer) => writer.write(data))
    }

    fn flush(&mut self) -> io::Result<()> {
        by_format!(self, AnyWriter(writer) => writer.flush())
    }
}

/// The reader of a format.
#[allow(clippy::large_enum_variant)] // as above
pub(super) enum AnyReader<R: BufRead> {
    #[cfg(feature = "zstd")]
    Zstd(<zstd::Zstd as Format>::Reader<R>),
    #[cfg(feature = "lz4")]
    Lz4(<lz4::Lz4 as Format>::Reader<R>),
    #[cfg(feature = "xz")]
    Xz(<xz::Xz as Format>::Reader<R>),
    #[cfg(feature = "bzip2")]
    Bzip2(<bzip2::Bzip2 as Format>::Reader<R>),
}

impl<R: BufRead> AnyReader<R> {
    /// Returns the codec's reader, with limits that were checked.
    pub(super) fn new(
        codec: Codec,
        source: R,
        limits: DecompressionLimits,
    ) -> Result<Self, CompressionError> {
        by_format!(codec, Codec as Chosen into wrap of AnyReader => Chosen::reader(source, limits).map(wrap))
    }

    pub(super) fn source(&mut self) -> &mut R {
        by_format!(self, AnyReader(reader) as Chosen => Chosen::source(reader))
    }
}

impl<R: BufRead> Read for AnyReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        by_format!(self, AnyReader(reader) => reader.read(buffer))
    }
}

//! The zstd format, also with dictionaries.

mod frames;

use super::format::{Format, read_all};
use crate::compression::codec::Codec;
use crate::compression::error::CompressionError;
use crate::compression::limits::DecompressionLimits;
use alloc::vec::Vec;
use frames::Frames;
use std::io::{self, BufRead, Cursor, Write};
use zstd::bulk::Compressor;
use zstd::stream::write::Encoder;
use zstd::zstd_safe::{DCtx, compress_bound};

pub(in crate::compression) enum Zstd {}

/// The contexts that serve one input after another.
#[derive(Default)]
pub(in crate::compression) struct Contexts {
    compressor: Option<Compressor<'static>>,
    decompressor: Option<DCtx<'static>>,
}

impl Format for Zstd {
    const CODEC: Codec = Codec::Zstd;

    type Writer<W: Write> = Encoder<'static, W>;
    type Reader<R: BufRead> = Frames<R>;
    type Kept = Contexts;

    fn writer<W: Write>(sink: W, level: i32) -> io::Result<Encoder<'static, W>> {
        Encoder::new(sink, level)
    }

    fn sink<W: Write>(writer: &mut Self::Writer<W>) -> &mut W {
        writer.get_mut()
    }

    fn finish<W: Write>(writer: Encoder<'static, W>) -> io::Result<W> {
        writer.finish()
    }

    fn reader<R: BufRead>(source: R, limits: DecompressionLimits) -> Result<Frames<R>, CompressionError> {
        Frames::new(source, &[], limits)
    }

    fn source<R: BufRead>(reader: &mut Frames<R>) -> &mut R {
        reader.get_mut()
    }

    fn compress(data: &[u8], level: i32, output: &mut Vec<u8>) -> io::Result<()> {
        compress_frame(&mut Compressor::new(level)?, data, output)
    }

    fn compress_again(kept: &mut Contexts, data: &[u8], level: i32, output: &mut Vec<u8>) -> io::Result<()> {
        let compressor = match &mut kept.compressor {
            Some(compressor) => compressor,
            none => none.insert(Compressor::new(level)?),
        };
        compressor.set_compression_level(level)?;
        compress_frame(compressor, data, output)
    }

    fn decompress(
        data: &[u8],
        limits: DecompressionLimits,
        output: &mut Vec<u8>,
    ) -> Result<(), CompressionError> {
        frames::decompress(&mut DCtx::create(), data, limits, output)
    }

    fn decompress_again(
        kept: &mut Contexts,
        data: &[u8],
        limits: DecompressionLimits,
        output: &mut Vec<u8>,
    ) -> Result<(), CompressionError> {
        let context = kept.decompressor.get_or_insert_with(DCtx::create);
        frames::decompress(context, data, limits, output)
    }
}

/// Appends a frame to `output`: in one call, so that it says how long its content is.
fn compress_frame(compressor: &mut Compressor<'_>, data: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
    let start = output.len();
    output.reserve(compress_bound(data.len()));
    let mut destination = Cursor::new(output);
    destination.set_position(start as u64);
    compressor.compress_to_buffer(data, &mut destination).map(drop)
}

/// Returns `data` compressed with a dictionary.
pub(in crate::compression) fn compress_with(
    dictionary: &[u8],
    data: &[u8],
    level: i32,
) -> io::Result<Vec<u8>> {
    let mut compressor = Compressor::with_dictionary(level, dictionary)?;
    // Without it, another dictionary of the same id would silently give other data.
    compressor.include_checksum(true)?;
    compressor.compress(data)
}

/// Returns a writer of a frame that is compressed with a dictionary.
pub(in crate::compression) fn writer_with<W: Write>(
    dictionary: &[u8],
    sink: W,
    level: i32,
) -> io::Result<Encoder<'static, W>> {
    let mut encoder = Encoder::with_dictionary(sink, level, dictionary)?;
    encoder.include_checksum(true)?; // for the same reason
    Ok(encoder)
}

/// Appends the content of the frames in `data` to `output`, of which they were compressed with a
/// dictionary; on an error a part of it.
pub(in crate::compression) fn decompress_with(
    dictionary: &[u8],
    data: &[u8],
    limits: DecompressionLimits,
    output: &mut Vec<u8>,
) -> Result<(), CompressionError> {
    let limits = limits.checked()?;
    let reader = Frames::new(data, dictionary, limits)?;
    if data.is_empty() {
        return Err(CompressionError::Truncated { codec: Codec::Zstd });
    }
    read_all(Codec::Zstd, reader, limits, output)
}

/// Returns a reader of frames that were compressed with a dictionary, with limits that were checked.
pub(in crate::compression) fn reader_with<R: BufRead>(
    dictionary: &[u8],
    source: R,
    limits: DecompressionLimits,
) -> Result<Frames<R>, CompressionError> {
    Frames::new(source, dictionary, limits)
}

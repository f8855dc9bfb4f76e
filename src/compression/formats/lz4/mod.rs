//! The LZ4 frame format.

mod frames;
mod units;

use super::format::Format;
use crate::compression::codec::Codec;
use crate::compression::error::CompressionError;
use crate::compression::limits::DecompressionLimits;
use alloc::vec::Vec;
use core::mem;
use frames::Frames;
use lz4_flex::frame::{BlockSize, FrameEncoder, FrameInfo};
use std::io::{self, BufRead, Write};

pub(in crate::compression) enum Lz4 {}

impl Format for Lz4 {
    const CODEC: Codec = Codec::Lz4;

    type Writer<W: Write> = FrameEncoder<W>;
    type Reader<R: BufRead> = Frames<R>;
    type Kept = Option<FrameEncoder<Vec<u8>>>;

    fn writer<W: Write>(sink: W, _level: i32) -> io::Result<FrameEncoder<W>> {
        Ok(FrameEncoder::new(sink))
    }

    fn sink<W: Write>(writer: &mut FrameEncoder<W>) -> &mut W {
        writer.get_mut()
    }

    fn finish<W: Write>(writer: FrameEncoder<W>) -> io::Result<W> {
        Ok(writer.finish()?)
    }

    fn reader<R: BufRead>(
        source: R,
        _limits: DecompressionLimits, // of memory: a block has at most 4 MiB
    ) -> Result<Frames<R>, CompressionError> {
        Ok(Frames::new(source))
    }

    fn source<R: BufRead>(reader: &mut Frames<R>) -> &mut R {
        reader.get_mut()
    }

    fn compress_again(
        encoder: &mut Self::Kept,
        data: &[u8],
        level: i32,
        output: &mut Vec<u8>,
    ) -> io::Result<()> {
        if data.is_empty() {
            // An encoder ends a second empty frame without its head.
            return Self::compress(data, level, output);
        }
        let encoder = encoder.get_or_insert_with(|| {
            FrameEncoder::with_frame_info(FrameInfo::new().block_size(BlockSize::Max256KB), Vec::new())
        });
        mem::swap(encoder.get_mut(), output);
        let result = encoder.write_all(data).and_then(|()| Ok(encoder.try_finish()?));
        mem::swap(encoder.get_mut(), output);
        result
    }

    fn decompress(
        data: &[u8],
        limits: DecompressionLimits,
        output: &mut Vec<u8>,
    ) -> Result<(), CompressionError> {
        frames::decompress(data, limits, output)
    }
}

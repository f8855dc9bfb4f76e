//! The .bz2 format.

use super::format::Format;
use crate::compression::codec::Codec;
use crate::compression::error::CompressionError;
use crate::compression::limits::DecompressionLimits;
use bzip2::Compression;
use bzip2::bufread::MultiBzDecoder;
use bzip2::write::BzEncoder;
use std::io::{self, BufRead, Write};

pub(in crate::compression) enum Bzip2 {}

impl Format for Bzip2 {
    const CODEC: Codec = Codec::Bzip2;

    type Writer<W: Write> = BzEncoder<W>;
    type Reader<R: BufRead> = MultiBzDecoder<R>;
    type Kept = ();

    fn writer<W: Write>(sink: W, level: i32) -> io::Result<BzEncoder<W>> {
        Ok(BzEncoder::new(sink, Compression::new(level.unsigned_abs())))
    }

    fn sink<W: Write>(writer: &mut BzEncoder<W>) -> &mut W {
        writer.get_mut()
    }

    fn finish<W: Write>(writer: BzEncoder<W>) -> io::Result<W> {
        writer.finish()
    }

    fn reader<R: BufRead>(
        source: R,
        _limits: DecompressionLimits, // of memory: it needs at most 4 MB
    ) -> Result<MultiBzDecoder<R>, CompressionError> {
        Ok(MultiBzDecoder::new(source))
    }

    fn source<R: BufRead>(reader: &mut MultiBzDecoder<R>) -> &mut R {
        reader.get_mut()
    }
}

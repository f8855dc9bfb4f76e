//! The .xz format by liblzma, or in WebAssembly by a library in Rust with the same results.
//!
//! `--cfg chunker_xz="rust"` chooses the latter everywhere, for tests.

#[cfg_attr(not(any(target_family = "wasm", chunker_xz = "rust")), path = "liblzma.rs")]
#[cfg_attr(any(target_family = "wasm", chunker_xz = "rust"), path = "rust.rs")]
mod library;

use super::format::Format;
use crate::compression::codec::Codec;
use crate::compression::error::CompressionError;
use crate::compression::limits::DecompressionLimits;
use library::{Reader, Writer};
use std::io::{self, BufRead, Write};

pub(in crate::compression) enum Xz {}

impl Format for Xz {
    const CODEC: Codec = Codec::Xz;

    type Writer<W: Write> = Writer<W>;
    type Reader<R: BufRead> = Reader<R>;
    type Kept = ();

    fn writer<W: Write>(sink: W, level: i32) -> io::Result<Writer<W>> {
        library::writer(sink, level.unsigned_abs())
    }

    fn sink<W: Write>(writer: &mut Writer<W>) -> &mut W {
        library::sink(writer)
    }

    fn finish<W: Write>(writer: Writer<W>) -> io::Result<W> {
        writer.finish()
    }

    fn reader<R: BufRead>(source: R, limits: DecompressionLimits) -> Result<Reader<R>, CompressionError> {
        Reader::new(source, limits.max_memory)
            .map_err(|source| CompressionError::Failed { codec: Codec::Xz, source })
    }

    fn source<R: BufRead>(reader: &mut Reader<R>) -> &mut R {
        reader.source()
    }
}

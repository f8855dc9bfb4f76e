//! `lzma_rust2`.

use crate::compression::codec::Codec;
use crate::compression::error::CompressionError;
use lzma_rust2::{Action, Status, XzOptions, XzStream, XzWriter};
use std::io::{self, BufRead, Read, Write};

pub(in crate::compression) type Writer<W> = XzWriter<W>;

pub(super) fn writer<W: Write>(sink: W, level: u32) -> io::Result<Writer<W>> {
    XzWriter::new(sink, XzOptions::with_preset(level))
}

pub(super) fn sink<W: Write>(writer: &mut Writer<W>) -> &mut W {
    writer.inner_mut()
}

/// Reader over the library's stream, which unlike its own reader can go on after `WouldBlock`.
pub(in crate::compression) struct Reader<R> {
    source: R,
    stream: XzStream,
}

impl<R: BufRead> Reader<R> {
    /// Returns a reader that needs at most `memory` bytes for its streams.
    #[expect(clippy::unnecessary_wraps, reason = "the other library can fail here")]
    pub(super) fn new(source: R, memory: u64) -> io::Result<Self> {
        let kib = u32::try_from(memory / 1024).unwrap_or(u32::MAX);
        Ok(Self { source, stream: XzStream::new_mem_limit(true, kib) })
    }

    pub(super) fn source(&mut self) -> &mut R {
        &mut self.source
    }
}

impl<R: BufRead> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let input = self.source.fill_buf()?;
            let action = if input.is_empty() { Action::Finish } else { Action::Run };
            let result = self.stream.process(input, buffer, action).map_err(|error| match error.kind() {
                io::ErrorKind::OutOfMemory => CompressionError::WindowExceeded { codec: Codec::Xz }.into_io(),
                _ => error,
            })?;
            self.source.consume(result.bytes_consumed);
            if result.bytes_produced > 0 || buffer.is_empty() || result.status == Status::StreamEnd {
                return Ok(result.bytes_produced);
            }
        }
    }
}

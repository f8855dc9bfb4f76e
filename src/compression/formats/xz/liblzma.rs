//! liblzma.

use crate::compression::codec::Codec;
use crate::compression::error::CompressionError;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Error, Stream};
use liblzma::write::XzEncoder;
use std::io::{self, BufRead, Read, Write};

pub(in crate::compression) type Writer<W> = XzEncoder<W>;

#[expect(clippy::unnecessary_wraps, reason = "the other library can fail here")]
pub(super) fn writer<W: Write>(sink: W, level: u32) -> io::Result<Writer<W>> {
    Ok(XzEncoder::new(sink, level))
}

pub(super) fn sink<W: Write>(writer: &mut Writer<W>) -> &mut W {
    writer.get_mut()
}

pub(in crate::compression) struct Reader<R>(XzDecoder<R>);

impl<R: BufRead> Reader<R> {
    /// Returns a reader that needs at most `memory` bytes for its streams.
    pub(super) fn new(source: R, memory: u64) -> io::Result<Self> {
        Ok(Self(XzDecoder::new_stream(source, Stream::new_stream_decoder(memory, CONCATENATED)?)))
    }

    pub(super) fn source(&mut self) -> &mut R {
        self.0.get_mut()
    }
}

impl<R: BufRead> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| {
            let own = error.get_ref().and_then(|error| error.downcast_ref());
            if own == Some(&Error::MemLimit) {
                CompressionError::WindowExceeded { codec: Codec::Xz }.into_io()
            } else {
                error
            }
        })
    }
}

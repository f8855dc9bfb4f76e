//! The .xz format by liblzma, or in WebAssembly by a library in Rust that gives the same.
//!
//! `--cfg chunker_xz="rust"` chooses the latter everywhere, for tests.

#[cfg(not(any(target_family = "wasm", chunker_xz = "rust")))]
mod backend {
    use liblzma::bufread::XzDecoder;
    use liblzma::stream::{CONCATENATED, Error, Stream};
    use liblzma::write::XzEncoder;
    use std::io::{self, BufRead, Write};

    pub(in crate::compression) type Reader<R> = XzDecoder<R>;
    pub(in crate::compression) type Writer<W> = XzEncoder<W>;

    pub(in crate::compression) fn reader<R: BufRead>(reader: R, memory: u64) -> io::Result<Reader<R>> {
        Ok(XzDecoder::new_stream(reader, Stream::new_stream_decoder(memory, CONCATENATED)?))
    }

    pub(in crate::compression) fn source<R: BufRead>(reader: &mut Reader<R>) -> &mut R {
        reader.get_mut()
    }

    #[expect(clippy::unnecessary_wraps, reason = "the other library can fail here")]
    pub(in crate::compression) fn writer<W: Write>(writer: W, level: u32) -> io::Result<Writer<W>> {
        Ok(XzEncoder::new(writer, level))
    }

    pub(in crate::compression) fn sink<W: Write>(writer: &mut Writer<W>) -> &mut W {
        writer.get_mut()
    }

    pub(in crate::compression) fn is_out_of_memory(error: &io::Error) -> bool {
        let error = error.get_ref().and_then(|error| error.downcast_ref::<Error>());
        error.is_some_and(|&error| error == Error::MemLimit)
    }
}

#[cfg(any(target_family = "wasm", chunker_xz = "rust"))]
mod backend {
    use lzma_rust2::{Action, Status, XzOptions, XzStream, XzWriter};
    use std::io::{self, BufRead, Read, Write};

    pub(in crate::compression) type Writer<W> = XzWriter<W>;

    /// Reader over the library's stream, which unlike its own reader can go on after `WouldBlock`.
    pub(in crate::compression) struct Reader<R> {
        reader: R,
        stream: XzStream,
    }

    impl<R: BufRead> Read for Reader<R> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            loop {
                let input = self.reader.fill_buf()?;
                let action = if input.is_empty() { Action::Finish } else { Action::Run };
                let result = self.stream.process(input, buffer, action)?;
                self.reader.consume(result.bytes_consumed);
                if result.bytes_produced > 0 || buffer.is_empty() || result.status == Status::StreamEnd {
                    return Ok(result.bytes_produced);
                }
            }
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "the other library can fail here")]
    pub(in crate::compression) fn reader<R: BufRead>(reader: R, memory: u64) -> io::Result<Reader<R>> {
        let kib = u32::try_from(memory / 1024).unwrap_or(u32::MAX);
        Ok(Reader { reader, stream: XzStream::new_mem_limit(true, kib) })
    }

    pub(in crate::compression) fn source<R: BufRead>(reader: &mut Reader<R>) -> &mut R {
        &mut reader.reader
    }

    pub(in crate::compression) fn writer<W: Write>(writer: W, level: u32) -> io::Result<Writer<W>> {
        XzWriter::new(writer, XzOptions::with_preset(level))
    }

    pub(in crate::compression) fn sink<W: Write>(writer: &mut Writer<W>) -> &mut W {
        writer.inner_mut()
    }

    pub(in crate::compression) fn is_out_of_memory(error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::OutOfMemory
    }
}

pub(super) use backend::{Reader, Writer, is_out_of_memory, reader, sink, source, writer};

//! LZ4 frames one after another, with the end of each made sure of.
//!
//! `lz4_flex` decodes a frame; it takes the end of its input between two blocks for the end of the
//! frame, does not pass over skippable frames, and stops after each frame. This reader adds what a
//! stream of frames needs.

use super::{Codec, CompressionError, DecompressionLimits};
use alloc::vec::Vec;
use lz4_flex::frame::FrameDecoder;
use std::io::{self, BufRead, Read};

pub(super) struct Lz4Frames<R: BufRead> {
    decoder: FrameDecoder<Watched<R>>,
    within_frame: bool,
}

impl<R: BufRead> Lz4Frames<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { decoder: FrameDecoder::new(Watched { reader, ended: false }), within_frame: false }
    }

    pub(super) fn get_mut(&mut self) -> &mut R {
        &mut self.decoder.get_mut().reader
    }

    /// Goes to the beginning of the next frame with content; `false` at the end of the input.
    fn next_frame(&mut self) -> io::Result<bool> {
        let Watched { reader, .. } = self.decoder.get_mut();
        loop {
            let Some(&first) = reader.fill_buf()?.first() else { return Ok(false) };
            // Magic numbers of skippable frames are 0x184D2A50 to 0x184D2A5F, little-endian.
            if first & 0xf0 != 0x50 {
                return Ok(true);
            }
            let mut head = [0; 8];
            reader.read_exact(&mut head)?;
            let [_, magic @ .., l0, l1, l2, l3] = head;
            if magic != [0x2a, 0x4d, 0x18] {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "no LZ4 frame begins here"));
            }
            let length = u64::from(u32::from_le_bytes([l0, l1, l2, l3]));
            if io::copy(&mut reader.take(length), &mut io::sink())? != length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

impl<R: BufRead> BufRead for Lz4Frames<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        loop {
            if !self.within_frame {
                if !self.next_frame()? {
                    return Ok(&[]);
                }
                self.within_frame = true;
            }
            if !self.decoder.fill_buf()?.is_empty() {
                break;
            }
            if self.decoder.get_ref().ended {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.within_frame = false;
        }
        self.decoder.fill_buf() // what is there already
    }

    fn consume(&mut self, length: usize) {
        self.decoder.consume(length);
    }
}

impl<R: BufRead> Read for Lz4Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}

/// Appends the content of the frames in `data` to `output`, which on an error holds a part of it.
pub(super) fn decompress(
    data: &[u8],
    limits: DecompressionLimits,
    output: &mut Vec<u8>,
) -> Result<(), CompressionError> {
    let codec = Codec::Lz4;
    if data.is_empty() {
        return Err(CompressionError::Truncated { codec });
    }
    let start = output.len();
    let mut frames = Lz4Frames::new(data);
    loop {
        let block = frames.fill_buf().map_err(|error| CompressionError::from_io(codec, error))?;
        let length = block.len();
        if length == 0 {
            return Ok(());
        }
        if (output.len() - start + length) as u64 > limits.output {
            return Err(CompressionError::SizeExceeded { limit: limits.output });
        }
        output.extend_from_slice(block);
        frames.consume(length);
    }
}

/// Remembers that the input ended where more was asked for.
struct Watched<R> {
    reader: R,
    ended: bool,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.ended |= length == 0 && !buffer.is_empty();
        Ok(length)
    }
}

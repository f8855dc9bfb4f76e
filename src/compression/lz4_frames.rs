//! LZ4 frames one after another, with the end of each made sure of.
//!
//! `lz4_flex` decodes a frame; it takes the end of its input between two blocks for the end of the
//! frame, does not pass over skippable frames, and stops after each frame. This reader adds what a
//! stream of frames needs.

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

impl<R: BufRead> Read for Lz4Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.within_frame {
                if !self.next_frame()? {
                    return Ok(0);
                }
                self.within_frame = true;
            }
            let length = self.decoder.read(buffer)?;
            if length > 0 {
                return Ok(length);
            }
            if self.decoder.get_ref().ended {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.within_frame = false;
        }
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

//! LZ4 frames one after another: a decoder of `lz4_flex` for each, fed unit by unit.

use super::units::{Unit, Units};
use crate::compression::codec::Codec;
use crate::compression::error::CompressionError;
use crate::compression::formats::growth::Growth;
use crate::compression::limits::DecompressionLimits;
use alloc::vec::Vec;
use lz4_flex::frame::FrameDecoder;
use std::io::{self, BufRead, Read};

/// Reader of the content of all frames.
pub(in crate::compression) struct Frames<R: BufRead> {
    /// Of the current frame; absent only while one takes the place of another.
    decoder: Option<FrameDecoder<Units<R>>>,
}

impl<R: BufRead> Frames<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { decoder: Some(FrameDecoder::new(Units::new(reader))) }
    }

    pub(super) fn get_mut(&mut self) -> &mut R {
        &mut self.decoder().get_mut().reader
    }

    fn decoder(&mut self) -> &mut FrameDecoder<Units<R>> {
        self.decoder.as_mut().expect("it is replaced at once")
    }
}

impl<R: BufRead> BufRead for Frames<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        // Without a unit to read, the decoder returns nothing and waits for the next.
        while self.decoder().fill_buf()?.is_empty() {
            match self.decoder().get_mut().advance()? {
                // A decoder keeps buffers of its first frame's size, and asserts that they fit exactly.
                Unit::Head => {
                    self.decoder = self.decoder.take().map(|decoder| FrameDecoder::new(decoder.into_inner()));
                }
                Unit::Body => {}
                Unit::End => break,
            }
        }
        self.decoder().fill_buf() // what is there already
    }

    fn consume(&mut self, length: usize) {
        self.decoder().consume(length);
    }
}

impl<R: BufRead> Read for Frames<R> {
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
    let limits = limits.checked()?;
    let codec = Codec::Lz4;
    if data.is_empty() {
        return Err(CompressionError::Truncated { codec });
    }
    let mut growth = Growth::new(limits, output);
    let mut frames = Frames::new(data);
    loop {
        let block = frames.fill_buf().map_err(|error| CompressionError::from_io(codec, error))?;
        let length = block.len();
        if length == 0 {
            return Ok(());
        }
        growth.reserve(output, length)?;
        output.extend_from_slice(block);
        frames.consume(length);
    }
}

//! What every format has to do, and how it does so where its library has nothing better.

use super::growth::Growth;
use crate::compression::codec::Codec;
use crate::compression::error::CompressionError;
use crate::compression::limits::{Allowance, DecompressionLimits};
use alloc::vec::Vec;
use std::io::{self, BufRead, Read, Write};

/// What a format does.
pub(in crate::compression) trait Format {
    const CODEC: Codec;

    type Writer<W: Write>: Write;
    type Reader<R: BufRead>: Read;
    /// What is kept from one input for the next.
    type Kept: Default;

    /// Returns a writer of a frame into `sink`, with a level that the codec has.
    fn writer<W: Write>(sink: W, level: i32) -> io::Result<Self::Writer<W>>;

    fn sink<W: Write>(writer: &mut Self::Writer<W>) -> &mut W;

    /// Ends the frame.
    fn finish<W: Write>(writer: Self::Writer<W>) -> io::Result<W>;

    /// Returns a reader of the content of all frames in `source`, with limits that were checked.
    ///
    /// It passes on errors of `source`; where its own are not of the kind that
    /// [`CompressionError::from_io`] takes for damaged data, they hold a [`CompressionError`].
    fn reader<R: BufRead>(
        source: R,
        limits: DecompressionLimits,
    ) -> Result<Self::Reader<R>, CompressionError>;

    fn source<R: BufRead>(reader: &mut Self::Reader<R>) -> &mut R;

    /// Appends `data` compressed to `output`, which on an error holds a part of it.
    fn compress(data: &[u8], level: i32, output: &mut Vec<u8>) -> io::Result<()> {
        let mut writer = Self::writer(output, level)?;
        writer.write_all(data)?;
        Self::finish(writer).map(drop)
    }

    /// The same, with what was kept.
    fn compress_again(
        _kept: &mut Self::Kept,
        data: &[u8],
        level: i32,
        output: &mut Vec<u8>,
    ) -> io::Result<()> {
        Self::compress(data, level, output)
    }

    /// Appends `data` decompressed to `output`, which on an error holds a part of it.
    fn decompress(
        data: &[u8],
        limits: DecompressionLimits,
        output: &mut Vec<u8>,
    ) -> Result<(), CompressionError> {
        let limits = limits.checked()?;
        let reader = Self::reader(data, limits)?;
        if data.is_empty() {
            return Err(CompressionError::Truncated { codec: Self::CODEC });
        }
        read_all(Self::CODEC, reader, limits, output)
    }

    /// The same, with what was kept.
    fn decompress_again(
        _kept: &mut Self::Kept,
        data: &[u8],
        limits: DecompressionLimits,
        output: &mut Vec<u8>,
    ) -> Result<(), CompressionError> {
        Self::decompress(data, limits, output)
    }
}

/// Appends all that `reader` gives to `output`, in space that grows to at most one byte beyond the limit.
pub(super) fn read_all(
    codec: Codec,
    reader: impl Read,
    limits: DecompressionLimits,
    output: &mut Vec<u8>,
) -> Result<(), CompressionError> {
    let mut growth = Growth::new(limits, output);
    let mut reader = Allowed { reader, allowance: Allowance::new(limits) };
    loop {
        let space = growth.space(output);
        // `read_to_end` of that many bytes fills the space without allocating.
        let read = reader.by_ref().take(space as u64).read_to_end(output);
        if read.map_err(|error| CompressionError::from_io(codec, error))? < space {
            return Ok(());
        }
    }
}

/// Reader of no more than is allowed.
struct Allowed<R> {
    reader: R,
    allowance: Allowance,
}

impl<R: Read> Read for Allowed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.allowance.read(&mut self.reader, buffer)
    }
}

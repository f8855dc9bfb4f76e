//! zstd dictionaries: what many small inputs have in common, stored once.

use super::codec::Codec;
use super::decoder::Decoder;
use super::encoder::Encoder;
use super::error::CompressionError;
use super::formats::{AnyReader, AnyWriter, zstd as format};
use super::limits::DecompressionLimits;
use super::push_decoder::PushDecoder;
use crate::observability::hooks;
use alloc::vec::Vec;
use std::io::Write;

fn failed(source: std::io::Error) -> CompressionError {
    CompressionError::Failed { codec: Codec::Zstd, source }
}

/// Trains a dictionary of at most `max_size` bytes for inputs like `samples`.
///
/// About a hundred samples, in all a hundred times as long as `max_size`, make a good dictionary.
///
/// # Errors
/// [`CompressionError::Failed`] when there are too few samples.
pub fn train<S: AsRef<[u8]>>(samples: &[S], max_size: usize) -> Result<Vec<u8>, CompressionError> {
    // A buffer of this size is allocated, and no dictionary needs more than all samples have.
    let length = samples.iter().fold(0, |sum: usize, sample| sum.saturating_add(sample.as_ref().len()));
    zstd::dict::from_samples(samples, max_size.min(length))
        .map_err(failed)
        .inspect_err(|error| hooks::failed(error.code()))
}

/// Compresses `data` with a dictionary, which you need to decompress it.
///
/// # Errors
/// [`CompressionError::InvalidLevel`], or [`CompressionError::Failed`] if memory runs out or
/// `dictionary` is damaged.
pub fn compress(dictionary: &[u8], data: &[u8], level: Option<i32>) -> Result<Vec<u8>, CompressionError> {
    let compress = || format::compress_with(dictionary, data, Codec::Zstd.level(level)?).map_err(failed);
    hooks::compressing(Codec::Zstd.name(), data.len(), compress, Vec::len)
        .inspect_err(|error| hooks::failed(error.code()))
}

/// Decompresses `data`, within `limits`, with the dictionary that it was compressed with.
///
/// # Errors
/// As [`decompress`](super::decompress); another dictionary is [`CompressionError::Corrupt`].
pub fn decompress(
    dictionary: &[u8],
    data: &[u8],
    limits: DecompressionLimits,
) -> Result<Vec<u8>, CompressionError> {
    let decompress = || {
        let mut output = Vec::new();
        format::decompress_with(dictionary, data, limits, &mut output)?;
        hooks::decompressed(Codec::Zstd.name(), data.len(), output.len());
        Ok(output)
    };
    decompress().inspect_err(|error: &CompressionError| hooks::failed(error.code()))
}

impl<W: Write> Encoder<W> {
    /// Returns a writer that compresses a zstd frame with a dictionary, which you need to decompress
    /// it; `None` stands for level 3.
    ///
    /// # Errors
    /// As [`new`](Self::new); also [`CompressionError::Failed`] when `dictionary` is damaged.
    pub fn with_dictionary(
        dictionary: &[u8],
        level: Option<i32>,
        writer: W,
    ) -> Result<Self, CompressionError> {
        Self::opened_by(Codec::Zstd, level, writer, |sink, level| {
            format::writer_with(dictionary, sink, level).map(AnyWriter::Zstd)
        })
    }
}

impl PushDecoder {
    /// Returns a decoder for zstd frames that were compressed with a dictionary.
    ///
    /// # Errors
    /// As [`Decoder::new`]; also [`CompressionError::Failed`] when `dictionary` is damaged.
    pub fn with_dictionary(dictionary: &[u8], limits: DecompressionLimits) -> Result<Self, CompressionError> {
        Self::opened_by(|pieces| {
            Decoder::opened_by(Codec::Zstd, pieces, limits, |source, limits| {
                format::reader_with(dictionary, source, limits).map(AnyReader::Zstd)
            })
        })
    }
}

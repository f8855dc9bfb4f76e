//! Dictionaries of zstd: what many small inputs have in common, kept out of each.

use super::{Codec, CompressionError, DecompressionLimits};
use crate::observability::hooks;
use alloc::vec::Vec;

fn failed(source: std::io::Error) -> CompressionError {
    CompressionError::Failed { codec: Codec::Zstd, source }
}

/// Returns a dictionary of at most `max_size` bytes for inputs like `samples`.
///
/// About a hundred samples, and a hundred times `max_size` in all, make a good one.
///
/// # Errors
/// [`CompressionError::Failed`] when there are too few samples.
pub fn train<S: AsRef<[u8]>>(samples: &[S], max_size: usize) -> Result<Vec<u8>, CompressionError> {
    // A buffer of this size is allocated, and no dictionary needs more than all samples have.
    let length = samples.iter().fold(0, |sum: usize, sample| sum.saturating_add(sample.as_ref().len()));
    zstd::dict::from_samples(samples, max_size.min(length)).map_err(failed)
}

/// Returns `data` compressed with a dictionary, which decompressing needs too.
///
/// # Errors
/// [`CompressionError::InvalidLevel`], or [`CompressionError::Failed`] when memory is short or
/// `dictionary` is damaged.
pub fn compress(dictionary: &[u8], data: &[u8], level: Option<i32>) -> Result<Vec<u8>, CompressionError> {
    let compress = || compress_unobserved(dictionary, data, level);
    hooks::compressing(Codec::Zstd.name(), data.len(), compress, Vec::len)
        .inspect_err(|error| hooks::failed(error.code()))
}

fn compress_unobserved(
    dictionary: &[u8],
    data: &[u8],
    level: Option<i32>,
) -> Result<Vec<u8>, CompressionError> {
    let level = Codec::Zstd.level(level)?;
    let mut compressor = zstd::bulk::Compressor::with_dictionary(level, dictionary).map_err(failed)?;
    // Without it, another dictionary of the same id would silently give other data.
    compressor.include_checksum(true).map_err(failed)?;
    compressor.compress(data).map_err(failed)
}

/// Returns `data` decompressed with the dictionary that it was compressed with, within `limits`.
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
        super::Decoder::with_dictionary(data, dictionary, limits)?.read_all(limits, &mut output)?;
        Ok(output)
    };
    decompress().inspect_err(|error: &CompressionError| hooks::failed(error.code()))
}

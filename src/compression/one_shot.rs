//! Compression and decompression of whole buffers, in one call.

use super::codec::Codec;
use super::error::CompressionError;
use super::formats;
use super::limits::DecompressionLimits;
use crate::observability::hooks;
use alloc::vec::Vec;

/// Compresses `data`; `None` stands for the codec's [default level](Codec::default_level).
///
/// # Errors
/// [`CompressionError::InvalidLevel`], or [`CompressionError::Failed`] if memory runs out.
pub fn compress(codec: Codec, data: &[u8], level: Option<i32>) -> Result<Vec<u8>, CompressionError> {
    let mut output = Vec::new();
    compress_into(codec, data, level, &mut output)?;
    output.shrink_to_fit();
    Ok(output)
}

/// Compresses `data` and appends it to `output`, which an error leaves unchanged.
///
/// # Errors
/// As [`compress`].
pub fn compress_into(
    codec: Codec,
    data: &[u8],
    level: Option<i32>,
    output: &mut Vec<u8>,
) -> Result<(), CompressionError> {
    let start = output.len();
    let compress = || append_compressed(codec, data, level, output).map(|()| output.len());
    hooks::compressing(codec.name(), data.len(), compress, |end| end - start)
        .inspect_err(|error| hooks::failed(error.code()))
        .map(drop)
}

/// [`compress_into`], unobserved.
pub(super) fn append_compressed(
    codec: Codec,
    data: &[u8],
    level: Option<i32>,
    output: &mut Vec<u8>,
) -> Result<(), CompressionError> {
    let level = codec.level(level)?;
    let start = output.len();
    let result = formats::compress(codec, data, level, output);
    if result.is_err() {
        output.truncate(start);
    }
    result
}

/// Decompresses `data`, within `limits`.
///
/// # Errors
/// [`CompressionError::Truncated`], [`CompressionError::Corrupt`], [`CompressionError::SizeExceeded`],
/// [`CompressionError::WindowExceeded`] or [`CompressionError::InvalidWindowLog`].
pub fn decompress(
    codec: Codec,
    data: &[u8],
    limits: DecompressionLimits,
) -> Result<Vec<u8>, CompressionError> {
    let mut output = Vec::new();
    decompress_into(codec, data, limits, &mut output)?;
    Ok(output)
}

/// Decompresses `data` and appends it to `output`, which an error leaves unchanged.
///
/// `limits` apply to the appended bytes.
///
/// # Errors
/// As [`decompress`].
pub fn decompress_into(
    codec: Codec,
    data: &[u8],
    limits: DecompressionLimits,
    output: &mut Vec<u8>,
) -> Result<(), CompressionError> {
    let start = output.len();
    append_decompressed(codec, data, limits, output).inspect_err(|error| hooks::failed(error.code()))?;
    hooks::decompressed(codec.name(), data.len(), output.len() - start);
    Ok(())
}

/// Decompresses `data`, or returns `None` if the content is longer than `most` bytes, for callers that then
/// decompress it in pieces, with a [`Decoder`](super::Decoder) or a [`PushDecoder`](super::PushDecoder).
/// Exceeding `most` is not an error, and not counted as one.
///
/// # Errors
/// As [`decompress`].
pub fn decompress_up_to(
    codec: Codec,
    data: &[u8],
    limits: DecompressionLimits,
    most: u64,
) -> Result<Option<Vec<u8>>, CompressionError> {
    if limits.max_output <= most {
        return decompress(codec, data, limits).map(Some);
    }
    let mut output = Vec::new();
    match append_decompressed(codec, data, limits.with_max_output(most), &mut output) {
        Ok(()) => {
            hooks::decompressed(codec.name(), data.len(), output.len());
            Ok(Some(output))
        }
        Err(CompressionError::SizeExceeded { .. }) => Ok(None),
        Err(error) => {
            hooks::failed(error.code());
            Err(error)
        }
    }
}

/// [`decompress_into`], unobserved.
fn append_decompressed(
    codec: Codec,
    data: &[u8],
    limits: DecompressionLimits,
    output: &mut Vec<u8>,
) -> Result<(), CompressionError> {
    let start = output.len();
    let result = formats::decompress(codec, data, limits, output);
    if result.is_err() {
        output.truncate(start);
        output.shrink_to(start);
    }
    result
}

/// Decompresses `data` with the codec that its magic bytes name, within the default limits.
///
/// # Errors
/// [`CompressionError::UnknownFormat`], else as [`decompress`].
pub fn decompress_auto(data: &[u8]) -> Result<Vec<u8>, CompressionError> {
    let codec = Codec::detect(data)
        .ok_or(CompressionError::UnknownFormat)
        .inspect_err(|error| hooks::failed(error.code()))?;
    decompress(codec, data, DecompressionLimits::default())
}

/// Compresses every input; a failure does not stop the others.
pub fn compress_batch<D: AsRef<[u8]>>(
    codec: Codec,
    inputs: impl IntoIterator<Item = D>,
    level: Option<i32>,
) -> Vec<Result<Vec<u8>, CompressionError>> {
    inputs.into_iter().map(|data| compress(codec, data.as_ref(), level)).collect()
}

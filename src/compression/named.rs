//! The functions of one codec each, named after it.

use super::codec::Codec;
use super::error::CompressionError;
use super::limits::DecompressionLimits;
use super::one_shot::{compress, decompress};
use alloc::vec::Vec;

/// Compresses `data` with zstd; `None` stands for level 3.
///
/// Levels from 20 on use windows that [`DecompressionLimits`] refuses by default.
///
/// # Errors
/// As [`compress`].
#[cfg(feature = "zstd")]
pub fn compress_zstd(data: &[u8], level: Option<i32>) -> Result<Vec<u8>, CompressionError> {
    compress(Codec::Zstd, data, level)
}

/// Compresses `data` into an LZ4 frame.
///
/// # Errors
/// As [`compress`].
#[cfg(feature = "lz4")]
pub fn compress_lz4(data: &[u8]) -> Result<Vec<u8>, CompressionError> {
    compress(Codec::Lz4, data, None)
}

/// Compresses `data` with xz; `None` stands for level 6.
///
/// # Errors
/// As [`compress`].
#[cfg(feature = "xz")]
pub fn compress_xz(data: &[u8], level: Option<i32>) -> Result<Vec<u8>, CompressionError> {
    compress(Codec::Xz, data, level)
}

/// Compresses `data` with bzip2; `None` stands for level 9.
///
/// # Errors
/// As [`compress`].
#[cfg(feature = "bzip2")]
pub fn compress_bzip2(data: &[u8], level: Option<i32>) -> Result<Vec<u8>, CompressionError> {
    compress(Codec::Bzip2, data, level)
}

/// Decompresses zstd frames, within the default limits.
///
/// # Errors
/// As [`decompress`].
#[cfg(feature = "zstd")]
pub fn decompress_zstd(data: &[u8]) -> Result<Vec<u8>, CompressionError> {
    decompress(Codec::Zstd, data, DecompressionLimits::default())
}

/// Decompresses LZ4 frames, within the default limits.
///
/// # Errors
/// As [`decompress`].
#[cfg(feature = "lz4")]
pub fn decompress_lz4(data: &[u8]) -> Result<Vec<u8>, CompressionError> {
    decompress(Codec::Lz4, data, DecompressionLimits::default())
}

/// Decompresses .xz streams, within the default limits.
///
/// # Errors
/// As [`decompress`].
#[cfg(feature = "xz")]
pub fn decompress_xz(data: &[u8]) -> Result<Vec<u8>, CompressionError> {
    decompress(Codec::Xz, data, DecompressionLimits::default())
}

/// Decompresses .bz2 streams, within the default limits.
///
/// # Errors
/// As [`decompress`].
#[cfg(feature = "bzip2")]
pub fn decompress_bzip2(data: &[u8]) -> Result<Vec<u8>, CompressionError> {
    decompress(Codec::Bzip2, data, DecompressionLimits::default())
}

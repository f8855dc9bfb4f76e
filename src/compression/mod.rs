//! Compression by zstd, LZ4, xz and bzip2, in their standard formats.
//!
//! What is written here is read by the tools of the same names, and the reverse. Decompression is
//! bounded in output and in memory, and accepts nothing but whole frames: truncated data and bytes
//! behind the last frame are errors.
//!
//! | to | use |
//! |---|---|
//! | compress or decompress in one call | [`compress_zstd`], [`decompress_zstd`], … or [`compress`], [`decompress`] with a [`Codec`] |
//! | the same into a buffer | [`compress_into`], [`decompress_into`] |
//! | the same many times, without allocating | [`CompressionScratch`] |
//! | streams | [`Encoder`], [`Decoder`], and [`PushDecoder`] for data that arrive in pieces |
//! | data of unknown codec | [`decompress_auto`] |
//! | data that may be compressed already | [`compress_adaptive`] |
#![cfg_attr(feature = "zstd", doc = "| many small, similar inputs | [`dictionary`] |")]
#![cfg_attr(
    not(all(feature = "zstd", feature = "lz4", feature = "xz", feature = "bzip2")),
    allow(unused_imports, unused_variables, unreachable_patterns)
)] // what a codec that is left out would use

mod adaptive;
mod decoder;
#[cfg(feature = "zstd")]
pub mod dictionary;
mod encoder;
mod error;
#[cfg(any(feature = "zstd", feature = "lz4", feature = "xz", feature = "bzip2"))]
mod growth;
#[cfg(feature = "lz4")]
mod lz4_frames;
#[cfg(feature = "lz4")]
mod lz4_units;
mod push_decoder;
mod scratch;
#[cfg(feature = "xz")]
mod xz;
#[cfg(feature = "zstd")]
mod zstd_frames;

pub use adaptive::{Adapted, compress_adaptive, is_worth_compressing};
pub use decoder::{Decoder, DecompressionLimits};
pub use encoder::Encoder;
pub use error::CompressionError;
pub use push_decoder::PushDecoder;
pub use scratch::CompressionScratch;

use crate::observability::hooks;
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;
use std::io::Write as _;

/// A compressed format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// Zstandard (RFC 8878).
    #[cfg(feature = "zstd")]
    Zstd,
    /// The LZ4 frame format.
    #[cfg(feature = "lz4")]
    Lz4,
    /// The .xz format with LZMA2.
    #[cfg(feature = "xz")]
    Xz,
    /// The .bz2 format.
    #[cfg(feature = "bzip2")]
    Bzip2,
}

impl Codec {
    /// Every codec that this build has.
    pub const ALL: &[Self] = &[
        #[cfg(feature = "zstd")]
        Self::Zstd,
        #[cfg(feature = "lz4")]
        Self::Lz4,
        #[cfg(feature = "xz")]
        Self::Xz,
        #[cfg(feature = "bzip2")]
        Self::Bzip2,
    ];

    /// Returns the codec's name: `zstd`, `lz4`, `xz` or `bzip2`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "zstd")]
            Self::Zstd => "zstd",
            #[cfg(feature = "lz4")]
            Self::Lz4 => "lz4",
            #[cfg(feature = "xz")]
            Self::Xz => "xz",
            #[cfg(feature = "bzip2")]
            Self::Bzip2 => "bzip2",
        }
    }

    /// Returns the codec whose magic bytes `data` begins with.
    #[must_use]
    pub fn detect(data: &[u8]) -> Option<Self> {
        Self::ALL.iter().copied().find(|codec| match codec {
            #[cfg(feature = "zstd")]
            Self::Zstd => data.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]),
            #[cfg(feature = "lz4")]
            Self::Lz4 => data.starts_with(&[0x04, 0x22, 0x4d, 0x18]),
            #[cfg(feature = "xz")]
            Self::Xz => data.starts_with(b"\xfd7zXZ\0"),
            #[cfg(feature = "bzip2")]
            Self::Bzip2 => matches!(data, [b'B', b'Z', b'h', b'1'..=b'9', ..]),
        })
    }

    /// Returns the levels of compression, from the fastest to the smallest; LZ4 has only one.
    #[must_use]
    pub fn levels(self) -> RangeInclusive<i32> {
        match self {
            #[cfg(feature = "zstd")]
            Self::Zstd => zstd::compression_level_range(),
            #[cfg(feature = "lz4")]
            Self::Lz4 => 1..=1,
            #[cfg(feature = "xz")]
            Self::Xz => 0..=9,
            #[cfg(feature = "bzip2")]
            Self::Bzip2 => 1..=9,
        }
    }

    /// Returns the level that the codec's own tool uses by default.
    #[must_use]
    pub const fn default_level(self) -> i32 {
        match self {
            #[cfg(feature = "zstd")]
            Self::Zstd => 3,
            #[cfg(feature = "lz4")]
            Self::Lz4 => 1,
            #[cfg(feature = "xz")]
            Self::Xz => 6,
            #[cfg(feature = "bzip2")]
            Self::Bzip2 => 9,
        }
    }

    fn level(self, level: Option<i32>) -> Result<i32, CompressionError> {
        let level = level.unwrap_or_else(|| self.default_level());
        if self.levels().contains(&level) {
            return Ok(level);
        }
        Err(CompressionError::InvalidLevel { codec: self, level })
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Returns `data` compressed; `None` stands for the codec's [default level](Codec::default_level).
///
/// # Errors
/// [`CompressionError::InvalidLevel`], or [`CompressionError::Failed`] when memory is short.
pub fn compress(codec: Codec, data: &[u8], level: Option<i32>) -> Result<Vec<u8>, CompressionError> {
    let mut output = Vec::new();
    compress_into(codec, data, level, &mut output)?;
    output.shrink_to_fit();
    Ok(output)
}

/// Appends `data` compressed to `output`, which stays as it was on an error.
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
fn append_compressed(
    codec: Codec,
    data: &[u8],
    level: Option<i32>,
    output: &mut Vec<u8>,
) -> Result<(), CompressionError> {
    let level = codec.level(level)?;
    let start = output.len();
    let result = match codec {
        // In one call, so that the frame says how long its content is.
        #[cfg(feature = "zstd")]
        Codec::Zstd => compress_zstd_frame(data, level, output),
        #[cfg(any(feature = "lz4", feature = "xz", feature = "bzip2"))]
        _ => compress_stream(codec, data, level, output),
    };
    if result.is_err() {
        output.truncate(start);
    }
    result
}

#[cfg(feature = "zstd")]
fn compress_zstd_frame(data: &[u8], level: i32, output: &mut Vec<u8>) -> Result<(), CompressionError> {
    let start = output.len();
    output.reserve(zstd::zstd_safe::compress_bound(data.len()));
    let mut destination = std::io::Cursor::new(output);
    destination.set_position(start as u64);
    zstd::bulk::Compressor::new(level)
        .and_then(|mut compressor| compressor.compress_to_buffer(data, &mut destination))
        .map(drop)
        .map_err(|source| CompressionError::Failed { codec: Codec::Zstd, source })
}

#[cfg(any(feature = "lz4", feature = "xz", feature = "bzip2"))]
fn compress_stream(
    codec: Codec,
    data: &[u8],
    level: i32,
    output: &mut Vec<u8>,
) -> Result<(), CompressionError> {
    let mut encoder = Encoder::unobserved(codec, level, output)?;
    encoder.write_all(data).map_err(|source| CompressionError::Failed { codec, source })?;
    encoder.finish().map(drop)
}

/// Returns `data` decompressed, within `limits`.
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

/// Appends `data` decompressed to `output`, which stays as it was on an error.
///
/// `limits` hold for what is appended.
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

/// Returns `data` decompressed, or `None` where that is longer than `most` bytes: for callers that then
/// decompress it in pieces, by a [`Decoder`] or a [`PushDecoder`]. Nothing is counted then, nor is it an
/// error.
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
    let result = match codec {
        #[cfg(feature = "zstd")]
        Codec::Zstd => zstd_frames::decompress(&mut zstd::zstd_safe::DCtx::create(), data, limits, output),
        #[cfg(feature = "lz4")]
        Codec::Lz4 => lz4_frames::decompress(data, limits, output),
        #[cfg(any(feature = "xz", feature = "bzip2"))]
        _ => Decoder::unobserved(codec, data, limits).and_then(|decoder| decoder.read_all(limits, output)),
    };
    if result.is_err() {
        output.truncate(start);
        output.shrink_to(start);
    }
    result
}

/// Returns `data` decompressed by the codec that its magic bytes name, within the default limits.
///
/// # Errors
/// [`CompressionError::UnknownFormat`], else as [`decompress`].
pub fn decompress_auto(data: &[u8]) -> Result<Vec<u8>, CompressionError> {
    let codec = Codec::detect(data)
        .ok_or(CompressionError::UnknownFormat)
        .inspect_err(|error| hooks::failed(error.code()))?;
    decompress(codec, data, DecompressionLimits::default())
}

/// Compresses every input; one that fails does not stop the others.
pub fn compress_batch<D: AsRef<[u8]>>(
    codec: Codec,
    inputs: impl IntoIterator<Item = D>,
    level: Option<i32>,
) -> Vec<Result<Vec<u8>, CompressionError>> {
    inputs.into_iter().map(|data| compress(codec, data.as_ref(), level)).collect()
}

/// Returns `data` compressed by zstd; `None` stands for level 3.
///
/// Levels from 20 on use windows that [`DecompressionLimits`] refuses by default.
///
/// # Errors
/// As [`compress`].
#[cfg(feature = "zstd")]
pub fn compress_zstd(data: &[u8], level: Option<i32>) -> Result<Vec<u8>, CompressionError> {
    compress(Codec::Zstd, data, level)
}

/// Returns `data` in an LZ4 frame.
///
/// # Errors
/// As [`compress`].
#[cfg(feature = "lz4")]
pub fn compress_lz4(data: &[u8]) -> Result<Vec<u8>, CompressionError> {
    compress(Codec::Lz4, data, None)
}

/// Returns `data` compressed by xz; `None` stands for level 6.
///
/// # Errors
/// As [`compress`].
#[cfg(feature = "xz")]
pub fn compress_xz(data: &[u8], level: Option<i32>) -> Result<Vec<u8>, CompressionError> {
    compress(Codec::Xz, data, level)
}

/// Returns `data` compressed by bzip2; `None` stands for level 9.
///
/// # Errors
/// As [`compress`].
#[cfg(feature = "bzip2")]
pub fn compress_bzip2(data: &[u8], level: Option<i32>) -> Result<Vec<u8>, CompressionError> {
    compress(Codec::Bzip2, data, level)
}

/// Returns zstd's frames decompressed, within the default limits.
///
/// # Errors
/// As [`decompress`].
#[cfg(feature = "zstd")]
pub fn decompress_zstd(data: &[u8]) -> Result<Vec<u8>, CompressionError> {
    decompress(Codec::Zstd, data, DecompressionLimits::default())
}

/// Returns LZ4 frames decompressed, within the default limits.
///
/// # Errors
/// As [`decompress`].
#[cfg(feature = "lz4")]
pub fn decompress_lz4(data: &[u8]) -> Result<Vec<u8>, CompressionError> {
    decompress(Codec::Lz4, data, DecompressionLimits::default())
}

/// Returns .xz streams decompressed, within the default limits.
///
/// # Errors
/// As [`decompress`].
#[cfg(feature = "xz")]
pub fn decompress_xz(data: &[u8]) -> Result<Vec<u8>, CompressionError> {
    decompress(Codec::Xz, data, DecompressionLimits::default())
}

/// Returns .bz2 streams decompressed, within the default limits.
///
/// # Errors
/// As [`decompress`].
#[cfg(feature = "bzip2")]
pub fn decompress_bzip2(data: &[u8]) -> Result<Vec<u8>, CompressionError> {
    decompress(Codec::Bzip2, data, DecompressionLimits::default())
}

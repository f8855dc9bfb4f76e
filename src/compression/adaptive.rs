//! Compression where it pays.

use super::codec::Codec;
use super::error::CompressionError;
use super::one_shot::{append_compressed, compress};
use crate::observability::hooks;
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// The result of [`compress_adaptive`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adapted<'a> {
    /// The input itself: compressing it does not pay.
    Stored(&'a [u8]),
    /// The input compressed.
    Compressed(Vec<u8>),
}

impl<'a> Adapted<'a> {
    /// Returns the bytes to store or send.
    #[must_use]
    pub fn into_bytes(self) -> Cow<'a, [u8]> {
        match self {
            Self::Stored(data) => Cow::Borrowed(data),
            Self::Compressed(data) => Cow::Owned(data),
        }
    }
}

/// How formats begin whose content is compressed already: gzip, zip, PNG, JPEG, WebP (the only RIFF that
/// always is), MP4 and its relatives (by the brand behind four bytes of length), Ogg, FLAC, 7z.
const COMPRESSED: [(usize, &[u8]); 9] = [
    (0, b"\x1f\x8b"),
    (0, b"PK\x03\x04"),
    (0, b"\x89PNG"),
    (0, b"\xff\xd8\xff"),
    (8, b"WEBP"),
    (4, b"ftyp"),
    (0, b"OggS"),
    (0, b"fLaC"),
    (0, b"7z\xbc\xaf\x27\x1c"),
];

/// Samples are taken at the beginning, in the middle and at the end.
const SAMPLE: usize = 16 * 1024;

/// Compresses `data` unless that does not pay: if it starts like a compressed format, if samples of it
/// do not shrink by at least 5 %, or if the compressed data turns out no smaller.
///
/// # Errors
/// As [`compress`].
pub fn compress_adaptive(
    codec: Codec,
    data: &[u8],
    level: Option<i32>,
) -> Result<Adapted<'_>, CompressionError> {
    codec.level(level).inspect_err(|error| hooks::failed(error.code()))?;
    if !is_worth_compressing(codec, data)? {
        return Ok(Adapted::Stored(data));
    }
    let compressed = compress(codec, data, level)?;
    if compressed.len() < data.len() {
        Ok(Adapted::Compressed(compressed))
    } else {
        Ok(Adapted::Stored(data))
    }
}

/// Returns whether compressing `data` is likely to pay, as [`compress_adaptive`] asks first: `false` when
/// it starts like a compressed format, or samples of it do not shrink by at least 5 %.
///
/// For callers who then compress with an [`Encoder`](super::Encoder), whose output may still be no smaller.
/// Compresses samples of 48 KiB in all, however long `data` is.
///
/// # Errors
/// [`CompressionError::Failed`] if memory runs out.
pub fn is_worth_compressing(codec: Codec, data: &[u8]) -> Result<bool, CompressionError> {
    if is_compressed(data) {
        return Ok(false);
    }
    sample_shrinks(codec, data).inspect_err(|error| hooks::failed(error.code()))
}

fn is_compressed(data: &[u8]) -> bool {
    let begins = |&(at, magic): &(usize, &[u8])| data.get(at..).is_some_and(|rest| rest.starts_with(magic));
    Codec::detect(data).is_some() || COMPRESSED.iter().any(begins)
}

fn sample_shrinks(codec: Codec, data: &[u8]) -> Result<bool, CompressionError> {
    if data.len() <= 4 * SAMPLE {
        return Ok(!data.is_empty()); // compressing all of it costs no more than samples
    }
    let starts = [0, (data.len() - SAMPLE) / 2, data.len() - SAMPLE];
    let samples: Vec<u8> = starts.iter().flat_map(|&start| &data[start..start + SAMPLE]).copied().collect();
    let fastest = (*codec.levels().start()).max(1);
    let mut compressed = Vec::new();
    append_compressed(codec, &samples, Some(fastest), &mut compressed)?;
    Ok(compressed.len() < samples.len() / 20 * 19)
}

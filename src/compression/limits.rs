//! What callers may ask for: a level, and how much a decompression may produce and keep.

use super::codec::Codec;
use super::error::CompressionError;
use std::io::{self, Read};

/// How much a decompression may produce and keep in memory.
///
/// The time is bounded by the lengths of input and output. Frames without content produce no output but still
/// take time, in bzip2 up to some microseconds for each byte of input: limit the length of untrusted input,
/// too.
///
/// ```
/// use chunker::compression::DecompressionLimits;
///
/// let limits = DecompressionLimits::default().with_max_output(1_000_000).with_max_window_log(27);
/// assert_eq!(limits.max_memory, 66 << 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecompressionLimits {
    /// Largest output in bytes; output of exactly this length is allowed.
    pub max_output: u64,
    /// Base-2 logarithm of the largest window that a zstd frame may ask for, in `10..=30`: what zstd
    /// allows on every target.
    ///
    /// Frames of the levels 20, 21 and 22 ask for 25, 26 and 27, unless their content is known to be
    /// shorter when compressing begins.
    pub max_window_log: u32,
    /// Largest amount of memory that an .xz stream may ask for, in bytes.
    pub max_memory: u64,
}

impl Default for DecompressionLimits {
    /// 1 GiB of output; 8 MiB of window for zstd, as RFC 9659 asks of every decoder; 66 MiB of memory
    /// for xz, which is what its level 9 needs.
    fn default() -> Self {
        Self { max_output: 1 << 30, max_window_log: 23, max_memory: 66 << 20 }
    }
}

impl DecompressionLimits {
    /// Returns these limits with another `max_output`, in bytes.
    #[must_use]
    pub const fn with_max_output(self, max_output: u64) -> Self {
        Self { max_output, ..self }
    }

    /// Returns these limits with another `max_window_log`, in `10..=30`.
    #[must_use]
    pub const fn with_max_window_log(self, max_window_log: u32) -> Self {
        Self { max_window_log, ..self }
    }

    /// Returns these limits with another `max_memory`, in bytes.
    #[must_use]
    pub const fn with_max_memory(self, max_memory: u64) -> Self {
        Self { max_memory, ..self }
    }

    /// Returns these limits.
    ///
    /// # Errors
    /// [`CompressionError::InvalidWindowLog`].
    pub(super) fn checked(self) -> Result<Self, CompressionError> {
        match self.max_window_log {
            10..=30 => Ok(self),
            window_log => Err(CompressionError::InvalidWindowLog { window_log }),
        }
    }
}

impl Codec {
    /// Returns `level`, or the codec's default.
    ///
    /// # Errors
    /// [`CompressionError::InvalidLevel`].
    pub(super) fn level(self, level: Option<i32>) -> Result<i32, CompressionError> {
        let level = level.unwrap_or_else(|| self.default_level());
        if self.levels().contains(&level) {
            return Ok(level);
        }
        Err(CompressionError::InvalidLevel { codec: self, level })
    }
}

/// Bytes of output that may still be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    limit: u64,
    left: u64,
}

impl Allowance {
    pub(super) fn new(limits: DecompressionLimits) -> Self {
        Self { limit: limits.max_output, left: limits.max_output }
    }

    pub(super) fn left(self) -> u64 {
        self.left
    }

    /// Reads from `reader`, and fails if there is more than allowed.
    pub(super) fn read(&mut self, reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return match reader.read(&mut [0])? {
                0 => Ok(0),
                _ => Err(CompressionError::SizeExceeded { limit: self.limit }.into_io()),
            };
        }
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let length = reader.read(&mut buffer[..most])?;
        self.left -= length as u64;
        Ok(length)
    }
}

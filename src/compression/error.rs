//! What can go wrong, and how it passes through `io::Error` where a codec is a reader or writer.

use super::Codec;
use std::io;

#[cfg(feature = "zstd")]
const ZSTD_WINDOW_TOO_LARGE: zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode =
    zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode::ZSTD_error_frameParameter_windowTooLarge;

/// Why data could not be compressed or decompressed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompressionError {
    /// The codec has no such level.
    #[error("{codec} has no level {level}")]
    InvalidLevel {
        /// The codec.
        codec: Codec,
        /// The level asked for.
        level: i32,
    },
    /// The largest window allowed is none that zstd has.
    #[error("2^{window_log} bytes is no limit of zstd's window")]
    InvalidWindowLog {
        /// Its base-2 logarithm.
        window_log: u32,
    },
    /// The data begins like none of the formats.
    #[error("unknown compressed format")]
    UnknownFormat,
    /// Compressing failed.
    #[error("compressing by {codec} failed")]
    Failed {
        /// The codec.
        codec: Codec,
        /// What it said.
        source: io::Error,
    },
    /// The data is not of this format, is damaged, or goes on behind the last frame.
    #[error("data is not whole {codec} frames")]
    Corrupt {
        /// The codec.
        codec: Codec,
        /// What it said.
        source: io::Error,
    },
    /// The data ends within a frame, or has none.
    #[error("{codec} data is truncated")]
    Truncated {
        /// The codec.
        codec: Codec,
    },
    /// The output would be longer than allowed.
    #[error("output is longer than {limit} bytes")]
    SizeExceeded {
        /// Bytes allowed.
        limit: u64,
    },
    /// The data needs more memory than allowed to be decompressed.
    #[error("{codec} data needs a larger window than allowed")]
    WindowExceeded {
        /// The codec.
        codec: Codec,
    },
    /// A piece was pushed behind the end of the data, or after an error.
    #[error("the data ended before this piece")]
    Ended,
    /// The reader of compressed data, or the writer to which they go, failed.
    #[error("reading or writing compressed data failed")]
    Io(#[source] io::Error),
}

impl CompressionError {
    /// The stable, machine-readable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidLevel { .. } => "invalid_compression_level",
            Self::InvalidWindowLog { .. } => "invalid_window_log",
            Self::UnknownFormat => "unknown_compression_format",
            Self::Failed { codec, .. } => match codec {
                #[cfg(feature = "zstd")]
                Codec::Zstd => "zstd_compression_failed",
                #[cfg(feature = "lz4")]
                Codec::Lz4 => "lz4_compression_failed",
                #[cfg(feature = "xz")]
                Codec::Xz => "xz_compression_failed",
                #[cfg(feature = "bzip2")]
                Codec::Bzip2 => "bzip2_compression_failed",
            },
            Self::Corrupt { codec, .. } => match codec {
                #[cfg(feature = "zstd")]
                Codec::Zstd => "zstd_decompression_failed",
                #[cfg(feature = "lz4")]
                Codec::Lz4 => "lz4_decompression_failed",
                #[cfg(feature = "xz")]
                Codec::Xz => "xz_decompression_failed",
                #[cfg(feature = "bzip2")]
                Codec::Bzip2 => "bzip2_decompression_failed",
            },
            Self::Truncated { .. } => "truncated_data",
            Self::SizeExceeded { .. } => "size_exceeded",
            Self::WindowExceeded { .. } => "window_exceeded",
            Self::Ended => "decompression_ended",
            Self::Io(_) => "io_error",
        }
    }

    /// Returns what a [`Decoder`](super::Decoder) of `codec` said as a reader.
    pub(super) fn from_io(codec: Codec, error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(error) => error,
            Err(error) => match error.kind() {
                io::ErrorKind::UnexpectedEof => Self::Truncated { codec },
                io::ErrorKind::InvalidData
                | io::ErrorKind::InvalidInput
                | io::ErrorKind::OutOfMemory
                | io::ErrorKind::Unsupported
                | io::ErrorKind::Other => {
                    let out_of_window = match codec {
                        #[cfg(feature = "xz")]
                        Codec::Xz => super::xz::is_out_of_memory(&error),
                        #[cfg(any(feature = "zstd", feature = "lz4", feature = "bzip2"))]
                        _ => false, // zstd says so by its code; the others' windows are small
                    };
                    if out_of_window {
                        Self::WindowExceeded { codec }
                    } else {
                        Self::Corrupt { codec, source: error }
                    }
                }
                _ => Self::Io(error),
            },
        }
    }

    /// Returns what zstd's code of an error means when decompressing.
    #[cfg(feature = "zstd")]
    pub(super) fn from_zstd_code(code: usize) -> Self {
        use zstd::zstd_safe::{get_error_name, is_error_kind};
        let codec = Codec::Zstd;
        if is_error_kind(code, ZSTD_WINDOW_TOO_LARGE) {
            return Self::WindowExceeded { codec };
        }
        Self::Corrupt { codec, source: io::Error::other(get_error_name(code)) }
    }

    /// Returns this error for a reader to return.
    pub(super) fn into_io(self) -> io::Error {
        let kind = match &self {
            Self::Truncated { .. } => io::ErrorKind::UnexpectedEof,
            Self::Io(source) => source.kind(),
            _ => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, self)
    }
}

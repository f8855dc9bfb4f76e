//! Compression errors, and how they pass through `io::Error` where a codec is a reader or writer.

use super::codec::Codec;
use std::io;

/// Why data could not be compressed or decompressed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompressionError {
    /// The codec has no such level.
    #[error("{codec} level {level} is not from {} to {}", codec.levels().start(), codec.levels().end())]
    InvalidLevel {
        /// The codec.
        codec: Codec,
        /// The level asked for.
        level: i32,
    },
    /// The limit for zstd's window is out of range.
    #[error("zstd window log {window_log} is not from 10 to 30")]
    InvalidWindowLog {
        /// Its base-2 logarithm.
        window_log: u32,
    },
    /// The data does not start like any known format.
    #[error("unknown compression format (expected data in a format that this build can decompress)")]
    UnknownFormat,
    /// Compressing failed.
    #[error("{codec} compression failed")]
    Failed {
        /// The codec.
        codec: Codec,
        /// The codec's error.
        source: io::Error,
    },
    /// The data is not of this format, is damaged, or has trailing bytes after the last frame.
    #[error("invalid or trailing {codec} data")]
    Corrupt {
        /// The codec.
        codec: Codec,
        /// The codec's error.
        source: io::Error,
    },
    /// The data ends within a frame, or contains none.
    #[error("{codec} data is truncated")]
    Truncated {
        /// The codec.
        codec: Codec,
    },
    /// The output would be longer than allowed.
    #[error("output exceeds {limit} bytes")]
    SizeExceeded {
        /// Bytes allowed.
        limit: u64,
    },
    /// Decompressing the data would need more memory than allowed.
    #[error("{codec} data needs a larger window than the limits allow")]
    WindowExceeded {
        /// The codec.
        codec: Codec,
    },
    /// A piece was pushed after [`finish`](super::PushDecoder::finish), or after an error.
    #[error("the decompressor has already ended, or failed")]
    Ended,
    /// The reader or the writer of the compressed data failed.
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
            Self::Failed { codec, .. } => codec.failed(),
            Self::Corrupt { codec, .. } => codec.corrupt(),
            Self::Truncated { .. } => "truncated_data",
            Self::SizeExceeded { .. } => "size_exceeded",
            Self::WindowExceeded { .. } => "window_exceeded",
            Self::Ended => "decompression_ended",
            Self::Io(_) => "io_error",
        }
    }

    /// Returns what a reader of `codec`'s format said.
    pub(super) fn from_io(codec: Codec, error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(error) => error,
            Err(error) => match error.kind() {
                io::ErrorKind::UnexpectedEof => Self::Truncated { codec },
                io::ErrorKind::InvalidData
                | io::ErrorKind::InvalidInput
                | io::ErrorKind::OutOfMemory
                | io::ErrorKind::Unsupported
                | io::ErrorKind::Other => Self::Corrupt { codec, source: error },
                _ => Self::Io(error),
            },
        }
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

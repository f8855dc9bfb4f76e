//! Why an input cannot be chunked.

#[cfg(feature = "std")]
use crate::environment::EnvironmentError;
use crate::options::OptionsError;
#[cfg(feature = "std")]
use std::io;

/// Why an input cannot be chunked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkingError {
    /// A chunk does not lie within the data.
    #[error("chunk of {length} bytes at offset {offset} is outside the data of {data_len} bytes")]
    Bounds {
        /// Length of the data in bytes.
        data_len: usize,
        /// Offset of the chunk in bytes.
        offset: u64,
        /// Length of the chunk in bytes.
        length: usize,
    },
    /// Reading failed.
    #[cfg(feature = "std")]
    #[error(transparent)]
    Io(#[from] ReadError),
    /// A chunk has no bytes.
    #[error("chunk is empty")]
    ZeroLengthChunk,
    /// The options are out of range.
    #[error("invalid chunking options")]
    InvalidOptions(#[from] OptionsError),
    /// An environment variable of this library has an invalid value.
    #[cfg(feature = "std")]
    #[error("invalid environment variable")]
    Environment(#[from] EnvironmentError),
    /// Chunks with these options could need more memory than allowed.
    #[error("chunks need a buffer of {required} bytes, above the limit of {limit}")]
    BufferLimitExceeded {
        /// Bytes that the largest chunk needs.
        required: usize,
        /// Bytes allowed.
        limit: usize,
    },
}

impl ChunkingError {
    /// The stable, machine-readable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Bounds { .. } => "chunk_bounds_invalid",
            #[cfg(feature = "std")]
            Self::Io(_) => "io_error",
            Self::ZeroLengthChunk => "zero_length_chunk",
            Self::InvalidOptions(error) => error.code(),
            #[cfg(feature = "std")]
            Self::Environment(error) => error.code(),
            Self::BufferLimitExceeded { .. } => "memory_limit_exceeded",
        }
    }
}

/// Reading failed.
#[cfg(feature = "std")]
#[derive(Debug, thiserror::Error)]
#[error("read failed at offset {offset}")]
pub struct ReadError {
    /// Number of bytes read before the error.
    pub offset: u64,
    /// The reader's error.
    pub source: io::Error,
}

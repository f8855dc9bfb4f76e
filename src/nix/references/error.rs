//! Errors of replacing and restoring references.

use alloc::string::String;

/// References cannot be replaced or restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// The text does not start with the hash of a store path.
    #[error("invalid store path hash {text:?} (expected 32 characters of Nix base32)")]
    InvalidStoreHash {
        /// The text.
        text: String,
    },
    /// There are more store paths than [`MAX_REFERENCES`](super::MAX_REFERENCES).
    #[error("there are more than {limit} references")]
    TooManyReferences {
        /// The largest number allowed.
        limit: usize,
    },
    /// The stream holds more hashes than the normalizer may replace.
    #[error("the stream has more than {limit} hashes to replace")]
    TooManyPatches {
        /// The largest number allowed.
        limit: usize,
    },
    /// The bytes are not a list of patches in canonical form.
    #[error("invalid patches: {reason}")]
    InvalidPatches {
        /// What is wrong.
        reason: &'static str,
    },
    /// The list of patches has a version that this release does not know.
    #[error("patches version {version:?} is not supported (expected '1')")]
    UnsupportedPatchesVersion {
        /// The version.
        version: char,
    },
    /// The stream has no placeholder where a patch belongs: it is not the normalized stream.
    #[error("no placeholder at offset {offset}: the patches belong to another stream")]
    PlaceholderMissing {
        /// Offset of the patch in the stream, in bytes.
        offset: u64,
    },
    /// The stream is shorter or longer than the normalized stream.
    #[error("the stream is {actual} bytes long (its patches expect {expected})")]
    StreamLengthMismatch {
        /// Length of the normalized stream in bytes.
        expected: u64,
        /// Length of this stream in bytes, as far as it was read.
        actual: u64,
    },
}

impl ReferenceError {
    /// The stable, machine-readable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidStoreHash { .. } => "invalid_store_hash",
            Self::TooManyReferences { .. } => "too_many_references",
            Self::TooManyPatches { .. } => "too_many_patches",
            Self::InvalidPatches { .. } => "invalid_patches",
            Self::UnsupportedPatchesVersion { .. } => "unsupported_patches_version",
            Self::PlaceholderMissing { .. } => "placeholder_missing",
            Self::StreamLengthMismatch { .. } => "stream_length_mismatch",
        }
    }
}

//! Why references are not replaced or restored.

use alloc::string::String;

/// References cannot be replaced or restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// A text does not begin with the hash of a store path.
    #[error("not the hash of a store path: {text:?} (expected 32 characters of Nix's base32)")]
    InvalidStoreHash {
        /// The text.
        text: String,
    },
    /// More store paths than [`MAX_REFERENCES`](super::MAX_REFERENCES).
    #[error("more than {limit} references")]
    TooManyReferences {
        /// The most that are allowed.
        limit: usize,
    },
    /// The stream holds more hashes than the normalizer may replace.
    #[error("more than {limit} hashes to replace")]
    TooManyPatches {
        /// The most that are allowed.
        limit: usize,
    },
    /// Bytes are not a list of patches in its canonical form.
    #[error("invalid list of patches: {reason}")]
    InvalidPatches {
        /// What is wrong.
        reason: &'static str,
    },
    /// A list of patches is of a version that this release does not know.
    #[error("unsupported version of a list of patches: {version:?} (expected '1')")]
    UnsupportedPatchesVersion {
        /// The version.
        version: char,
    },
    /// A stream has no placeholder where a patch belongs: it is not the one that was normalized.
    #[error("no placeholder at offset {offset}: the patches are of another stream")]
    PlaceholderMissing {
        /// Where the patch begins, in bytes from the start of the stream.
        offset: u64,
    },
    /// A stream is shorter or longer than the one that was normalized.
    #[error("the stream is {actual} bytes long, its patches are for {expected}")]
    StreamLengthMismatch {
        /// Bytes of the stream that was normalized.
        expected: u64,
        /// Bytes of this one, as far as it was read.
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

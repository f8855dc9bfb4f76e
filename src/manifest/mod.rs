//! Manifests: the list of an input's chunks, in a form that you can name, send, store and verify.
//!
//! A [`Manifest`] lists the chunks of one input in order, with the [profile](Profile) that cut
//! them. Its canonical bytes ([`to_bytes`](Manifest::to_bytes)) are equal for equal inputs, and the
//! digest of those bytes, the [root digest](Manifest::root_digest), names the input.

mod canonical;
#[cfg(feature = "serde")]
mod json;
#[cfg(feature = "async")]
mod reassemble_async;
#[cfg(feature = "signing")]
mod signed;

use crate::chunking::chunk::ChunkDescriptor;
use crate::hashing::HashAlgorithm;
use crate::profile::Profile;
use alloc::vec::Vec;

/// The chunks of one input, in order and without gaps, and the profile that cut them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    profile: Profile,
    total_length: u64,
    chunks: Vec<ChunkDescriptor>,
}

impl Manifest {
    /// A good limit for [`parse`](Self::parse) if you have no reason for another: 64 MiB, which is 1.8
    /// million chunks.
    pub const DEFAULT_LIMIT: usize = 64 * 1024 * 1024;

    /// Returns the manifest of an input with the given chunks.
    ///
    /// # Errors
    /// [`ManifestError::ChunkSequence`] when the chunks do not follow each other from offset 0, or
    /// have lengths that no input can have with this profile.
    pub fn new(profile: impl Into<Profile>, chunks: Vec<ChunkDescriptor>) -> Result<Self, ManifestError> {
        let profile = profile.into();
        let options = profile.options();
        let mut total_length = 0u64;
        for (index, chunk) in chunks.iter().enumerate() {
            let smallest = if index + 1 == chunks.len() { 1 } else { options.min_size() };
            let follows = chunk.offset == total_length;
            let possible = (smallest..=options.max_size()).contains(&chunk.length);
            if !follows || !possible {
                return Err(ManifestError::ChunkSequence { index });
            }
            total_length += chunk.length as u64;
        }
        Ok(Self { profile, total_length, chunks })
    }

    /// The profile that cut the input.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The algorithm of the chunks' digests and of the root digest.
    #[must_use]
    pub fn hash_algorithm(&self) -> HashAlgorithm {
        self.profile.hash_algorithm()
    }

    /// Length of the input in bytes.
    #[must_use]
    pub fn total_length(&self) -> u64 {
        self.total_length
    }

    /// The chunks in the order of the input.
    #[must_use]
    pub fn chunks(&self) -> &[ChunkDescriptor] {
        &self.chunks
    }

    /// Returns the digest of the canonical bytes, with the profile's hash algorithm.
    #[must_use]
    pub fn root_digest(&self) -> [u8; 32] {
        self.hash_algorithm().digest(&self.to_bytes())
    }

    /// Checks that `payload` is the content of the chunk at `index`.
    ///
    /// # Errors
    /// [`ManifestError::ChunkIndex`], [`ManifestError::ChunkLength`] or
    /// [`ManifestError::ChunkDigest`].
    pub fn verify_chunk(&self, index: usize, payload: &[u8]) -> Result<(), ManifestError> {
        let chunk = self.chunks.get(index).ok_or(ManifestError::ChunkIndex { index })?;
        if payload.len() != chunk.length {
            return Err(ManifestError::ChunkLength { index, actual: payload.len(), expected: chunk.length });
        }
        if self.hash_algorithm().digest(payload) != chunk.hash {
            return Err(ManifestError::ChunkDigest { index });
        }
        Ok(())
    }

    /// Checks that `reader` yields exactly the input.
    ///
    /// # Errors
    /// As [`verify_chunk`](Self::verify_chunk), [`ManifestError::Trailing`], and
    /// [`ManifestError::Io`].
    #[cfg(feature = "std")]
    pub fn verify<R: std::io::Read>(&self, mut reader: R) -> Result<(), ManifestError> {
        use std::io::Read as _;

        let mut payload = Vec::new();
        for (index, chunk) in self.chunks.iter().enumerate() {
            payload.clear();
            reader.by_ref().take(chunk.length as u64).read_to_end(&mut payload)?;
            self.verify_chunk(index, &payload)?;
        }
        let trailing = std::io::copy(&mut reader.take(1), &mut std::io::sink())?;
        if trailing > 0 {
            return Err(ManifestError::Trailing);
        }
        Ok(())
    }

    /// Writes the input to `writer`, from chunks that `fetch` returns.
    ///
    /// Verifies every chunk before it writes it, so `writer` gets a correct prefix of the
    /// input whatever `fetch` returns.
    ///
    /// # Errors
    /// [`ManifestError::Fetch`] with the error of `fetch`, as [`verify_chunk`](Self::verify_chunk),
    /// and [`ManifestError::Io`] when writing fails.
    #[cfg(feature = "std")]
    pub fn reassemble<W, P, E>(
        &self,
        mut fetch: impl FnMut(&ChunkDescriptor) -> Result<P, E>,
        mut writer: W,
    ) -> Result<(), ManifestError>
    where
        W: std::io::Write,
        P: AsRef<[u8]>,
        E: Into<alloc::boxed::Box<dyn core::error::Error + Send + Sync>>,
    {
        for (index, chunk) in self.chunks.iter().enumerate() {
            let payload =
                fetch(chunk).map_err(|source| ManifestError::Fetch { index, source: source.into() })?;
            self.verify_chunk(index, payload.as_ref())?;
            writer.write_all(payload.as_ref())?;
        }
        Ok(writer.flush()?)
    }
}

/// Why a manifest, or the input that it describes, is not valid.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The bytes are not a manifest in canonical form.
    #[error("invalid manifest: {reason}")]
    Malformed {
        /// What is wrong with them.
        reason: &'static str,
    },
    /// The bytes are a manifest of another version.
    #[error("manifest version {version} is not supported (expected 1)")]
    Version {
        /// The version in the bytes.
        version: u8,
    },
    /// There are more bytes than the caller allows.
    #[error("manifest is {length} bytes long, above the limit of {limit}")]
    TooLarge {
        /// Length of the manifest in bytes.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Chunks do not follow each other, or have lengths that no input can have with this profile.
    #[error(
        "chunk {index} does not follow the previous one, or has a length that the profile does not allow"
    )]
    ChunkSequence {
        /// Index of the first such chunk.
        index: usize,
    },
    /// The manifest has no such chunk.
    #[error("the manifest has no chunk {index}")]
    ChunkIndex {
        /// The index asked for.
        index: usize,
    },
    /// The length of a chunk differs from the manifest.
    #[error("chunk {index} has {actual} bytes (expected {expected})")]
    ChunkLength {
        /// Index of the chunk.
        index: usize,
        /// Its length in bytes.
        actual: usize,
        /// The length in the manifest.
        expected: usize,
    },
    /// The digest of a chunk differs from the manifest.
    #[error("chunk {index} does not match its digest")]
    ChunkDigest {
        /// Index of the chunk.
        index: usize,
    },
    /// Bytes follow the last chunk.
    #[error("trailing bytes after the last chunk")]
    Trailing,
    /// A chunk could not be fetched.
    #[cfg(feature = "std")]
    #[error("chunk {index} could not be fetched")]
    Fetch {
        /// Index of the chunk.
        index: usize,
        /// The error of `fetch`.
        source: alloc::boxed::Box<dyn core::error::Error + Send + Sync>,
    },
    /// Reading or writing failed.
    #[cfg(feature = "std")]
    #[error("reading or writing the input failed")]
    Io(#[from] std::io::Error),
}

impl ManifestError {
    /// The stable, machine-readable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "invalid_manifest",
            Self::Version { .. } => "unsupported_manifest_version",
            Self::TooLarge { .. } => "manifest_too_large",
            Self::ChunkSequence { .. } => "chunk_sequence_invalid",
            Self::ChunkIndex { .. } => "chunk_index_out_of_range",
            Self::ChunkLength { .. } | Self::Trailing => "chunk_length_mismatch",
            Self::ChunkDigest { .. } => "chunk_digest_mismatch",
            #[cfg(feature = "std")]
            Self::Fetch { .. } => "chunk_unavailable",
            #[cfg(feature = "std")]
            Self::Io(_) => "io_error",
        }
    }
}

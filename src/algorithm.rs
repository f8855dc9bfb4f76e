//! The hash algorithms: their names, and digests that the hooks do not observe.

use core::fmt;
use core::str::FromStr;
use sha2::Digest as _;

/// A hash algorithm with digests of 32 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HashAlgorithm {
    /// SHA-256 (FIPS 180-4). The default: every platform and tool supports it.
    #[default]
    Sha256,
    /// BLAKE3 (O'Connor et al., 2020), unkeyed. The faster one on CPUs without SHA instructions.
    Blake3,
}

impl HashAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Blake3];

    /// Returns the name used in profile ids: `sha256` or `blake3`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Blake3 => "blake3",
        }
    }

    /// Returns the digest of `data`; the caller notifies the hooks.
    pub(crate) fn unobserved_digest(self, data: &[u8]) -> [u8; 32] {
        match self {
            Self::Sha256 => sha2::Sha256::digest(data).into(),
            Self::Blake3 => blake3::hash(data).into(),
        }
    }
}

impl fmt::Display for HashAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for HashAlgorithm {
    type Err = UnknownHashAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|hash| hash.name() == name).ok_or(UnknownHashAlgorithm)
    }
}

/// The name is neither `sha256` nor `blake3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown hash algorithm (expected sha256 or blake3)")]
pub struct UnknownHashAlgorithm;

impl UnknownHashAlgorithm {
    /// The stable, machine-readable name of this error: `unknown_hash_algorithm`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "unknown_hash_algorithm"
    }
}

//! Digests of chunks: SHA-256 and BLAKE3.

#[cfg(feature = "nix")]
pub use crate::nix::{nix_base32_decode, nix_base32_encode};

use crate::observability::hooks::{self, DigestObserver};
use core::fmt;
use core::str::FromStr;
use sha2::Digest as _;

/// A hash algorithm with digests of 32 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HashAlgorithm {
    /// SHA-256 (FIPS 180-4). The default: every platform and tool knows it.
    #[default]
    Sha256,
    /// BLAKE3 (O'Connor et al., 2020), unkeyed. The fastest without special instructions.
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

    /// Returns the digest of `data`.
    #[must_use]
    pub fn compute(self, data: &[u8]) -> [u8; 32] {
        match self {
            Self::Sha256 => sha256_hash_raw(data),
            Self::Blake3 => blake3_hash_raw(data),
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

/// The name of a hash algorithm is none of `sha256`, `blake3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("hash algorithm is none of sha256, blake3")]
pub struct UnknownHashAlgorithm;

impl UnknownHashAlgorithm {
    /// The stable, machine-readable name of this error: `unknown_hash_algorithm`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "unknown_hash_algorithm"
    }
}

/// A digest in the making, for data that arrives in pieces.
#[derive(Clone, Debug)]
pub struct Hasher {
    state: State,
    observer: DigestObserver,
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a box would need a heap, and a stream has only one of these")]
enum State {
    Sha256(sha2::Sha256),
    Blake3(blake3::Hasher),
}

impl Hasher {
    /// Returns a hasher that has seen no data.
    #[must_use]
    pub fn new(hash: HashAlgorithm) -> Self {
        Self::observed(hash, DigestObserver::new(hash))
    }

    /// Returns a hasher whose digests are counted by what it hashes for.
    #[cfg(feature = "alloc")]
    pub(crate) fn unobserved(hash: HashAlgorithm) -> Self {
        Self::observed(hash, DigestObserver::silent())
    }

    fn observed(hash: HashAlgorithm, observer: DigestObserver) -> Self {
        let state = match hash {
            HashAlgorithm::Sha256 => State::Sha256(sha2::Sha256::new()),
            HashAlgorithm::Blake3 => State::Blake3(blake3::Hasher::new()),
        };
        Self { state, observer }
    }

    /// Appends `data`.
    ///
    /// BLAKE3 is fastest with pieces of at least 16 KiB, whose length is a power of two.
    pub fn update(&mut self, data: &[u8]) {
        self.observer.updated(data.len());
        match &mut self.state {
            State::Sha256(hasher) => hasher.update(data),
            State::Blake3(hasher) => {
                hasher.update(data);
            }
        }
    }

    /// Returns the digest of all data, and begins anew with none.
    pub fn finalize_reset(&mut self) -> [u8; 32] {
        self.observer.finished();
        match &mut self.state {
            State::Sha256(hasher) => hasher.finalize_reset().into(),
            State::Blake3(hasher) => {
                let digest = hasher.finalize();
                hasher.reset();
                digest.into()
            }
        }
    }

    /// Returns the digest of all data.
    #[must_use]
    pub fn finalize(mut self) -> [u8; 32] {
        self.finalize_reset()
    }
}

/// Returns the SHA-256 digest of `data`.
#[must_use]
pub fn sha256_hash_raw(data: &[u8]) -> [u8; 32] {
    hooks::digesting(HashAlgorithm::Sha256, data.len(), || sha2::Sha256::digest(data).into())
}

/// Returns the BLAKE3 digest of `data`.
#[must_use]
pub fn blake3_hash_raw(data: &[u8]) -> [u8; 32] {
    hooks::digesting(HashAlgorithm::Blake3, data.len(), || blake3::hash(data).into())
}

/// Returns the SHA-256 digest of `data` as 64 lowercase hexadecimal digits.
#[cfg(feature = "alloc")]
#[must_use]
pub fn sha256_hash(data: &[u8]) -> alloc::string::String {
    hex::encode(sha256_hash_raw(data))
}

/// Returns the BLAKE3 digest of `data` as 64 lowercase hexadecimal digits.
#[cfg(feature = "alloc")]
#[must_use]
pub fn blake3_hash(data: &[u8]) -> alloc::string::String {
    hex::encode(blake3_hash_raw(data))
}

//! Digests of chunks: SHA-256 and BLAKE3.

#[cfg(feature = "nix")]
pub use crate::nix::base32::{nix_base32_decode, nix_base32_encode};

pub use crate::algorithm::{HashAlgorithm, UnknownHashAlgorithm};

use crate::observability::hooks::{self, DigestObserver};
use sha2::Digest as _;

impl HashAlgorithm {
    /// Returns the digest of `data`.
    #[must_use]
    pub fn digest(self, data: &[u8]) -> [u8; 32] {
        hooks::digest(self, data)
    }
}

/// Computes a digest of data that arrives in pieces.
///
/// ```
/// use chunker::hashing::{HashAlgorithm, Hasher};
///
/// let mut hasher = Hasher::new(HashAlgorithm::Blake3);
/// hasher.update(b"in ");
/// hasher.update(b"pieces");
/// assert_eq!(hasher.finalize(), HashAlgorithm::Blake3.digest(b"in pieces"));
/// ```
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
    /// Returns a new hasher.
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
    /// BLAKE3 is fastest with pieces of 16 KiB or more whose length is a power of two.
    pub fn update(&mut self, data: &[u8]) {
        self.observer.updated(data.len());
        match &mut self.state {
            State::Sha256(hasher) => hasher.update(data),
            State::Blake3(hasher) => {
                hasher.update(data);
            }
        }
    }

    /// Returns the digest of all data, and resets the hasher.
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

#[cfg(feature = "std")]
impl Hasher {
    /// Appends everything that `reader` yields, and returns the number of bytes.
    ///
    /// Retries reads that were [interrupted](std::io::ErrorKind::Interrupted).
    ///
    /// # Errors
    /// The first other error of `reader`; the bytes read before it are appended.
    pub fn update_reader(&mut self, mut reader: impl std::io::Read) -> std::io::Result<u64> {
        use crate::reader::checked_length;

        let mut space = alloc::vec![0; 64 * 1024];
        let mut total = 0;
        loop {
            match checked_length(reader.read(&mut space), space.len()) {
                Ok(0) => return Ok(total),
                Ok(length) => {
                    self.update(&space[..length]);
                    total += length as u64;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(feature = "std")]
impl std::io::Write for Hasher {
    /// Appends all of `data`; never fails.
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.update(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Returns the SHA-256 digest of `data`.
#[must_use]
pub fn sha256_hash_raw(data: &[u8]) -> [u8; 32] {
    HashAlgorithm::Sha256.digest(data)
}

/// Returns the BLAKE3 digest of `data`.
#[must_use]
pub fn blake3_hash_raw(data: &[u8]) -> [u8; 32] {
    HashAlgorithm::Blake3.digest(data)
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

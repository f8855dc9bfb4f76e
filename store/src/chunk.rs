//! The names of chunks and files: a digest, and its algorithm.

use chunker::hashing::HashAlgorithm;
use std::fmt;
use std::str::FromStr;

/// The name of a chunk: the algorithm and the digest of its bytes.
///
/// The store never mixes algorithms: the same bytes under SHA-256 and under BLAKE3 are two
/// chunks.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChunkId {
    /// The algorithm of the digest.
    pub algorithm: HashAlgorithm,
    /// The digest of the chunk's bytes.
    pub digest: [u8; 32],
}

impl ChunkId {
    /// Returns the name of the chunk with this digest.
    #[must_use]
    pub const fn new(algorithm: HashAlgorithm, digest: [u8; 32]) -> Self {
        Self { algorithm, digest }
    }

    /// The order of the index.
    pub(crate) const fn order(&self) -> (u8, &[u8; 32]) {
        (algorithm_byte(self.algorithm), &self.digest)
    }
}

impl PartialOrd for ChunkId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ChunkId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

impl fmt::Display for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.algorithm, hex::encode(self.digest))
    }
}

impl fmt::Debug for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The name of a file: the algorithm and the root digest of its manifest.
///
/// Its text is `sha256-` or `blake3-` and 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Root(pub(crate) ChunkId);

impl Root {
    /// Returns the name of the file whose manifest has this root digest.
    #[must_use]
    pub const fn new(algorithm: HashAlgorithm, digest: [u8; 32]) -> Self {
        Self(ChunkId::new(algorithm, digest))
    }

    /// The algorithm of the file's chunks and of its root digest.
    #[must_use]
    pub const fn algorithm(&self) -> HashAlgorithm {
        self.0.algorithm
    }

    /// The root digest.
    #[must_use]
    pub const fn digest(&self) -> [u8; 32] {
        self.0.digest
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Root {
    type Err = InvalidRoot;

    fn from_str(text: &str) -> Result<Self, InvalidRoot> {
        let (algorithm, digits) = text.split_once('-').ok_or(InvalidRoot)?;
        let algorithm = algorithm.parse().map_err(|_| InvalidRoot)?;
        let mut digest = [0; 32];
        hex::decode_to_slice(digits, &mut digest).map_err(|_| InvalidRoot)?;
        let root = Self::new(algorithm, digest);
        if root.to_string() == text { Ok(root) } else { Err(InvalidRoot) }
    }
}

/// The text is not the name of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a root (expected sha256- or blake3-, then 64 lowercase hexadecimal digits)")]
pub struct InvalidRoot;

impl InvalidRoot {
    /// The stable, machine-readable name of this error: `invalid_root`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "invalid_root"
    }
}

/// Returns the byte for an algorithm in packs and in the index, or 0 if this version cannot store it.
pub(crate) const fn algorithm_byte(algorithm: HashAlgorithm) -> u8 {
    match algorithm {
        HashAlgorithm::Sha256 => 1,
        HashAlgorithm::Blake3 => 2,
        _ => 0,
    }
}

/// Returns the algorithm for a byte.
pub(crate) fn algorithm_of(byte: u8) -> Option<HashAlgorithm> {
    HashAlgorithm::ALL.into_iter().find(|&algorithm| algorithm_byte(algorithm) == byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_has_one_text() {
        for algorithm in HashAlgorithm::ALL {
            let root = Root::new(algorithm, [0xab; 32]);
            assert_eq!(root.to_string().parse(), Ok(root));
            for other in
                [root.to_string().to_uppercase(), format!("{root}0"), root.to_string().replace('-', "")]
            {
                assert_eq!(other.parse::<Root>(), Err(InvalidRoot), "{other}");
            }
        }
    }
}

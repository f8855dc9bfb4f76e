//! The signed part of a narinfo.

use super::base32::nix_base32_encode;
use super::error::InvalidNarInfo;
use super::store_path::checked_path;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// The signed part of a narinfo. Its text is the fingerprint:
/// `1;<store path>;sha256:<base32>;<NAR size>;<references>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NarInfo {
    store_path: String,
    nar_hash: [u8; 32],
    nar_size: u64,
    references: Vec<String>,
}

impl NarInfo {
    /// Returns the narinfo of a store path whose NAR has this SHA-256 digest and size in
    /// bytes.
    ///
    /// All paths are full paths: `/nix/store/<hash>-<name>`. The order of `references` does not matter,
    /// and duplicates count once.
    ///
    /// # Errors
    /// [`InvalidNarInfo::StorePath`] with the first invalid path, and [`InvalidNarInfo::NarSize`]
    /// for 0, which means an unknown size in Nix.
    pub fn new<S: AsRef<str>>(
        store_path: &str,
        nar_hash: [u8; 32],
        nar_size: u64,
        references: impl IntoIterator<Item = S>,
    ) -> Result<Self, InvalidNarInfo> {
        let store_path = checked_path(store_path)?;
        let mut references =
            references.into_iter().map(|path| checked_path(path.as_ref())).collect::<Result<Vec<_>, _>>()?;
        references.sort_unstable();
        references.dedup();
        if nar_size == 0 {
            return Err(InvalidNarInfo::NarSize);
        }
        Ok(Self { store_path, nar_hash, nar_size, references })
    }

    /// The full store path.
    #[must_use]
    pub fn store_path(&self) -> &str {
        &self.store_path
    }

    /// The SHA-256 digest of the NAR.
    #[must_use]
    pub const fn nar_hash(&self) -> &[u8; 32] {
        &self.nar_hash
    }

    /// The size of the NAR in bytes.
    #[must_use]
    pub const fn nar_size(&self) -> u64 {
        self.nar_size
    }

    /// The full paths that it refers to, sorted.
    #[must_use]
    pub fn references(&self) -> &[String] {
        &self.references
    }
}

impl fmt::Display for NarInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = nix_base32_encode(&self.nar_hash);
        write!(f, "1;{};sha256:{hash};{};{}", self.store_path, self.nar_size, self.references.join(","))
    }
}

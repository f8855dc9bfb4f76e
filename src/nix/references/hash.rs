//! The hash of a store path.

use super::error::ReferenceError;
use crate::nix::base32::{nix_base32_decode, nix_base32_encode};
use alloc::borrow::ToOwned;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

/// Replaces a hash: 32 zero bytes, which Nix also uses when it hashes a path that refers to itself.
pub const PLACEHOLDER: [u8; 32] = [0; 32];

/// The hash part of a store path: 32 characters of Nix's base32, 160 bits.
///
/// Ordered as its text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreHash([u8; 32]);

impl StoreHash {
    /// Returns the hash of a store path, `/nix/store/<hash>-<name>`, or of its base name.
    ///
    /// # Errors
    /// [`ReferenceError::InvalidStoreHash`] when the last component does not begin with 32
    /// characters of Nix's base32 and a dash.
    pub fn of_path(path: &str) -> Result<Self, ReferenceError> {
        let base = path.rsplit_once('/').map_or(path, |(_, base)| base);
        let hash = base.split_once('-').and_then(|(hash, _)| Self::of_text(hash));
        hash.ok_or_else(|| ReferenceError::InvalidStoreHash { text: path.to_owned() })
    }

    /// Returns the hash in a text: a store path, its base name, or the hash alone.
    ///
    /// # Errors
    /// As [`of_path`](Self::of_path), which parses text with a dash.
    pub fn of_path_or_hash(text: &str) -> Result<Self, ReferenceError> {
        if text.contains('-') { Self::of_path(text) } else { text.parse() }
    }

    /// Returns the 32 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default() // they are ASCII
    }

    fn of_text(text: &str) -> Option<Self> {
        let characters = text.as_bytes().try_into().ok()?;
        nix_base32_decode(text).is_ok().then_some(Self(characters))
    }

    /// Returns the hash of its 160 bits.
    pub(super) fn of_bits(bits: &[u8; 20]) -> Self {
        let mut characters = [0; 32];
        characters.copy_from_slice(nix_base32_encode(bits).as_bytes());
        Self(characters)
    }

    /// Returns the 160 bits.
    pub(super) fn bits(self) -> Vec<u8> {
        nix_base32_decode(self.as_str()).unwrap_or_default() // checked when it was made
    }

    /// Returns what stands in files.
    pub(super) const fn characters(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for StoreHash {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Self::of_text(text).ok_or_else(|| ReferenceError::InvalidStoreHash { text: text.to_owned() })
    }
}

impl fmt::Display for StoreHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for StoreHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreHash({self})")
    }
}

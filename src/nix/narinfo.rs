//! The part of a narinfo that is signed.

use super::base32::nix_base32_encode;
use super::store_path::checked_path;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// The part of a narinfo that is signed. Its text is the fingerprint:
/// `1;<store path>;sha256:<base32>;<NAR size>;<references>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NarInfo {
    store_path: String,
    nar_hash: [u8; 32],
    nar_size: u64,
    references: Vec<String>,
}

impl NarInfo {
    /// Returns the narinfo of a store path, of which the NAR has this SHA-256 digest and size in
    /// bytes.
    ///
    /// All paths are full: `/nix/store/<hash>-<name>`. The order of `references` does not matter,
    /// and a reference named twice counts once.
    ///
    /// # Errors
    /// [`InvalidNarInfo::StorePath`] with the first that is not one, and [`InvalidNarInfo::NarSize`]
    /// for 0, which Nix takes for an unknown size.
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

    /// Bytes of the NAR.
    #[must_use]
    pub const fn nar_size(&self) -> u64 {
        self.nar_size
    }

    /// The full paths of what it refers to, ascending.
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

/// Fields that no narinfo has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidNarInfo {
    /// A path is not that of an object in a store of Nix.
    #[error("not a store path: {path:?}")]
    StorePath {
        /// The path.
        path: String,
    },
    /// No NAR is 0 bytes long.
    #[error("a NAR cannot be 0 bytes long")]
    NarSize,
    /// A line of a file is not `Name: value`.
    #[error("line {line} is not a name, a colon, a space and a value")]
    Line {
        /// Its number, from 1.
        line: usize,
    },
    /// A file lacks a field.
    #[error("the field {field} is missing")]
    Missing {
        /// The field's name.
        field: &'static str,
    },
    /// A file has a field twice that there is only once.
    #[error("the field {field} is repeated")]
    Repeated {
        /// The field's name.
        field: &'static str,
    },
    /// A field has a value that is not allowed.
    #[error("the field {field} cannot be {value:?}")]
    Value {
        /// The field's name.
        field: String,
        /// The value.
        value: String,
    },
}

impl InvalidNarInfo {
    /// The stable, machine-readable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::StorePath { .. } => "invalid_store_path",
            Self::NarSize => "invalid_nar_size",
            Self::Line { .. } | Self::Missing { .. } | Self::Repeated { .. } | Self::Value { .. } => {
                "invalid_narinfo"
            }
        }
    }
}

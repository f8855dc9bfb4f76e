//! What a binary cache of Nix needs: base32, key files, signatures of narinfo files, and references
//! taken out of archives before they are chunked.

pub(crate) mod base32;
pub mod references;

pub use base32::InvalidBase32;

use crate::signing::{PublicKey, SecretKey, Signature, SigningError};
use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base32::{nix_base32_decode, nix_base32_encode};
use core::fmt;
use zeroize::Zeroizing;

/// A key with a name that signs narinfo files, as `nix-store --generate-binary-cache-key` makes it.
#[derive(Clone, Debug)]
pub struct NixSecretKey {
    name: String,
    key: SecretKey,
}

impl NixSecretKey {
    /// Returns a key with a name, such as `cache.example.org-1`.
    ///
    /// # Errors
    /// [`SigningError::InvalidSecretKey`] when the name is empty, or has a colon, white space or a
    /// control character.
    pub fn new(name: &str, key: SecretKey) -> Result<Self, SigningError> {
        let name = checked_name(name).ok_or(SigningError::InvalidSecretKey)?;
        Ok(Self { name, key })
    }

    /// Returns the key of a file's content: `name:base64`.
    ///
    /// # Errors
    /// As [`new`](Self::new) and [`SecretKey::from_base64`].
    pub fn parse(text: &str) -> Result<Self, SigningError> {
        let (name, key) = text.trim_end().split_once(':').ok_or(SigningError::InvalidSecretKey)?;
        Self::new(name, SecretKey::from_base64(key)?)
    }

    /// Returns the content of a key file; overwritten when dropped.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let key = self.key.to_base64();
        let mut text = Zeroizing::new(String::with_capacity(self.name.len() + 1 + key.len()));
        text.push_str(&self.name);
        text.push(':');
        text.push_str(&key);
        text
    }

    /// Returns the key that verifies what this one signs.
    #[must_use]
    pub fn public_key(&self) -> NixPublicKey {
        NixPublicKey { name: self.name.clone(), key: self.key.public_key() }
    }

    /// Returns the value of a narinfo's line `Sig:`.
    #[must_use]
    pub fn sign(&self, narinfo: &NarInfo) -> String {
        let signature = self.key.sign(narinfo.to_string().as_bytes());
        [self.name.as_str(), ":", &signature.to_base64()].concat()
    }
}

/// A key with a name that verifies signatures of narinfo files: an entry of `trusted-public-keys`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NixPublicKey {
    name: String,
    key: PublicKey,
}

impl NixPublicKey {
    /// Returns the key of an entry: `name:base64`.
    ///
    /// # Errors
    /// [`SigningError::InvalidPublicKey`] when the name is missing, empty, or has white space or a
    /// control character, else as [`PublicKey::from_base64`].
    pub fn parse(text: &str) -> Result<Self, SigningError> {
        let (name, key) = text.trim_end().split_once(':').ok_or(SigningError::InvalidPublicKey)?;
        let name = checked_name(name).ok_or(SigningError::InvalidPublicKey)?;
        Ok(Self { name, key: PublicKey::from_base64(key)? })
    }

    /// The key's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Checks the value of a narinfo's line `Sig:`.
    ///
    /// # Errors
    /// [`SigningError::InvalidSignature`] when it has no name, [`SigningError::VerificationFailed`]
    /// when it is by another key or of another narinfo, else as [`Signature::from_base64`].
    pub fn verify(&self, narinfo: &NarInfo, signature: &str) -> Result<(), SigningError> {
        let (name, signature) = signature.split_once(':').ok_or(SigningError::InvalidSignature)?;
        let signature = Signature::from_base64(signature)?;
        if name != self.name {
            return Err(SigningError::VerificationFailed);
        }
        self.key.verify(narinfo.to_string().as_bytes(), &signature)
    }
}

impl fmt::Display for NixPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.key.to_base64())
    }
}

fn checked_name(name: &str) -> Option<String> {
    let valid = !name.is_empty() && !name.contains(|c: char| c == ':' || c.is_whitespace() || c.is_control());
    valid.then(|| name.to_owned())
}

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
}

impl fmt::Display for NarInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = nix_base32_encode(&self.nar_hash);
        write!(f, "1;{};sha256:{hash};{};{}", self.store_path, self.nar_size, self.references.join(","))
    }
}

/// Accepts what Nix accepts as a path in a store, so that no path can pretend to be two fields.
fn checked_path(path: &str) -> Result<String, InvalidNarInfo> {
    let invalid = || InvalidNarInfo::StorePath { path: path.to_owned() };
    let (store, base) = path.rsplit_once('/').ok_or_else(invalid)?;
    let (hash, name) = base.split_once('-').ok_or_else(invalid)?;
    let folder = |name: &str| !matches!(name, "" | "." | "..") && !name.contains(SEPARATORS);
    let in_store = store.strip_prefix('/').is_some_and(|folders| folders.split('/').all(folder));
    let hashed = hash.len() == 32 && nix_base32_decode(hash).is_ok();
    if in_store && hashed && is_store_name(name) { Ok(path.to_owned()) } else { Err(invalid()) }
}

/// What ends a field, a path in a list, or a line of the fingerprint and of its signature.
const SEPARATORS: fn(char) -> bool = |c| c == ';' || c == ',' || c.is_control();

/// Nix refuses names that are `.` or `..`, also before a dash.
fn is_store_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "+-._?=".contains(c);
    let first = name.split('-').next().unwrap_or(name);
    (1..=211).contains(&name.len()) && name.chars().all(allowed) && !matches!(first, "." | "..")
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
    #[error("the size of a NAR is not 0")]
    NarSize,
}

impl InvalidNarInfo {
    /// The stable, machine-readable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::StorePath { .. } => "invalid_store_path",
            Self::NarSize => "invalid_nar_size",
        }
    }
}

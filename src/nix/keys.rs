//! Named keys, in the format of Nix's key files.

use super::narinfo::NarInfo;
use crate::signing::{PublicKey, SecretKey, Signature, SigningError};
use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use core::fmt;
use zeroize::Zeroizing;

/// A named key that signs narinfo files, as `nix-store --generate-binary-cache-key` makes it.
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

    /// Parses the content of a key file: `name:base64`.
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

    /// Signs a narinfo, and returns the value of its line `Sig:`.
    #[must_use]
    pub fn sign(&self, narinfo: &NarInfo) -> String {
        let signature = self.key.sign(narinfo.to_string().as_bytes());
        [self.name.as_str(), ":", &signature.to_base64()].concat()
    }
}

/// A named key that verifies signatures of narinfo files: an entry of `trusted-public-keys`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NixPublicKey {
    name: String,
    key: PublicKey,
}

impl NixPublicKey {
    /// Parses an entry: `name:base64`.
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

    /// Verifies the value of a narinfo's line `Sig:`.
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

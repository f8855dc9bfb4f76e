//! Ed25519 signatures (RFC 8032), with typed keys and with keys as base64 text.
//!
//! Verification is strict: it refuses keys of small order and signatures that are not in canonical form, so
//! that every strict verifier agrees on what is valid.
//!
//! ```
//! use chunker::signing::{generate_keypair, sign_data, verify_signature};
//!
//! let (secret_key, public_key) = generate_keypair();
//! let signature = sign_data(b"data", &secret_key)?;
//! verify_signature(b"data", &signature, &public_key)?;
//! assert!(verify_signature(b"other data", &signature, &public_key).is_err());
//! # Ok::<(), chunker::signing::SigningError>(())
//! ```

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use data_encoding::BASE64;
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

/// A key that signs. Its memory is overwritten when it is dropped.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// Returns a new key from the system's source of random numbers.
    ///
    /// # Errors
    /// [`SigningError::Randomness`] when the system has none.
    pub fn generate() -> Result<Self, SigningError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(|_| SigningError::Randomness)?;
        Ok(Self::from_seed(&seed))
    }

    /// Returns the key with this seed, the 32 secret bytes of RFC 8032.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Returns the key with these bytes: 32 of the seed, then 32 of the public key.
    ///
    /// # Errors
    /// [`SigningError::InvalidSecretKey`] when the public key is not that of the seed.
    pub fn from_keypair_bytes(pair: &[u8; 64]) -> Result<Self, SigningError> {
        SigningKey::from_keypair_bytes(pair).map(Self).map_err(|_| SigningError::InvalidSecretKey)
    }

    /// Returns the bytes that [`from_keypair_bytes`](Self::from_keypair_bytes) reads; overwritten when
    /// dropped.
    #[must_use]
    pub fn to_keypair_bytes(&self) -> Zeroizing<[u8; 64]> {
        Zeroizing::new(self.0.to_keypair_bytes())
    }

    /// Parses a key: base64 of the 32-byte seed and the 32-byte public key, as in Nix.
    ///
    /// # Errors
    /// [`SigningError::DecodeError`] if the text is not base64, [`SigningError::InvalidSecretKey`] if
    /// it has another length, or the public key is not that of the seed.
    pub fn from_base64(text: &str) -> Result<Self, SigningError> {
        let bytes = Zeroizing::new(decode(text)?);
        Self::from_keypair_bytes(bytes.as_slice().try_into().map_err(|_| SigningError::InvalidSecretKey)?)
    }

    /// Returns the text that [`from_base64`](Self::from_base64) reads; overwritten when dropped.
    #[must_use]
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64.encode(self.to_keypair_bytes().as_slice()))
    }

    /// Returns the key that verifies what this one signs.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Returns the signature of `data`.
    #[must_use]
    pub fn sign(&self, data: &[u8]) -> Signature {
        Signature(self.0.sign(data).to_bytes())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey")
    }
}

/// A key that verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Returns the key with these bytes.
    ///
    /// # Errors
    /// [`SigningError::InvalidPublicKey`] if they are not a point of the curve, not its canonical
    /// encoding (RFC 8032, section 5.1.3), or a point of small order, for which anybody can make
    /// signatures.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, SigningError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| SigningError::InvalidPublicKey)?;
        if key.is_weak() || key.to_edwards().compress().as_bytes() != bytes {
            return Err(SigningError::InvalidPublicKey);
        }
        Ok(Self(key))
    }

    /// Returns the key's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Parses a key: base64 of its 32 bytes.
    ///
    /// # Errors
    /// [`SigningError::DecodeError`] when it is not base64, else as [`from_bytes`](Self::from_bytes).
    pub fn from_base64(text: &str) -> Result<Self, SigningError> {
        let bytes = decode(text)?;
        Self::from_bytes(bytes.as_slice().try_into().map_err(|_| SigningError::InvalidPublicKey)?)
    }

    /// Returns the text that [`from_base64`](Self::from_base64) reads.
    #[must_use]
    pub fn to_base64(&self) -> String {
        BASE64.encode(&self.to_bytes())
    }

    /// Verifies a signature of `data` by the secret half of this key.
    ///
    /// # Errors
    /// [`SigningError::VerificationFailed`].
    pub fn verify(&self, data: &[u8], signature: &Signature) -> Result<(), SigningError> {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0.verify_strict(data, &signature).map_err(|_| SigningError::VerificationFailed)
    }
}

/// A well-formed signature, which may or may not be valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Returns the signature with these bytes.
    ///
    /// # Errors
    /// [`SigningError::InvalidSignatureLength`] unless they are 64, and
    /// [`SigningError::InvalidSignature`] if no signature can end with these bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SigningError> {
        let bytes: [u8; 64] =
            bytes.try_into().map_err(|_| SigningError::InvalidSignatureLength { actual: bytes.len() })?;
        // The second half is a number below the group order, which is less than 2^253.
        if bytes[63] & 0b1110_0000 != 0 {
            return Err(SigningError::InvalidSignature);
        }
        Ok(Self(bytes))
    }

    /// Returns the signature's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 64] {
        self.0
    }

    /// Parses a signature: base64 of its 64 bytes.
    ///
    /// # Errors
    /// [`SigningError::DecodeError`] when it is not base64, else as [`from_bytes`](Self::from_bytes).
    pub fn from_base64(text: &str) -> Result<Self, SigningError> {
        Self::from_bytes(&decode(text)?)
    }

    /// Returns the text that [`from_base64`](Self::from_base64) reads.
    #[must_use]
    pub fn to_base64(&self) -> String {
        BASE64.encode(&self.0)
    }
}

/// Returns a new secret and public key as base64 texts; the secret one is overwritten when dropped.
///
/// # Panics
/// If the system's random number generator fails; [`SecretKey::generate`] returns that as an error.
#[must_use]
#[expect(
    clippy::expect_used,
    reason = "the design's signature has no error; the documentation names another way"
)]
pub fn generate_keypair() -> (Zeroizing<String>, String) {
    let key = SecretKey::generate().expect("the system has random numbers");
    (key.to_base64(), key.public_key().to_base64())
}

/// Returns the signature of `data` as base64 text.
///
/// # Errors
/// As [`SecretKey::from_base64`].
pub fn sign_data(data: &[u8], secret_key: &str) -> Result<String, SigningError> {
    Ok(SecretKey::from_base64(secret_key)?.sign(data).to_base64())
}

/// Verifies a signature of `data` by the secret half of `public_key`.
///
/// # Errors
/// As [`PublicKey::from_base64`] and [`Signature::from_base64`], and
/// [`SigningError::VerificationFailed`].
pub fn verify_signature(data: &[u8], signature: &str, public_key: &str) -> Result<(), SigningError> {
    PublicKey::from_base64(public_key)?.verify(data, &Signature::from_base64(signature)?)
}

fn decode(text: &str) -> Result<Vec<u8>, SigningError> {
    if text.trim_end_matches('=').contains('=') {
        return Err(SigningError::DecodeError); // the library would accept several texts in a row
    }
    BASE64.decode(text.as_bytes()).map_err(|_| SigningError::DecodeError)
}

/// Why signing or verifying failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SigningError {
    /// The bytes are not a seed and its public key.
    #[error("invalid secret key (expected a 32-byte seed, then its 32-byte public key)")]
    InvalidSecretKey,
    /// The bytes are not a public key, or one of small order.
    #[error("invalid public key (expected the 32 bytes of an Ed25519 point, not of small order)")]
    InvalidPublicKey,
    /// No signature can have these bytes.
    #[error("invalid signature (no Ed25519 signature has these 64 bytes)")]
    InvalidSignature,
    /// The signature is not 64 bytes long.
    #[error("signature has {actual} bytes (expected 64)")]
    InvalidSignatureLength {
        /// Its length in bytes.
        actual: usize,
    },
    /// The text is not canonical base64.
    #[error("the key or signature is not canonical base64")]
    DecodeError,
    /// The signature does not match the data and the key.
    #[error("the signature does not match the data and the key")]
    VerificationFailed,
    /// The system's random number generator failed.
    #[error("the system's random number generator failed")]
    Randomness,
}

impl SigningError {
    /// The stable, machine-readable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidSecretKey => "invalid_secret_key",
            Self::InvalidPublicKey => "invalid_public_key",
            Self::InvalidSignature => "invalid_signature",
            Self::InvalidSignatureLength { .. } => "invalid_signature_length",
            Self::DecodeError => "decode_error",
            Self::VerificationFailed => "verification_failed",
            Self::Randomness => "randomness_unavailable",
        }
    }
}

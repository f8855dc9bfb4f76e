//! SHA-256 digests in Nix's notations.

use super::base32::{nix_base32_decode, nix_base32_encode};
use alloc::format;
use alloc::string::String;
use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};

/// A notation for digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NixHashFormat {
    /// `sha256:` and 52 characters of Nix's base32, as in narinfo files.
    Base32,
    /// `sha256:` and 64 hexadecimal digits.
    Base16,
    /// `sha256-` and 44 characters of base64: Subresource Integrity, as in flakes and lock files.
    Sri,
}

/// Returns a SHA-256 digest in one of Nix's notations.
///
/// ```
/// use chunker::nix::{NixHashFormat, nix_hash_encode};
///
/// let digest = chunker::hashing::sha256_hash_raw(b"");
/// assert_eq!(nix_hash_encode(&digest, NixHashFormat::Sri), "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
/// ```
#[must_use]
pub fn nix_hash_encode(digest: &[u8; 32], format: NixHashFormat) -> String {
    match format {
        NixHashFormat::Base32 => format!("sha256:{}", nix_base32_encode(digest)),
        NixHashFormat::Base16 => format!("sha256:{}", HEXLOWER.encode(digest)),
        NixHashFormat::Sri => format!("sha256-{}", BASE64.encode(digest)),
    }
}

/// Returns the SHA-256 digest from text in any of these notations, with digits of either case; base64 may
/// also follow `sha256:`.
///
/// # Errors
/// [`InvalidNixHash`] for everything else, including other algorithms and a missing prefix.
pub fn nix_hash_decode(text: &str) -> Result<[u8; 32], InvalidNixHash> {
    let decoded = if let Some(base64) = text.strip_prefix("sha256-") {
        BASE64.decode(base64.as_bytes()).ok()
    } else {
        let digits = text.strip_prefix("sha256:").ok_or(InvalidNixHash)?;
        match digits.len() {
            64 => HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok(),
            52 => nix_base32_decode(digits).ok(),
            _ => BASE64.decode(digits.as_bytes()).ok(),
        }
    };
    decoded.and_then(|digest| digest.try_into().ok()).ok_or(InvalidNixHash)
}

/// The text is not a SHA-256 digest in one of Nix's notations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256 hash in a Nix format (expected sha256:<base32 or hexadecimal> or sha256-<base64>)")]
pub struct InvalidNixHash;

impl InvalidNixHash {
    /// The stable, machine-readable name of this error: `invalid_nix_hash`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "invalid_nix_hash"
    }
}

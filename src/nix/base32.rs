//! Nix's base32.

use alloc::string::String;
use alloc::vec::Vec;
use data_encoding::Encoding;

/// Nix writes the digits of a number in base 32, most significant first, of which the bytes are
/// little-endian. This encodes the same digits in the opposite order.
const DIGITS: Encoding = data_encoding_macro::new_encoding! {
    symbols: "0123456789abcdfghijklmnpqrsvwxyz",
    bit_order: LeastSignificantFirst,
};

/// Returns `data` in Nix's base32: 52 characters for 32 bytes.
///
/// ```
/// let digest = chunker::hashing::sha256_hash_raw(b"");
/// let text = chunker::hashing::nix_base32_encode(&digest);
/// assert_eq!(text, "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73");
/// ```
#[must_use]
pub fn nix_base32_encode(data: &[u8]) -> String {
    DIGITS.encode(data).chars().rev().collect()
}

/// Decodes text from [`nix_base32_encode`].
///
/// # Errors
/// [`InvalidBase32`] for capitals, `e`, `o`, `t`, `u` and other characters, for lengths that no
/// bytes have, and for bits set beyond the last byte.
pub fn nix_base32_decode(text: &str) -> Result<Vec<u8>, InvalidBase32> {
    let digits: Vec<u8> = text.bytes().rev().collect();
    DIGITS.decode(&digits).map_err(|_| InvalidBase32)
}

/// The text is not valid Nix base32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid Nix base32")]
pub struct InvalidBase32;

impl InvalidBase32 {
    /// The stable, machine-readable name of this error: `invalid_base32`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "invalid_base32"
    }
}

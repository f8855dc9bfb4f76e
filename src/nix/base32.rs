//! Nix's base32.

use alloc::string::String;
use alloc::vec::Vec;

const DIGITS: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";

/// The value of each character, 32 or more if it is not a digit.
const VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let mut value = 0;
    while value < 32 {
        values[DIGITS[value as usize] as usize] = value;
        value += 1;
    }
    values
};

/// Bytes of a block, which is the least that has a whole number of digits.
const BLOCK_BYTES: usize = 5;
/// Its digits.
const BLOCK_DIGITS: usize = 8;

/// Returns the number of digits that `bytes` bytes of a block have.
const fn digits(bytes: usize) -> usize {
    (bytes * 8).div_ceil(5)
}

/// Returns `data` in Nix's base32: 52 characters for 32 bytes.
///
/// ```
/// let digest = chunker::hashing::sha256_hash_raw(b"");
/// let text = chunker::hashing::nix_base32_encode(&digest);
/// assert_eq!(text, "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73");
/// ```
#[must_use]
pub fn nix_base32_encode(data: &[u8]) -> String {
    // The bytes are those of a number in little-endian order; its digits start with the most significant.
    let mut text = String::with_capacity(data.len() / BLOCK_BYTES * BLOCK_DIGITS + BLOCK_DIGITS);
    for block in data.chunks(BLOCK_BYTES).rev() {
        let mut bytes = [0; 8];
        bytes[..block.len()].copy_from_slice(block);
        let number = u64::from_le_bytes(bytes);
        let digit = |place: usize| char::from(DIGITS[(number >> (5 * place) & 31) as usize]);
        text.extend((0..digits(block.len())).rev().map(digit));
    }
    text
}

/// Decodes text from [`nix_base32_encode`].
///
/// # Errors
/// [`InvalidBase32`] for capitals, `e`, `o`, `t`, `u` and other characters, for lengths that no
/// bytes have, and for bits set beyond the last byte.
pub fn nix_base32_decode(text: &str) -> Result<Vec<u8>, InvalidBase32> {
    let mut data = Vec::with_capacity(text.len() / BLOCK_DIGITS * BLOCK_BYTES + BLOCK_BYTES);
    for block in text.as_bytes().rchunks(BLOCK_DIGITS) {
        let mut number: u64 = 0;
        for &character in block {
            let value = VALUES[usize::from(character)];
            if value >= 32 {
                return Err(InvalidBase32);
            }
            number = number << 5 | u64::from(value);
        }
        let bytes = block.len() * 5 / 8;
        if digits(bytes) != block.len() || number >> (8 * bytes) != 0 {
            return Err(InvalidBase32);
        }
        data.extend_from_slice(&number.to_le_bytes()[..bytes]);
    }
    Ok(data)
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

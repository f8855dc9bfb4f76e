//! The search for hashes of store paths in bytes.

use super::hash::StoreHash;
use alloc::vec;
use alloc::vec::Vec;

/// Bytes of a hash in a file.
pub(super) const HASH_LENGTH: usize = 32;

/// Which bytes are characters of Nix's base32.
const IS_DIGIT: [bool; 256] = {
    let mut table = [false; 256];
    let digits = b"0123456789abcdfghijklmnpqrsvwxyz";
    let mut i = 0;
    while i < digits.len() {
        table[digits[i] as usize] = true;
        i += 1;
    }
    table
};

/// What a search came to.
pub(super) enum Found {
    /// The first hash: where it begins, and its index among those searched for.
    Hash(usize, u32),
    /// No more whole hash; the bytes from here on may begin one. At most 31 of them.
    Rest(usize),
}

/// Finds any of a set of hashes.
///
/// Looks at the last byte of a window of 32 first, as Boyer and Moore do ("A fast string searching
/// algorithm", 1977) and Nix itself: one that is no base32 character rules out all windows that
/// hold it. Every byte is tested at most once, and in most data only one in about 30.
#[derive(Clone, Debug)]
pub(super) struct Scanner {
    /// Ascending.
    hashes: Vec<StoreHash>,
    /// A set bit for each hash, in about 16 bits for each.
    filter: Vec<u64>,
}

impl Scanner {
    /// Takes hashes in ascending order.
    pub(super) fn new(hashes: Vec<StoreHash>) -> Self {
        let words = hashes.len().div_ceil(4).next_power_of_two();
        let mut filter = vec![0; words];
        for hash in &hashes {
            let (word, bit) = slot(hash.characters(), words);
            filter[word] |= bit;
        }
        Self { hashes, filter }
    }

    pub(super) fn hashes(&self) -> &[StoreHash] {
        &self.hashes
    }

    /// Searches `bytes[from..]`.
    #[inline]
    pub(super) fn find(&self, bytes: &[u8], from: usize) -> Found {
        if self.hashes.is_empty() {
            return Found::Rest(bytes.len());
        }
        let mut start = from;
        let mut digits_to = from; // all of bytes[start..digits_to] are digits
        while let Some(window) = bytes[start..].first_chunk::<HASH_LENGTH>() {
            let end = start + HASH_LENGTH;
            if let Some(after) = last_other(&bytes[digits_to..end]) {
                start = digits_to + after + 1;
            } else if let Some(index) = self.index_of(window) {
                return Found::Hash(start, index);
            } else {
                start += 1;
            }
            digits_to = end;
        }
        Found::Rest(last_other(&bytes[digits_to..]).map_or(start, |after| digits_to + after + 1))
    }

    #[inline]
    fn index_of(&self, window: &[u8; HASH_LENGTH]) -> Option<u32> {
        let (word, bit) = slot(window, self.filter.len());
        if self.filter[word] & bit == 0 {
            return None;
        }
        let index = self.hashes.binary_search_by(|hash| hash.characters().cmp(window)).ok()?;
        u32::try_from(index).ok()
    }
}

/// Returns where the last byte is that is no base32 character.
#[inline]
fn last_other(bytes: &[u8]) -> Option<usize> {
    bytes.iter().rposition(|&byte| !IS_DIGIT[usize::from(byte)])
}

/// Returns the word and the bit of a filter of `words` words, a power of two.
#[inline]
fn slot(characters: &[u8; HASH_LENGTH], words: usize) -> (usize, u64) {
    const GOLDEN_RATIO: u64 = 0x9E37_79B9_7F4A_7C15; // Knuth, The Art of Computer Programming, 6.4
    let [a, .., b] = characters.as_chunks::<8>().0 else { return (0, 1) };
    let key = (u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b).rotate_left(32)).wrapping_mul(GOLDEN_RATIO);
    let word = (key >> 32) & (words as u64 - 1);
    (usize::try_from(word).unwrap_or(0), 1 << (key >> 58))
}

//! The canonical bytes of a list of patches: `docs/nix-references.md`.

use super::error::ReferenceError;
use super::hash::StoreHash;
use super::patches::{MAX_REFERENCES, Patch, ReferencePatches};
use super::scan::HASH_LENGTH;
use alloc::vec;
use alloc::vec::Vec;

const MAGIC: &[u8; 3] = b"CNR";
const VERSION: u8 = b'1';
const BYTES_OF_HASH: usize = 20;
/// Bytes of the shortest patch: a distance and an index.
const SHORTEST_PATCH: usize = 2;

impl ReferencePatches {
    /// Returns the canonical bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Returns the list of its canonical bytes.
    ///
    /// Takes at most 8 times their length in memory.
    ///
    /// # Errors
    /// [`ReferenceError::UnsupportedPatchesVersion`], and [`ReferenceError::InvalidPatches`] for
    /// everything that [`to_bytes`](Self::to_bytes) does not return.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReferenceError> {
        decode(bytes)
    }
}

fn encode(patches: &ReferencePatches) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.push(VERSION);
    put(&mut bytes, patches.length);
    put(&mut bytes, patches.hashes.len() as u64);
    for hash in &patches.hashes {
        bytes.extend_from_slice(&hash.bits());
    }
    put(&mut bytes, patches.patches.len() as u64);
    let mut end = 0;
    for patch in &patches.patches {
        put(&mut bytes, patch.offset - end);
        put(&mut bytes, u64::from(patch.hash));
        end = patch.end();
    }
    bytes
}

/// Appends a number by seven bits a byte, the lowest first; all but the last have the highest bit.
fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

fn decode(bytes: &[u8]) -> Result<ReferencePatches, ReferenceError> {
    let mut input = Input(bytes);
    let [magic @ .., version] = input.array::<4>()?;
    if magic != *MAGIC {
        return Err(invalid("it does not begin with CNR"));
    }
    if version != VERSION {
        return Err(ReferenceError::UnsupportedPatchesVersion { version: version.into() });
    }
    let length = input.number()?;
    let hashes = input.hashes()?;
    let patches = input.patches(length, hashes.len())?;
    if !input.0.is_empty() {
        return Err(invalid("trailing bytes"));
    }
    Ok(ReferencePatches { length, hashes, patches })
}

const fn invalid(reason: &'static str) -> ReferenceError {
    ReferenceError::InvalidPatches { reason }
}

/// The bytes that are still to be read.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReferenceError> {
        let (array, rest) = self.0.split_first_chunk().ok_or(invalid("it is truncated"))?;
        self.0 = rest;
        Ok(*array)
    }

    fn number(&mut self) -> Result<u64, ReferenceError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return if byte == 0 && shift > 0 {
                    Err(invalid("a number is not in its shortest form"))
                } else {
                    Ok(number)
                };
            }
        }
        Err(invalid("a number is above 2^64-1"))
    }

    /// Reads how many items follow, which take at least `bytes` each.
    fn count(&mut self, bytes: usize) -> Result<usize, ReferenceError> {
        let count = self.number()?;
        let count = usize::try_from(count).ok().filter(|count| *count <= self.0.len() / bytes);
        count.ok_or(invalid("it is truncated"))
    }

    fn hashes(&mut self) -> Result<Vec<StoreHash>, ReferenceError> {
        let count = self.count(BYTES_OF_HASH)?;
        if count > MAX_REFERENCES {
            return Err(ReferenceError::TooManyReferences { limit: MAX_REFERENCES });
        }
        let hashes: Vec<_> = (0..count)
            .map(|_| self.array().map(|bits| StoreHash::of_bits(&bits)))
            .collect::<Result<_, _>>()?;
        if hashes.is_sorted_by(|a, b| a < b) {
            Ok(hashes)
        } else {
            Err(invalid("hashes are not in ascending order"))
        }
    }

    fn patches(&mut self, length: u64, hashes: usize) -> Result<Vec<Patch>, ReferenceError> {
        let count = self.count(SHORTEST_PATCH)?;
        let mut used = vec![false; hashes];
        let mut patches = Vec::with_capacity(count);
        let mut end = 0_u64;
        for _ in 0..count {
            let offset = end.checked_add(self.number()?);
            let hash = u32::try_from(self.number()?).ok();
            let used = hash.and_then(|hash| used.get_mut(hash as usize));
            *used.ok_or(invalid("a patch names no hash"))? = true;
            let patch = offset.zip(hash).map(|(offset, hash)| Patch { offset, hash });
            let fits = |patch: &Patch| patch.offset <= length && length - patch.offset >= HASH_LENGTH as u64;
            let patch = patch.filter(fits).ok_or(invalid("a patch reaches beyond the stream"))?;
            end = patch.end();
            patches.push(patch);
        }
        if used.contains(&false) { Err(invalid("a hash is not used")) } else { Ok(patches) }
    }
}

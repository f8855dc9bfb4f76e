//! What was replaced in a stream, and where.

use super::error::ReferenceError;
use super::hash::{PLACEHOLDER, StoreHash};
use super::scan::HASH_LENGTH;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

/// The largest number of store paths that a normalizer looks for.
pub const MAX_REFERENCES: usize = 65_536;

/// One hash that was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patch {
    /// Where it begins, in bytes from the start of the stream.
    pub(super) offset: u64,
    /// Its index among the hashes.
    pub(super) hash: u32,
}

impl Patch {
    pub(super) const fn end(self) -> u64 {
        self.offset + HASH_LENGTH as u64
    }
}

/// The hashes that a [`ReferenceNormalizer`](super::ReferenceNormalizer) replaced, which restore
/// the stream.
///
/// Its bytes are canonical: equal lists have equal bytes. `docs/nix-references.md` specifies them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReferencePatches {
    pub(super) length: u64,
    /// Ascending, each of them used.
    pub(super) hashes: Vec<StoreHash>,
    /// Ascending, none over another, all within the length.
    pub(super) patches: Vec<Patch>,
}

impl ReferencePatches {
    /// Leaves out the hashes, in ascending order, that no patch uses.
    pub(super) fn of(length: u64, hashes: &[StoreHash], mut patches: Vec<Patch>) -> Self {
        let mut used = vec![false; hashes.len()];
        for patch in &patches {
            used[patch.hash as usize] = true;
        }
        let mut unused_before = 0;
        let mut shifts = Vec::with_capacity(hashes.len());
        for &used in &used {
            shifts.push(unused_before);
            unused_before += u32::from(!used);
        }
        for patch in &mut patches {
            patch.hash -= shifts[patch.hash as usize];
        }
        let hashes = hashes.iter().zip(used).filter_map(|(hash, used)| used.then_some(*hash)).collect();
        Self { length, hashes, patches }
    }

    /// Length of the stream in bytes, the same normalized and restored.
    #[must_use]
    pub const fn stream_length(&self) -> u64 {
        self.length
    }

    /// The hashes in the stream, sorted.
    #[must_use]
    pub fn references(&self) -> &[StoreHash] {
        &self.hashes
    }

    /// The number of replaced hashes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.patches.len()
    }

    /// Whether the stream held none of the hashes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.patches.is_empty()
    }

    /// Each replaced hash with its offset in bytes, in the order of the stream.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u64, StoreHash)> + '_ {
        self.patches.iter().map(|patch| (patch.offset, self.hashes[patch.hash as usize]))
    }

    /// Returns whether [`restore`](Self::restore) changes any of these bytes of the stream.
    #[must_use]
    pub fn touch(&self, bytes: &Range<u64>) -> bool {
        let first = self.patches.partition_point(|patch| patch.end() <= bytes.start);
        !bytes.is_empty() && self.patches.get(first).is_some_and(|patch| patch.offset < bytes.end)
    }

    /// Puts the hashes back into the bytes of a normalized stream that start at `offset`.
    ///
    /// # Errors
    /// [`ReferenceError::StreamLengthMismatch`] if the bytes extend beyond the stream, and
    /// [`ReferenceError::PlaceholderMissing`] if they are not those of the stream that was
    /// normalized. An error leaves the bytes unchanged.
    pub fn restore(&self, offset: u64, bytes: &mut [u8]) -> Result<(), ReferenceError> {
        let end = offset.saturating_add(bytes.len() as u64);
        if end > self.length {
            return Err(ReferenceError::StreamLengthMismatch { expected: self.length, actual: end });
        }
        let first = self.patches.partition_point(|patch| patch.end() <= offset);
        let after = first + self.patches[first..].partition_point(|patch| patch.offset < end);
        let patches = &self.patches[first..after];
        for patch in patches {
            let (within, of_hash) = overlap(*patch, offset, bytes.len());
            if bytes[within] != PLACEHOLDER[of_hash] {
                return Err(ReferenceError::PlaceholderMissing { offset: patch.offset });
            }
        }
        for patch in patches {
            let (within, of_hash) = overlap(*patch, offset, bytes.len());
            bytes[within].copy_from_slice(&self.hashes[patch.hash as usize].characters()[of_hash]);
        }
        Ok(())
    }
}

/// Returns which of the `length` bytes at `offset` a patch covers, and which bytes of its hash
/// they are. It must cover one at least.
fn overlap(patch: Patch, offset: u64, length: usize) -> (Range<usize>, Range<usize>) {
    let small = |distance: u64| usize::try_from(distance).unwrap_or(usize::MAX);
    let start = small(patch.offset.saturating_sub(offset));
    let skipped = small(offset.saturating_sub(patch.offset));
    let covered = (HASH_LENGTH - skipped).min(length - start);
    (start..start + covered, skipped..skipped + covered)
}

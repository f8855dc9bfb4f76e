//! Hashes of store paths, replaced while a stream passes.

use super::error::ReferenceError;
use super::hash::{PLACEHOLDER, StoreHash};
use super::patches::{MAX_REFERENCES, Patch, ReferencePatches};
use super::scan::{Found, HASH_LENGTH, Scanner};
use alloc::vec::Vec;

/// The largest number of hashes that a normalizer replaces by default. The list of them takes 16
/// bytes each in memory.
pub const DEFAULT_MAX_PATCHES: usize = 4_194_304;

/// Bytes to copy and search at a time: less than a level 2 cache.
const BLOCK: usize = 65_536;

/// Replaces the hashes of store paths in a stream with [`PLACEHOLDER`], and lists what it replaced.
///
/// The result does not depend on the size of the pieces. Where hashes overlap, the
/// first is replaced. Holds at most 31 bytes back, and keeps 16 bytes for every replaced hash.
#[derive(Clone, Debug)]
pub struct ReferenceNormalizer {
    scanner: Scanner,
    max_patches: usize,
    patches: Vec<Patch>,
    /// Bytes that went out.
    length: u64,
    /// Bytes that may begin a hash.
    held: Vec<u8>,
    failure: Option<ReferenceError>,
}

impl ReferenceNormalizer {
    /// Returns a normalizer that looks for these hashes; duplicates count once.
    ///
    /// # Errors
    /// [`ReferenceError::TooManyReferences`] above [`MAX_REFERENCES`].
    pub fn new(hashes: impl IntoIterator<Item = StoreHash>) -> Result<Self, ReferenceError> {
        let mut hashes: Vec<_> = hashes.into_iter().take(MAX_REFERENCES + 1).collect();
        if hashes.len() > MAX_REFERENCES {
            return Err(ReferenceError::TooManyReferences { limit: MAX_REFERENCES });
        }
        hashes.sort_unstable();
        hashes.dedup();
        Ok(Self {
            scanner: Scanner::new(hashes),
            max_patches: DEFAULT_MAX_PATCHES,
            patches: Vec::new(),
            length: 0,
            held: Vec::new(),
            failure: None,
        })
    }

    /// Sets the largest number of hashes to replace. Default: [`DEFAULT_MAX_PATCHES`].
    #[must_use]
    pub fn with_max_patches(self, max_patches: usize) -> Self {
        Self { max_patches, ..self }
    }

    /// Reads the next piece, and appends the output so far to `output`.
    ///
    /// # Errors
    /// [`ReferenceError::TooManyPatches`], which leaves `output` unchanged; every further call
    /// returns the same error.
    pub fn push(&mut self, piece: &[u8], output: &mut Vec<u8>) -> Result<(), ReferenceError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let before = output.len();
        output.reserve(self.held.len() + piece.len());
        for block in piece.chunks(BLOCK) {
            if let Err(failure) = self.push_block(block, output) {
                output.truncate(before);
                self.failure = Some(failure.clone());
                return Err(failure);
            }
        }
        Ok(())
    }

    fn push_block(&mut self, block: &[u8], output: &mut Vec<u8>) -> Result<(), ReferenceError> {
        let start = output.len();
        output.append(&mut self.held);
        output.extend_from_slice(block);
        let mut from = start;
        let settled = loop {
            match self.scanner.find(output, from) {
                Found::Rest(rest) => break rest,
                Found::Hash(at, hash) => {
                    if self.patches.len() == self.max_patches {
                        return Err(ReferenceError::TooManyPatches { limit: self.max_patches });
                    }
                    from = at + HASH_LENGTH;
                    output[at..from].copy_from_slice(&PLACEHOLDER);
                    self.patches.push(Patch { offset: self.length + (at - start) as u64, hash });
                }
            }
        };
        self.held.extend_from_slice(&output[settled..]);
        output.truncate(settled);
        self.length += (settled - start) as u64;
        Ok(())
    }

    /// Ends the stream, appends the rest of it to `output`, and returns the patches.
    ///
    /// # Errors
    /// That of an earlier [`push`](Self::push).
    pub fn finish(mut self, output: &mut Vec<u8>) -> Result<ReferencePatches, ReferenceError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        self.length += self.held.len() as u64;
        output.append(&mut self.held);
        Ok(ReferencePatches::of(self.length, self.scanner.hashes(), self.patches))
    }
}

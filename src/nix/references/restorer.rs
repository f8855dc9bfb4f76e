//! Hashes of store paths, put back while a stream passes.

use super::error::ReferenceError;
use super::patches::ReferencePatches;
use core::borrow::Borrow;

/// Puts the hashes back into a normalized stream, in pieces of any size, in place.
#[derive(Clone, Debug)]
pub struct ReferenceRestorer<P> {
    patches: P,
    offset: u64,
}

impl<P: Borrow<ReferencePatches>> ReferenceRestorer<P> {
    /// Returns a restorer at the start of the stream, with a list that it owns or borrows.
    pub const fn new(patches: P) -> Self {
        Self { patches, offset: 0 }
    }

    /// Puts the hashes back into the next piece.
    ///
    /// # Errors
    /// As [`ReferencePatches::restore`]; an error leaves the piece unchanged, and you may push it again.
    pub fn push(&mut self, piece: &mut [u8]) -> Result<(), ReferenceError> {
        self.patches.borrow().restore(self.offset, piece)?;
        self.offset += piece.len() as u64;
        Ok(())
    }

    /// Ends the stream, and returns the list.
    ///
    /// # Errors
    /// [`ReferenceError::StreamLengthMismatch`] when bytes are missing.
    pub fn finish(self) -> Result<P, ReferenceError> {
        let expected = self.patches.borrow().stream_length();
        if self.offset == expected {
            Ok(self.patches)
        } else {
            Err(ReferenceError::StreamLengthMismatch { expected, actual: self.offset })
        }
    }
}

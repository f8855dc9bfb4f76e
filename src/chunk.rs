//! What is known of a chunk: its digest, its place, and with some types its bytes.

use crate::chunking::ChunkingError;
use bytes::Bytes;
use core::ops::Range;

/// A chunk's digest and place in its input, without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ChunkDescriptor {
    /// Digest of the chunk's bytes.
    pub hash: [u8; 32],
    /// Where the chunk begins in the input, in bytes.
    pub offset: u64,
    /// Length in bytes.
    pub length: usize,
}

impl ChunkDescriptor {
    /// Returns the digest as 64 lowercase hexadecimal digits.
    #[must_use]
    pub fn hash_hex(&self) -> alloc::string::String {
        hex::encode(self.hash)
    }

    /// Returns the chunk's bytes in `input`, the whole input that was chunked.
    ///
    /// # Errors
    /// [`ChunkingError::ZeroLengthChunk`], or [`ChunkingError::Bounds`] when the chunk ends behind
    /// `input`.
    pub fn slice<'a>(&self, input: &'a [u8]) -> Result<&'a [u8], ChunkingError> {
        if self.length == 0 {
            return Err(ChunkingError::ZeroLengthChunk);
        }
        self.range().and_then(|range| input.get(range)).ok_or(ChunkingError::Bounds {
            data_len: input.len(),
            offset: self.offset,
            length: self.length,
        })
    }

    fn range(&self) -> Option<Range<usize>> {
        let start = usize::try_from(self.offset).ok()?;
        Some(start..start.checked_add(self.length)?)
    }
}

/// A chunk with its bytes, owned or shared.
// In this order the digest, offset and length of a chunk lie side by side, for scans over many.
#[repr(C)]
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ChunkMetadata {
    /// Digest of the payload.
    pub hash: [u8; 32],
    /// Where the chunk begins in the input, in bytes.
    pub offset: u64,
    /// Length of the payload in bytes.
    pub length: usize,
    /// The chunk's bytes. Cheap to clone; it keeps the allocation that it shares alive.
    ///
    /// Not serialized: it is empty in what was deserialized, whatever `length` says, until the bytes are
    /// fetched by `hash` and put here.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub payload: Bytes,
}

impl ChunkMetadata {
    /// Returns the digest as 64 lowercase hexadecimal digits.
    #[must_use]
    pub fn hash_hex(&self) -> alloc::string::String {
        hex::encode(self.hash)
    }

    /// Returns the chunk without its bytes.
    #[must_use]
    pub fn descriptor(&self) -> ChunkDescriptor {
        ChunkDescriptor { hash: self.hash, offset: self.offset, length: self.length }
    }
}

/// A chunk with its bytes, borrowed from the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkSlice<'a> {
    /// Digest of the payload.
    pub hash: [u8; 32],
    /// Where the chunk begins in the input, in bytes.
    pub offset: u64,
    /// The chunk's bytes.
    pub payload: &'a [u8],
}

impl ChunkSlice<'_> {
    pub(crate) fn with_payload(&self, payload: Bytes) -> ChunkMetadata {
        ChunkMetadata { hash: self.hash, offset: self.offset, length: payload.len(), payload }
    }

    /// Returns the chunk without its bytes.
    #[must_use]
    pub fn descriptor(&self) -> ChunkDescriptor {
        ChunkDescriptor { hash: self.hash, offset: self.offset, length: self.payload.len() }
    }
}

/// The results of many inputs, of which some may have failed.
#[cfg(feature = "std")]
#[derive(Debug)]
pub struct BatchChunkResult {
    /// The chunks of each input or what made it fail, in the order of the inputs.
    pub results: alloc::vec::Vec<Result<alloc::vec::Vec<ChunkMetadata>, ChunkingError>>,
    /// Bytes in all chunks of `results`.
    pub total_bytes_processed: u64,
    /// Number of all chunks of `results`.
    pub total_chunks_emitted: u64,
}

#[cfg(feature = "std")]
impl BatchChunkResult {
    pub(crate) fn new(
        results: alloc::vec::Vec<Result<alloc::vec::Vec<ChunkMetadata>, ChunkingError>>,
    ) -> Self {
        let chunks = || results.iter().flatten().flatten();
        Self {
            total_bytes_processed: chunks().map(|chunk| chunk.length as u64).sum(),
            total_chunks_emitted: chunks().count() as u64,
            results,
        }
    }
}

//! Chunks: their digests, their positions and, in some types, their bytes.

use super::error::ChunkingError;
use bytes::Bytes;
use core::ops::Range;

/// A chunk's digest and position in its input, without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ChunkDescriptor {
    /// Digest of the chunk's bytes; in human-readable formats 64 lowercase hexadecimal digits.
    #[cfg_attr(feature = "serde", serde(with = "digest_form"))]
    pub hash: [u8; 32],
    /// Offset of the chunk in the input, in bytes.
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
    /// [`ChunkingError::ZeroLengthChunk`], or [`ChunkingError::Bounds`] when the chunk ends after
    /// `input` does.
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
    /// Digest of the payload; in human-readable formats 64 lowercase hexadecimal digits.
    #[cfg_attr(feature = "serde", serde(with = "digest_form"))]
    pub hash: [u8; 32],
    /// Offset of the chunk in the input, in bytes.
    pub offset: u64,
    /// Length of the payload in bytes.
    pub length: usize,
    /// The chunk's bytes. Cheap to clone; a clone keeps the shared allocation alive.
    ///
    /// Not serialized: after deserialization it is empty, whatever `length` says, until you fetch the bytes
    /// by `hash` and put them here.
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

impl AsRef<[u8]> for ChunkMetadata {
    /// Returns the chunk's bytes.
    fn as_ref(&self) -> &[u8] {
        &self.payload
    }
}

impl From<&ChunkMetadata> for ChunkDescriptor {
    fn from(chunk: &ChunkMetadata) -> Self {
        chunk.descriptor()
    }
}

/// A chunk with its bytes, borrowed from the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkSlice<'a> {
    /// Digest of the payload.
    pub hash: [u8; 32],
    /// Offset of the chunk in the input, in bytes.
    pub offset: u64,
    /// The chunk's bytes.
    pub payload: &'a [u8],
}

impl ChunkSlice<'_> {
    pub(crate) fn with_payload(&self, payload: Bytes) -> ChunkMetadata {
        ChunkMetadata { hash: self.hash, offset: self.offset, length: payload.len(), payload }
    }

    /// Returns the digest as 64 lowercase hexadecimal digits.
    #[must_use]
    pub fn hash_hex(&self) -> alloc::string::String {
        hex::encode(self.hash)
    }

    /// Returns the chunk without its bytes.
    #[must_use]
    pub fn descriptor(&self) -> ChunkDescriptor {
        ChunkDescriptor { hash: self.hash, offset: self.offset, length: self.payload.len() }
    }
}

impl AsRef<[u8]> for ChunkSlice<'_> {
    /// Returns the chunk's bytes.
    fn as_ref(&self) -> &[u8] {
        self.payload
    }
}

impl From<&ChunkSlice<'_>> for ChunkDescriptor {
    fn from(chunk: &ChunkSlice<'_>) -> Self {
        chunk.descriptor()
    }
}

/// Digests in serialized chunks: hexadecimal digits where a person may read them, else 32 bytes.
#[cfg(feature = "serde")]
mod digest_form {
    use alloc::borrow::Cow;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(digest: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.serialize_str(&hex::encode(digest));
        }
        digest.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        if !deserializer.is_human_readable() {
            return <[u8; 32]>::deserialize(deserializer);
        }
        let digits = <Cow<'de, str>>::deserialize(deserializer)?;
        from_hex(&digits).map_err(D::Error::custom)
    }

    /// Returns the digest that these 64 lowercase hexadecimal digits stand for.
    pub(crate) fn from_hex(digits: &str) -> Result<[u8; 32], &'static str> {
        let mut digest = [0; 32];
        let lowercase = !digits.bytes().any(|digit| digit.is_ascii_uppercase());
        match hex::decode_to_slice(digits, &mut digest) {
            Ok(()) if lowercase => Ok(digest),
            _ => Err("a digest is 64 lowercase hexadecimal digits"),
        }
    }
}

#[cfg(feature = "serde")]
pub(crate) use digest_form::from_hex as digest_from_hex;

#[cfg(all(test, feature = "serde"))]
mod tests {
    use super::*;

    #[test]
    fn digests_are_hexadecimal_where_a_person_reads_them() {
        let chunk = ChunkDescriptor { hash: [0xab; 32], offset: 7, length: 3 };
        let json = serde_json::to_value(chunk).expect("plain fields");
        assert_eq!(json, serde_json::json!({"hash": "ab".repeat(32), "offset": 7, "length": 3}));
        assert_eq!(serde_json::from_value::<ChunkDescriptor>(json).expect("the same form"), chunk);
        for hash in ["ab".repeat(31), "AB".repeat(32), "xy".repeat(32), "ab".repeat(33)] {
            let json = serde_json::json!({"hash": hash, "offset": 7, "length": 3});
            assert!(serde_json::from_value::<ChunkDescriptor>(json).is_err(), "{hash}");
        }
    }
}

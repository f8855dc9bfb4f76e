//! The canonical bytes of a manifest, version 1. Integers are little-endian.
//!
//! | bytes | content |
//! |---|---|
//! | 7 | `CDCMNFT` in ASCII |
//! | 1 | version: 1 |
//! | 1 | length `p` of the profile id |
//! | `p` | profile id in ASCII, for example `fastcdc-v2020/nc1/262144-1048576-4194304/sha256` |
//! | 8 | length of the input in bytes |
//! | 8 | number `n` of chunks |
//! | `n` × 36 | per chunk: 4 bytes length, 32 bytes digest |
//!
//! Nothing follows. Offsets are the sums of the lengths before, so that there is exactly one form
//! for every manifest.

use super::{Manifest, ManifestError};
use crate::chunking::chunk::ChunkDescriptor;
use crate::profile::{Profile, ProfileError};
use alloc::string::ToString;
use alloc::vec::Vec;

const MAGIC: &[u8; 7] = b"CDCMNFT";
const VERSION: u8 = 1;
/// Bytes of one chunk: its length and its digest.
const ENTRY: usize = 4 + 32;

impl Manifest {
    /// Returns the canonical bytes: 36 for each chunk, plus about 75.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "a profile id is short, a chunk at most 1 GiB")]
    pub fn to_bytes(&self) -> Vec<u8> {
        let profile = self.profile.to_string();
        let head = MAGIC.len() + 2 + profile.len() + 16;
        let mut bytes = Vec::with_capacity(head + ENTRY * self.chunks.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[VERSION, profile.len() as u8]);
        bytes.extend_from_slice(profile.as_bytes());
        bytes.extend_from_slice(&self.total_length.to_le_bytes());
        bytes.extend_from_slice(&(self.chunks.len() as u64).to_le_bytes());
        for chunk in &self.chunks {
            bytes.extend_from_slice(&(chunk.length as u32).to_le_bytes());
            bytes.extend_from_slice(&chunk.hash);
        }
        bytes
    }

    /// Parses a manifest from its canonical bytes, of which it accepts at most `limit`.
    ///
    /// Allocates in proportion to the length of `bytes`, whatever their content.
    ///
    /// # Errors
    /// [`ManifestError::TooLarge`], [`ManifestError::Version`], [`ManifestError::ChunkSequence`], or
    /// [`ManifestError::Malformed`] for everything else.
    pub fn parse(bytes: &[u8], limit: usize) -> Result<Self, ManifestError> {
        if bytes.len() > limit {
            return Err(ManifestError::TooLarge { length: bytes.len(), limit });
        }
        let mut rest = Rest(bytes);
        if rest.take()? != *MAGIC {
            return Err(malformed("it does not start with CDCMNFT"));
        }
        let [version, profile_length] = rest.take()?;
        if version != VERSION {
            return Err(ManifestError::Version { version });
        }
        let profile = rest.slice(usize::from(profile_length))?;
        let profile = core::str::from_utf8(profile).map_err(|_| malformed("its profile id is unknown"))?;
        let profile: Profile = profile.parse().map_err(|error| match error {
            ProfileError::Unknown => malformed("its profile id is unknown"),
            ProfileError::Options(_) => malformed("the sizes or the level of its profile id are invalid"),
        })?;
        let total_length = u64::from_le_bytes(rest.take()?);
        let count = u64::from_le_bytes(rest.take()?);
        let (entries, []) = rest.0.as_chunks::<ENTRY>() else {
            return Err(malformed("its last chunk entry is truncated"));
        };
        if count != entries.len() as u64 {
            return Err(malformed("chunk count does not match the header"));
        }
        let mut offset = 0;
        let chunk = |entry: &[u8; ENTRY]| {
            let [l0, l1, l2, l3, hash @ ..] = *entry;
            let length = u32::from_le_bytes([l0, l1, l2, l3]);
            let chunk = ChunkDescriptor { hash, offset, length: length as usize };
            offset += u64::from(length);
            chunk
        };
        let manifest = Self::new(profile, entries.iter().map(chunk).collect())?;
        if manifest.total_length != total_length {
            return Err(malformed("total length does not match the header"));
        }
        Ok(manifest)
    }
}

/// What has not been parsed.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], ManifestError> {
        let (head, rest) = self.0.split_first_chunk().ok_or_else(truncated)?;
        self.0 = rest;
        Ok(*head)
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], ManifestError> {
        let (head, rest) = self.0.split_at_checked(length).ok_or_else(truncated)?;
        self.0 = rest;
        Ok(head)
    }
}

fn truncated() -> ManifestError {
    malformed("it is truncated")
}

fn malformed(reason: &'static str) -> ManifestError {
    ManifestError::Malformed { reason }
}

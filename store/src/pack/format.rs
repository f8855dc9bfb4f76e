//! The bytes of a pack, version 1. Integers are little-endian.
//!
//! | bytes | content |
//! |---|---|
//! | 8 | `CDCPACK` in ASCII and the version: 1 |
//! | … | per chunk: its stored bytes, and 8 bytes [checksum] |
//! | `n` × 42 | per chunk, in the same order: an [entry](Entry) |
//! | 4 | `n`, the number of chunks, at least 1 |
//! | 32 | BLAKE3 digest of the entries and of `n` |
//! | 8 | `CDCFOOT` in ASCII and the version: 1 |
//!
//! An entry is 1 byte algorithm of the digest (1 SHA-256, 2 BLAKE3), 1 byte encoding (0 raw, 1 zstd
//! frames), 4 bytes length, 4 bytes stored length, 32 bytes digest of the chunk's bytes (not of the stored
//! ones). The offset of a chunk follows from the stored lengths before it, so there is exactly one form. The
//! lengths of all parts add up to the object's.

use crate::chunk::{ChunkId, algorithm_byte, algorithm_of};
use std::io;
use std::ops::Range;
use twox_hash::XxHash3_64;

/// The first bytes of a pack.
pub const HEAD: &[u8; 8] = b"CDCPACK\x01";
/// The last bytes of a pack.
pub const FOOT: &[u8; 8] = b"CDCFOOT\x01";
/// Bytes of one entry.
pub const ENTRY: usize = 1 + 1 + 4 + 4 + 32;
/// Bytes after the stored bytes of a chunk.
pub const CHECKSUM: usize = 8;
/// Bytes after the entries.
pub const TRAILER: usize = 4 + 32 + 8;
/// The largest number of chunks in a pack.
pub const MAX_CHUNKS: u32 = 1 << 20;
/// Length of the longest chunk in bytes: 1 GiB, the largest `max_size` of a profile.
pub const MAX_CHUNK: u32 = 1 << 30;
/// Length of the longest pack in bytes, because offsets have 32 bits.
pub const MAX_PACK: u64 = u32::MAX as u64;

/// How a chunk's bytes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// As they are.
    Raw,
    /// As one zstd frame (RFC 8878) or several.
    Zstd,
}

impl Encoding {
    const fn byte(self) -> u8 {
        match self {
            Self::Raw => 0,
            Self::Zstd => 1,
        }
    }
}

/// What a footer says about one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The chunk's name.
    pub id: ChunkId,
    /// Where its stored bytes are in the pack.
    pub place: Place,
}

impl Entry {
    fn to_bytes(self) -> [u8; ENTRY] {
        let Self { id, place } = self;
        let mut bytes = [0; ENTRY];
        bytes[0] = algorithm_byte(id.algorithm);
        bytes[1] = place.encoding.byte();
        bytes[2..6].copy_from_slice(&place.length.to_le_bytes());
        bytes[6..10].copy_from_slice(&place.stored.to_le_bytes());
        bytes[10..].copy_from_slice(&id.digest);
        bytes
    }
}

/// Returns the checksum of a chunk's stored bytes: XXH3 (64 bits, little-endian), whose seed is XXH3 with seed 0 of
/// the chunk's entry.
///
/// It shows, much faster than a digest, that these are the bytes that were written under this entry. It does not show
/// that they are the chunk.
#[must_use]
pub fn checksum(entry: &Entry, stored: &[u8]) -> [u8; CHECKSUM] {
    let seed = XxHash3_64::oneshot(&entry.to_bytes());
    XxHash3_64::oneshot_with_seed(seed, stored).to_le_bytes()
}

/// Where and how a chunk is stored in a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// How it is stored.
    pub encoding: Encoding,
    /// Length of the chunk in bytes: `1..=MAX_CHUNK`.
    pub length: u32,
    /// Offset of its stored bytes in the pack.
    pub offset: u32,
    /// Number of stored bytes: [`length`](Self::length) for raw, `1..=MAX_CHUNK` for zstd.
    pub stored: u32,
}

impl Place {
    /// Returns the range of the stored bytes and their checksum in the pack.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        let start = u64::from(self.offset);
        start..start + u64::from(self.stored) + CHECKSUM as u64
    }
}

/// Returns the footer.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "a builder takes at most MAX_CHUNKS entries")]
pub fn footer(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * ENTRY + TRAILER);
    for entry in entries {
        bytes.extend_from_slice(&entry.to_bytes());
    }
    bytes.extend_from_slice(&(entries.len() as u32).to_le_bytes());
    let digest = blake3::hash(&bytes);
    bytes.extend_from_slice(digest.as_bytes());
    bytes.extend_from_slice(FOOT);
    bytes
}

/// Returns how many bytes at the end of a pack are its footer, from at least its last [`TRAILER`] bytes.
///
/// # Errors
/// [`PackError`], when this is not the end of a pack of `size` bytes.
pub fn footer_length(tail: &[u8], size: u64) -> Result<usize, PackError> {
    let trailer = tail.last_chunk::<TRAILER>().ok_or(PackError::Truncated)?;
    let (count, foot) =
        (trailer.first_chunk().ok_or(PackError::Truncated)?, &trailer[TRAILER - FOOT.len()..]);
    if foot[..7] != FOOT[..7] {
        return Err(PackError::Truncated);
    }
    if foot != FOOT {
        return Err(PackError::Version { version: foot[7] });
    }
    let count = u32::from_le_bytes(*count);
    if count == 0 || count > MAX_CHUNKS {
        return Err(PackError::ChunkCount { count });
    }
    let length = count as usize * ENTRY + TRAILER;
    if size > MAX_PACK || (length + HEAD.len()) as u64 > size {
        return Err(PackError::Size { size });
    }
    Ok(length)
}

/// Returns the entries of a pack of `size` bytes that ends with `tail`, which holds the footer at least.
///
/// Allocates in proportion to `tail`, whatever its footer claims.
///
/// # Errors
/// [`PackError`], when they are not the footer of such a pack.
pub fn parse_footer(tail: &[u8], size: u64) -> Result<Vec<Entry>, PackError> {
    let length = footer_length(tail, size)?;
    let start = tail.len().checked_sub(length).ok_or(PackError::Truncated)?;
    let (signed, trailer) = tail[start..].split_at(length - TRAILER + 4);
    if blake3::hash(signed) != *trailer.first_chunk::<32>().ok_or(PackError::Truncated)? {
        return Err(PackError::FooterDigest);
    }
    let (entries, _) = signed.as_chunks::<ENTRY>();
    let mut offset = HEAD.len() as u64;
    let entries = entries.iter().enumerate().map(|(index, entry)| {
        let entry = parse_entry(entry, offset).ok_or(PackError::Entry { index })?;
        offset = entry.place.range().end;
        Ok(entry)
    });
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    if offset + length as u64 != size {
        return Err(PackError::Size { size });
    }
    Ok(entries)
}

fn parse_entry(bytes: &[u8; ENTRY], offset: u64) -> Option<Entry> {
    let [algorithm, encoding, l0, l1, l2, l3, s0, s1, s2, s3, digest @ ..] = *bytes;
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    let stored = u32::from_le_bytes([s0, s1, s2, s3]);
    let encoding = match encoding {
        0 if stored == length => Encoding::Raw,
        1 if stored > 0 && stored <= MAX_CHUNK => Encoding::Zstd,
        _ => return None,
    };
    if length == 0 || length > MAX_CHUNK {
        return None;
    }
    let place = Place { encoding, length, offset: u32::try_from(offset).ok()?, stored };
    Some(Entry { id: ChunkId::new(algorithm_of(algorithm)?, digest), place })
}

/// Why an object is not a pack.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The object does not start or end like a pack.
    #[error("the pack is truncated or overwritten")]
    Truncated,
    /// The object exists, but cannot be read.
    #[error("cannot read the pack: {kind}")]
    Unreadable {
        /// The error of the disk or the service.
        kind: io::ErrorKind,
    },
    /// The object is a pack of another version.
    #[error("pack version {version} is not supported (expected 1)")]
    Version {
        /// The version of the store.
        version: u8,
    },
    /// The number of chunks is not allowed.
    #[error("the pack claims {count} chunks (expected 1 to {MAX_CHUNKS})")]
    ChunkCount {
        /// The number in the footer.
        count: u32,
    },
    /// The parts do not add up to the object.
    #[error("the pack's parts do not add up to its {size} bytes")]
    Size {
        /// Length of the object in bytes.
        size: u64,
    },
    /// The footer is damaged.
    #[error("the pack's footer does not match its digest")]
    FooterDigest,
    /// A chunk has its digest, but not its checksum.
    #[error("the checksum of chunk {chunk} is damaged")]
    Checksum {
        /// The chunk.
        chunk: ChunkId,
    },
    /// An entry has a value that no chunk can have.
    #[error("entry {index} of the pack is invalid")]
    Entry {
        /// Its index.
        index: usize,
    },
}

impl PackError {
    /// The stable, machine-readable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Version { .. } => "unsupported_pack_version",
            Self::Unreadable { .. } => "unreadable_pack",
            _ => "invalid_pack",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::builder::Builder;
    use crate::pack::encoding::Encoded;
    use chunker::hashing::HashAlgorithm;

    /// A pack of `count` chunks, raw and not.
    pub(crate) fn pack(count: u8) -> Vec<u8> {
        let mut builder = Builder::default();
        for index in 0..count {
            let algorithm = HashAlgorithm::ALL[usize::from(index % 2)];
            let encoding = if index % 3 == 0 { Encoding::Zstd } else { Encoding::Raw };
            let id = ChunkId::new(algorithm, [index; 32]);
            let stored = vec![index; usize::from(index) + 1].into();
            builder.push(Encoded::new(id, encoding, u32::from(index) + 1, stored).unwrap());
        }
        let size = builder.size();
        let (_, parts) = builder.finish();
        let bytes = parts.concat();
        assert_eq!(bytes.len() as u64, size);
        bytes
    }

    #[test]
    fn a_footer_says_what_was_packed() {
        for count in [1, 2, 3, 64, 254] {
            let pack = pack(count);
            let entries = parse_footer(&pack, pack.len() as u64).unwrap();
            assert_eq!(entries.len(), usize::from(count));
            let mut offset = 8;
            for (index, entry) in (0..).zip(&entries) {
                assert_eq!(entry.id.digest, [index; 32]);
                assert_eq!(entry.place.range(), offset..offset + u64::from(index) + 1 + 8);
                offset = entry.place.range().end;
                let (body, sum) = pack[entry.place.offset as usize..].split_at(entry.place.stored as usize);
                assert!(body.iter().all(|&byte| byte == index));
                assert_eq!(sum[..CHECKSUM], checksum(entry, body));
            }
            let tail = &pack[pack.len() - footer_length(&pack, pack.len() as u64).unwrap()..];
            assert_eq!(parse_footer(tail, pack.len() as u64), Ok(entries));
        }
    }

    #[test]
    fn every_damaged_byte_of_a_footer_is_seen() {
        let pack = pack(5);
        let size = pack.len() as u64;
        let footer = footer_length(&pack, size).unwrap();
        for at in pack.len() - footer..pack.len() {
            for flip in [1, 0x80, 0xff] {
                let mut damaged = pack.clone();
                damaged[at] ^= flip;
                assert!(parse_footer(&damaged, size).is_err(), "byte {at}");
            }
        }
    }

    /// By python-xxhash 4.1: `xxh3_64(stored, seed=xxh3_64_intdigest(entry))`.
    #[test]
    fn checksums_are_those_of_another_implementation() {
        let text = b"The quick brown fox jumps over the lazy dog";
        let long: Vec<u8> = (0..100_000u32).map(|index| (index % 251) as u8).collect();
        let sha256 = |bytes: &[u8]| ChunkId::new(HashAlgorithm::Sha256, HashAlgorithm::Sha256.digest(bytes));
        let counted = ChunkId::new(HashAlgorithm::Blake3, std::array::from_fn(|index| long[index]));
        for (id, encoding, length, stored, expected) in [
            (sha256(text), Encoding::Raw, 43, &text[..], 0x2070_95f8_8a5b_ec78_u64),
            (sha256(&long), Encoding::Raw, 100_000, &long, 0xea4d_affc_8d36_36ed),
            (counted, Encoding::Zstd, 1_234_567, &long[..1000], 0x872c_2fe1_cbd7_4ac8),
        ] {
            let stored_length = u32::try_from(stored.len()).unwrap();
            let place = Place { encoding, length, offset: 8, stored: stored_length };
            assert_eq!(checksum(&Entry { id, place }, stored), expected.to_le_bytes());
        }
    }

    #[test]
    fn every_field_of_an_entry_changes_the_checksum() {
        let id = ChunkId::new(HashAlgorithm::Sha256, [1; 32]);
        let entry = Entry { id, place: Place { encoding: Encoding::Raw, length: 5, offset: 8, stored: 5 } };
        let mut others = vec![entry; 5];
        others[0].id.digest[31] ^= 1;
        others[1].id.algorithm = HashAlgorithm::Blake3;
        others[2].place.encoding = Encoding::Zstd;
        others[3].place.length = 6;
        others[4].place.stored = 6;
        let sums: std::collections::HashSet<_> =
            others.iter().chain([&entry]).map(|entry| checksum(entry, b"bytes")).collect();
        assert_eq!(sums.len(), 6);
    }

    #[test]
    fn a_pack_of_another_length_is_refused() {
        let pack = pack(5);
        for length in 0..pack.len() {
            assert!(parse_footer(&pack[..length], length as u64).is_err(), "cut to {length}");
            assert!(parse_footer(&pack[pack.len() - length..], length as u64).is_err(), "last {length}");
        }
        for size in [0, 8, pack.len() as u64 - 1, pack.len() as u64 + 1, u64::MAX] {
            assert!(parse_footer(&pack, size).is_err(), "{size}");
        }
    }

    #[test]
    fn a_signed_lie_is_refused() {
        let id = ChunkId::new(HashAlgorithm::Sha256, [1; 32]);
        let place = |encoding, length, stored| Place { encoding, length, offset: 8, stored };
        for lie in [
            place(Encoding::Raw, 0, 0),
            place(Encoding::Raw, 5, 4),
            place(Encoding::Zstd, 0, 4),
            place(Encoding::Zstd, MAX_CHUNK + 1, 4),
            place(Encoding::Zstd, 5, 0),
            place(Encoding::Zstd, 5, u32::MAX),
        ] {
            let footer = footer(&[Entry { id, place: lie }]);
            let size = lie.range().end + footer.len() as u64;
            assert!(parse_footer(&footer, size).is_err(), "{lie:?}");
        }
        let mut many = vec![0; TRAILER];
        many[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        many[TRAILER - 8..].copy_from_slice(FOOT);
        assert_eq!(parse_footer(&many, u64::from(u32::MAX)), Err(PackError::ChunkCount { count: u32::MAX }));
        many[..4].copy_from_slice(&MAX_CHUNKS.to_le_bytes());
        assert_eq!(parse_footer(&many, 100), Err(PackError::Size { size: 100 }));
        many[TRAILER - 1] = 2;
        assert_eq!(parse_footer(&many, 100), Err(PackError::Version { version: 2 }));
    }
}

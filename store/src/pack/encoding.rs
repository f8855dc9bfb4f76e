//! Encodes chunks as stored bytes, and decodes them. Runs on the host's threads, with a buffer per thread.

use super::format::{CHECKSUM, Encoding, Entry, MAX_CHUNK, Place, checksum};
use crate::chunk::ChunkId;
use bytes::Bytes;
use chunker::compression::{Codec, CompressionError, CompressionScratch, DecompressionLimits};
use std::cell::RefCell;

/// A chunk on its way into a pack.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) id: ChunkId,
    pub(crate) bytes: Bytes,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The chunk's bytes, whose digest must be checked.
    Unverified,
    /// The chunk's bytes, whose digest the caller has just computed.
    Hashed,
    /// zstd frames of the chunk, to be checked within limits and kept.
    Frame(DecompressionLimits),
}

/// A chunk as it is stored.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) id: ChunkId,
    pub(crate) encoding: Encoding,
    pub(crate) length: u32,
    pub(crate) stored: Bytes,
    pub(crate) checksum: [u8; CHECKSUM],
}

impl Encoded {
    pub(crate) fn new(
        id: ChunkId,
        encoding: Encoding,
        length: u32,
        stored: Bytes,
    ) -> Result<Self, ChunkError> {
        let place = Place { encoding, length, offset: 0, stored: checked_length(id, stored.len())? };
        let checksum = checksum(&Entry { id, place }, &stored);
        Ok(Self { id, encoding, length, stored, checksum })
    }
}

thread_local! {
    static SCRATCH: RefCell<CompressionScratch> = RefCell::new(CompressionScratch::new());
}

/// The longest chunk that is always compressed completely to see whether it shrinks.
const SHORT: usize = 8 << 10;
/// Bytes of each of the three samples of a longer chunk.
const SAMPLE: usize = 2 << 10;

/// Encodes `chunks` at a level of zstd, or raw when it is `None`.
pub(crate) fn encode(mut chunks: Vec<Incoming>, level: Option<i32>) -> Result<Vec<Encoded>, ChunkError> {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut encoded = Vec::with_capacity(chunks.len());
        // Compressed chunks share one buffer: an allocation for each would slow `put` down.
        let mut compressed = Vec::new();
        let mut ends = Vec::new();
        // A chunk is usually like the one before it.
        let mut shrinks = false;
        for chunk in &mut chunks {
            let before = compressed.len();
            encode_one(scratch, chunk, level, shrinks, &mut compressed)?;
            shrinks = compressed.len() > before && !matches!(chunk.kind, Kind::Frame(_));
            ends.push(before..compressed.len());
        }
        let compressed = Bytes::from(compressed);
        for (Incoming { id, bytes, kind }, range) in chunks.into_iter().zip(ends) {
            let (encoding, length, stored) = if matches!(kind, Kind::Frame(_)) {
                let [length] = *compressed[range].as_chunks::<4>().0 else { continue };
                (Encoding::Zstd, u32::from_le_bytes(length), bytes)
            } else if range.is_empty() {
                (Encoding::Raw, checked_length(id, bytes.len())?, bytes)
            } else {
                (Encoding::Zstd, checked_length(id, bytes.len())?, compressed.slice(range))
            };
            encoded.push(Encoded::new(id, encoding, length, stored)?);
        }
        Ok(encoded)
    })
}

/// Appends the chunk compressed to `output`, or nothing when it is to be stored raw, or for a frame the
/// length of its content. Unless the chunk is expected to shrink, samples of it are compressed first.
fn encode_one(
    scratch: &mut CompressionScratch,
    chunk: &mut Incoming,
    level: Option<i32>,
    shrinks: bool,
    output: &mut Vec<u8>,
) -> Result<(), ChunkError> {
    match chunk.kind {
        Kind::Frame(limits) => match check_frame(scratch, chunk.id, &chunk.bytes, limits)? {
            Frame::Kept { length } => {
                output.extend_from_slice(&length.to_le_bytes());
                return Ok(());
            }
            Frame::Unpacked(content) => {
                chunk.bytes = content.into();
                chunk.kind = Kind::Hashed;
            }
        },
        Kind::Unverified => verify(chunk.id, &chunk.bytes)?,
        Kind::Hashed => {}
    }
    let (id, bytes) = (chunk.id, &chunk.bytes);
    let Some(level) = level else { return Ok(()) };
    let mut compress = |data: &[u8], level, output: &mut Vec<u8>| {
        let compressed = scratch.compress(Codec::Zstd, data, Some(level));
        let compressed = compressed.map_err(|source| ChunkError::Compression { id, source })?;
        let smaller = compressed.len() < data.len();
        if smaller {
            output.extend_from_slice(compressed);
        }
        Ok(smaller)
    };
    if looks_compressed(bytes) {
        return Ok(());
    }
    if bytes.len() > SHORT && !shrinks {
        let before = output.len();
        let middle = bytes.len() / 2;
        let samples = [&bytes[..SAMPLE], &bytes[middle..middle + SAMPLE], &bytes[bytes.len() - SAMPLE..]];
        let pays = compress(&samples.concat(), 1, output)? && (output.len() - before) * 100 < 3 * SAMPLE * 99;
        output.truncate(before);
        if !pays {
            return Ok(());
        }
    }
    compress(bytes, level, output).map(drop)
}

/// How to store frames that the caller passed.
enum Frame {
    /// As they are; their content has this length.
    Kept { length: u32 },
    /// As this content, because their window is too large for readers of the store.
    Unpacked(Vec<u8>),
}

/// Checks frames within the caller's limits, and whether every reader of the store can decompress them.
fn check_frame(
    scratch: &mut CompressionScratch,
    id: ChunkId,
    frame: &[u8],
    limits: DecompressionLimits,
) -> Result<Frame, ChunkError> {
    let content = scratch.decompress(Codec::Zstd, frame, limits);
    let content = content.map_err(|source| ChunkError::Compression { id, source })?;
    let length = checked_length(id, content.len())?;
    verify(id, content)?;
    let readable = limits_of(length);
    if limits.max_window_log <= readable.max_window_log {
        return Ok(Frame::Kept { length });
    }
    let content = content.to_vec();
    match scratch.decompress(Codec::Zstd, frame, readable) {
        Ok(_) => Ok(Frame::Kept { length }),
        Err(_) => Ok(Frame::Unpacked(content)),
    }
}

/// Returns whether `data` starts like a compressed format.
fn looks_compressed(data: &[u8]) -> bool {
    const MAGIC: [(usize, &[u8]); 13] = [
        (0, b"\x28\xb5\x2f\xfd"),   // zstd
        (0, b"\x04\x22\x4d\x18"),   // LZ4
        (0, b"\xfd7zXZ\0"),         // xz
        (0, b"BZh"),                // bzip2
        (0, b"\x1f\x8b\x08"),       // gzip
        (0, b"PK\x03\x04"),         // zip
        (0, b"\x89PNG"),            // PNG
        (0, b"\xff\xd8\xff"),       // JPEG
        (8, b"WEBP"),               // WebP
        (4, b"ftyp"),               // MP4 and its relatives
        (0, b"OggS"),               // Ogg
        (0, b"fLaC"),               // FLAC
        (0, b"7z\xbc\xaf\x27\x1c"), // 7z
    ];
    let begins = |&(at, magic): &(usize, &[u8])| data.get(at..).is_some_and(|rest| rest.starts_with(magic));
    MAGIC.iter().any(begins)
}

/// A chunk as it is in a pack.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    entry: Entry,
    /// The stored bytes and their checksum.
    bytes: Bytes,
}

impl Record {
    /// Takes the record from a part of its pack that starts at `start`.
    pub(crate) fn new(entry: Entry, part: &Bytes, start: u64) -> Self {
        let in_part = |at: u64| usize::try_from(at.saturating_sub(start)).unwrap_or(usize::MAX);
        let range = entry.place.range();
        Self { entry, bytes: part.slice(in_part(range.start)..in_part(range.end)) }
    }

    pub(crate) const fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Returns the stored bytes.
    pub(crate) fn stored(&self) -> Bytes {
        self.bytes.slice(..self.bytes.len() - CHECKSUM)
    }

    /// Returns whether the stored bytes are those that were written under this entry.
    pub(crate) fn is_intact(&self) -> bool {
        let (stored, sum) = self.bytes.split_at(self.bytes.len() - CHECKSUM);
        checksum(&self.entry, stored) == sum
    }

    /// Returns the chunk, verified by its digest.
    pub(crate) fn chunk(&self) -> Result<Bytes, ChunkError> {
        let chunk = self.content()?;
        verify(self.entry.id, &chunk)?;
        Ok(chunk)
    }

    /// Returns what is stored, decompressed: the chunk, if the record is [intact](Self::is_intact).
    pub(crate) fn content(&self) -> Result<Bytes, ChunkError> {
        let Entry { id, place } = self.entry;
        let chunk = match place.encoding {
            Encoding::Raw => self.stored(),
            Encoding::Zstd => {
                let mut chunk = Vec::new();
                let limits = limits_of(place.length);
                chunker::compression::decompress_into(Codec::Zstd, &self.stored(), limits, &mut chunk)
                    .map_err(|source| ChunkError::Compression { id, source })?;
                chunk.into()
            }
        };
        if chunk.len() != place.length as usize {
            return Err(ChunkError::Length { id, length: chunk.len() });
        }
        Ok(chunk)
    }
}

/// Base-2 logarithm of the window that every decoder must have (RFC 9659).
pub(crate) const WINDOW_LOG: u32 = 23;

/// Returns the limits for a chunk of this length: no more output, and a window that is no longer than the
/// chunk or than what every decoder must have (RFC 9659).
fn limits_of(length: u32) -> DecompressionLimits {
    let window_log = length.next_power_of_two().trailing_zeros().max(WINDOW_LOG);
    DecompressionLimits::default().with_max_output(length.into()).with_max_window_log(window_log)
}

fn verify(id: ChunkId, bytes: &[u8]) -> Result<(), ChunkError> {
    if id.algorithm.digest(bytes) == id.digest { Ok(()) } else { Err(ChunkError::Digest { id }) }
}

fn checked_length(id: ChunkId, length: usize) -> Result<u32, ChunkError> {
    let allowed = u32::try_from(length).ok().filter(|length| (1..=MAX_CHUNK).contains(length));
    allowed.ok_or(ChunkError::Length { id, length })
}

/// Why bytes do not match a chunk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// The digest is not the chunk's.
    #[error("chunk {id} does not match its digest")]
    Digest {
        /// The chunk.
        id: ChunkId,
    },
    /// The length is not the chunk's.
    #[error("chunk {id} has an invalid length of {length} bytes")]
    Length {
        /// The chunk.
        id: ChunkId,
        /// Length in bytes.
        length: usize,
    },
    /// The bytes are not a zstd frame, or one that exceeds the limits.
    #[error("chunk {id} could not be compressed or decompressed")]
    Compression {
        /// The chunk.
        id: ChunkId,
        /// The error of the codec.
        source: CompressionError,
    },
}

impl ChunkError {
    /// The chunk.
    #[must_use]
    pub const fn id(&self) -> ChunkId {
        match self {
            Self::Digest { id } | Self::Length { id, .. } | Self::Compression { id, .. } => *id,
        }
    }

    /// The stable, machine-readable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Digest { .. } => "chunk_digest_mismatch",
            Self::Length { .. } => "chunk_length_mismatch",
            Self::Compression { source, .. } => source.code(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

    use super::*;
    use chunker::hashing::HashAlgorithm;

    const TEXT: &[u8] = include_bytes!("encoding.rs");

    fn noise(length: usize, seed: u64) -> Vec<u8> {
        let mut bytes = vec![0; length];
        blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
        bytes
    }

    fn encoded(chunks: &[Vec<u8>], level: Option<i32>) -> Vec<Encoded> {
        let incoming = |bytes: &Vec<u8>| {
            let id = ChunkId::new(HashAlgorithm::Blake3, HashAlgorithm::Blake3.digest(bytes));
            Incoming { id, bytes: bytes.clone().into(), kind: Kind::Unverified }
        };
        encode(chunks.iter().map(incoming).collect(), level).unwrap()
    }

    #[test]
    fn what_shrinks_is_compressed_and_noise_is_not_whatever_comes_before() {
        for length in [4000, SHORT, SHORT + 1, 16 << 10, 64 << 10, 1 << 20] {
            let text: Vec<u8> = TEXT.iter().copied().cycle().take(length).collect();
            let ramp: Vec<u8> = (0..=255).cycle().take(length).collect();
            // Text after noise, as when a file holds compressed data first.
            let mixed = [noise(length - length / 4, 1), text[..length / 4].to_vec()].concat();
            let noise = noise(length, 2);
            let kinds = [(&text, true), (&noise, false), (&ramp, true), (&mixed, true)];
            for (before, _) in kinds {
                for (chunk, shrinks) in kinds {
                    let chunks = [before.clone(), chunk.clone()];
                    let [_, stored] = <[Encoded; 2]>::try_from(encoded(&chunks, Some(3))).unwrap();
                    assert_eq!(stored.length as usize, length);
                    if shrinks {
                        assert_eq!(stored.encoding, Encoding::Zstd);
                        assert!(stored.stored.len() < length);
                        let content = chunker::compression::decompress(
                            Codec::Zstd,
                            &stored.stored,
                            limits_of(stored.length),
                        );
                        assert_eq!(&content.unwrap(), chunk);
                    } else {
                        assert_eq!((stored.encoding, &stored.stored[..]), (Encoding::Raw, &chunk[..]));
                    }
                }
            }
        }
    }

    #[test]
    fn without_a_level_everything_is_stored_as_it_is() {
        let text = TEXT.to_vec();
        let [stored] = <[Encoded; 1]>::try_from(encoded(std::slice::from_ref(&text), None)).unwrap();
        assert_eq!((stored.encoding, &stored.stored[..]), (Encoding::Raw, &text[..]));
    }
}

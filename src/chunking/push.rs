//! Push chunkers: the caller feeds bytes piece by piece and keeps the control flow.

use super::chunk::{ChunkDescriptor, ChunkMetadata};
use crate::algorithm::HashAlgorithm;
use crate::cut::CutFinder;
use crate::hashing::Hasher;
use crate::observability::hooks::Observer;
use crate::profile::Profile;
use alloc::vec::Vec;
use bytes::{Buf, Bytes, BytesMut};

/// Bytes that are gathered before they are hashed: BLAKE3 needs 16 KiB to fill the widest SIMD
/// lanes, and blocks of a power of two that begin at one of its multiples.
const BLOCK: usize = 64 * 1024;

/// Finds and hashes the chunks of an input that arrives in pieces of any size.
///
/// Holds at most 64 KiB of the input. The chunks do not depend on how the input is split.
///
/// ```
/// use chunker::Profile;
/// use chunker::chunking::{HashAlgorithm, PushChunker};
///
/// let mut chunker = PushChunker::new(Profile::MEDIUM.hash(HashAlgorithm::Blake3));
/// let mut chunks = chunker.feed(b"a piece, ");
/// chunks.extend(chunker.feed(b"and another"));
/// chunks.extend(chunker.finish());
/// assert_eq!(chunks[0].hash, HashAlgorithm::Blake3.digest(b"a piece, and another"));
/// ```
#[derive(Clone, Debug)]
pub struct PushChunker {
    finder: CutFinder,
    digest: BlockHasher,
    hash: HashAlgorithm,
    observer: Observer,
}

impl PushChunker {
    /// Returns a chunker at the start of an input.
    #[must_use]
    pub fn new(profile: impl Into<Profile>) -> Self {
        Self::resume_at(profile, 0)
    }

    /// Returns a chunker for the rest of an input that was cut at `offset`, in bytes. The chunks are
    /// those of the whole input.
    #[must_use]
    pub fn resume_at(profile: impl Into<Profile>, offset: u64) -> Self {
        let profile = profile.into();
        let (finder, hash) = (CutFinder::resume_at(profile, offset), profile.hash_algorithm());
        Self { finder, digest: BlockHasher::new(hash), hash, observer: Observer::default() }
    }

    /// Reads all of `piece` and returns the chunks that end in it, often none.
    #[must_use = "the chunks are returned only once"]
    pub fn feed(&mut self, piece: &[u8]) -> Vec<ChunkDescriptor> {
        let mut chunks = Vec::new();
        let mut rest = piece;
        loop {
            let (offset, unread) = (self.finder.last_cut(), rest);
            let cut = self.observer.cutting(|| self.finder.next_cut(&mut rest));
            let read = &unread[..unread.len() - rest.len()];
            let Some(cut) = cut else {
                self.observer.hashing(|| self.digest.update(read));
                return chunks;
            };
            let length = chunk_length(offset, cut);
            let hash = if read.len() == length {
                self.observer.digest(self.hash, read)
            } else {
                self.observer.hashing(|| {
                    self.digest.update(read);
                    self.digest.finalize_reset(length)
                })
            };
            self.observer.emitted(self.hash, offset, length);
            chunks.push(ChunkDescriptor { hash, offset, length });
        }
    }

    /// Ends the input and returns its last chunk, unless the input is empty or just cut.
    #[must_use = "the last chunk is returned only here"]
    pub fn finish(mut self) -> Option<ChunkDescriptor> {
        let offset = self.finder.last_cut();
        let length = chunk_length(offset, self.finder.finish()?);
        let hash = self.observer.hashing(|| self.digest.finalize_reset(length));
        self.observer.emitted(self.hash, offset, length);
        Some(ChunkDescriptor { hash, offset, length })
    }

    /// Returns the offset of the last cut, where the current chunk begins.
    #[must_use]
    pub fn last_cut(&self) -> u64 {
        self.finder.last_cut()
    }
}

/// Hashes one chunk after another in whole blocks, at least one byte behind what it is given: a cut
/// may lie one byte back.
#[derive(Clone, Debug)]
struct BlockHasher {
    hasher: Hasher,
    /// Bytes of the chunk that `hasher` has seen.
    hashed: usize,
    /// The bytes after them, at most [`BLOCK`].
    tail: Vec<u8>,
}

impl BlockHasher {
    fn new(hash: HashAlgorithm) -> Self {
        Self { hasher: Hasher::unobserved(hash), hashed: 0, tail: Vec::new() }
    }

    fn update(&mut self, mut data: &[u8]) {
        if self.tail.len() + data.len() > BLOCK {
            if !self.tail.is_empty() {
                let (head, rest) = data.split_at(BLOCK - self.tail.len());
                self.tail.extend_from_slice(head);
                self.hasher.update(&self.tail);
                self.hashed += self.tail.len();
                self.tail.clear();
                data = rest;
            }
            let (blocks, rest) = data.split_at((data.len() - 1) / BLOCK * BLOCK);
            self.hasher.update(blocks);
            self.hashed += blocks.len();
            data = rest;
        }
        self.tail.extend_from_slice(data);
    }

    /// Returns the digest of the first `length` bytes; those after them begin the next chunk.
    fn finalize_reset(&mut self, length: usize) -> [u8; 32] {
        let end = length - self.hashed;
        self.hasher.update(&self.tail[..end]);
        self.tail.drain(..end);
        self.hashed = 0;
        self.hasher.finalize_reset()
    }
}

/// Finds and hashes the chunks of an input that arrives in pieces of any size, and returns them with
/// their bytes.
///
/// Keeps the bytes of the chunk that has not ended. A payload keeps at most eight times its length alive:
/// small ones are copied out of the buffer that they arrived in, the others share it.
#[derive(Clone, Debug)]
pub struct PayloadChunker {
    cutter: PayloadCutter,
    hash: HashAlgorithm,
}

/// A payload keeps at most this many times its length alive.
const PINNED: usize = 8;

/// Pieces are taken in slices of at most this many bytes, so that the buffer stays small.
const FEED_SLICE: usize = 1024 * 1024;

impl PayloadChunker {
    /// Returns a chunker at the start of an input.
    #[must_use]
    pub fn new(profile: impl Into<Profile>) -> Self {
        Self::resume_at(profile, 0)
    }

    /// Returns a chunker for the rest of an input that was cut at `offset`, in bytes. The chunks are
    /// those of the whole input.
    #[must_use]
    pub fn resume_at(profile: impl Into<Profile>, offset: u64) -> Self {
        let profile = profile.into();
        Self { cutter: PayloadCutter::resume_at(profile, offset), hash: profile.hash_algorithm() }
    }

    /// Reads all of `piece` and returns the chunks that end in it, often none.
    #[must_use = "the chunks are returned only once"]
    pub fn feed(&mut self, piece: &[u8]) -> Vec<ChunkMetadata> {
        let mut chunks = Vec::new();
        for slice in piece.chunks(FEED_SLICE) {
            self.cutter.append(slice);
            let next = || {
                let payload = self.cutter.next_payload()?;
                Some(payload.hashed(self.hash, &mut self.cutter.observer))
            };
            chunks.extend(core::iter::from_fn(next));
        }
        chunks
    }

    /// Ends the input and returns its last chunk, unless the input is empty or just cut.
    #[must_use = "the last chunk is returned only here"]
    pub fn finish(mut self) -> Option<ChunkMetadata> {
        let payload = self.cutter.take_last_payload()?;
        Some(payload.hashed(self.hash, &mut self.cutter.observer))
    }

    /// Returns the offset of the last cut, where the current chunk begins.
    #[must_use]
    pub fn last_cut(&self) -> u64 {
        self.cutter.last_cut()
    }
}

/// The bytes of a chunk that has no digest yet.
pub(crate) struct Payload {
    offset: u64,
    bytes: Bytes,
}

impl Payload {
    pub(crate) fn hashed(self, hash: HashAlgorithm, observer: &mut Observer) -> ChunkMetadata {
        let Self { offset, bytes } = self;
        let digest = observer.digest(hash, &bytes);
        observer.emitted(hash, offset, bytes.len());
        ChunkMetadata { hash: digest, offset, length: bytes.len(), payload: bytes }
    }
}

/// Finds the chunks of an input that arrives in pieces of any size, and keeps the bytes of the chunk
/// that has not ended.
#[derive(Clone, Debug)]
pub(crate) struct PayloadCutter {
    finder: CutFinder,
    /// The bytes since the last cut, and space behind them that has been zeroed.
    buffer: BytesMut,
    /// Bytes of the allocation that `buffer` is a part of.
    allocated: usize,
    /// How many of these bytes are the input's.
    filled: usize,
    /// How many of them the finder has read.
    read: usize,
    max_size: usize,
    pub(crate) observer: Observer,
}

impl PayloadCutter {
    pub(crate) fn resume_at(profile: Profile, offset: u64) -> Self {
        let finder = CutFinder::resume_at(profile, offset);
        let (buffer, max_size) = (BytesMut::new(), profile.options().max_size());
        Self { finder, buffer, allocated: 0, filled: 0, read: 0, max_size, observer: Observer::default() }
    }

    pub(crate) fn last_cut(&self) -> u64 {
        self.finder.last_cut()
    }

    fn append(&mut self, piece: &[u8]) {
        self.buffer.truncate(self.filled);
        self.make_room(piece.len());
        self.buffer.extend_from_slice(piece);
        self.filled = self.buffer.len();
    }

    /// Lets `read` write to `space` bytes, and appends and returns as many as it says, at most `space`.
    #[cfg(feature = "std")]
    pub(crate) fn fill<E>(
        &mut self,
        space: usize,
        read: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        self.make_room(space);
        let end = self.filled + space;
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        let length = read(&mut self.buffer[self.filled..end])?;
        self.filled += length;
        Ok(length)
    }

    /// Makes the buffer large enough for `space` more bytes: that of payloads that are gone, or a new
    /// one for several pieces, so that what it holds is not moved for each; never more than the longest
    /// chunk and a piece need.
    fn make_room(&mut self, space: usize) {
        let end = self.filled + space;
        if self.buffer.capacity() >= end || self.buffer.try_reclaim(end - self.buffer.len()) {
            return;
        }
        let capacity = (2 * self.filled).max(4 * space).min(self.max_size + space).max(end);
        let mut buffer = BytesMut::with_capacity(capacity);
        buffer.extend_from_slice(&self.buffer[..self.filled]);
        self.buffer = buffer;
        self.allocated = self.buffer.capacity();
    }

    /// Returns the next chunk that ends in what was appended.
    pub(crate) fn next_payload(&mut self) -> Option<Payload> {
        let offset = self.finder.last_cut();
        let mut unread = &self.buffer[self.read..self.filled];
        let cut = self.observer.cutting(|| self.finder.next_cut(&mut unread));
        self.read = self.filled - unread.len();
        Some(self.take(offset, chunk_length(offset, cut?)))
    }

    /// Returns the rest of the input as a chunk, at its end.
    pub(crate) fn take_last_payload(&mut self) -> Option<Payload> {
        let offset = self.finder.last_cut();
        let end = self.finder.clone().finish()?;
        Some(self.take(offset, chunk_length(offset, end)))
    }

    fn take(&mut self, offset: u64, length: usize) -> Payload {
        let bytes = if length * PINNED < self.allocated {
            let copy = Bytes::copy_from_slice(&self.buffer[..length]);
            self.buffer.advance(length);
            copy
        } else {
            self.buffer.split_to(length).freeze()
        };
        self.read -= length;
        self.filled -= length;
        Payload { offset, bytes }
    }
}

/// The length of the chunk from one cut to the next: at most `max_size`, so it fits.
#[expect(clippy::cast_possible_truncation, reason = "max_size is at most 1 GiB")]
pub(crate) fn chunk_length(offset: u64, cut: u64) -> usize {
    cut.wrapping_sub(offset) as usize
}

//! Puts the parts of a pack together.

use super::encoding::Encoded;
use super::format::{CHECKSUM, ENTRY, Entry, HEAD, MAX_CHUNKS, MAX_PACK, Place, TRAILER, footer};
use bytes::Bytes;

/// A pack being built: its entries, and the parts of the object that were not taken yet.
#[derive(Debug)]
pub(crate) struct Builder {
    entries: Vec<Entry>,
    parts: Vec<Bytes>,
    body: u64,
}

impl Default for Builder {
    fn default() -> Self {
        Self { entries: Vec::new(), parts: vec![Bytes::from_static(HEAD)], body: 0 }
    }
}

impl Builder {
    /// Bytes of the object so far, footer included.
    pub(crate) fn size(&self) -> u64 {
        let footer = self.entries.len() * ENTRY + TRAILER;
        HEAD.len() as u64 + self.body + footer as u64
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns whether a chunk still fits within the format's limits.
    pub(crate) fn fits(&self, chunk: &Encoded) -> bool {
        let more = chunk.stored.len() + CHECKSUM + ENTRY;
        self.entries.len() < MAX_CHUNKS as usize && self.size() + more as u64 <= MAX_PACK
    }

    /// Appends a chunk for which there is [space](Self::fits).
    #[expect(clippy::cast_possible_truncation, reason = "it fits: a pack has at most MAX_PACK bytes")]
    pub(crate) fn push(&mut self, chunk: Encoded) {
        let Encoded { id, encoding, length, stored, checksum } = chunk;
        let offset = (HEAD.len() as u64 + self.body) as u32;
        let place = Place { encoding, length, offset, stored: stored.len() as u32 };
        self.body = place.range().end - HEAD.len() as u64;
        self.entries.push(Entry { id, place });
        self.parts.extend([stored, Bytes::copy_from_slice(&checksum)]);
    }

    /// Takes the parts that were added since the last call.
    pub(crate) fn take_parts(&mut self) -> Vec<Bytes> {
        std::mem::take(&mut self.parts)
    }

    /// Returns the entries and the remaining parts of the object.
    pub(crate) fn finish(mut self) -> (Vec<Entry>, Vec<Bytes>) {
        self.parts.push(footer(&self.entries).into());
        (self.entries, self.parts)
    }
}

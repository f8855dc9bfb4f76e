//! Where the parts of LZ4 frames end, in data that arrive in pieces.
//!
//! `lz4_flex` reads the head of a frame, or a block, in one go: it may see one only when it is whole.

use std::io;

/// The largest block of a frame (LZ4 Frame Format, "Frame Descriptor").
const MAX_BLOCK: usize = 4 * 1024 * 1024;
const MAGIC: u32 = 0x184d_2204;
/// The 16 magic numbers of skippable frames.
const SKIPPABLE: u32 = 0x184d_2a50;

/// Place within a sequence of frames.
#[derive(Debug, Default)]
pub(super) struct Lz4Units {
    /// What comes behind the ready bytes.
    next: Unit,
    /// Bytes of whole units that were not read yet.
    ready: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum Unit {
    #[default]
    Frame,
    Block {
        block_checksum: bool,
        content_checksum: bool,
    },
    /// So many bytes of a skippable frame.
    Skipped(u32),
    /// The end of the data, not a whole unit.
    Rest,
}

impl Lz4Units {
    /// Returns the length of the skippable frames that `rest` begins with, as far as they are there.
    pub(super) fn skip(&mut self, rest: &[u8]) -> usize {
        let mut length = 0;
        while self.ready == 0 {
            let rest = &rest[length..];
            match self.next {
                Unit::Skipped(0) => self.next = Unit::Frame,
                Unit::Skipped(left) if !rest.is_empty() => {
                    let skipped = u32::try_from(rest.len()).map_or(left, |there| there.min(left));
                    self.next = Unit::Skipped(left - skipped);
                    length += skipped as usize;
                }
                Unit::Frame if word(rest, 0).is_some_and(|magic| magic & !0xf == SKIPPABLE) => {
                    let Some(content) = word(rest, 4) else { break };
                    self.next = Unit::Skipped(content);
                    length += 8;
                }
                _ => break,
            }
        }
        length
    }

    /// Returns how many bytes of `rest` are whole units, all of it when there is no more to come.
    pub(super) fn ready(&mut self, rest: &[u8], ended: bool) -> io::Result<usize> {
        while let Some((length, next)) = self.unit(&rest[self.ready..])? {
            self.ready += length;
            self.next = next;
        }
        if !ended {
            return Ok(self.ready);
        }
        if let Unit::Skipped(1..) = self.next {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.next = Unit::Rest;
        Ok(rest.len())
    }

    pub(super) fn consume(&mut self, length: usize) {
        self.ready = self.ready.saturating_sub(length);
    }

    /// Returns the length of the unit that `rest` begins with, if it is whole, and what follows it.
    fn unit(&self, rest: &[u8]) -> io::Result<Option<(usize, Unit)>> {
        let Some(head) = word(rest, 0) else { return Ok(None) };
        let (length, next) = match self.next {
            Unit::Frame if head == MAGIC => {
                let Some(flags) = rest.get(4) else { return Ok(None) };
                let has = |bit: u8| flags & 1 << bit != 0;
                let length = 4 + 2 + if has(3) { 8 } else { 0 } + if has(0) { 4 } else { 0 } + 1;
                (length, Unit::Block { block_checksum: has(4), content_checksum: has(2) })
            }
            Unit::Frame if head & !0xf != SKIPPABLE => return Err(invalid("no LZ4 frame begins here")),
            Unit::Frame | Unit::Skipped(_) | Unit::Rest => return Ok(None),
            Unit::Block { content_checksum, .. } if head == 0 => {
                (4 + if content_checksum { 4 } else { 0 }, Unit::Frame)
            }
            Unit::Block { block_checksum, .. } => {
                // The highest bit says that the block is stored as it is.
                let block = (head & !(1 << 31)) as usize;
                if block > MAX_BLOCK {
                    return Err(invalid("an LZ4 block is too large"));
                }
                (4 + block + if block_checksum { 4 } else { 0 }, self.next)
            }
        };
        Ok((length <= rest.len()).then_some((length, next)))
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn invalid(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

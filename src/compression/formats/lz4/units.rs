//! The parts of LZ4 frames, each given only when it is whole.
//!
//! `lz4_flex` reads the head of a frame, or a block, in one go, and cannot go on when its reader blocks
//! within one. It takes the end of its input, and a block of nothing, for the end of the frame. The
//! block words say where a frame ends (LZ4 Frame Format, "General Structure of LZ4 Frame format").

use alloc::vec::Vec;
use std::io::{self, BufRead, Read};

const MAGIC: u32 = 0x184d_2204;
/// Frames of `lz4 -l`, which have neither an end nor checksums.
const LEGACY_MAGIC: u32 = 0x184c_2102;
/// The 16 magic numbers of skippable frames.
const SKIPPABLE: u32 = 0x184d_2a50;

/// What [`Units::advance`] has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// The magic number and the descriptor of a frame with content.
    Head,
    /// A block, or the end mark with the checksum of the content.
    Body,
    /// The end of the input, between two frames.
    End,
}

/// Reader of the one unit that [`advance`](Self::advance) found last.
#[derive(Debug)]
pub(super) struct Units<R> {
    pub(super) reader: R,
    /// What follows the unit.
    next: Next,
    /// The unit, when the reader had it in pieces.
    gathered: Vec<u8>,
    /// Bytes of the unit that were not read yet.
    unread: usize,
}

#[derive(Clone, Copy, Debug)]
enum Next {
    Frame,
    Body(Body),
    /// This many bytes of a skippable frame.
    Skipped(u32),
}

/// What the head of a frame says about its blocks.
#[derive(Clone, Copy, Debug)]
struct Body {
    block_checksum: bool,
    content_checksum: bool,
    max_block: usize,
}

/// The number of bytes in a unit, as far as its start tells.
enum Length {
    Whole(usize, Next),
    AtLeast(usize),
}

impl<R: BufRead> Units<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, next: Next::Frame, gathered: Vec::new(), unread: 0 }
    }

    /// Goes to the next unit, past skippable frames; after an error of the reader it may be called
    /// again.
    pub(super) fn advance(&mut self) -> io::Result<Unit> {
        loop {
            let input = self.reader.fill_buf()?;
            if let Next::Skipped(left) = self.next {
                let skipped = u32::try_from(input.len()).map_or(left, |length| length.min(left));
                if skipped == 0 && left > 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                self.reader.consume(skipped as usize);
                self.next = if skipped == left { Next::Frame } else { Next::Skipped(left - skipped) };
                continue;
            }
            let begun = !self.gathered.is_empty();
            match self.next.length(if begun { &self.gathered } else { input })? {
                Length::Whole(length, next @ Next::Skipped(_)) => {
                    if !begun {
                        self.reader.consume(length);
                    }
                    self.gathered.clear();
                    self.next = next;
                }
                Length::Whole(length, next) => {
                    let unit = if matches!(self.next, Next::Frame) { Unit::Head } else { Unit::Body };
                    self.unread = length;
                    self.next = next;
                    return Ok(unit);
                }
                Length::AtLeast(_) if input.is_empty() => {
                    return match self.next {
                        Next::Frame if !begun => Ok(Unit::End),
                        _ => Err(io::ErrorKind::UnexpectedEof.into()),
                    };
                }
                Length::AtLeast(length) => {
                    let taken = input.len().min(length - self.gathered.len());
                    self.gathered.extend_from_slice(&input[..taken]);
                    self.reader.consume(taken);
                }
            }
        }
    }
}

impl<R: BufRead> Read for Units<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.unread == 0 {
            return Ok(0);
        }
        if self.gathered.is_empty() {
            let length = (&self.reader.fill_buf()?[..self.unread]).read(buffer)?;
            self.reader.consume(length);
            self.unread -= length;
            return Ok(length);
        }
        let start = self.gathered.len() - self.unread;
        let length = (&self.gathered[start..]).read(buffer)?;
        self.unread -= length;
        if self.unread == 0 {
            self.gathered.clear();
        }
        Ok(length)
    }
}

impl Next {
    /// Returns the length of the unit that begins with `bytes`, which is not of a skippable frame's
    /// content.
    fn length(self, bytes: &[u8]) -> io::Result<Length> {
        let Some(word) = word(bytes, 0) else { return Ok(Length::AtLeast(4)) };
        let (length, next) = match self {
            Self::Body(body) => body.unit(word)?,
            _ if word & !0xf == SKIPPABLE => match self::word(bytes, 4) {
                Some(content) => (8, Self::Skipped(content)),
                None => return Ok(Length::AtLeast(8)),
            },
            _ if word == MAGIC => match bytes.get(4..6) {
                Some(&[flags, sizes]) => head(flags, sizes),
                _ => return Ok(Length::AtLeast(6)),
            },
            _ if word == LEGACY_MAGIC => return Err(invalid("legacy frames of LZ4 are not supported")),
            _ => return Err(invalid("no LZ4 frame begins here")),
        };
        Ok(if length <= bytes.len() { Length::Whole(length, next) } else { Length::AtLeast(length) })
    }
}

impl Body {
    /// Returns the length of the unit with this block word, and what follows it.
    fn unit(self, word: u32) -> io::Result<(usize, Next)> {
        if word == 0 {
            return Ok((4 + if self.content_checksum { 4 } else { 0 }, Next::Frame));
        }
        // The highest bit says that the block is stored as it is.
        let block = (word & !(1 << 31)) as usize;
        if block > self.max_block {
            return Err(invalid("an LZ4 block is larger than its frame allows"));
        }
        Ok((4 + block + if self.block_checksum { 4 } else { 0 }, Next::Body(self)))
    }
}

/// Returns the length of a head with these descriptor bytes (FLG and BD), and what follows it.
fn head(flags: u8, sizes: u8) -> (usize, Next) {
    let has = |bit: u8| flags & 1 << bit != 0;
    let length = 4 + 2 + if has(3) { 8 } else { 0 } + if has(0) { 4 } else { 0 } + 1;
    // 4 to 7 stand for 64 KiB to 4 MiB; `lz4_flex` refuses heads with other values.
    let max_block = 1 << (8 + 2 * (sizes >> 4 & 7));
    (length, Next::Body(Body { block_checksum: has(4), content_checksum: has(2), max_block }))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn invalid(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

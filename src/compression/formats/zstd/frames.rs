//! zstd frames one after another, from a reader or from one slice into one buffer.
//!
//! A call of the library that sees a whole frame, and has space for all of its content, decodes it
//! without looking at its window, and takes blocks of lengths that other calls refuse, or the other way
//! round. So it is given a whole frame only when the window is allowed and the blocks have valid lengths,
//! and else first the frame's first byte.

use crate::compression::codec::Codec;
use crate::compression::error::CompressionError;
use crate::compression::formats::growth::Growth;
use crate::compression::limits::DecompressionLimits;
use alloc::vec::Vec;
use std::io::{self, BufRead, Read};
use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode;
use zstd::zstd_safe::{
    DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, get_error_name, get_frame_content_size,
    is_error_kind,
};

/// A frame may claim any length; it is believed up to this many times the length of its data.
const BELIEVED: usize = 256;

/// The most bytes of content that a block has (RFC 8878, 3.1.1.2.4).
const MAX_BLOCK: u64 = 128 << 10;

/// The most bytes that the head of a frame has, with its magic number (RFC 8878, 3.1.1).
const HEAD: usize = 18;

/// Reader of the content of all frames.
pub(in crate::compression) struct Frames<R> {
    reader: R,
    context: DCtx<'static>,
    /// What the last call said it misses; 0 between two frames.
    missing: usize,
    /// The context may hold content that found no space.
    full: bool,
    /// The first bytes of the frame, as far as they were read.
    head: Vec<u8>,
    /// Bytes of content that the frame has given.
    content: u64,
}

impl<R: BufRead> Frames<R> {
    /// Returns a reader; an empty dictionary means none.
    pub(super) fn new(
        reader: R,
        dictionary: &[u8],
        limits: DecompressionLimits,
    ) -> Result<Self, CompressionError> {
        let failed = |source| CompressionError::Failed { codec: Codec::Zstd, source };
        let out_of_memory = || failed(io::ErrorKind::OutOfMemory.into());
        let mut context = DCtx::try_create().ok_or_else(out_of_memory)?;
        let code = |code| failed(io::Error::other(get_error_name(code)));
        context.set_parameter(DParameter::WindowLogMax(limits.max_window_log)).map_err(code)?;
        context.load_dictionary(dictionary).map_err(code)?;
        Ok(Self { reader, context, missing: 0, full: false, head: Vec::new(), content: 0 })
    }

    pub(super) fn get_mut(&mut self) -> &mut R {
        &mut self.reader
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let input = if self.full { &[] } else { self.reader.fill_buf()? };
            if input.is_empty() && !self.full {
                return if self.missing == 0 { Ok(0) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
            let seen = if self.missing == 0 {
                self.head.clear();
                self.content = 0;
                &input[..1]
            } else {
                input
            };
            let mut input = InBuffer::around(seen);
            let mut output = OutBuffer::around(&mut *buffer);
            let missing = self
                .context
                .decompress_stream(&mut output, &mut input)
                .map_err(|code| error_of(code).into_io())?;
            let (read, written) = (input.pos(), output.pos());
            self.head.extend_from_slice(&seen[..read.min(HEAD - self.head.len())]);
            self.content += written as u64;
            if missing == 0 {
                check_content(&self.head, self.content).map_err(CompressionError::into_io)?;
            }
            self.missing = missing;
            self.full = missing > 0 && written == buffer.len();
            self.reader.consume(read);
            if written > 0 || buffer.is_empty() {
                return Ok(written);
            }
        }
    }
}

/// Appends the content of the frames in `data` to `output`, which on an error holds a part of it.
pub(super) fn decompress(
    context: &mut DCtx<'_>,
    data: &[u8],
    limits: DecompressionLimits,
    output: &mut Vec<u8>,
) -> Result<(), CompressionError> {
    let limits = limits.checked()?;
    context.reset(ResetDirective::SessionOnly).map_err(error_of)?;
    context.set_parameter(DParameter::WindowLogMax(limits.max_window_log)).map_err(error_of)?;
    if data.is_empty() {
        return Err(CompressionError::Truncated { codec: Codec::Zstd });
    }
    let mut growth = Growth::new(limits, output);
    growth.expect(content_size(data).map_or(0, |claimed| claimed.min(data.len().saturating_mul(BELIEVED))));
    let (mut read, mut missing) = (0, 0);
    let mut frame = (data, output.len());
    while read < data.len() || missing > 0 {
        let rest = &data[read..];
        let begins = missing == 0;
        if begins {
            frame = (rest, output.len());
        }
        let mut input =
            InBuffer::around(if begins && !may_be_whole(rest, limits) { &rest[..1] } else { rest });
        growth.space(output);
        let position = output.len();
        let mut space = OutBuffer::around_pos(output, position);
        missing = context.decompress_stream(&mut space, &mut input).map_err(error_of)?;
        read += input.pos();
        growth.check(output.len())?;
        if missing == 0 {
            let (head, start) = frame;
            check_content(head, (output.len() - start) as u64)?;
        }
        if read == data.len() && missing > 0 && output.len() < output.capacity() {
            return Err(CompressionError::Truncated { codec: Codec::Zstd });
        }
    }
    Ok(())
}

/// Returns what the library's code of an error means when decompressing.
fn error_of(code: usize) -> CompressionError {
    let codec = Codec::Zstd;
    if is_error_kind(code, ZSTD_ErrorCode::ZSTD_error_frameParameter_windowTooLarge) {
        return CompressionError::WindowExceeded { codec };
    }
    CompressionError::Corrupt { codec, source: io::Error::other(get_error_name(code)) }
}

/// Checks that a frame gave as much content as its head says, which the library does not do when the
/// last block is empty.
fn check_content(head: &[u8], content: u64) -> Result<(), CompressionError> {
    match get_frame_content_size(head) {
        Ok(Some(claimed)) if claimed != content => {
            let source =
                io::Error::new(io::ErrorKind::InvalidData, "content length does not match the frame header");
            Err(CompressionError::Corrupt { codec: Codec::Zstd, source })
        }
        _ => Ok(()),
    }
}

fn content_size(frame: &[u8]) -> Option<usize> {
    usize::try_from(get_frame_content_size(frame).ok()??).ok()
}

/// Tells whether a whole frame begins here, with a window that is allowed and blocks of valid lengths
/// (RFC 8878, 3.1.1.1 and 3.1.1.2).
fn may_be_whole(frame: &[u8], limits: DecompressionLimits) -> bool {
    let [0x28, 0xb5, 0x2f, 0xfd, descriptor, rest @ ..] = frame else { return false };
    let single_segment = descriptor & 1 << 5 != 0;
    let window = if single_segment {
        get_frame_content_size(frame).ok().flatten()
    } else {
        rest.first().map(|byte| {
            let base = 1 << (10 + (byte >> 3));
            base + base / 8 * u64::from(byte & 7)
        })
    };
    let dictionary_id = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let content_size = [usize::from(single_segment), 2, 4, 8][usize::from(descriptor >> 6)];
    let head = usize::from(!single_segment) + dictionary_id + content_size;
    window.filter(|&window| window <= 1 << limits.max_window_log).is_some_and(|window| {
        rest.get(head..).is_some_and(|blocks| have_valid_lengths(blocks, window.min(MAX_BLOCK)))
    })
}

/// Tells whether whole blocks of at most `most` bytes, up to a last one, begin here.
fn have_valid_lengths(mut blocks: &[u8], most: u64) -> bool {
    const REPEATED: u32 = 1;
    const COMPRESSED: u32 = 2;
    while let Some((&[a, b, c], rest)) = blocks.split_first_chunk() {
        let head = u32::from_le_bytes([a, b, c, 0]);
        let (last, kind, size) = (head & 1 != 0, head >> 1 & 3, head >> 3);
        let length = if kind == REPEATED { 1 } else { size };
        if u64::from(size.max(length)) > most || (kind == COMPRESSED && size == 0) {
            return false;
        }
        let Some(next) = rest.get(length as usize..) else { return false };
        if last {
            return true;
        }
        blocks = next;
    }
    false
}

//! Bytes from JavaScript into the module's memory.

use crate::failure::Failure;
use js_sys::Uint8Array;
use std::cell::Cell;

/// Bytes are copied in slices of at most 1 MiB: memory stays bounded, the slice stays in the cache,
/// and engines get the chance to leave their baseline tier between two calls.
const SLICE: u32 = 1024 * 1024;

thread_local! {
    /// The one buffer all slices go through; taken while it is used.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Calls `read` with all of `bytes`, slice after slice.
pub(crate) fn for_each_slice(bytes: &Uint8Array, mut read: impl FnMut(&[u8])) {
    let mut buffer = BUFFER.take();
    let length = bytes.length();
    let mut start = 0;
    while start < length {
        let end = length.min(start.saturating_add(SLICE));
        let slice = (end - start) as usize;
        if buffer.len() < slice {
            buffer.resize(slice, 0);
        }
        bytes.subarray(start, end).copy_to(&mut buffer[..slice]);
        read(&buffer[..slice]);
        start = end;
    }
    BUFFER.set(buffer);
}

/// Appends all of `bytes` to `to`.
pub(crate) fn append(bytes: &Uint8Array, to: &mut Vec<u8>) -> Result<(), Failure> {
    let (start, length) = (to.len(), length(bytes));
    to.try_reserve(length).map_err(|_| Failure::memory(length))?;
    to.resize(start + length, 0);
    bytes.copy_to(&mut to[start..]);
    Ok(())
}

/// Returns a copy of all of `bytes`.
pub(crate) fn copied(bytes: &Uint8Array) -> Result<Vec<u8>, Failure> {
    let mut copy = Vec::new();
    append(bytes, &mut copy)?;
    Ok(copy)
}

/// Returns the length of `bytes`.
pub(crate) fn length(bytes: &Uint8Array) -> usize {
    bytes.length() as usize
}

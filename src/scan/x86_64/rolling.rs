//! What the kernels share: hashes over bytes that are known to hold no cut, and what is fetched ahead.

#![expect(unsafe_code, reason = "prefetches")]

use crate::gear::Gear;
use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

/// Bytes of a line of the cache.
pub(super) const LINE: usize = 64;
/// Bytes that the hash remembers: one for each of its bits.
pub(super) const WINDOW: usize = 64;

/// Returns the hash after `bytes`, four at a time as in the portable kernel.
pub(super) fn roll(gear: impl Gear, mut hash: u64, bytes: &[u8]) -> u64 {
    let (quads, tail) = bytes.as_chunks::<4>();
    for quad in quads {
        let [g0, g1, g2, g3] = quad.map(|byte| gear.entry(byte));
        let sum = (g0 << 3).wrapping_add(g1 << 2).wrapping_add((g2 << 1).wrapping_add(g3));
        hash = (hash << 4).wrapping_add(sum);
    }
    tail.iter().fold(hash, |hash, &byte| (hash << 1).wrapping_add(gear.entry(byte)))
}

/// Returns the hash after `bytes` that began with `hash`; reads only what it remembers of them, in two
/// halves that do not wait for each other.
pub(super) fn hash_after(gear: impl Gear, hash: u64, bytes: &[u8]) -> u64 {
    let Some(window) = bytes.last_chunk::<WINDOW>() else { return roll(gear, hash, bytes) };
    let (first, second) = window.split_at(WINDOW / 2);
    (roll(gear, 0, first) << (WINDOW / 2)).wrapping_add(roll(gear, 0, second))
}

/// Asks for the lines of `bytes` bytes that begin `from` bytes after the beginning of `input`.
pub(super) fn prefetch(input: &[u8], from: usize, bytes: usize) {
    for line in (from..from + bytes).step_by(LINE) {
        let address = input.as_ptr().wrapping_add(line);
        // SAFETY: a prefetch is a hint: it reads nothing, and no address makes it fault.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
}

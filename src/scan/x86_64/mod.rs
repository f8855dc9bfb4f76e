//! The kernels of x86-64, and what of them this CPU has.

#![expect(unsafe_code, reason = "prefetches")]

mod avx2;
mod avx512;

use super::portable;
use crate::gear::{Gear, Plain, Seeded};
use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernel {
    Avx2(avx2::Kernel),
    Avx512(avx512::Kernel),
}

impl Kernel {
    pub(super) fn detect() -> Option<Self> {
        if cfg!(chunker_scan = "avx2") {
            return avx2::Kernel::detect().map(Self::Avx2);
        }
        avx512::Kernel::detect().map(Self::Avx512).or_else(|| avx2::Kernel::detect().map(Self::Avx2))
    }

    pub(super) fn available() -> impl Iterator<Item = Self> {
        let avx2 = avx2::Kernel::detect().map(Self::Avx2);
        avx2.into_iter().chain(avx512::Kernel::detect().map(Self::Avx512))
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Avx2(_) => "avx2",
            Self::Avx512(_) => "avx512",
        }
    }

    /// Scans with the published table.
    ///
    /// Compiled here, not where it is called: other crates would reach the tables by another way, and a
    /// caller's loop of the portable kernel has no register to spare.
    #[inline(never)]
    pub(super) fn scan(self, hash: &mut u64, input: &[u8], mask: u64) -> Option<usize> {
        self.scan_by(Plain, hash, input, mask)
    }

    /// Scans with a seeded table.
    #[inline(never)]
    pub(super) fn scan_seeded(self, gear: &Seeded, hash: &mut u64, input: &[u8], mask: u64) -> Option<usize> {
        self.scan_by(gear, hash, input, mask)
    }

    #[inline(always)]
    fn scan_by(self, gear: impl Gear, hash: &mut u64, input: &[u8], mask: u64) -> Option<usize> {
        match self {
            Self::Avx2(kernel) => kernel.scan(gear, hash, input, mask),
            Self::Avx512(kernel) => kernel.scan(gear, hash, input, mask),
        }
    }
}

/// Bytes of a line of the cache.
const LINE: usize = 64;
/// Bytes that the hash remembers: one for each of its bits.
const WINDOW: usize = 64;

/// Returns the hash after `bytes`, four at a time as in the portable kernel.
fn roll(gear: impl Gear, mut hash: u64, bytes: &[u8]) -> u64 {
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
fn hash_after(gear: impl Gear, hash: u64, bytes: &[u8]) -> u64 {
    let Some(window) = bytes.last_chunk::<WINDOW>() else { return roll(gear, hash, bytes) };
    let (first, second) = window.split_at(WINDOW / 2);
    (roll(gear, 0, first) << (WINDOW / 2)).wrapping_add(roll(gear, 0, second))
}

/// Asks for the lines of `bytes` bytes that begin `from` bytes after the beginning of `input`.
fn prefetch(input: &[u8], from: usize, bytes: usize) {
    for line in (from..from + bytes).step_by(LINE) {
        let address = input.as_ptr().wrapping_add(line);
        // SAFETY: a prefetch is a hint: it reads nothing, and no address makes it fault.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
}

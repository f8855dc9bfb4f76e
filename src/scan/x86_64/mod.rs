//! The kernels of x86-64, and what of them this CPU has.

mod avx512;

use super::portable;
use crate::gear::GEAR;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernel {
    Avx512(avx512::Kernel),
}

impl Kernel {
    pub(super) fn detect() -> Option<Self> {
        if cfg!(chunker_scan = "avx2") {
            return None;
        }
        avx512::Kernel::detect().map(Self::Avx512)
    }

    pub(super) fn available() -> impl Iterator<Item = Self> {
        avx512::Kernel::detect().map(Self::Avx512).into_iter()
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Avx512(_) => "avx512",
        }
    }

    pub(super) fn scan(self, hash: &mut u64, input: &[u8], mask: u64) -> Option<usize> {
        match self {
            Self::Avx512(kernel) => kernel.scan(hash, input, mask),
        }
    }
}

/// Bytes that the hash remembers: one for each of its bits.
const WINDOW: usize = 64;

/// Returns the hash after `bytes`, four at a time as in the portable kernel.
fn roll(mut hash: u64, bytes: &[u8]) -> u64 {
    let (quads, tail) = bytes.as_chunks::<4>();
    for quad in quads {
        let [g0, g1, g2, g3] = quad.map(|byte| GEAR[usize::from(byte)]);
        let sum = (g0 << 3).wrapping_add(g1 << 2).wrapping_add((g2 << 1).wrapping_add(g3));
        hash = (hash << 4).wrapping_add(sum);
    }
    tail.iter().fold(hash, |hash, &byte| (hash << 1).wrapping_add(GEAR[usize::from(byte)]))
}

/// Returns the hash after `bytes` that began with `hash`; reads only what it remembers of them.
fn hash_after(hash: u64, bytes: &[u8]) -> u64 {
    bytes.last_chunk::<WINDOW>().map_or_else(|| roll(hash, bytes), |window| roll(0, window))
}

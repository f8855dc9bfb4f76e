//! "Where is the next position whose gear hash meets the mask?" and nothing else.

mod portable;
#[cfg(not(all(feature = "std", target_arch = "x86_64")))]
mod no_simd;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod x86_64;

use crate::gear::{Plain, Seeded};
#[cfg(not(all(feature = "std", target_arch = "x86_64")))]
use no_simd as native;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
use x86_64 as native;

/// A scan kernel that this CPU can run.
///
/// The one value that chooses between kernels: holding a `Scanner` proves that its instructions are
/// available. All kernels give the same results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scanner(Kernel);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernel {
    Portable,
    Native(native::Kernel),
}

/// Below this many bytes the set-up of a SIMD kernel costs more than it saves.
const SHORT: usize = 400;

impl Scanner {
    /// The kernel of every target.
    pub const PORTABLE: Self = Self(Kernel::Portable);

    /// Returns the fastest kernel for this CPU.
    ///
    /// A build with `--cfg chunker_scan="portable"`, `"scalar"` or `"avx2"` uses none that is faster than
    /// the named one.
    #[must_use]
    #[inline]
    pub fn detect() -> Self {
        if cfg!(chunker_scan = "portable") {
            return Self::PORTABLE;
        }
        native::Kernel::detect().map_or(Self::PORTABLE, |kernel| Self(Kernel::Native(kernel)))
    }

    /// Returns all kernels that this CPU can run, the fastest last.
    pub fn available() -> impl Iterator<Item = Self> {
        let native = native::Kernel::available().map(|kernel| Self(Kernel::Native(kernel)));
        core::iter::once(Self::PORTABLE).chain(native)
    }

    /// Returns the name of the kernel: `portable`, `scalar`, `avx2` or `avx512`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            Kernel::Portable => "portable",
            Kernel::Native(kernel) => kernel.name(),
        }
    }

    /// Returns the index of the first byte of `input` after which `hash & mask == 0`, if any.
    ///
    /// Updates `hash` by `hash = 2·hash + GEAR[byte]` (mod 2^64) for every byte up to and including
    /// that one, or for all of `input`, so that a scan may be split at any byte.
    #[inline]
    pub fn scan(self, hash: &mut u64, input: &[u8], mask: u64) -> Option<usize> {
        match self.0 {
            Kernel::Native(kernel) if input.len() >= SHORT => kernel.scan(hash, input, mask),
            _ => portable::scan(Plain, hash, input, mask),
        }
    }

    /// Like [`scan`](Self::scan), with `GEAR[byte] ^ seed` in place of `GEAR[byte]`.
    pub fn scan_seeded(self, seed: u64, hash: &mut u64, input: &[u8], mask: u64) -> Option<usize> {
        self.scan_with(&Seeded::new(seed), hash, input, mask)
    }

    /// Like [`scan`](Self::scan), with a seeded table.
    #[inline(never)] // apart from the kernels that nearly everybody uses
    pub(crate) fn scan_with(self, gear: &Seeded, hash: &mut u64, input: &[u8], mask: u64) -> Option<usize> {
        match self.0 {
            Kernel::Native(kernel) if input.len() >= SHORT => kernel.scan_seeded(gear, hash, input, mask),
            _ => portable::scan(gear, hash, input, mask),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gear::GEAR;
    use std::vec::Vec;

    /// The definition, one byte at a time.
    fn reference(seed: u64, hash: &mut u64, input: &[u8], mask: u64) -> Option<usize> {
        input.iter().position(|&byte| {
            *hash = hash.wrapping_mul(2).wrapping_add(GEAR[usize::from(byte)] ^ seed);
            *hash & mask == 0
        })
    }

    fn assert_same(start: u64, input: &[u8], mask: u64) {
        for seed in [0, 666, u64::MAX] {
            let mut plain = start;
            let expected = reference(seed, &mut plain, input, mask);
            for scanner in Scanner::available() {
                let mut hash = start;
                let found = match seed {
                    0 => scanner.scan(&mut hash, input, mask),
                    _ => scanner.scan_seeded(seed, &mut hash, input, mask),
                };
                assert_eq!(found, expected, "{} seed {seed} length {}", scanner.name(), input.len());
                assert_eq!(hash, plain, "state of {} after {} bytes", scanner.name(), input.len());
            }
        }
    }

    #[test]
    fn a_kernel_agrees_with_the_definition_on_result_and_state() {
        let noise: Vec<u8> = (0u32..600).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        for mask in [0, 1, 0x3, 0x1_0000, 0x1803_5100, 0xd903_0353_0000, u64::MAX] {
            for start in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
                for from in 0..9 {
                    for to in from..noise.len().min(from + 140) {
                        assert_same(start, &noise[from..to], mask);
                    }
                }
                assert_same(start, &noise, mask);
            }
        }
    }

    #[test]
    fn a_kernel_agrees_with_the_definition_on_every_constant_byte() {
        for byte in 0..=255u8 {
            for mask in [0x0180_4110, 0xd903_0353_0000, 0xd917_4753_7000] {
                assert_same(0, &[byte; 700], mask);
            }
        }
    }
}

//! "Where is the next position whose gear hash meets the mask?" and nothing else.

mod portable;

/// A scan kernel that this CPU can run.
///
/// The one value that chooses between kernels: holding a `Scanner` proves that its instructions are
/// available. All kernels give the same results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scanner(Kernel);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernel {
    Portable,
}

impl Scanner {
    /// Returns the fastest kernel for this CPU.
    #[must_use]
    pub const fn detect() -> Self {
        Self(Kernel::Portable)
    }

    /// Returns the name of the kernel: `portable`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            Kernel::Portable => "portable",
        }
    }

    /// Returns the index of the first byte of `input` after which `hash & mask == 0`, if any.
    ///
    /// Updates `hash` by `hash = 2·hash + GEAR[byte]` (mod 2^64) for every byte up to and including
    /// that one, or for all of `input`, so that a scan may be split at any byte.
    #[inline]
    pub fn scan(self, hash: &mut u64, input: &[u8], mask: u64) -> Option<usize> {
        match self.0 {
            Kernel::Portable => portable::scan(hash, input, mask),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gear::GEAR;
    use std::vec::Vec;

    /// The definition, one byte at a time.
    fn reference(hash: &mut u64, input: &[u8], mask: u64) -> Option<usize> {
        input.iter().position(|&byte| {
            *hash = hash.wrapping_mul(2).wrapping_add(GEAR[usize::from(byte)]);
            *hash & mask == 0
        })
    }

    fn assert_same(scanner: Scanner, start: u64, input: &[u8], mask: u64) {
        let (mut fast, mut plain) = (start, start);
        let found = scanner.scan(&mut fast, input, mask);
        assert_eq!(found, reference(&mut plain, input, mask), "{} length {}", scanner.name(), input.len());
        assert_eq!(fast, plain, "state of {} after {} bytes", scanner.name(), input.len());
    }

    #[test]
    fn a_kernel_agrees_with_the_definition_on_result_and_state() {
        let noise: Vec<u8> = (0u32..600).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        for mask in [0, 1, 0x3, 0x1_0000, 0x1803_5100, 0xd903_0353_0000, u64::MAX] {
            for start in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
                for from in 0..9 {
                    for to in from..noise.len().min(from + 140) {
                        assert_same(Scanner::detect(), start, &noise[from..to], mask);
                    }
                }
                assert_same(Scanner::detect(), start, &noise, mask);
            }
        }
    }

    #[test]
    fn a_kernel_agrees_with_the_definition_on_every_constant_byte() {
        for byte in 0..=255u8 {
            for mask in [0x0180_4110, 0xd903_0353_0000, 0xd917_4753_7000] {
                assert_same(Scanner::detect(), 0, &[byte; 257], mask);
            }
        }
    }
}

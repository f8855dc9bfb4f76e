//! The kernels of x86-64, and what of them this CPU has.

mod rolling;
mod avx2;
mod avx512;

use crate::gear::{Gear, Plain, Seeded};

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
    /// Compiled here, not where it is called: a caller's loop of the portable kernel has no register to
    /// spare.
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

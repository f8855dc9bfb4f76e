//! The kernels of x86-64, and what of them this CPU has.

mod rolling;
mod shifted;
mod scalar;
mod avx2;
mod avx512;

use crate::gear::{Gear, Plain, Seeded};
use rolling::prefetch;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernel {
    Scalar,
    Avx2(avx2::Kernel),
    Avx512(avx512::Kernel),
}

impl Kernel {
    /// Returns the fastest kernel that the CPU has and the build allows.
    pub(super) fn detect() -> Option<Self> {
        if cfg!(chunker_scan = "scalar") {
            return Some(Self::Scalar);
        }
        let avx512 = if cfg!(chunker_scan = "avx2") { None } else { avx512::Kernel::detect() };
        let avx2 = || avx2::Kernel::detect().map_or(Self::Scalar, Self::Avx2);
        Some(avx512.map_or_else(avx2, Self::Avx512))
    }

    /// Returns what the CPU has, the fastest last.
    pub(super) fn available() -> impl Iterator<Item = Self> {
        let avx2 = avx2::Kernel::detect().map(Self::Avx2);
        let avx512 = avx512::Kernel::detect().map(Self::Avx512);
        core::iter::once(Self::Scalar).chain(avx2).chain(avx512)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
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
            Self::Scalar => {
                prefetch(input, 0, scalar::AHEAD);
                scalar::scan(gear, hash, input, mask)
            }
            Self::Avx2(kernel) => kernel.scan(gear, hash, input, mask),
            Self::Avx512(kernel) => kernel.scan(gear, hash, input, mask),
        }
    }
}

//! The inputs: patterns and sizes of the design document.

use crate::fixtures::TestFixtures;
use chunker::Profile;
use fastcdc::v2020::FastCDC;
use std::cell::LazyCell;

pub(crate) const MB: usize = 1 << 20;

const SIZES: [(usize, &str); 6] = [
    (1 << 10, "1KB"),
    (64 << 10, "64KB"),
    (MB, "1MB"),
    (10 * MB, "10MB"),
    (100 * MB, "100MB"),
    (1 << 30, "1GB"),
];

/// Returns the sizes in bytes up to `largest`, or up to `BENCH_LARGEST`, whichever is less, with their
/// names. 1 GB is there only if the variable asks for it.
///
/// # Panics
///
/// If the variable is not the name of a size.
pub(crate) fn sizes(largest: usize) -> impl Iterator<Item = (usize, &'static str)> {
    let bound = std::env::var("BENCH_LARGEST").map_or(100 * MB, |wanted| {
        let known = SIZES.iter().find(|(_, name)| *name == wanted);
        known.expect("BENCH_LARGEST is one of 1KB, 64KB, 1MB, 10MB, 100MB, 1GB").0
    });
    SIZES.into_iter().filter(move |(size, _)| *size <= largest.min(bound))
}

#[derive(Clone, Copy)]
pub(crate) enum DataPattern {
    Zeros,
    Random,
    RealisticNar,
    /// As compressed or encrypted data: no byte tells of another.
    Incompressible,
    Text,
}

impl DataPattern {
    pub(crate) const ALL: [Self; 5] =
        [Self::Zeros, Self::Random, Self::RealisticNar, Self::Incompressible, Self::Text];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Zeros => "zeros",
            Self::Random => "random",
            Self::RealisticNar => "nar",
            Self::Incompressible => "incompressible",
            Self::Text => "text",
        }
    }

    pub(crate) fn generate(self, size: usize) -> Vec<u8> {
        match self {
            Self::Zeros => vec![0; size],
            Self::Random => TestFixtures::new(42).incompressible(size),
            Self::RealisticNar => TestFixtures::new(42).realistic_nar(size),
            Self::Incompressible => TestFixtures::new(0xDEAD_BEEF).incompressible(size),
            Self::Text => {
                let letters = TestFixtures::new(7).incompressible(size);
                letters.iter().map(|byte| b"etaoin shrdlu, \n"[usize::from(byte & 15)]).collect()
            }
        }
    }

    /// Returns data that is generated when a benchmark that was asked for first needs it.
    pub(crate) fn lazily(self, size: usize) -> LazyCell<Vec<u8>, impl FnOnce() -> Vec<u8>> {
        LazyCell::new(move || self.generate(size))
    }
}

/// Returns how many chunks the `fastcdc` crate makes of `data`.
pub(crate) fn expected_chunks(data: &[u8], profile: Profile) -> usize {
    let options = profile.options();
    FastCDC::new(data, options.min_size(), options.avg_size(), options.max_size()).count()
}

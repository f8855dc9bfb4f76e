//! The seeded gear table where there is no heap: each entry is XORed when it is looked up.

use super::table::{GEAR, Gear};

/// The gear table with every entry XORed with a seed.
#[derive(Clone, Debug)]
pub(crate) struct Seeded(u64);

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }
}

impl Gear for &Seeded {
    const PLAIN: bool = false;

    #[inline(always)]
    fn seed(self) -> u64 {
        self.0
    }

    #[inline(always)]
    fn entry(self, byte: u8) -> u64 {
        GEAR[usize::from(byte)] ^ self.0
    }
}

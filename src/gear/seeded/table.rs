//! The seeded gear table on the heap: an XOR less for each byte of input.

use super::table::{GEAR, Gear};
use alloc::boxed::Box;

/// The gear table with every entry XORed with a seed.
#[derive(Clone, Debug)]
pub(crate) struct Seeded {
    seed: u64,
    table: Box<[u64; 256]>,
}

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, table: Box::new(GEAR.map(|entry| entry ^ seed)) }
    }
}

impl Gear for &Seeded {
    const PLAIN: bool = false;

    #[inline(always)]
    fn seed(self) -> u64 {
        self.seed
    }

    #[inline(always)]
    fn entry(self, byte: u8) -> u64 {
        self.table[usize::from(byte)]
    }
}

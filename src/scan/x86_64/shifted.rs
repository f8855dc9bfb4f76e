//! The gear table, shifted in advance for each byte of a step.
//!
//! The hash after the `n`th of `k` bytes, times `2^(k - n)`, is the one before them times `2^k` plus the
//! entries of these bytes, each from its own table: one shift and `k` additions, no other arithmetic.
//! A mask is shifted like the hash that it tests.

use crate::gear::{GEAR, Gear};

/// Bytes of the longest step, one for each table.
pub(super) const LONGEST: usize = 8;

#[repr(align(64))]
struct Tables([[u64; 256]; LONGEST]);

static TABLES: Tables = Tables(shifted());

const fn shifted() -> [[u64; 256]; LONGEST] {
    let mut tables = [GEAR; LONGEST];
    let mut shift = 0;
    while shift < LONGEST {
        let mut byte = 0;
        while byte < 256 {
            tables[shift][byte] = GEAR[byte] << shift;
            byte += 1;
        }
        shift += 1;
    }
    tables
}

/// Whether every bit of `mask` is still there when it is shifted.
pub(super) const fn keeps(mask: u64, shift: usize) -> bool {
    mask << shift >> shift == mask
}

/// Returns the published entries, times `2^shift`.
#[inline(always)]
pub(super) fn table(shift: usize) -> &'static [u64; 256] {
    &TABLES.0[shift]
}

/// Returns the entry of a byte, times `2^shift`.
#[inline(always)]
pub(super) fn entry(gear: impl Gear, byte: u8, shift: usize) -> u64 {
    table(shift)[usize::from(byte)] ^ (gear.seed() << shift)
}

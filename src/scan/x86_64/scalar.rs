//! The kernel of every x86-64 CPU, in safe code.
//!
//! The portable kernel shifts what it reads from one table. Here each byte of a step has its own table,
//! whose entries are shifted already, and x86-64 loads and adds an entry in one instruction. Where that
//! takes two, as on ARM and in WebAssembly, the portable kernel is faster.

use super::rolling::WINDOW;
use super::shifted::{LONGEST, entry, keeps};
use crate::gear::Gear;
use crate::scan::portable;

/// Bytes of a step.
const STEP: usize = LONGEST;
/// How many of them are added to the hash one after another. The others are added up apart, so that
/// the next step waits for fewer additions.
const CHAINED: usize = 5;
/// Bytes that are fetched before a scan: the prefetchers of the CPU do not follow the jump over
/// `min_size`.
pub(super) const AHEAD: usize = 512;

#[inline(never)]
pub(super) fn scan(gear: impl Gear, hash: &mut u64, input: &[u8], mask: u64) -> Option<usize> {
    let steps = if keeps(mask, STEP - 1) { input.as_chunks().0 } else { &[] };
    let read = STEP * steps_until_met(gear, hash, steps, mask);
    portable::scan(gear, hash, &input[read..], mask).map(|index| read + index)
}

/// Returns how many steps there are before the one in which the mask is met, and updates `hash` by them.
///
/// Apart from what follows then, so that the loop has all registers.
#[inline(never)]
fn steps_until_met(gear: impl Gear, hash: &mut u64, steps: &[[u8; STEP]], mask: u64) -> usize {
    let mut h = *hash;
    let mut rest = steps;
    while let [bytes, after @ ..] = rest {
        let Some(next) = step(gear, h, bytes, mask) else { break };
        h = next;
        rest = after;
    }
    *hash = h;
    steps.len() - rest.len()
}

/// Returns the hash after the bytes, unless the mask is met on the way.
#[inline(always)]
fn step(gear: impl Gear, hash: u64, bytes: &[u8; STEP], mask: u64) -> Option<u64> {
    let (first, others) = bytes.split_at(CHAINED);
    let mut chained = hash << STEP;
    for (index, &byte) in first.iter().enumerate() {
        let shift = STEP - 1 - index;
        chained = chained.wrapping_add(entry(gear, byte, shift));
        if chained & (mask << shift) == 0 {
            return None;
        }
    }
    let mut apart = 0u64;
    let mut sum = chained;
    for (index, &byte) in others.iter().enumerate() {
        let shift = others.len() - 1 - index;
        apart = apart.wrapping_add(entry(gear, byte, shift));
        sum = chained.wrapping_add(apart);
        if sum & (mask << shift) == 0 {
            return None;
        }
    }
    Some(sum)
}

/// Returns the hash after the last 64 bytes of `bytes`, which are all that it remembers.
pub(super) fn hash_of_last(gear: impl Gear, bytes: &[u8]) -> u64 {
    let steps = bytes[bytes.len() - WINDOW..].as_chunks::<STEP>().0;
    steps.iter().fold(0u64, |hash, bytes| {
        let entries = bytes.iter().enumerate().map(|(index, &byte)| entry(gear, byte, STEP - 1 - index));
        entries.fold(hash << STEP, u64::wrapping_add)
    })
}

//! AVX-512 with VBMI: 512 bytes at a time, in two filters that let few positions through.
//!
//! A filter tells for each group of 8 bytes whether a position of it may meet the mask: it knows some
//! bits of every hash, exactly or with a bound. Only those groups are looked at in full. Which of the
//! two is used depends on where the mask has its bits.
//!
//! | filter | knows of each hash | used for |
//! |---|---|---|
//! | [`low_limb`] | bits 0 to 31 | masks with many bits there: averages from 32 KiB |
//! | [`two_limb`] | bits 16 to 47, with a small error | the others |
#![expect(unsafe_code, reason = "loads, stores, and calls into functions of these instructions")]

mod cpu;
mod filter;
mod lanes;
mod low_limb;
mod two_limb;

pub(super) use cpu::Kernel;

use super::rolling::{hash_after, prefetch};
use super::scalar;
use crate::gear::Gear;
use crate::scan::portable;
use filter::{BATCH, Filter, GROUP};
use low_limb::LowLimb;
use two_limb::TwoLimb;

/// A shorter rest is left to the portable kernel, which takes about a cycle a byte.
const SHORT_REST: usize = 160;
/// When more of the 64 groups of a batch pass, the filter is no gain, and the data is likely to go on
/// like this: long runs can have one hash that meets the filter everywhere.
const CROWD: u32 = 24;
/// Bytes that the scalar kernel takes over then.
const CROWD_BYTES: usize = 8 * 1024;
/// Bytes that are fetched ahead, measured best for data in memory. A chunk's first `min_size` bytes
/// are not read, and the prefetchers of the CPU do not follow such jumps.
const AHEAD: usize = 2048;

impl Kernel {
    pub(super) fn scan(self, gear: impl Gear, hash: &mut u64, input: &[u8], mask: u64) -> Option<usize> {
        if mask >> 48 != 0 {
            scalar::scan(gear, hash, input, mask)
        } else if low_limb::bits(mask) >= 9 {
            scan(|hash| LowLimb::new(self, gear, hash, mask), gear, hash, input, mask)
        } else if two_limb::bits(mask) >= 7 {
            scan(|hash| TwoLimb::new(self, gear, hash, mask), gear, hash, input, mask)
        } else {
            scalar::scan(gear, hash, input, mask)
        }
    }
}

fn scan<F: Filter>(
    new: impl Fn(u64) -> F,
    gear: impl Gear,
    hash: &mut u64,
    input: &[u8],
    mask: u64,
) -> Option<usize> {
    let mut filter = new(*hash);
    let mut space = F::space();
    let mut padding = [0; BATCH];
    let mut origin = 0;
    let mut at = 0;
    prefetch(input, 0, AHEAD);
    let mut next = batch_at(input, at, &mut padding).map(|batch| filter.look_up(batch, &mut space));
    while let Some(words) = next {
        let mut groups = filter.candidates(words);
        let end = input.len().min(at + BATCH);
        // Before the groups are looked at, which the CPU cannot predict: what it did of the next batch
        // would be lost.
        prefetch(&input[at..], AHEAD, BATCH);
        next = batch_at(input, end, &mut padding).map(|batch| filter.look_up(batch, &mut space));
        if groups.count_ones() > CROWD {
            *hash = hash_after(gear, *hash, &input[origin..at]);
            origin = input.len().min(at + CROWD_BYTES);
            if let Some(index) = scalar::scan(gear, hash, &input[at..origin], mask) {
                return Some(at + index);
            }
            filter = new(*hash);
            at = origin;
            next = batch_at(input, at, &mut padding).map(|batch| filter.look_up(batch, &mut space));
            continue;
        }
        while groups != 0 {
            let group = groups.trailing_zeros() as usize;
            groups &= groups - 1;
            let start = (at + GROUP * group).min(input.len());
            let mut candidate = filter.hash_before(group, &input[origin..start]);
            for (index, &byte) in input[start..].iter().take(GROUP).enumerate() {
                candidate = (candidate << 1).wrapping_add(gear.entry(byte));
                if candidate & mask == 0 {
                    *hash = hash_after(gear, *hash, &input[origin..=start + index]);
                    return Some(start + index);
                }
            }
        }
        at = end;
    }
    *hash = hash_after(gear, *hash, &input[origin..at]);
    portable::scan(gear, hash, &input[at..], mask).map(|index| at + index)
}

/// Returns the batch at `at`, padded with zeros if it is the last one, or `None` if too little is left.
fn batch_at<'a>(input: &'a [u8], at: usize, padding: &'a mut [u8; BATCH]) -> Option<&'a [u8; BATCH]> {
    let rest = &input[at..];
    match rest.first_chunk() {
        None if rest.len() >= SHORT_REST => {
            padding[..rest.len()].copy_from_slice(rest);
            Some(padding)
        }
        batch => batch,
    }
}

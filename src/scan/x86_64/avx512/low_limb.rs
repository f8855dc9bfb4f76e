//! The filter that knows bits 0 to 31 of every hash: sums modulo 2^32, which the last 32 bytes
//! determine.

use super::cpu::Kernel;
use super::filter::{BATCH, BLOCKS, Filter, GROUP};
use super::lanes::{
    Line, Plane, Series, Space, Splitter, Sums, Table, Words, is_text, load, step, unpack, write,
};
use crate::gear::Gear;
use crate::scan::x86_64::rolling::roll;
use core::arch::x86_64::{_mm512_mask_test_epi32_mask, _mm512_set1_epi32, _mm512_test_epi32_mask};
use core::hint::black_box;
use core::mem::MaybeUninit;

static PLANES: [Plane; 4] =
    [Plane::new(0, 0, 0), Plane::new(0, 0, 1), Plane::new(0, 0, 2), Plane::new(0, 0, 3)];

/// Bytes that make a hash known modulo 2^32 one modulo 2^48.
const EXTENSION: usize = 16;

/// Returns how many bits of `mask` this filter tests.
pub(super) const fn bits(mask: u64) -> u32 {
    low_half(mask).count_ones()
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
const fn low_half(value: u64) -> u32 {
    value as u32
}

pub(super) struct LowLimb<G> {
    _kernel: Kernel,
    gear: G,
    mask: u32,
    start: u64,
    limit: Line,
    sums: Sums,
    /// The hash at the end of each group.
    ends: Series,
}

impl<G: Gear> LowLimb<G> {
    pub(super) fn new(kernel: Kernel, gear: G, hash: u64, mask: u64) -> Self {
        Self {
            _kernel: kernel,
            gear,
            mask: low_half(mask),
            start: hash,
            limit: black_box(Line::of_bytes([128; 64])),
            sums: Sums::starting_at(low_half(hash)),
            ends: Series::starting_at(low_half(hash)),
        }
    }
}

impl<G: Gear> Filter for LowLimb<G> {
    type Space = Space<GROUP>;
    type Words<'a> = &'a Words;

    fn space() -> Self::Space {
        [[MaybeUninit::uninit(); GROUP]; BLOCKS]
    }

    fn look_up<'a>(&self, batch: &[u8; BATCH], space: &'a mut Self::Space) -> &'a Words {
        // SAFETY: the `Kernel` in `self` proves that the CPU has the instructions.
        unsafe {
            match G::PLAIN {
                true => look_up(batch, &self.limit, space),
                false => look_up_seeded(self.gear.seed(), batch, &self.limit, space),
            }
        }
    }

    fn candidates(&mut self, words: &Words) -> u64 {
        // SAFETY: as in `look_up`.
        unsafe { filter(words, &mut self.sums, &mut self.ends, self.mask) }
    }

    fn hash_before(&self, group: usize, before: &[u8]) -> u64 {
        match before.last_chunk::<EXTENSION>() {
            Some(last) => roll(self.gear, u64::from(self.ends.before(group, 1 + EXTENSION / GROUP)), last),
            None => roll(self.gear, self.start, before),
        }
    }
}

/// Apart from [`filter`], since all registers are needed for the tables; and not generic, since the
/// statics of generic functions are addressed through a table, which costs registers.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn look_up<'a>(batch: &[u8; BATCH], limit: &Line, space: &'a mut Space<GROUP>) -> &'a Words {
    if is_text(batch) {
        return look_up_text(batch, limit, space);
    }
    look_up_in::<false>([0, 1, 2, 3].map(|byte| Table::new(&PLANES[byte])), batch, limit, space)
}

/// The same for bytes below 128.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn look_up_text<'a>(batch: &[u8; BATCH], limit: &Line, space: &'a mut Space<GROUP>) -> &'a Words {
    look_up_in::<true>([0, 1, 2, 3].map(|byte| Table::new(&PLANES[byte])), batch, limit, space)
}

/// The same in tables with a seed.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn look_up_seeded<'a>(
    seed: u64,
    batch: &[u8; BATCH],
    limit: &Line,
    space: &'a mut Space<GROUP>,
) -> &'a Words {
    look_up_in::<false>(
        [0, 1, 2, 3].map(|byte| Table::seeded(&PLANES[byte], seed, byte)),
        batch,
        limit,
        space,
    )
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn look_up_in<'a, const TEXT: bool>(
    tables: [Table; 4],
    batch: &[u8; BATCH],
    limit: &Line,
    space: &'a mut Space<GROUP>,
) -> &'a Words {
    let splitter = Splitter::new(limit);
    for (block, words) in space.iter_mut().enumerate() {
        for (half, words) in splitter.split(batch, block).iter().zip(words.as_chunks_mut::<4>().0) {
            let vectors = unpack(tables.map(|table| table.look_up::<TEXT>(half)));
            for (line, vector) in words.iter_mut().zip(vectors) {
                write(line, vector);
            }
        }
    }
    // SAFETY: both halves of every block were written.
    unsafe { &*(&raw const *space).cast() }
}

#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw")]
fn filter(words: &Words, sums: &mut Sums, ends: &mut Series, mask: u32) -> u64 {
    let mask = _mm512_set1_epi32(mask.cast_signed());
    ends.turn();
    for (block, words) in words.iter().enumerate() {
        let group = words[1..].iter().fold(load(&words[0]), |sum, word| step(sum, load(word)));
        let end = sums.extend(group);
        ends.set(block, end);
    }
    let mut groups = 0;
    for (block, words) in words.iter().enumerate() {
        let (end, mut hash) = ends.get(block);
        let mut missed = _mm512_test_epi32_mask(end, mask);
        for word in &words[..GROUP - 1] {
            hash = step(hash, load(word));
            missed = _mm512_mask_test_epi32_mask(missed, hash, mask);
        }
        groups |= u64::from(!missed) << (16 * block);
    }
    groups
}

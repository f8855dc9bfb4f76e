//! The filter that knows bits 16 to 47 of every hash, with an error that is at most 1 at the middle
//! and the end of each group and doubles with each byte between them.
//!
//! A hash modulo 2^48 is kept as `high·2^16 - low`, with `0 <= low < 2^16`. For a byte with the entry
//! G of the table, `(G >> 16) + 1` is added to `high` and `2^16 - (G mod 2^16)` to `low`. `low` is
//! known only at the middle and the end of a group, where its overflow is taken from `high`. Between
//! them `high` is too large: by less than 2^2, 2^3 and 2^4 after one, two and three bytes.

use super::cpu::Kernel;
use super::filter::{BATCH, BLOCKS, Filter, GROUP};
use super::lanes::{
    Half, Line, PerBlock, Plane, Series, Space, Splitter, Sums, Table, Words, is_text, load, step, store,
    unpack, write,
};
use crate::gear::Gear;
use core::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_alignr_epi32, _mm512_and_si512, _mm512_dpbusd_epi32,
    _mm512_mask_test_epi32_mask, _mm512_set1_epi32, _mm512_shuffle_epi8, _mm512_slli_epi32,
    _mm512_srli_epi32, _mm512_sub_epi32, _mm512_test_epi32_mask,
};
use core::hint::black_box;
use core::mem::MaybeUninit;

static HIGH: [Plane; 4] =
    [Plane::new(16, 1, 0), Plane::new(16, 1, 1), Plane::new(16, 1, 2), Plane::new(16, 1, 3)];
/// The same without the 1, which would carry: with a seed, it is added after the XOR.
static HIGH_BEFORE_SEED: [Plane; 4] =
    [Plane::new(16, 0, 0), Plane::new(16, 0, 1), Plane::new(16, 0, 2), Plane::new(16, 0, 3)];
static LOW: [Plane; 2] = [Plane::new(0, 0, 0), Plane::new(0, 0, 1)];

/// Bytes from each middle or end of a group to the next.
const STRIDE: usize = GROUP / 2;

/// Returns how many bits of `mask` this filter tests where it knows least.
pub(super) const fn bits(mask: u64) -> u32 {
    masks(mask)[STRIDE - 1].count_ones()
}

/// Returns the bits of `mask` that `high` has to be tested for, by the bytes since it was exact.
const fn masks(mask: u64) -> [u32; STRIDE] {
    [tolerant(mask, 1), tolerant(mask, 2), tolerant(mask, 3), tolerant(mask, 4)]
}

/// Returns the bits of `mask` that are still zero when less than `2^error` has been added to bits 16
/// to 47 of a hash that meets it: none below `error`, and not the lowest one above, where a carry
/// from below ends.
#[expect(clippy::cast_possible_truncation, reason = "masks end at bit 47")]
const fn tolerant(mask: u64, error: u32) -> u32 {
    let above = (mask >> 16) as u32 >> error << error;
    above & above.wrapping_sub(1)
}

pub(super) struct TwoLimb<G> {
    _kernel: Kernel,
    gear: G,
    masks: [u32; STRIDE],
    limit: Line,
    /// What each group alone adds to `low`.
    low_sums: Line,
    /// `low` at the end of each group, in the lower 16 bits.
    low_ends: Series,
    high_sums: Sums,
    /// `high` at the end of each group.
    high_ends: Series,
}

impl<G: Gear> TwoLimb<G> {
    #[expect(clippy::cast_possible_truncation, reason = "the limbs of the hash are meant")]
    pub(super) fn new(kernel: Kernel, gear: G, hash: u64, mask: u64) -> Self {
        let low = hash.wrapping_neg() & 0xffff;
        let high = (hash.wrapping_add(low) >> 16) as u32;
        let low = low as u32;
        Self {
            _kernel: kernel,
            gear,
            masks: masks(mask),
            limit: black_box(Line::of_bytes([128; 64])),
            low_sums: Line::ending_in(low),
            low_ends: Series::starting_at(low),
            high_sums: Sums::starting_at(high),
            high_ends: Series::starting_at(high),
        }
    }
}

impl<G: Gear> Filter for TwoLimb<G> {
    type Space = (Space<GROUP>, Space<2>);
    type Words<'a> = (&'a Words, &'a Lows);

    fn space() -> Self::Space {
        ([[MaybeUninit::uninit(); GROUP]; BLOCKS], [[MaybeUninit::uninit(); 2]; BLOCKS])
    }

    fn look_up<'a>(&self, batch: &[u8; BATCH], (words, lows): &'a mut Self::Space) -> (&'a Words, &'a Lows) {
        // SAFETY: the `Kernel` in `self` proves that the CPU has the instructions.
        unsafe {
            match G::PLAIN {
                true => look_up(batch, &self.limit, words, lows),
                false => look_up_seeded(self.gear.seed(), batch, &self.limit, words, lows),
            }
        }
    }

    fn candidates(&mut self, (words, lows): (&Words, &Lows)) -> u64 {
        // SAFETY: as in `look_up`.
        unsafe { self.filter(words, lows) }
    }

    fn hash_before(&self, group: usize, _before: &[u8]) -> u64 {
        let low = self.low_ends.before(group, 1) & 0xffff;
        (u64::from(self.high_ends.before(group, 1)) << 16).wrapping_sub(u64::from(low))
    }
}

/// What the bytes of a group add to `low`: by its middle, times 16, and by its end.
type Lows = PerBlock<2>;

/// `-2^(7 - r)` for the bytes r of the first and the second half of a group.
const WEIGHTS: [i32; 2] = [
    i32::from_le_bytes([128, 192, 224, 240]), // -128, -64, -32, -16
    i32::from_le_bytes([248, 252, 254, 255]), // -8, -4, -2, -1
];

/// Swaps rows and columns of the 4 × 4 bytes in each quarter of a half, so that the bytes of one group
/// lie together.
static TRANSPOSE: Line = transpose();

#[expect(clippy::cast_possible_truncation, reason = "a quarter has 16 bytes")]
const fn transpose() -> Line {
    let mut order = [0; 64];
    let mut to = 0;
    while to < 64 {
        order[to] = (4 * (to % 4) + to / 4 % 4) as u8;
        to += 1;
    }
    Line::of_bytes(order)
}

/// Apart from the filter, since all registers are needed for the tables; and not generic, since the
/// statics of generic functions are addressed through a table, which costs registers.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
fn look_up<'a>(
    batch: &[u8; BATCH],
    limit: &Line,
    words: &'a mut Space<GROUP>,
    lows: &'a mut Space<2>,
) -> (&'a Words, &'a Lows) {
    if is_text(batch) {
        return look_up_text(batch, limit, words, lows);
    }
    let high = [0, 1, 2, 3].map(|byte| Table::new(&HIGH[byte]));
    let low = [0, 1].map(|byte| Table::new(&LOW[byte]));
    look_up_in::<false>(high, low, |words| words, batch, limit, words, lows)
}

/// The same for bytes below 128.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
fn look_up_text<'a>(
    batch: &[u8; BATCH],
    limit: &Line,
    words: &'a mut Space<GROUP>,
    lows: &'a mut Space<2>,
) -> (&'a Words, &'a Lows) {
    let high = [0, 1, 2, 3].map(|byte| Table::new(&HIGH[byte]));
    let low = [0, 1].map(|byte| Table::new(&LOW[byte]));
    look_up_in::<true>(high, low, |words| words, batch, limit, words, lows)
}

/// The same in tables with a seed.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
fn look_up_seeded<'a>(
    seed: u64,
    batch: &[u8; BATCH],
    limit: &Line,
    words: &'a mut Space<GROUP>,
    lows: &'a mut Space<2>,
) -> (&'a Words, &'a Lows) {
    let high = [0, 1, 2, 3].map(|byte| Table::seeded(&HIGH_BEFORE_SEED[byte], seed, 2 + byte));
    let low = [0, 1].map(|byte| Table::seeded(&LOW[byte], seed, byte));
    let add_one = |words| _mm512_add_epi32(words, _mm512_set1_epi32(1));
    look_up_in::<false>(high, low, add_one, batch, limit, words, lows)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
fn look_up_in<'a, const TEXT: bool>(
    high: [Table; 4],
    low: [Table; 2],
    finish: impl Fn(__m512i) -> __m512i,
    batch: &[u8; BATCH],
    limit: &Line,
    words: &'a mut Space<GROUP>,
    lows: &'a mut Space<2>,
) -> (&'a Words, &'a Lows) {
    let transpose = load(&TRANSPOSE);
    let splitter = Splitter::new(limit);
    for (block, (words, lows)) in words.iter_mut().zip(lows.iter_mut()).enumerate() {
        let halves = splitter.split(batch, block);
        for (half, words) in halves.iter().zip(words.as_chunks_mut::<4>().0) {
            let vectors = unpack(high.map(|table| table.look_up::<TEXT>(half)));
            for (line, vector) in words.iter_mut().zip(vectors) {
                write(line, finish(vector));
            }
        }
        let bytes =
            |half: &Half| low.map(|table| _mm512_shuffle_epi8(table.look_up::<TEXT>(half), transpose));
        let middle = weigh(bytes(&halves[0]), 0);
        write(&mut lows[0], middle);
        write(&mut lows[1], _mm512_add_epi32(middle, weigh(bytes(&halves[1]), 1)));
    }
    // SAFETY: both halves of every block were written, and both of its sums.
    unsafe { (&*(&raw const *words).cast(), &*(&raw const *lows).cast()) }
}

/// Returns `Σ 2^(7 - r)·(2^16 - (G mod 2^16))` over the bytes r of a half of each group, from the two
/// lower bytes of G.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn weigh([zeroth, first]: [__m512i; 2], half: usize) -> __m512i {
    // Σ 2^(7 - r)·2^16, in units of 2^8.
    const BIASES: [i32; 2] = [240 << 8, 15 << 8];
    let weights = _mm512_set1_epi32(WEIGHTS[half]);
    let upper = _mm512_dpbusd_epi32(_mm512_set1_epi32(BIASES[half]), first, weights);
    _mm512_dpbusd_epi32(_mm512_slli_epi32::<8>(upper), zeroth, weights)
}

impl<G: Gear> TwoLimb<G> {
    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn filter(&mut self, words: &Words, lows: &Lows) -> u64 {
        let masks = self.masks.map(|mask| _mm512_set1_epi32(mask.cast_signed()));
        self.low_ends.turn();
        self.high_ends.turn();
        let mut overflows = [Line::ZERO; BLOCKS];
        for (block, (words, [middle, end])) in words.iter().zip(lows).enumerate() {
            let (middle, end) = (load(middle), load(end));
            // The lower 16 bits of a hash depend on 16 bytes: this group and the one before.
            let before = _mm512_alignr_epi32::<15>(end, load(&self.low_sums));
            store(&mut self.low_sums, end);
            let low = self.low_ends.set(block, _mm512_add_epi32(end, _mm512_slli_epi32::<8>(before)));
            let carried = _mm512_and_si512(_mm512_slli_epi32::<8>(low), _mm512_set1_epi32(0xff_ff00));
            let overflow = _mm512_srli_epi32::<20>(_mm512_add_epi32(carried, middle));
            store(&mut overflows[block], overflow);
            let overflow = _mm512_srli_epi32::<16>(_mm512_add_epi32(carried, end));
            let group = words[1..].iter().fold(load(&words[0]), |sum, word| step(sum, load(word)));
            let end = self.high_sums.extend(_mm512_sub_epi32(group, overflow));
            self.high_ends.set(block, end);
        }
        let mut groups = 0;
        for (block, (words, overflow)) in words.iter().zip(&overflows).enumerate() {
            let (end, mut high) = self.high_ends.get(block);
            let mut missed = _mm512_test_epi32_mask(end, masks[0]);
            let (first, second) = words.split_at(STRIDE);
            for (word, mask) in first.iter().zip(&masks[1..]) {
                high = step(high, load(word));
                missed = _mm512_mask_test_epi32_mask(missed, high, *mask);
            }
            high = _mm512_sub_epi32(step(high, load(&first[STRIDE - 1])), load(overflow));
            missed = _mm512_mask_test_epi32_mask(missed, high, masks[0]);
            for (word, mask) in second.iter().zip(&masks[1..]) {
                high = step(high, load(word));
                missed = _mm512_mask_test_epi32_mask(missed, high, *mask);
            }
            groups |= u64::from(!missed) << (16 * block);
        }
        groups
    }
}

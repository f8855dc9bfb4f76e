//! From bytes to the words of a table, in the order of lanes that both filters work in.
//!
//! Lane k of a block's vector r holds the word of the block's byte 8k + r, so that one addition does
//! one step of the hash for 16 groups.

use super::filter::{BATCH, BLOCKS, GROUP};
use crate::gear::GEAR;
use core::arch::x86_64::{
    __m512i, __mmask64, _mm512_add_epi32, _mm512_alignr_epi32, _mm512_cmplt_epu8_mask, _mm512_load_si512,
    _mm512_loadu_si512, _mm512_mask2_permutex2var_epi8, _mm512_movepi8_mask, _mm512_or_si512,
    _mm512_permutex2var_epi8, _mm512_set1_epi8, _mm512_setzero_si512, _mm512_slli_epi32, _mm512_store_si512,
    _mm512_unpackhi_epi8, _mm512_unpackhi_epi16, _mm512_unpacklo_epi8, _mm512_unpacklo_epi16,
    _mm512_xor_si512,
};
use core::mem::MaybeUninit;

/// 16 lanes in memory.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [u32; 16]);

impl Line {
    pub(super) const ZERO: Self = Self([0; 16]);

    /// Returns a line that ends in `value`, as if nothing came before it.
    pub(super) const fn ending_in(value: u32) -> Self {
        let mut line = Self::ZERO;
        line.0[15] = value;
        line
    }

    /// Returns a line of four times sixteen bytes.
    pub(super) const fn of_bytes(bytes: [u8; 64]) -> Self {
        let mut line = Self::ZERO;
        let mut lane = 0;
        while lane < 16 {
            let first = 4 * lane;
            line.0[lane] =
                u32::from_le_bytes([bytes[first], bytes[first + 1], bytes[first + 2], bytes[first + 3]]);
            lane += 1;
        }
        line
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load(line: &Line) -> __m512i {
    // SAFETY: the reference is valid for 64 bytes, aligned by its type.
    unsafe { _mm512_load_si512((&raw const *line).cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store(line: &mut Line, vector: __m512i) {
    // SAFETY: the reference is valid for 64 bytes, aligned by its type.
    unsafe { _mm512_store_si512((&raw mut *line).cast(), vector) }
}

/// Like [`store`], where nothing was yet.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn write(slot: &mut MaybeUninit<Line>, vector: __m512i) {
    // SAFETY: the reference is valid for 64 bytes, aligned by its type.
    unsafe { _mm512_store_si512(slot.as_mut_ptr().cast(), vector) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_bytes(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: the reference is valid for 64 bytes; this load needs no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

/// One byte of the word of each byte value.
pub(super) struct Plane([Line; 4]);

impl Plane {
    /// Returns byte `byte`, from the lowest, of the lower half of `GEAR[value] >> shift`, plus `more`.
    pub(super) const fn new(shift: u32, more: u32, byte: usize) -> Self {
        let mut lines = [Line::ZERO; 4];
        let mut quarter = 0;
        while quarter < 4 {
            let mut bytes = [0; 64];
            let mut value = 0;
            while value < 64 {
                let [a, b, c, d, ..] = (GEAR[64 * quarter + value] >> shift).to_le_bytes();
                bytes[value] = u32::from_le_bytes([a, b, c, d]).wrapping_add(more).to_le_bytes()[byte];
                value += 1;
            }
            lines[quarter] = Line::of_bytes(bytes);
            quarter += 1;
        }
        Self(lines)
    }
}

/// The bytes of a block whose words come to lie in vectors 0 to 3 and 4 to 7 by [`unpack`].
static ORDER: [Line; 2] = [order(0), order(4)];

#[expect(clippy::cast_possible_truncation, reason = "a block has 128 bytes")]
const fn order(first: usize) -> Line {
    let mut order = [0; 64];
    let mut to = 0;
    while to < 64 {
        let (quad, vector, lane) = (to / 16, to / 4 % 4, to % 4);
        order[to] = (GROUP * (4 * quad + lane) + first + vector) as u8;
        to += 1;
    }
    Line::of_bytes(order)
}

/// Returns whether all bytes of `batch` are below 128, as those of most text are: half of each table
/// is enough for them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn is_text(batch: &[u8; BATCH]) -> bool {
    let (lines, _) = batch.as_chunks();
    // Other data seldom gets past its first line.
    if _mm512_movepi8_mask(load_bytes(&lines[0])) != 0 {
        return false;
    }
    let rest = lines[1..].iter().map(|line| load_bytes(line));
    _mm512_movepi8_mask(rest.fold(_mm512_setzero_si512(), |all, line| _mm512_or_si512(all, line))) == 0
}

/// Half of the bytes of a block, and which of them are below 128.
pub(super) struct Half {
    bytes: __m512i,
    low: __mmask64,
    high: __mmask64,
}

/// Splits batches into halves of blocks.
pub(super) struct Splitter {
    order: [__m512i; 2],
    limit: __m512i,
}

impl Splitter {
    /// Returns a splitter; `limit` must hold the byte 128 everywhere.
    ///
    /// The compiler must not know this: where it sees that the masks of a half are each other's
    /// complement, it turns merging look-ups into plain ones and blends, a fifth more instructions.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    pub(super) fn new(limit: &Line) -> Self {
        Self { order: [load(&ORDER[0]), load(&ORDER[1])], limit: load(limit) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    pub(super) fn split(&self, batch: &[u8; BATCH], block: usize) -> [Half; 2] {
        let (lines, _) = batch.as_chunks();
        let [first, second] = [load_bytes(&lines[2 * block]), load_bytes(&lines[2 * block + 1])];
        self.order.map(|order| {
            let bytes = _mm512_permutex2var_epi8(first, order, second);
            Half { bytes, low: _mm512_cmplt_epu8_mask(bytes, self.limit), high: _mm512_movepi8_mask(bytes) }
        })
    }
}

/// The 256 entries of a plane in registers.
#[derive(Clone, Copy)]
pub(super) struct Table([__m512i; 4]);

impl Table {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    pub(super) fn new(Plane([a, b, c, d]): &Plane) -> Self {
        Self([load(a), load(b), load(c), load(d)])
    }

    /// Returns the table with every entry XORed with byte `byte`, from the lowest, of `seed`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    pub(super) fn seeded(Plane([a, b, c, d]): &Plane, seed: u64, byte: usize) -> Self {
        let seed = _mm512_set1_epi8(seed.to_le_bytes()[byte].cast_signed());
        let xor = |line| _mm512_xor_si512(load(line), seed);
        Self([xor(a), xor(b), xor(c), xor(d)])
    }

    /// Returns the entries of the bytes of `half`: those below 128 are replaced, then the others.
    /// With `TEXT`, all bytes must be below 128.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    pub(super) fn look_up<const TEXT: bool>(self, half: &Half) -> __m512i {
        let Self([a, b, c, d]) = self;
        if TEXT {
            return _mm512_permutex2var_epi8(a, half.bytes, b);
        }
        let low = _mm512_mask2_permutex2var_epi8(a, half.bytes, half.low, b);
        _mm512_mask2_permutex2var_epi8(c, low, half.high, d)
    }
}

/// Returns the words whose bytes, from the lowest, are in the planes: of one half of a block.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(super) fn unpack([a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
    let [low_ab, low_cd] = [_mm512_unpacklo_epi8(a, b), _mm512_unpacklo_epi8(c, d)];
    let [high_ab, high_cd] = [_mm512_unpackhi_epi8(a, b), _mm512_unpackhi_epi8(c, d)];
    [
        _mm512_unpacklo_epi16(low_ab, low_cd),
        _mm512_unpackhi_epi16(low_ab, low_cd),
        _mm512_unpacklo_epi16(high_ab, high_cd),
        _mm512_unpackhi_epi16(high_ab, high_cd),
    ]
}

/// Lines for each block of a batch.
pub(super) type PerBlock<const LINES: usize> = [[Line; LINES]; BLOCKS];
/// Space for them that is not cleared first: pieces of 4 KiB would pay 5 % for that.
pub(super) type Space<const LINES: usize> = [[MaybeUninit<Line>; LINES]; BLOCKS];

/// The words of a batch: lane k of vector r is that of byte 8k + r of a block.
pub(super) type Words = PerBlock<GROUP>;

/// Returns `2·hash + word` in every lane: the hash one byte later.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn step(hash: __m512i, word: __m512i) -> __m512i {
    _mm512_add_epi32(_mm512_add_epi32(hash, hash), word)
}

/// The sums over a block's groups, and over pairs of them, that the next block goes on from.
pub(super) struct Sums {
    groups: Line,
    pairs: Line,
}

impl Sums {
    pub(super) const fn starting_at(hash: u32) -> Self {
        Self { groups: Line::ending_in(hash), pairs: Line::ending_in(hash) }
    }

    /// Returns the hash at the end of every group of a block, from the sum over each group alone: in
    /// two steps over the 32 bytes that 32 bits remember.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn extend(&mut self, groups: __m512i) -> __m512i {
        let before = _mm512_alignr_epi32::<15>(groups, load(&self.groups));
        let pairs = _mm512_add_epi32(groups, _mm512_slli_epi32::<8>(before));
        let before = _mm512_alignr_epi32::<14>(pairs, load(&self.pairs));
        store(&mut self.groups, groups);
        store(&mut self.pairs, pairs);
        _mm512_add_epi32(pairs, _mm512_slli_epi32::<16>(before))
    }
}

/// A line of values for each block of a batch, after that of the block before.
pub(super) struct Series([Line; 1 + BLOCKS]);

impl Series {
    pub(super) const fn starting_at(value: u32) -> Self {
        let mut lines = [Line::ZERO; 1 + BLOCKS];
        lines[BLOCKS] = Line::ending_in(value);
        Self(lines)
    }

    /// Makes the last block the one before.
    pub(super) fn turn(&mut self) {
        self.0[0] = self.0[BLOCKS];
    }

    /// Sets the values of a block and returns, for each group, the value of the one before it.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn set(&mut self, block: usize, values: __m512i) -> __m512i {
        store(&mut self.0[block + 1], values);
        _mm512_alignr_epi32::<15>(values, load(&self.0[block]))
    }

    /// Returns the values of a block, and for each group the value of the one before it.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn get(&self, block: usize) -> (__m512i, __m512i) {
        let values = load(&self.0[block + 1]);
        (values, _mm512_alignr_epi32::<15>(values, load(&self.0[block])))
    }

    /// Returns the value `back` groups before a group of the batch.
    pub(super) fn before(&self, group: usize, back: usize) -> u32 {
        let lane = 16 + group - back;
        self.0[lane / 16].0[lane % 16]
    }
}

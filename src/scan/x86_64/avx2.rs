//! AVX2: four streams of the input at a time, one in each 64-bit lane, with the full hash of each.
//!
//! The input is taken in stripes of four streams that lie one after another. Each but the first begins
//! with the hash of the 64 bytes before it, which are all that a hash remembers.
#![expect(unsafe_code, reason = "loads from the table, and the call into functions of AVX2")]

use super::rolling::{LINE, prefetch};
use super::scalar;
use super::shifted::{keeps, table};
use crate::gear::Gear;
use core::arch::x86_64::{
    __m128d, __m256i, _mm_load_sd, _mm_loadh_pd, _mm256_add_epi64, _mm256_and_si256, _mm256_castpd_si256,
    _mm256_castpd128_pd256, _mm256_cmpeq_epi64, _mm256_extract_epi64, _mm256_insertf128_pd, _mm256_min_epu32,
    _mm256_or_si256, _mm256_set_epi64x, _mm256_set1_epi64x, _mm256_setzero_si256, _mm256_slli_epi64,
    _mm256_testz_si256, _mm256_xor_si256,
};
use core::iter::zip;

/// Proves that the CPU has AVX2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Kernel(());

const STREAMS: usize = 4;
/// Bytes of each stream in a step.
const STEP: usize = 4;
/// By how much the entries of these bytes are shifted.
const SHIFTS: [usize; STEP] = [3, 2, 1, 0];
/// The shortest streams whose warm-up pays, in bytes.
const SHORTEST: usize = 512;
/// Bytes of each stream that are fetched before the first stripe is read.
const AHEAD: usize = 512;

impl Kernel {
    pub(super) fn detect() -> Option<Self> {
        std::is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    pub(super) fn scan(self, gear: impl Gear, hash: &mut u64, mut input: &[u8], mask: u64) -> Option<usize> {
        if !keeps(mask, SHIFTS[0]) {
            return scalar::scan(gear, hash, input, mask);
        }
        let length = input.len();
        let mut stream = longest(mask);
        for index in 0..STREAMS {
            prefetch(input, index * stream.min(input.len() / STREAMS), AHEAD);
        }
        while stream >= SHORTEST {
            let Some((stripe, rest)) = input.split_at_checked(STREAMS * stream) else {
                stream /= 2;
                continue;
            };
            // SAFETY: a `Kernel` exists only where `detect` found AVX2.
            if let Some(index) = unsafe { scan_stripe(gear, hash, stripe, stream, mask) } {
                return Some(length - input.len() + index);
            }
            input = rest;
        }
        scalar::scan(gear, hash, input, mask).map(|index| length - input.len() + index)
    }
}

/// Returns the length of the streams in bytes: long ones have less warm-up, short ones less work that
/// is lost when the mask is met, which strong masks seldom are.
const fn longest(mask: u64) -> usize {
    match mask.count_ones() {
        ..=14 => 512,
        15..=17 => 2048,
        _ => 4096,
    }
}

/// Scans one stripe. Where any stream meets the mask, the scalar kernel goes on with the streams in
/// order, each from where all of them are.
#[target_feature(enable = "avx2")]
fn scan_stripe(gear: impl Gear, hash: &mut u64, stripe: &[u8], stream: usize, mask: u64) -> Option<usize> {
    let streams = [0, 1, 2, 3].map(|index| &stripe[index * stream..(index + 1) * stream]);
    let before = |index: usize| scalar::hash_of_last(gear, streams[index]).cast_signed();
    let hashes = _mm256_set_epi64x(before(2), before(1), before(0), hash.cast_signed());
    let (read, hashes) = read_until_met(gear, streams, hashes, mask);
    let hashes = lanes(hashes);
    for (index, mut candidate) in hashes.into_iter().enumerate() {
        if let Some(found) = scalar::scan(gear, &mut candidate, &streams[index][read..], mask) {
            *hash = candidate;
            return Some(index * stream + read + found);
        }
    }
    *hash = hashes[STREAMS - 1];
    None
}

/// Returns how many bytes of each stream are read before the next four meet the mask in any of them, and
/// the hashes there.
///
/// Apart from what follows then, so that the loop has all registers. It stores nothing: a load from the
/// table would wait for a store whose address ends in the same 12 bits.
#[inline(never)]
#[target_feature(enable = "avx2")]
fn read_until_met(
    gear: impl Gear,
    streams: [&[u8]; STREAMS],
    mut hashes: __m256i,
    mask: u64,
) -> (usize, __m256i) {
    let masks = SHIFTS.map(|shift| _mm256_set1_epi64x((mask << shift).cast_signed()));
    let [a, b, c, d] = streams.map(lines);
    let stripe = STREAMS * LINE * a.len();
    for (line, (((a, b), c), d)) in zip(zip(zip(a, b), c), d).enumerate() {
        for line in [a, b, c, d] {
            prefetch(line.as_flattened(), stripe, LINE);
        }
        for index in 0..LINE / STEP {
            let bytes = [&a[index], &b[index], &c[index], &d[index]];
            let (next, tested) = step(gear, bytes, hashes, masks);
            if may_be_zero(tested) && is_zero(tested) {
                return (line * LINE + STEP * index, hashes);
            }
            hashes = next;
        }
    }
    (LINE * a.len(), hashes)
}

/// Returns the steps of each line of a stream.
fn lines(stream: &[u8]) -> &[[[u8; STEP]; LINE / STEP]] {
    stream.as_chunks().0.as_chunks().0
}

/// Returns the hashes after four bytes of each stream, and the masked bits of all on the way.
///
/// Two streams are read a byte at a time and two a word at a time: that balances loads against the
/// instructions that take words apart.
#[inline]
#[target_feature(enable = "avx2")]
fn step(
    gear: impl Gear,
    [a, b, c, d]: [&[u8; STEP]; STREAMS],
    hashes: __m256i,
    masks: [__m256i; STEP],
) -> (__m256i, [__m256i; STEP]) {
    let [a, c] = [a, c].map(|bytes| u32::from_le_bytes(*bytes).to_le_bytes());
    let mut sums = _mm256_slli_epi64::<4>(hashes);
    let tested = [0, 1, 2, 3].map(|index| {
        let entries = entries(gear, [a[index], b[index], c[index], d[index]], SHIFTS[index]);
        sums = _mm256_add_epi64(sums, entries);
        _mm256_and_si256(sums, masks[index])
    });
    (sums, tested)
}

/// Whether a lane may be zero in any vector: its lower half is in one of them, and its upper half in
/// that one or another.
#[inline]
#[target_feature(enable = "avx2")]
fn may_be_zero([a, b, c, d]: [__m256i; STEP]) -> bool {
    is_zero([_mm256_min_epu32(_mm256_min_epu32(a, b), _mm256_min_epu32(c, d))])
}

/// Whether any lane of any vector is zero.
#[inline]
#[target_feature(enable = "avx2")]
fn is_zero<const N: usize>(vectors: [__m256i; N]) -> bool {
    let zero = _mm256_setzero_si256();
    let any =
        vectors.into_iter().fold(zero, |any, vector| _mm256_or_si256(any, _mm256_cmpeq_epi64(vector, zero)));
    _mm256_testz_si256(any, any) == 0
}

/// Returns the entries of four bytes, in order, times `2^shift`.
#[inline]
#[target_feature(enable = "avx2")]
fn entries(gear: impl Gear, [a, b, c, d]: [u8; STREAMS], shift: usize) -> __m256i {
    let table = table(shift);
    let low = _mm256_castpd128_pd256(entry_pair(table, a, b));
    let entries = _mm256_castpd_si256(_mm256_insertf128_pd::<1>(low, entry_pair(table, c, d)));
    _mm256_xor_si256(entries, _mm256_set1_epi64x((gear.seed() << shift).cast_signed()))
}

/// Loads as numbers, since there is no load of an integer into an upper half; nothing computes with
/// them as such.
#[inline]
#[target_feature(enable = "avx2")]
fn entry_pair(table: &'static [u64; 256], low: u8, high: u8) -> __m128d {
    let [low, high] = [&table[usize::from(low)], &table[usize::from(high)]];
    // SAFETY: both references are to 8 bytes, and these loads need no alignment.
    unsafe { _mm_loadh_pd(_mm_load_sd((&raw const *low).cast()), (&raw const *high).cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn lanes(vector: __m256i) -> [u64; STREAMS] {
    [
        _mm256_extract_epi64::<0>(vector),
        _mm256_extract_epi64::<1>(vector),
        _mm256_extract_epi64::<2>(vector),
        _mm256_extract_epi64::<3>(vector),
    ]
    .map(i64::cast_unsigned)
}

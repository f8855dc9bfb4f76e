//! AVX2: four streams of the input at a time, one in each 64-bit lane, with the full hash of each.
//!
//! The input is taken in stripes of four streams that lie one after another. Each but the first begins
//! with the hash of the 64 bytes before it, which are all that a hash remembers.
#![expect(unsafe_code, reason = "loads from the table, and the call into functions of AVX2")]

use super::rolling::{LINE, WINDOW, prefetch, roll};
use crate::gear::{GEAR, Gear};
use crate::scan::portable;
use core::arch::x86_64::{
    __m128d, __m256i, _mm_load_sd, _mm_loadh_pd, _mm256_add_epi64, _mm256_and_si256, _mm256_castpd_si256,
    _mm256_castpd128_pd256, _mm256_cmpeq_epi64, _mm256_extract_epi64, _mm256_insertf128_pd, _mm256_or_si256,
    _mm256_set_epi64x, _mm256_set1_epi64x, _mm256_setzero_si256, _mm256_slli_epi64, _mm256_testz_si256,
    _mm256_xor_si256,
};
use core::iter::zip;

/// Proves that the CPU has AVX2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Kernel(());

const STREAMS: usize = 4;
/// The shortest streams whose warm-up pays, in bytes.
const SHORTEST: usize = 128;

static TABLE: [u64; 256] = GEAR;

impl Kernel {
    pub(super) fn detect() -> Option<Self> {
        std::is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    pub(super) fn scan(self, gear: impl Gear, hash: &mut u64, mut input: &[u8], mask: u64) -> Option<usize> {
        let length = input.len();
        let mut stream = longest(mask);
        prefetch(input, 0, STREAMS * stream);
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
        portable::scan(gear, hash, input, mask).map(|index| length - input.len() + index)
    }
}

/// Returns the length of the streams in bytes: long ones have less warm-up, short ones less work that
/// is lost when the mask is met, which strong masks seldom are.
const fn longest(mask: u64) -> usize {
    match mask.count_ones() {
        ..=14 => 512,
        15..=17 => 1024,
        _ => 2048,
    }
}

/// Scans one stripe. Where any stream meets the mask, the portable kernel goes on with the streams in
/// order, each from where all of them are.
#[target_feature(enable = "avx2")]
fn scan_stripe(gear: impl Gear, hash: &mut u64, stripe: &[u8], stream: usize, mask: u64) -> Option<usize> {
    let streams = [0, 1, 2, 3].map(|index| &stripe[index * stream..(index + 1) * stream]);
    let before = |index: usize| roll(gear, 0, &streams[index][stream - WINDOW..]).cast_signed();
    let hashes = _mm256_set_epi64x(before(2), before(1), before(0), hash.cast_signed());
    let (read, hashes) = read_until_met(gear, streams, hashes, mask);
    let hashes = lanes(hashes);
    for (index, mut candidate) in hashes.into_iter().enumerate() {
        if let Some(found) = portable::scan(gear, &mut candidate, &streams[index][read..], mask) {
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
    [a, b, c, d]: [&[u8]; STREAMS],
    mut hashes: __m256i,
    mask: u64,
) -> (usize, __m256i) {
    let mask = _mm256_set1_epi64x(mask.cast_signed());
    let [a, b, c, d] = [a, b, c, d].map(|stream| stream.as_chunks::<LINE>().0);
    let stripe = STREAMS * LINE * a.len();
    for (line, (((a, b), c), d)) in zip(zip(zip(a, b), c), d).enumerate() {
        for line in [a, b, c, d] {
            prefetch(line, stripe, LINE);
        }
        for quad in (0..LINE).step_by(4) {
            let [a, b, c, d] = [a, b, c, d].map(|line| [0, 1, 2, 3].map(|index| line[quad + index]));
            let (next, met) = step(gear, [a, b, c, d], hashes, mask);
            if met {
                return (line * LINE + quad, hashes);
            }
            hashes = next;
        }
    }
    (LINE * a.len(), hashes)
}

/// Returns the hashes after four bytes of each stream, and whether any on the way meets the mask.
///
/// As in the portable kernel, the chain from one step to the next is one shift and one addition.
#[inline]
#[target_feature(enable = "avx2")]
fn step(gear: impl Gear, [a, b, c, d]: [[u8; 4]; STREAMS], hash: __m256i, mask: __m256i) -> (__m256i, bool) {
    let [g0, g1, g2, g3] = [0, 1, 2, 3].map(|index| entries(gear, a[index], b[index], c[index], d[index]));
    let first_two = double_and_add(g0, g1);
    let last_two = double_and_add(g2, g3);
    let all = _mm256_add_epi64(_mm256_slli_epi64::<2>(first_two), last_two);
    let h1 = double_and_add(hash, g0);
    let h2 = _mm256_add_epi64(_mm256_slli_epi64::<2>(hash), first_two);
    let h3 = double_and_add(h2, g2);
    let h4 = _mm256_add_epi64(_mm256_slli_epi64::<4>(hash), all);
    let met =
        [h1, h2, h3, h4].map(|hash| _mm256_cmpeq_epi64(_mm256_and_si256(hash, mask), _mm256_setzero_si256()));
    let any = _mm256_or_si256(_mm256_or_si256(met[0], met[1]), _mm256_or_si256(met[2], met[3]));
    (h4, _mm256_testz_si256(any, any) == 0)
}

#[inline]
#[target_feature(enable = "avx2")]
fn double_and_add(hash: __m256i, entry: __m256i) -> __m256i {
    _mm256_add_epi64(_mm256_add_epi64(hash, hash), entry)
}

/// Returns the table's entries of four bytes, in order.
#[inline]
#[target_feature(enable = "avx2")]
fn entries(gear: impl Gear, a: u8, b: u8, c: u8, d: u8) -> __m256i {
    let low = _mm256_castpd128_pd256(entry_pair(a, b));
    let entries = _mm256_castpd_si256(_mm256_insertf128_pd::<1>(low, entry_pair(c, d)));
    _mm256_xor_si256(entries, _mm256_set1_epi64x(gear.seed().cast_signed()))
}

/// Loads as numbers, since there is no load of an integer into an upper half; nothing computes with
/// them as such.
#[inline]
#[target_feature(enable = "avx2")]
fn entry_pair(low: u8, high: u8) -> __m128d {
    let [low, high] = [&TABLE[usize::from(low)], &TABLE[usize::from(high)]];
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

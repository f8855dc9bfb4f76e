//! Every scan kernel of this CPU against the portable one, on result and on state.
//!
//! `CHUNKER_REQUIRE_TIERS=avx2,avx512` makes a kernel that this CPU lacks a failure; without it, what
//! did not run is said on the standard error.

use crate::scan_limit;
use chunker::scan::Scanner;
use chunker::{CutFinder, Profile};
use fastcdc::v2020::{FastCDC, Normalization, select_masks};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::collections::BTreeSet;
use std::io::Write;

const ALL_TIERS: [&str; 4] = ["portable", "scalar", "avx2", "avx512"];

#[test]
fn required_tiers_are_available() {
    let available: Vec<_> = Scanner::available().map(Scanner::name).collect();
    let missing = |tier: &&str| !available.contains(tier);
    let required = std::env::var("CHUNKER_REQUIRE_TIERS").unwrap_or_default();
    let required: Vec<_> = required.split(',').filter(|tier| !tier.is_empty()).collect();
    for tier in &required {
        assert!(ALL_TIERS.contains(tier), "{tier} is no tier: {ALL_TIERS:?}");
    }
    assert_eq!(
        required.into_iter().filter(missing).collect::<Vec<_>>(),
        [""; 0],
        "required, but not available"
    );
    for tier in ALL_TIERS.iter().filter(|tier| missing(tier)) {
        writeln!(std::io::stderr(), "scan_tiers: {tier} was not tested, this CPU or build lacks it").unwrap();
    }
}

#[test]
fn the_fastest_kernel_is_used_that_the_build_allows() {
    scan_limit::assert_fastest_allowed(Scanner::available().map(Scanner::name), Scanner::detect().name());
}

/// Every mask of every average size.
fn masks() -> BTreeSet<u64> {
    (6..=24u32)
        .flat_map(|bits| {
            let (strict, loose) = select_masks(1 << bits, Normalization::Level1);
            [strict, loose]
        })
        .collect()
}

/// Without a seed, and with one that depends on the mask, so that many are tried.
fn assert_same(start: u64, input: &[u8], mask: u64) {
    for seed in [0, mask.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1] {
        let scan = |scanner: Scanner| {
            let mut hash = start;
            let found = match seed {
                0 => scanner.scan(&mut hash, input, mask),
                _ => scanner.scan_seeded(seed, &mut hash, input, mask),
            };
            (found, hash)
        };
        let (expected, expected_hash) = scan(Scanner::PORTABLE);
        for scanner in Scanner::available().skip(1) {
            let (found, hash) = scan(scanner);
            let name = scanner.name();
            let case =
                || format!("{name}, {} bytes, mask {mask:#x}, seed {seed:#x}, start {start:#x}", input.len());
            assert_eq!(found, expected, "result of {}", case());
            assert_eq!(hash, expected_hash, "state of {}", case());
        }
    }
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

#[test]
fn tiers_agree_at_every_length() {
    let data = noise(1, 4200);
    for mask in masks() {
        for length in 0..=data.len() {
            assert_same(0, &data[..length], mask);
        }
    }
}

#[test]
fn tiers_agree_at_every_alignment_and_from_any_state() {
    let data = noise(2, 6000);
    for mask in masks() {
        for from in 0..=64 {
            for length in [256, 511, 512, 513, 1023, 2049, 4097, 5900] {
                assert_same(0, &data[from..from + length], mask);
                assert_same(0x0123_4567_89ab_cdef, &data[from..from + length], mask);
                assert_same(u64::MAX, &data[from..from + length], mask);
            }
        }
    }
}

#[test]
fn tiers_find_every_cut_of_noise() {
    let data = noise(3, 4 << 20);
    for mask in masks().into_iter().filter(|mask| mask.count_ones() >= 9) {
        let (mut rest, mut cuts) = (&data[..], 0);
        loop {
            assert_same(0, rest, mask);
            let Some(cut) = Scanner::detect().scan(&mut 0, rest, mask) else { break };
            rest = &rest[cut + 1..];
            cuts += 1;
        }
        assert!(cuts > 0 || mask.count_ones() > 18, "{mask:#x} met nothing");
    }
}

#[test]
fn tiers_agree_on_every_constant_byte() {
    for mask in masks() {
        for byte in 0..=255 {
            for length in [257, 1500, 20_000] {
                assert_same(0, &vec![byte; length], mask);
            }
            assert_same(0x0123_4567_89ab_cdef, &[byte; 700], mask);
        }
    }
}

#[test]
fn tiers_agree_on_periods_of_up_to_64_bytes() {
    for period in 1..=64 {
        for seed in 0..4 {
            let data: Vec<u8> = noise(seed, period).into_iter().cycle().take(12_000).collect();
            for mask in masks() {
                assert_same(0, &data, mask);
            }
        }
    }
}

#[test]
fn tiers_agree_where_runs_that_meet_a_filter_begin_and_end() {
    for byte in 0..=255 {
        let mut data = noise(byte.into(), 3000);
        data.splice(1000..1000, std::iter::repeat_n(byte, 9000));
        for mask in masks() {
            assert_same(0, &data, mask);
        }
    }
}

#[test]
fn tiers_agree_wherever_one_byte_of_a_text_is_not_below_128() {
    let text: Vec<u8> = noise(7, 1300).into_iter().map(|byte| byte & 0x7f).collect();
    for mask in masks().into_iter().filter(|mask| mask.count_ones() >= 9) {
        assert_same(0, &text, mask);
        for place in 0..text.len() {
            let mut data = text.clone();
            data[place] |= 0x80;
            assert_same(0, &data, mask);
        }
    }
}

/// The cut points by each tier, in pieces of `piece` bytes.
fn assert_cuts(data: &[u8], sizes: (usize, usize, usize), piece: usize) {
    assert_cuts_of(data, sizes, (1, 0), piece);
}

/// The same with another level and seed.
fn assert_cuts_of(
    data: &[u8],
    (min, avg, max): (usize, usize, usize),
    (level, seed): (u8, u64),
    piece: usize,
) {
    let profile = Profile::new(min, avg, max).and_then(|profile| profile.level(level)).expect("a profile");
    let profile = profile.seed(seed);
    let normalization = LEVELS[usize::from(level)];
    let expected: Vec<_> = FastCDC::with_level_and_seed(data, min, avg, max, normalization, seed)
        .map(|chunk| (chunk.offset + chunk.length) as u64)
        .collect();
    for scanner in Scanner::available() {
        let mut finder = CutFinder::new(profile).with_scanner(scanner);
        let mut cuts = Vec::new();
        for mut piece in data.chunks(piece) {
            cuts.extend(std::iter::from_fn(|| finder.next_cut(&mut piece)));
        }
        cuts.extend(finder.finish());
        assert_eq!(cuts, expected, "{}, {profile}, {} bytes by {piece}", scanner.name(), data.len());
    }
}

const LEVELS: [Normalization; 4] =
    [Normalization::Level0, Normalization::Level1, Normalization::Level2, Normalization::Level3];

const PROFILES: [(usize, usize, usize); 8] = [
    (64, 256, 1024),
    (128, 1024, 1026),
    (1 << 10, 4 << 10, 16 << 10),
    (2 << 10, 8 << 10, 32 << 10),
    (4 << 10, 16 << 10, 64 << 10),
    (16 << 10, 64 << 10, 256 << 10),
    (64 << 10, 256 << 10, 1 << 20),
    (256 << 10, 1 << 20, 4 << 20),
];

#[test]
fn every_tier_cuts_like_the_fastcdc_crate_in_every_profile() {
    let data = noise(4, 6 << 20);
    for profile in PROFILES {
        let (_, avg, max) = profile;
        for length in [0, 1, avg - 1, avg, avg + 1, 3 * avg + 333, max + 1, data.len() - 1, data.len()] {
            for piece in [997, 4096, 65_537, data.len()] {
                assert_cuts(&data[..length], profile, piece);
            }
        }
    }
}

#[test]
fn every_tier_cuts_like_the_fastcdc_crate_at_every_level_and_seed() {
    let data = noise(6, 6 << 20);
    for profile in PROFILES {
        for level in 0..=3 {
            for seed in [0, 1, 666, 0x0123_4567_89ab_cdef, u64::MAX] {
                assert_cuts_of(&data, profile, (level, seed), 65_537);
            }
        }
    }
}

#[test]
fn every_tier_cuts_hostile_data_like_the_fastcdc_crate() {
    for profile in &PROFILES[..6] {
        for byte in 0..=255 {
            assert_cuts(&vec![byte; 3 * profile.2 / 2 + 1], *profile, 50_000);
        }
        for period in 2..=64 {
            let data: Vec<u8> = noise(5, period).into_iter().cycle().take(3 * profile.2 / 2 + 1).collect();
            assert_cuts(&data, *profile, 50_000);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn tiers_agree_on_mixtures(
        runs in prop::collection::vec((any::<u64>(), 1..=64usize, 1..3000usize), 1..12),
        start in any::<u64>(),
        mask in prop::sample::select(masks().into_iter().collect::<Vec<_>>()),
        odd_mask in any::<u64>(),
    ) {
        let run = |(seed, period, length)| noise(seed, period).into_iter().cycle().take(length);
        let data: Vec<u8> = runs.into_iter().flat_map(run).collect();
        assert_same(start, &data, mask);
        assert_same(start, &data, mask & odd_mask);
        assert_same(start, &data, mask | odd_mask);
    }

    #[test]
    fn every_tier_cuts_the_same_in_pieces(
        runs in prop::collection::vec((any::<u64>(), 1..=200usize, 1..30_000usize), 1..12),
        profile in prop::sample::select(PROFILES[..5].to_vec()),
        level in 0..=3u8,
        seed in prop_oneof![Just(0), any::<u64>()],
        piece in 1..7000usize,
    ) {
        let run = |(seed, period, length)| noise(seed, period).into_iter().cycle().take(length);
        let data: Vec<u8> = runs.into_iter().flat_map(run).collect();
        assert_cuts_of(&data, profile, (level, seed), piece);
    }
}

//! Every scan kernel of this CPU against the portable one: on results, on state, and on cut points.
#![no_main]

use arbitrary::Arbitrary;
use chunker::{CutFinder, Profile};
use chunker::scan::Scanner;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Case {
    hash: u64,
    mask: u64,
    seed: u64,
    level: u8,
    /// Which of the published masks `mask` takes its bits from; none if it is too large.
    published: u8,
    sizes: [u16; 3],
    piece: u16,
    /// Bytes, and how often they are repeated: kernels work on more than a fuzzer writes.
    runs: Vec<(Vec<u8>, u16)>,
}

/// Bytes of an input at most, so that no case is slow.
const LIMIT: usize = 12 * 1024;

/// Masks with bits in the lower half, in the upper one, and few and many of them.
const MASKS: [u64; 8] = [
    0x0180_4110,
    0x0018_0003_5300,
    0x5900_0353_0000,
    0xd903_0353_0000,
    0xd903_1353_0000,
    0xd90f_0353_0000,
    0xd907_0353_7000,
    0xd917_6753_7000,
];

fuzz_target!(|case: Case| {
    let mut data = Vec::new();
    for (bytes, times) in &case.runs {
        for _ in 0..=*times {
            if bytes.is_empty() || data.len() + bytes.len() > LIMIT {
                break;
            }
            data.extend_from_slice(bytes);
        }
    }
    // Whole masks, and parts of them.
    let published = MASKS.get(usize::from(case.published) % (2 * MASKS.len())).copied();
    for mask in [published.unwrap_or(case.mask), published.unwrap_or(u64::MAX) & case.mask] {
        let mut expected_hash = case.hash;
        let expected = Scanner::PORTABLE.scan(&mut expected_hash, &data, mask);
        let mut expected_seeded_hash = case.hash;
        let expected_seeded = Scanner::PORTABLE.scan_seeded(case.seed, &mut expected_seeded_hash, &data, mask);
        for scanner in Scanner::available().skip(1) {
            let mut hash = case.hash;
            assert_eq!(scanner.scan(&mut hash, &data, mask), expected, "{}", scanner.name());
            assert_eq!(hash, expected_hash, "state of {}", scanner.name());
            let mut hash = case.hash;
            let found = scanner.scan_seeded(case.seed, &mut hash, &data, mask);
            assert_eq!(found, expected_seeded, "{}, seeded", scanner.name());
            assert_eq!(hash, expected_seeded_hash, "state of {}, seeded", scanner.name());
        }
    }

    let [min, avg, max] = case.sizes.map(|size| 2 * usize::from(size));
    let Ok(profile) = Profile::new(min, min + avg, min + avg + max) else { return };
    let profile = profile.level(case.level % 4).unwrap_or(profile).seed(case.seed);
    let piece = usize::from(case.piece) + 1;
    let expected = cuts(&data, data.len().max(1), profile, Scanner::PORTABLE);
    for scanner in Scanner::available() {
        assert_eq!(cuts(&data, piece, profile, scanner), expected, "{} in pieces of {piece}", scanner.name());
    }
});

fn cuts(data: &[u8], piece: usize, profile: Profile, scanner: Scanner) -> Vec<u64> {
    let mut finder = CutFinder::new(profile).with_scanner(scanner);
    let mut cuts = Vec::new();
    for mut piece in data.chunks(piece) {
        cuts.extend(std::iter::from_fn(|| finder.next_cut(&mut piece)));
    }
    cuts.extend(finder.finish());
    cuts
}

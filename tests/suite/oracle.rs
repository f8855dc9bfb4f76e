//! Cut points against the `fastcdc` crate in the same process, on sizes and data drawn at random.

use crate::harness::test;
use chunker::{CutFinder, Profile, cut_points};
use fastcdc::v2020::{FastCDC, Normalization};
use proptest::prelude::*;

const LEVELS: [Normalization; 4] =
    [Normalization::Level0, Normalization::Level1, Normalization::Level2, Normalization::Level3];

/// Sizes in the crate's own range, small so that an input has many chunks.
fn sizes() -> impl Strategy<Value = (usize, usize, usize)> {
    (32..600usize, 0..3000usize, 0..9000usize).prop_map(|(min, more, most)| {
        let min = 2 * min;
        let avg = (min + 2 * more).max(256);
        (min, avg, (avg + 2 * most).max(1024))
    })
}

/// Noise, few different bytes, and long runs: the shapes that meet a mask often, rarely and never.
fn data() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![any::<u8>().boxed(), prop::sample::select(&b"\x00\x3f\xed"[..]).boxed()];
    let run = (byte, prop_oneof![Just(1usize), 1..5usize, 1..3000usize]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40_000),
        prop::collection::vec(run, 0..2000).prop_map(|runs| runs
            .into_iter()
            .flat_map(|(byte, length)| std::iter::repeat_n(byte, length))
            .collect()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn cut_points_are_those_of_the_fastcdc_crate(
        (min, avg, max) in sizes(),
        level in 0..=3u8,
        seed in prop_oneof![Just(0), Just(666), any::<u64>()],
        data in data(),
        piece in 1..5000usize,
    ) {
        let profile = Profile::new(min, avg, max).unwrap().level(level).unwrap().seed(seed);
        let peer = FastCDC::with_level_and_seed(&data, min, avg, max, LEVELS[usize::from(level)], seed);
        let expected: Vec<_> = peer.map(|chunk| chunk.offset + chunk.length).collect();
        prop_assert_eq!(cut_points(&data, profile).collect::<Vec<_>>(), expected.clone());

        let mut finder = CutFinder::new(profile);
        let mut pushed = Vec::new();
        for mut piece in data.chunks(piece) {
            while let Some(cut) = finder.next_cut(&mut piece) {
                pushed.push(usize::try_from(cut).unwrap());
            }
            prop_assert!(piece.is_empty(), "a piece is read to its end");
        }
        pushed.extend(finder.finish().map(|end| usize::try_from(end).unwrap()));
        prop_assert_eq!(pushed, expected);
    }
}

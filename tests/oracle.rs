//! Cut points against the `fastcdc` crate in the same process, on sizes and data drawn at random.

use chunker::chunking::ChunkingOptions;
use chunker::{CutFinder, cut_points};
use fastcdc::v2020::FastCDC;
use proptest::prelude::*;

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
    fn cut_points_are_those_of_the_fastcdc_crate((min, avg, max) in sizes(), data in data(), piece in 1..5000usize) {
        let options = ChunkingOptions::resolve(Some(min), Some(avg), Some(max)).unwrap();
        let expected: Vec<_> =
            FastCDC::new(&data, min, avg, max).map(|chunk| chunk.offset + chunk.length).collect();
        prop_assert_eq!(cut_points(&data, options).collect::<Vec<_>>(), expected.clone());

        let mut finder = CutFinder::new(options);
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

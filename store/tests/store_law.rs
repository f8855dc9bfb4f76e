//! The law of the fuzz target `store`, without a fuzzer: on objects that fit together, and on anything.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]
#![allow(clippy::expect_used, reason = "as above")]

#[path = "../../fuzz/laws/store.rs"]
mod law;

use proptest::prelude::*;

/// Input of the law: objects of these kinds.
fn input(objects: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let object = |(kind, bytes): &(u8, Vec<u8>)| {
        let length = u16::try_from(bytes.len()).unwrap().to_le_bytes();
        [&[*kind], &length[..], bytes].concat()
    };
    objects.iter().flat_map(object).collect()
}

#[test]
fn files_of_whole_packs_are_read() {
    let pack: Vec<u8> = (0..6).flat_map(|number| [&[99][..], &[number; 100]].concat()).collect();
    for algorithm in [0, 0x80] {
        let objects =
            [(algorithm, pack.clone()), (algorithm | 3, vec![0, 1, 2, 1]), (algorithm | 3, vec![5, 4])];
        law::check(&input(&objects));
        let doomed =
            [(algorithm, pack.clone()), (algorithm, pack.clone()), (algorithm | 3, vec![0, 5]), (6, vec![1])];
        law::check(&input(&doomed));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn objects_of_all_kinds_obey_the_law(
        objects in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..300)), 0..10),
    ) {
        law::check(&input(&objects));
    }

    #[test]
    fn anything_obeys_the_law(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        law::check(&bytes);
    }
}

//! The law of the fuzz target `pack`, without a fuzzer: on whole packs, on damaged ones, and on anything.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

#[path = "../../fuzz/laws/pack.rs"]
mod law;

use chunker::hashing::HashAlgorithm;
use chunker_store::ChunkId;
use chunker_store::pack::format::{Encoding, Entry, Place, footer};
use proptest::prelude::*;

/// Input of the law: a footer of these chunks, signed.
fn input(chunks: &[(bool, bool, u32, u32)]) -> Vec<u8> {
    let mut body = 0u32;
    let entries: Vec<Entry> = chunks
        .iter()
        .map(|&(blake3, zstd, length, stored)| {
            let algorithm = HashAlgorithm::ALL[usize::from(blake3)];
            let (encoding, stored) = if zstd { (Encoding::Zstd, stored) } else { (Encoding::Raw, length) };
            let place = Place { encoding, length, offset: 8 + body, stored };
            body += stored + 8;
            Entry { id: ChunkId::new(algorithm, [7; 32]), place }
        })
        .collect();
    [&body.to_le_bytes()[..], &footer(&entries)].concat()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_footer_obeys_its_law(
        chunks in prop::collection::vec((any::<bool>(), any::<bool>(), 0..100_000u32, 0..100_000u32), 0..40),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        cut in any::<prop::sample::Index>(),
    ) {
        let whole = input(&chunks);
        law::check(&whole);
        law::check(&whole[..cut.index(whole.len())]);
        let mut damaged = whole;
        for (at, mask) in damage {
            let at = at.index(damaged.len());
            damaged[at] ^= mask;
        }
        law::check(&damaged);
    }

    #[test]
    fn anything_obeys_the_law(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        law::check(&bytes);
    }
}

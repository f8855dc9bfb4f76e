//! The profile of the Remote Execution API's `FAST_CDC_2020`.
//!
//! The API's own vectors are cut from a picture that is not ours to publish:
//! `make remote-execution INPUT=SekienAkashita.jpg`.

use crate::harness::{PLACE, println, test};
use chunker::chunking::{chunk_descriptors, chunk_slices};
use chunker::scan::Scanner;
use chunker::{CutFinder, Profile};

/// Lengths and SHA-256 digests, from `fastcdc2020_test_vectors.txt` of the API's repository.
const OFFICIAL: [(u64, &[(usize, &str)]); 2] = [
    (
        0,
        &[
            (19186, "0f9efa589121d5d9e9e2c4ace91337d77cae866537143f6f15a0ffd525a77c2d"),
            (19279, "c7c86a165573c16448cda35c9169742e85645af42be22889f8b96b8ee0ec7cb0"),
            (17354, "bc88521e28a8b4479cdea5f75aa721a24f3a0a7d0be903aa6d505c574e51e89d"),
            (16387, "4b8dac2652e4685c629d2bb1ae9d4448e676b86f2e67ca0b2fff3d9580184b79"),
            (19940, "c0a7062da6f2386c28e086ee0cedd5732252741269838773cff1ddb05b2df6ed"),
            (17320, "7fa5b12134dc75cd2ac8dc60d3a8f3c8d22f0ee9d4cf74a4aa937e2a0d2d79a5"),
        ],
    ),
    (
        666,
        &[
            (17635, "cb3a9d80a3569772d4ed331ca37ab0c862c759897b890fc1aac90a4f2ea3a407"),
            (17334, "d758c6b7b0b7eef1e996f8ccd17de6c645360b03a26c35541e7581348ac08944"),
            (19136, "24846aefd89e510594bae3e9d7d5ea5012067601512610fed126a3c57ba993f5"),
            (17467, "efa785e1fefb49f190e665f72fd246c1442079874508c312196da1fb3040d00b"),
            (23593, "a2f557bdd8d40d8faada963ad5f91ec54b10ccee7c5ae72754a65137592dc607"),
            (14301, "e131100b4a7147ccad19dc63c4a2fac1f5d8b644e1373eeb6803825024234efc"),
        ],
    ),
];
const INPUT_SHA256: &str = "d9e749d9367fc908876749d6502eb212fee88c9a94892fb07da5ef3ba8bc39ed";

#[test]
#[ignore = "needs the API's input: make remote-execution INPUT=file"]
fn the_official_vectors_hold_in_every_tier() {
    let path = std::env::var("REMOTE_EXECUTION_INPUT").expect("REMOTE_EXECUTION_INPUT names the input");
    let input = std::fs::read(path).expect("the input can be read");
    assert_eq!(chunker::hashing::sha256_hash(&input), INPUT_SHA256, "another file");
    // The API's file says 65535 for the largest size; with 65534 and 65536 these inputs are cut the same.
    let profile = Profile::remote_execution(16384).expect("an average of the API");
    for (seed, expected) in OFFICIAL {
        let profile = profile.seed(seed);
        let chunks: Vec<_> = chunk_slices(&input, profile).collect();
        let found: Vec<_> = chunks.iter().map(|chunk| (chunk.payload.len(), chunk.hash_hex())).collect();
        assert!(found.iter().map(|(length, hash)| (*length, hash.as_str())).eq(expected.iter().copied()));
        for scanner in Scanner::available() {
            let mut finder = CutFinder::new(profile).with_scanner(scanner);
            let mut rest = &input[..];
            let mut cuts: Vec<_> = std::iter::from_fn(|| finder.next_cut(&mut rest)).collect();
            cuts.extend(finder.finish());
            let ends = chunks.iter().map(|chunk| chunk.offset + chunk.payload.len() as u64);
            assert!(cuts.into_iter().eq(ends), "{}, seed {seed}", scanner.name());
            println!(
                "remote execution: {PLACE} {}: seed {seed}, {} chunks, 0 differences",
                scanner.name(),
                chunks.len()
            );
        }
    }
}

/// What a script of 40 lines in another language found.
#[test]
fn the_recommended_profile_cuts_generated_input_as_a_second_implementation_does() {
    let mut state = 1u64;
    let word = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let input: Vec<u8> =
        std::iter::repeat_with(word).take((6 << 20) / 8).flat_map(u64::to_le_bytes).collect();
    let profile = Profile::remote_execution(512 << 10).expect("the recommended average");
    let lengths: Vec<_> = chunk_descriptors(&input, profile).iter().map(|chunk| chunk.length).collect();
    let expected = [
        278_755, 570_329, 257_106, 712_040, 921_477, 563_668, 530_635, 157_902, 564_844, 549_231, 622_370,
        563_099,
    ];
    assert_eq!(lengths, expected);
}

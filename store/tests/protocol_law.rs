//! The law of the fuzz target `protocol`, without a fuzzer: on sound requests, and on damaged ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what fails here fails a test")]

#[path = "../../fuzz/laws/protocol.rs"]
mod law;

use chunker::compression::{Codec, compress};
use chunker::hashing::HashAlgorithm;
use chunker::manifest::Manifest;

/// Returns a pack of a raw chunk and a compressed one.
fn pack(algorithm: HashAlgorithm) -> Vec<u8> {
    let (raw, plain) = (b"as it is".to_vec(), vec![b'a'; 300]);
    let frame = compress(Codec::Zstd, &plain, None).unwrap();
    let mut bytes = b"CPK1\x02\0\0\0".to_vec();
    for (chunk, encoded) in [(&raw, raw.len()), (&plain, frame.len())] {
        bytes.extend(algorithm.digest(chunk));
        bytes.extend(u32::try_from(chunk.len()).unwrap().to_le_bytes());
        bytes.extend(u32::try_from(encoded).unwrap().to_le_bytes());
    }
    [bytes, raw, frame].concat()
}

fn seeds() -> Vec<Vec<u8>> {
    let digests = [[1; 32], HashAlgorithm::Sha256.digest(b"a chunk that is stored")].concat();
    let manifest = Manifest::new(chunker::Profile::SMALL, Vec::new()).unwrap().to_bytes();
    let mut seeds = Vec::new();
    for target in 0..17 {
        for headers in [0, 2, 4, 0x80] {
            let body = match target {
                0 => pack(HashAlgorithm::Sha256),
                1 => pack(HashAlgorithm::Blake3),
                2..=4 => digests.clone(),
                5 | 14 | 15 => manifest.clone(),
                _ => Vec::new(),
            };
            seeds.push([vec![target, headers, 5], body].concat());
        }
    }
    seeds.push([b"\x80\0\x05/v1/chunks/sha256/read?encoding=zstd\n".to_vec(), digests].concat());
    seeds
}

#[test]
fn sound_requests_obey_the_law() {
    seeds().iter().for_each(|seed| law::check(seed));
}

#[test]
fn damaged_requests_obey_the_law() {
    for seed in seeds() {
        for at in 0..seed.len() {
            law::check(&seed[..at]);
            let mut damaged = seed.clone();
            damaged[at] ^= 1 << (at % 8);
            law::check(&damaged);
        }
    }
}

/// Writes the seeds for the fuzzer into the folder that `FUZZ_SEEDS` names.
#[test]
#[ignore = "a part of `make fuzz`"]
fn seeds_are_written() {
    let folder = std::path::PathBuf::from(std::env::var_os("FUZZ_SEEDS").unwrap()).join("protocol");
    std::fs::create_dir_all(&folder).unwrap();
    for (index, seed) in seeds().iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{index}")), seed).unwrap();
    }
}

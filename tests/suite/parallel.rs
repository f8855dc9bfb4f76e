//! Laws of chunking by many threads: the result is that of one.

use crate::noise::noise;
use bytes::Bytes;
use chunker::chunking::{
    HashAlgorithm, chunk_bytes, chunk_bytes_parallel, chunk_descriptors, chunk_descriptors_parallel,
    cut_points_parallel,
};
use chunker::{Profile, cut_points};
use rayon::prelude::*;

const PROFILES: [(usize, usize, usize); 4] = [
    (64, 256, 1024),
    (2 << 10, 8 << 10, 32 << 10),
    (16 << 10, 64 << 10, 256 << 10),
    (256 << 10, 1 << 20, 4 << 20),
];

fn profile((min, avg, max): (usize, usize, usize)) -> Profile {
    Profile::new(min, avg, max).expect("valid sizes")
}

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads")
}

fn assert_same(data: &[u8], profile: Profile) {
    let hash = HashAlgorithm::Blake3;
    let cuts = cut_points_parallel(data, profile);
    assert!(cuts.into_iter().eq(cut_points(data, profile)));
    let chunks = chunk_descriptors_parallel(data, profile.hash(hash));
    assert!(chunks == chunk_descriptors(data, profile.hash(hash)));
}

#[test]
fn any_number_of_threads_gives_the_chunks_of_one() {
    let noise = noise((8 << 20) + 1);
    let zeros = vec![0; 8 << 20];
    let period: Vec<u8> = (0..=250).cycle().take(8 << 20).collect();
    let text: Vec<u8> = noise.iter().map(|byte| b"etaoin shrdlu, \n"[usize::from(byte & 15)]).collect();
    for threads in 1..=8 {
        pool(threads).install(|| {
            for sizes in PROFILES {
                for data in [&noise, &zeros, &period, &text] {
                    assert_same(data, profile(sizes));
                }
            }
        });
    }
}

#[test]
fn a_hole_in_the_middle_does_not_move_the_cuts_behind_it() {
    let mut data = noise(6 << 20);
    data[1_000_001..4_000_001].fill(0);
    for sizes in PROFILES {
        assert_same(&data, profile(sizes));
    }
}

#[test]
fn lengths_around_the_edges_of_segments_give_the_chunks_of_one_thread() {
    let data = noise((2 << 20) + 2);
    pool(4).install(|| {
        for edge in [1 << 20, 1_310_720, 1_572_864, 2 << 20] {
            for length in edge - 2..=edge + 2 {
                assert_same(&data[..length], profile((64, 256, 1024)));
            }
        }
    });
}

#[test]
fn calls_from_within_a_pool_give_the_chunks_of_one_thread() {
    let data = noise(2 << 20);
    pool(2).install(|| {
        (0..8).into_par_iter().for_each(|part| assert_same(&data[part << 10..], profile((64, 256, 1024))));
    });
}

#[test]
fn payloads_share_the_memory_of_the_data() {
    let data = Bytes::from(noise(3 << 20));
    let profile = profile((2 << 10, 8 << 10, 32 << 10));
    let chunks = chunk_bytes_parallel(&data, profile.hash(HashAlgorithm::Sha256));
    assert!(chunks == chunk_bytes(&data, profile.hash(HashAlgorithm::Sha256)));
    let offset = usize::try_from(chunks[7].offset).unwrap();
    assert_eq!(chunks[7].payload.as_ptr(), data[offset..].as_ptr());
}

//! Laws of chunking by many threads: the result is that of one.

mod noise;

use bytes::Bytes;
use chunker::chunking::{
    ChunkingOptions, HashAlgorithm, chunk_bytes, chunk_bytes_parallel, chunk_descriptors,
    chunk_descriptors_parallel, cut_points_parallel,
};
use chunker::cut_points;
use noise::noise;
use rayon::prelude::*;
use std::process::Command;

const PROFILES: [(usize, usize, usize); 4] = [
    (64, 256, 1024),
    (2 << 10, 8 << 10, 32 << 10),
    (16 << 10, 64 << 10, 256 << 10),
    (256 << 10, 1 << 20, 4 << 20),
];

fn options((min, avg, max): (usize, usize, usize)) -> ChunkingOptions {
    ChunkingOptions::resolve(Some(min), Some(avg), Some(max)).expect("valid sizes")
}

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads")
}

fn assert_same(data: &[u8], options: ChunkingOptions) {
    let hash = HashAlgorithm::Blake3;
    let cuts = cut_points_parallel(data, options).expect("a valid threshold");
    assert!(cuts.into_iter().eq(cut_points(data, options)));
    let chunks = chunk_descriptors_parallel(data, options, hash).expect("a valid threshold");
    assert!(chunks == chunk_descriptors(data, options, hash));
}

#[test]
fn any_number_of_threads_gives_the_chunks_of_one() {
    let noise = noise((8 << 20) + 1);
    let zeros = vec![0; 8 << 20];
    let period: Vec<u8> = (0..=250).cycle().take(8 << 20).collect();
    let text: Vec<u8> = noise.iter().map(|byte| b"etaoin shrdlu, \n"[usize::from(byte & 15)]).collect();
    for threads in 1..=8 {
        pool(threads).install(|| {
            for profile in PROFILES {
                for data in [&noise, &zeros, &period, &text] {
                    assert_same(data, options(profile));
                }
            }
        });
    }
}

#[test]
fn a_hole_in_the_middle_does_not_move_the_cuts_behind_it() {
    let mut data = noise(6 << 20);
    data[1_000_001..4_000_001].fill(0);
    for profile in PROFILES {
        assert_same(&data, options(profile));
    }
}

#[test]
fn lengths_around_the_edges_of_segments_give_the_chunks_of_one_thread() {
    let data = noise((2 << 20) + 2);
    pool(4).install(|| {
        for edge in [1 << 20, 1_310_720, 1_572_864, 2 << 20] {
            for length in edge - 2..=edge + 2 {
                assert_same(&data[..length], options((64, 256, 1024)));
            }
        }
    });
}

#[test]
fn calls_from_within_a_pool_give_the_chunks_of_one_thread() {
    let data = noise(2 << 20);
    pool(2).install(|| {
        (0..8).into_par_iter().for_each(|part| assert_same(&data[part << 10..], options((64, 256, 1024))));
    });
}

#[test]
fn payloads_share_the_memory_of_the_data() {
    let data = Bytes::from(noise(3 << 20));
    let options = options((2 << 10, 8 << 10, 32 << 10));
    let chunks = chunk_bytes_parallel(&data, options, HashAlgorithm::Sha256).unwrap();
    assert!(chunks == chunk_bytes(&data, options, HashAlgorithm::Sha256));
    let offset = usize::try_from(chunks[7].offset).unwrap();
    assert_eq!(chunks[7].payload.as_ptr(), data[offset..].as_ptr());
}

/// What the child of the tests below does: prints the number of cuts, or the code of the error.
#[test]
fn child() {
    let data = noise(300_000);
    match cut_points_parallel(&data, options((64, 256, 1024))) {
        Ok(cuts) => println!("cuts {}", cuts.len()),
        Err(error) => println!("error {}", error.code()),
    }
}

fn run_child(threshold: Option<&str>) -> String {
    let mut command = Command::new(std::env::current_exe().expect("the path of this program"));
    command.args(["--exact", "child", "--nocapture"]).env_remove("CHUNKER_PARALLEL_THRESHOLD");
    command.envs(threshold.map(|threshold| ("CHUNKER_PARALLEL_THRESHOLD", threshold)));
    let output = command.output().expect("this program starts");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn any_threshold_gives_the_same_cuts() {
    let cuts = cut_points(&noise(300_000), options((64, 256, 1024))).count();
    for threshold in [None, Some("0"), Some("1"), Some("18446744073709551615")] {
        assert!(run_child(threshold).contains(&format!("cuts {cuts}\n")), "{threshold:?}");
    }
}

#[test]
fn a_threshold_that_is_no_size_is_an_error() {
    for threshold in ["", "-1", "1.5", "64k", "18446744073709551616"] {
        assert!(run_child(Some(threshold)).contains("error invalid_chunking_options"), "{threshold:?}");
    }
}

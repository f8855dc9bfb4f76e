//! All cores against one, and the memory that each way of chunking takes.
//!
//! Prints medians of ratios of interleaved rounds; absolute times on shared machines mislead, and
//! where other programs use the cores, so do these ratios.

#[path = "../tests/heap/mod.rs"]
mod heap;

use chunker::chunking::{
    ChunkMetadata, ChunkPipeline, ChunkStream, DescriptorPipeline, DescriptorStream, HashAlgorithm,
    chunk_data_with_hash, chunk_descriptors, chunk_descriptors_parallel, cut_points_parallel,
};
use chunker::compression::{Codec, compress};
use chunker::{Profile, cut_points};
use heap::peak;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rounds::ROUNDS;
use std::io::Cursor;
use std::time::Instant;

const LENGTH: usize = 256 << 20;
const HASH: HashAlgorithm = HashAlgorithm::Blake3;

/// The smallest, average and largest size of a chunk, in bytes.
type Sizes = (usize, usize, usize);

const PROFILES: [Sizes; 4] = [
    (256 << 10, 1 << 20, 4 << 20),
    (16 << 10, 64 << 10, 256 << 10),
    (4 << 10, 16 << 10, 64 << 10),
    (2 << 10, 8 << 10, 64 << 10),
];

fn main() {
    let mut random = vec![0; LENGTH];
    rand_chacha::ChaCha8Rng::seed_from_u64(42).fill_bytes(&mut random);
    let text: Vec<u8> =
        random[..LENGTH / 4].iter().map(|byte| b"etaoin shrdlu, \n"[usize::from(byte & 15)]).collect();
    let period: Vec<u8> = random[..251].iter().copied().cycle().take(LENGTH / 4).collect();

    println!("medians of {ROUNDS} ratios of speed, {} threads", rayon::current_num_threads());
    println!(
        "{:>16} {:>8} {:>4} {:>24} {:>20}",
        "sizes", "data", "MiB", "cut+BLAKE3: one thread", "cut: one thread"
    );
    for sizes in PROFILES {
        for (name, data) in [
            ("random", &random[..]),
            ("random", &random[..16 << 20]),
            ("text", &text),
            ("zeros", &vec![0; LENGTH / 4]),
            ("period", &period),
        ] {
            buffers(sizes, name, data);
        }
    }

    println!(
        "\n{:>16} {:>8} {:>20} {:>20} {:>20}",
        "sizes", "data", "pipeline: stream", "with zstd: stream", "descriptors: stream"
    );
    for sizes in PROFILES {
        readers(sizes, "random", random[..LENGTH / 4].to_vec());
        readers(sizes, "text", text.clone());
    }

    println!("\npeak of the heap beyond the input of {} MiB, in KiB", LENGTH >> 20);
    println!(
        "{:>16} {:>10} {:>12} {:>10} {:>10} {:>10} {:>10}",
        "sizes", "chunk_data", "descriptors", "parallel", "its cuts", "stream", "pipeline"
    );
    for sizes in PROFILES {
        memory(sizes, &random);
    }
}

fn buffers(sizes: Sizes, name: &str, data: &[u8]) {
    let profile = profile(sizes);
    let all = || chunk_descriptors_parallel(data, profile.hash(HASH)).len();
    let one = || chunk_descriptors(data, profile.hash(HASH)).len();
    let all_cut = || cut_points_parallel(data, profile).len();
    let one_cut = || cut_points(data, profile).count();
    println!(
        "{:>16} {name:>8} {:>4} {:>24.2} {:>20.2}",
        name_of(sizes),
        data.len() >> 20,
        ratio(one, all),
        ratio(one_cut, all_cut)
    );
}

fn readers(sizes: Sizes, name: &str, data: Vec<u8>) {
    let profile = profile(sizes);
    let data = bytes::Bytes::from(data);
    let reader = || Cursor::new(data.clone());
    let squeeze =
        |chunk: ChunkMetadata| compress(Codec::Zstd, &chunk.payload, Some(1)).expect("it compresses").len();
    let stream = || {
        ChunkStream::with_profile(reader(), profile.hash(HASH)).expect("valid profile").map(Result::unwrap)
    };
    let pipeline =
        || ChunkPipeline::new(reader(), profile.hash(HASH)).expect("valid profile").map(Result::unwrap);
    let squeezed = || {
        ChunkPipeline::mapped(reader(), profile.hash(HASH), squeeze)
            .expect("valid profile")
            .map(Result::unwrap)
    };
    let described =
        || DescriptorStream::new(reader(), profile.hash(HASH)).expect("valid profile").map(Result::unwrap);
    let piped =
        || DescriptorPipeline::new(reader(), profile.hash(HASH)).expect("valid profile").map(Result::unwrap);
    println!(
        "{:>16} {name:>8} {:>20.2} {:>20.2} {:>20.2}",
        name_of(sizes),
        ratio(|| stream().count(), || pipeline().count()),
        ratio(|| stream().map(squeeze).sum(), || squeezed().sum()),
        ratio(|| described().count(), || piped().count()),
    );
}

fn memory(sizes: Sizes, data: &[u8]) {
    let (min, avg, max) = sizes;
    let profile = profile(sizes);
    let reader = || Cursor::new(bytes::Bytes::copy_from_slice(data)); // a pipeline's does not borrow
    let (stream, pipeline) = (reader(), reader());
    println!(
        "{:>16} {:>10} {:>12} {:>10} {:>10} {:>10} {:>10}",
        name_of(sizes),
        peak(|| chunk_data_with_hash(data, Some(min), Some(avg), Some(max), HASH)) >> 10,
        peak(|| chunk_descriptors(data, profile.hash(HASH))) >> 10,
        peak(|| chunk_descriptors_parallel(data, profile.hash(HASH))) >> 10,
        peak(|| cut_points_parallel(data, profile)) >> 10,
        peak(|| ChunkStream::with_profile(stream, profile.hash(HASH)).expect("valid profile").count()) >> 10,
        peak(|| ChunkPipeline::new(pipeline, profile.hash(HASH)).expect("valid profile").count()) >> 10,
    );
}

fn profile((min, avg, max): Sizes) -> Profile {
    Profile::new(min, avg, max).expect("valid sizes")
}

fn name_of((min, avg, max): Sizes) -> String {
    format!("{}/{}/{}K", min >> 10, avg >> 10, max >> 10)
}

fn ratio(base: impl Fn() -> usize, other: impl Fn() -> usize) -> f64 {
    let start = || {
        let start = Instant::now();
        move || start.elapsed()
    };
    rounds::ratio(start, base, other)
}

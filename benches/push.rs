//! Pieces against one call: what it costs to have the input arrive bit by bit.
//!
//! Prints the median of ratios of CPU time of interleaved rounds: other processes hardly move them.

use chunker::chunking::{HashAlgorithm, PushChunker, chunk_descriptors};
use chunker::{CutFinder, Profile, cut_points};
use cpu_time::ThreadTime;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rounds::ROUNDS;

const LENGTH: usize = 64 << 20;

fn main() {
    let mut random = vec![0; LENGTH];
    rand_chacha::ChaCha8Rng::seed_from_u64(42).fill_bytes(&mut random);
    println!("median of {ROUNDS} ratios of speed, pieces / one call, {} MiB of random data", LENGTH >> 20);
    println!("{:>16} {:>9} {:>9} {:>11} {:>11}", "sizes", "piece", "cut only", "cut+BLAKE3", "cut+SHA-256");
    for (min, avg, max) in [
        (256 << 10, 1 << 20, 4 << 20),
        (16 << 10, 64 << 10, 256 << 10),
        (4 << 10, 16 << 10, 64 << 10),
        (2 << 10, 8 << 10, 32 << 10),
    ] {
        let profile = Profile::new(min, avg, max).expect("valid sizes");
        for piece in [1, 100, 4 << 10, 64 << 10, 1 << 20] {
            let data = if piece == 1 { &random[..LENGTH / 16] } else { &random[..] };
            let cut = ratio(|| cut_points(data, profile).count(), || pushed_cuts(data, profile, piece));
            let [blake3, sha256] = [HashAlgorithm::Blake3, HashAlgorithm::Sha256].map(|hash| {
                ratio(
                    || chunk_descriptors(data, profile.hash(hash)).len(),
                    || pushed_chunks(data, profile.hash(hash), piece),
                )
            });
            println!(
                "{:>16} {piece:>9} {cut:>9.3} {blake3:>11.3} {sha256:>11.3}",
                format!("{}/{}/{}K", min >> 10, avg >> 10, max >> 10)
            );
        }
    }
}

fn pushed_cuts(data: &[u8], profile: Profile, piece: usize) -> usize {
    let mut finder = CutFinder::new(profile);
    let mut cuts = 0;
    for mut piece in data.chunks(piece) {
        while finder.next_cut(&mut piece).is_some() {
            cuts += 1;
        }
    }
    cuts + usize::from(finder.finish().is_some())
}

fn pushed_chunks(data: &[u8], profile: Profile, piece: usize) -> usize {
    let mut chunker = PushChunker::new(profile);
    let chunks: usize = data.chunks(piece).map(|piece| chunker.feed(piece).len()).sum();
    chunks + usize::from(chunker.finish().is_some())
}

fn ratio(base: impl Fn() -> usize, other: impl Fn() -> usize) -> f64 {
    let start = || {
        let start = ThreadTime::now();
        move || start.elapsed()
    };
    rounds::ratio(start, base, other)
}

//! What `make bench-node` compares with: the crate called by a native program.
//!
//! `direct BYTES` reads lines `WHAT MIN AVG MAX THREADS`, where `WHAT` is `cut` or a hash algorithm, does
//! that to as many random bytes, in pieces of 1 MiB as JavaScript does, and answers with the number of chunks
//! and the microseconds of processor time that it took.

use chunker::chunking::{DescriptorPipeline, HashAlgorithm, PushChunker};
use chunker::{CutFinder, Profile};
use cpu_time::ProcessTime;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::error::Error;
use std::hint::black_box;
use std::io::{BufRead as _, Cursor, Write as _};
use std::sync::Arc;

const PIECE: usize = 1 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let bytes: usize = std::env::args().nth(1).ok_or("usage: direct BYTES")?.parse()?;
    let data: Arc<[u8]> = random(bytes).into();
    let pool = Arc::new(ThreadPoolBuilder::new().num_threads(2).build()?);
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let [what, min, avg, max, threads] =
            line.split(' ').collect::<Vec<_>>().try_into().map_err(|_| "WHAT MIN AVG MAX THREADS")?;
        let profile = Profile::new(min.parse()?, avg.parse()?, max.parse()?)?;
        let start = ProcessTime::now();
        let chunks = match (what, threads.parse::<usize>()?) {
            ("cut", _) => cut(&data, profile),
            (hash, 1) => push(&data, profile.hash(hash.parse()?)),
            (hash, _) => piped(&data, profile.hash(hash.parse::<HashAlgorithm>()?), &pool)?,
        };
        println!("{chunks} {}", start.elapsed().as_micros());
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn cut(data: &[u8], profile: Profile) -> usize {
    let mut finder = CutFinder::new(profile);
    let mut cuts = 0;
    for mut piece in data.chunks(PIECE) {
        while finder.next_cut(&mut piece).is_some() {
            cuts += 1;
        }
    }
    cuts + usize::from(finder.finish().is_some())
}

fn push(data: &[u8], profile: Profile) -> usize {
    let mut chunker = PushChunker::new(profile);
    let fed: usize = data.chunks(PIECE).map(|piece| black_box(chunker.feed(piece)).len()).sum();
    fed + usize::from(chunker.finish().is_some())
}

fn piped(data: &Arc<[u8]>, profile: Profile, pool: &Arc<ThreadPool>) -> Result<usize, Box<dyn Error>> {
    let reader = Cursor::new(Arc::clone(data));
    let pipeline = DescriptorPipeline::in_pool(Arc::clone(pool), reader, profile, 0)?;
    let mut chunks = 0;
    for chunk in pipeline {
        black_box(chunk?);
        chunks += 1;
    }
    Ok(chunks)
}

/// Returns bytes of SplitMix64.
fn random(bytes: usize) -> Vec<u8> {
    let mut state: u64 = 1;
    let mut data = Vec::with_capacity(bytes + 8);
    while data.len() < bytes {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        data.extend_from_slice(&(z ^ (z >> 31)).to_le_bytes());
    }
    data.truncate(bytes);
    data
}

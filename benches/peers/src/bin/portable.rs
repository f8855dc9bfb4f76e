//! What the WebAssembly module does, natively: `make bench-pool` builds it with the portable kernel
//! and BLAKE3 by vectors of 128 bits, as the module has them.
//!
//! `portable BYTES` makes random data, and for each line `cut MIN AVG MAX` or `blake3 MIN AVG MAX` on
//! standard input cuts them, or cuts and hashes them, and prints the number of chunks.

use chunker::chunking::{HashAlgorithm, PushChunker};
use chunker::{CutFinder, Profile};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::error::Error;
use std::hint::black_box;
use std::io::{BufRead, Write, stdin, stdout};

/// The module is given its input in slices of this many bytes.
const SLICE: usize = 1 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let length = std::env::args().nth(1).ok_or("usage: portable BYTES")?.parse()?;
    let mut data = vec![0; length];
    ChaCha8Rng::seed_from_u64(42).fill_bytes(&mut data);
    for line in stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let [what, min, avg, max] = words[..] else { return Err(line.into()) };
        let profile = Profile::new(min.parse()?, avg.parse()?, max.parse()?)?;
        let chunks = match what {
            "cut" => cut(&data, profile),
            "blake3" => cut_and_hash(&data, profile),
            _ => return Err(line.into()),
        };
        writeln!(stdout(), "{chunks}")?;
    }
    Ok(())
}

fn cut(data: &[u8], profile: Profile) -> usize {
    let mut finder = CutFinder::new(profile);
    let mut cuts = 0;
    for mut slice in data.chunks(SLICE) {
        while let Some(cut) = finder.next_cut(&mut slice) {
            black_box(cut);
            cuts += 1;
        }
    }
    cuts + usize::from(finder.finish().is_some())
}

fn cut_and_hash(data: &[u8], profile: Profile) -> usize {
    let mut chunker = PushChunker::new(profile.hash(HashAlgorithm::Blake3));
    let chunks: usize = data.chunks(SLICE).map(|slice| black_box(chunker.feed(slice)).len()).sum();
    chunks + usize::from(chunker.finish().is_some())
}

//! What `bench/throughput.exs` compares with: the crate called by a native program.
//!
//! `direct FILE` reads lines `LENGTH HASH ROUNDS` and answers each with the nanoseconds that one
//! chunking of the first `LENGTH` bytes of the file takes, on average over the rounds.

use chunker::Profile;
use chunker::chunking::{HashAlgorithm, chunk_descriptors};
use std::error::Error;
use std::hint::black_box;
use std::io::{BufRead as _, Write as _};
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: direct FILE")?;
    let data = std::fs::read(path)?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let [length, hash, rounds] =
            line.split(' ').collect::<Vec<_>>().try_into().map_err(|_| "a line is: LENGTH HASH ROUNDS")?;
        let input = data.get(..length.parse()?).ok_or("the file is shorter")?;
        let (hash, rounds) = (hash.parse::<HashAlgorithm>()?, rounds.parse::<u32>()?);
        let profile = Profile::LARGE.hash(hash);
        let start = Instant::now();
        for _ in 0..rounds {
            black_box(chunk_descriptors(black_box(input), profile));
        }
        println!("{}", start.elapsed().as_nanos() / u128::from(rounds.max(1)));
        std::io::stdout().flush()?;
    }
    Ok(())
}

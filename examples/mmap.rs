//! Chunks files that are mapped into memory, with all cores:
//! `cargo run --release --features rayon --example mmap -- FILE...`

#![allow(unsafe_code)] // mapping a file is unsafe: see below

use chunker::Profile;
use chunker::chunking::{HashAlgorithm, chunk_descriptors_parallel};
use memmap2::{Advice, Mmap};
use std::error::Error;
use std::fs::File;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    for path in std::env::args_os().skip(1) {
        let file = File::open(&path)?;
        // SAFETY: the file must not change while it is mapped. Nothing in a program can make sure of
        // that: map only files that nobody writes to. For others, `ChunkStream` reads.
        let data = unsafe { Mmap::map(&file)? };
        #[cfg(unix)]
        data.advise(Advice::WillNeed)?;
        let start = Instant::now();
        let chunks = chunk_descriptors_parallel(&data, Profile::LARGE.hash(HashAlgorithm::Blake3));
        for chunk in &chunks {
            println!("{} {} {}", chunk.hash_hex(), chunk.offset, chunk.length);
        }
        let seconds = start.elapsed().as_secs_f64();
        eprintln!("{}: {} chunks of {} bytes in {seconds:.3} s", path.display(), chunks.len(), data.len());
    }
    Ok(())
}

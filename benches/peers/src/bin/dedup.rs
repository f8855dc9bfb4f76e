//! Counts what deduplication saves when consecutive releases are stored: `make dedup-report`.
//!
//! `dedup FILE...`: the files are releases, oldest first. Prints a line of tab-separated fields for each
//! profile and each way to cut: smallest, average and largest size, the way, the number of chunks, the
//! bytes of all releases but the first, and how many of these were stored before. Fails where our cut
//! points are not those of the `fastcdc` crate.

use chunker::{Profile, cut_points};
use fastcdc::v2020::FastCDC;
use std::collections::HashSet;
use std::error::Error;

const KIB: usize = 1 << 10;
/// Smallest, average and largest size in KiB.
const PROFILES: [[usize; 3]; 4] = [[256, 1024, 4096], [16, 64, 256], [4, 16, 64], [2, 8, 32]];

fn main() -> Result<(), Box<dyn Error>> {
    let files: Vec<Vec<u8>> = std::env::args_os().skip(1).map(std::fs::read).collect::<Result<_, _>>()?;
    for profile in PROFILES {
        let [min, avg, max] = profile.map(|size| size * KIB);
        let profile = Profile::new(min, avg, max)?;
        let ours = |file: &[u8]| cut_points(file, profile).collect::<Vec<_>>();
        let theirs = |file: &[u8]| {
            FastCDC::new(file, min, avg, max).map(|chunk| chunk.offset + chunk.length).collect::<Vec<_>>()
        };
        let fixed = |file: &[u8]| (1..=file.len().div_ceil(avg)).map(|n| (n * avg).min(file.len())).collect();
        if files.iter().any(|file| ours(file) != theirs(file)) {
            return Err(format!("fastcdc cuts otherwise: {min}/{avg}/{max}").into());
        }
        for (way, cuts) in [("fastcdc-v2020", &ours as &dyn Fn(&[u8]) -> Vec<usize>), ("fixed", &fixed)] {
            let Saved { chunks, bytes, stored_before } = saved(&files, cuts);
            println!("{min}\t{avg}\t{max}\t{way}\t{chunks}\t{bytes}\t{stored_before}");
        }
    }
    Ok(())
}

struct Saved {
    /// Of all files.
    chunks: usize,
    /// Of all files but the first.
    bytes: usize,
    /// Those of them in chunks that were stored before.
    stored_before: usize,
}

/// Stores the chunks of one file after the other.
fn saved(files: &[Vec<u8>], cuts: &dyn Fn(&[u8]) -> Vec<usize>) -> Saved {
    let mut store = HashSet::new();
    let mut total = Saved { chunks: 0, bytes: 0, stored_before: 0 };
    for (number, file) in files.iter().enumerate() {
        let mut start = 0;
        for end in cuts(file) {
            let is_new = store.insert(blake3::hash(&file[start..end]));
            total.chunks += 1;
            if number > 0 {
                total.bytes += end - start;
                total.stored_before += if is_new { 0 } else { end - start };
            }
            start = end;
        }
    }
    total
}

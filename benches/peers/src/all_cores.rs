//! One buffer by all cores: our parallel chunking, and the crate's cuts with digests by rayon.

use crate::data::Data;
use crate::{PLAIN, PROFILES, Sizes, Way, crate_cuts, digest_of, megabytes, profile, race};
use chunker::chunking::{HashAlgorithm, chunk_descriptors, chunk_descriptors_parallel};
use cpu_time::ThreadTime;
use rayon::prelude::*;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// What a run is timed by.
#[derive(Clone, Copy)]
enum Clock {
    Wall,
    /// The CPU time of this thread, which waits for the pool, and that of the busiest thread of the pool:
    /// what the clock would show if each had a core of its own.
    Busiest,
}

/// Prints the ratios for all profiles, by both clocks.
pub(crate) fn compare(data: &Data) {
    for sizes in PROFILES {
        for (name, hash) in [("BLAKE3", HashAlgorithm::Blake3), ("SHA-256", HashAlgorithm::Sha256)] {
            print!("{sizes:>14} {name:>8}:");
            for (clock, label) in [(Clock::Busiest, "busiest threads"), (Clock::Wall, "clock")] {
                print!("  {label}: ");
                compare_by(clock, &data.bytes, sizes, hash);
            }
            println!();
        }
    }
}

fn compare_by(clock: Clock, bytes: &[u8], sizes: Sizes, hash: HashAlgorithm) {
    let profile = profile(sizes);
    let mut ways = [
        timed(clock, "fastcdc", || {
            let cuts: Vec<_> = crate_cuts(bytes, sizes, PLAIN).collect();
            cuts.par_iter().map(|&(start, end)| digest_of(&bytes[start..end], hash)).collect::<Vec<_>>().len()
        }),
        timed(clock, "ours", || chunk_descriptors_parallel(bytes, profile.hash(hash)).len()),
        timed(clock, "ours, one thread", || chunk_descriptors(bytes, profile.hash(hash)).len()),
    ];
    let (seconds, ratios) = race(&mut ways);
    let threads = rayon::current_num_threads();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 threads")]
    let efficiency = 100.0 * ratios[1] / ratios[2] / threads as f64;
    print!(
        "fastcdc {:.0} MB/s, ours {:.2}, of one thread {:.2} ({efficiency:.0} %)",
        megabytes(bytes) / seconds,
        ratios[1],
        ratios[1] / ratios[2],
    );
}

fn timed<'a>(clock: Clock, name: &str, mut run: impl FnMut() -> usize + 'a) -> Way<'a> {
    let measure = move || {
        let pool = pool_times();
        let (wall, own) = (Instant::now(), ThreadTime::now());
        let chunks = black_box(run());
        let elapsed = match clock {
            Clock::Wall => wall.elapsed(),
            Clock::Busiest => {
                let own = own.elapsed();
                own + pool_times()
                    .iter()
                    .zip(pool)
                    .map(|(after, before)| *after - before)
                    .max()
                    .unwrap_or_default()
            }
        };
        (elapsed.as_secs_f64(), chunks)
    };
    (name.to_owned(), Box::new(measure))
}

/// Returns the CPU time of each thread of the pool.
fn pool_times() -> Vec<Duration> {
    rayon::broadcast(|_| ThreadTime::now().as_duration())
}

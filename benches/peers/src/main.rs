//! Our kernels against the libraries that give the same cuts, in one process and in interleaved rounds.
//!
//! `bench-peers TAR [PYTHON]`: TAR is any large file of real data; PYTHON has `pyfastcdc`. Prints
//! medians of ratios of CPU time: what other processes do hardly moves them. For all cores it prints
//! those of the clock as well.

mod all_cores;
mod data;
mod python;

use chunker::chunking::{HashAlgorithm, chunk_slices};
use chunker::scan::Scanner;
use chunker::{Acceleration, CutFinder, Profile, cut_points};
use cpu_time::ThreadTime;
use data::Data;
use fastcdc::v2020::{FastCDC, Normalization};
use python::PyFastCdc;
use sha2::Digest;
use std::hint::black_box;

const ROUNDS: usize = 9;
const HOSTILE_ROUNDS: usize = 15;
/// Hostile data with a ratio below this is measured again in `CLOSER_ROUNDS`: a disturbance of a short
/// measurement looks like a slow kernel.
const CLOSE: f64 = 1.15;
const CLOSER_ROUNDS: usize = 150;
const KIB: usize = 1 << 10;
const PROFILES: [Sizes; 5] = [
    Sizes { min: 256 * KIB, avg: 1024 * KIB, max: 4096 * KIB },
    Sizes { min: 16 * KIB, avg: 64 * KIB, max: 256 * KIB },
    Sizes { min: 4 * KIB, avg: 16 * KIB, max: 64 * KIB },
    Sizes { min: 2 * KIB, avg: 8 * KIB, max: 32 * KIB },
    Sizes { min: 2 * KIB, avg: 8 * KIB, max: 64 * KIB },
];

/// What decides cut points besides the sizes: normalization level and seed.
type Variant = (u8, u64);
const PLAIN: Variant = (1, 0);
const VARIANTS: [Variant; 5] = [(0, 0), (2, 0), (3, 0), (1, 666), (2, 666)];
const LEVELS: [Normalization; 4] =
    [Normalization::Level0, Normalization::Level1, Normalization::Level2, Normalization::Level3];

/// The sizes of chunks in bytes.
#[derive(Clone, Copy)]
struct Sizes {
    min: usize,
    avg: usize,
    max: usize,
}

impl std::fmt::Display for Sizes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{}/{}/{}K", self.min / KIB, self.avg / KIB, self.max / KIB))
    }
}

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let tar = arguments.next().expect("the path of a file of real data");
    let mut python = arguments.next().map(|path| PyFastCdc::start(&path)).transpose()?;
    println!("detected: {}; medians of {ROUNDS} ratios of CPU time, one thread", Acceleration::detect());
    for data in data::all(&tar)? {
        println!("\n{}, {} MiB: speed of cutting against fastcdc 5", data.name, data.bytes.len() >> 20);
        for sizes in PROFILES {
            cut(&data, sizes, PLAIN, python.as_mut());
        }
    }
    let noise = data::noise();
    for variant in VARIANTS {
        println!("\n{}: level {}, seed {}", noise.name, variant.0, variant.1);
        for sizes in PROFILES {
            cut(&noise, sizes, variant, None);
        }
    }
    println!("\n{}: cutting and digests, against fastcdc 5 with the same digest library", noise.name);
    for sizes in PROFILES {
        cut_and_digest(&noise, sizes);
    }
    let threads = rayon::current_num_threads();
    println!(
        "\n{}: cutting and digests by {threads} threads, against fastcdc 5 and digests by rayon",
        noise.name
    );
    all_cores::compare(&noise);
    println!("\nconstant bytes and periods of up to 64 bytes: worst speed against fastcdc 5");
    for sizes in PROFILES {
        hostile(sizes);
    }
    Ok(())
}

/// One way to chunk: returns the seconds it took and the number of chunks.
type Way<'a> = (String, Box<dyn FnMut() -> (f64, usize) + 'a>);

fn timed<'a>(name: &str, mut run: impl FnMut() -> usize + 'a) -> Way<'a> {
    let measure = move || {
        let start = ThreadTime::now();
        let chunks = black_box(run());
        (start.elapsed().as_secs_f64(), chunks)
    };
    (name.to_owned(), Box::new(measure))
}

/// Returns how many `items` there are, after all that `work` makes of them.
fn count<T, R>(items: impl Iterator<Item = T>, work: impl Fn(T) -> R) -> usize {
    items.fold(0, |count, item| {
        black_box(work(item));
        count + 1
    })
}

/// Runs all ways in turn, round after round, and returns the seconds of each.
fn run_in_turn(ways: &mut [Way<'_>], rounds: usize) -> Vec<Vec<f64>> {
    let mut seconds = vec![Vec::new(); ways.len()];
    for _ in 0..rounds {
        for ((_, run), seconds) in ways.iter_mut().zip(&mut seconds) {
            seconds.push(run().0);
        }
    }
    seconds
}

/// Runs all ways in turn, and returns the least seconds of each.
fn best_of(ways: &mut [Way<'_>], rounds: usize) -> Vec<f64> {
    let least = |seconds: Vec<f64>| seconds.into_iter().fold(f64::INFINITY, f64::min);
    run_in_turn(ways, rounds).into_iter().map(least).collect()
}

/// Returns the median seconds of the first way, and for each the median of how many times faster than
/// the first it is.
fn race(ways: &mut [Way<'_>]) -> (f64, Vec<f64>) {
    let seconds = run_in_turn(ways, ROUNDS);
    let ratio = |own: &Vec<f64>| median(seconds[0].iter().zip(own).map(|(base, own)| base / own).collect());
    (median(seconds[0].clone()), seconds.iter().map(ratio).collect())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn cut(data: &Data, sizes: Sizes, variant: Variant, python: Option<&mut PyFastCdc>) {
    let bytes = &data.bytes[..];
    let mut ways = vec![timed("fastcdc", || crate_cuts(bytes, sizes, variant).count())];
    for scanner in Scanner::available() {
        ways.push(timed(scanner.name(), move || our_cuts(bytes, sizes, variant, scanner)));
    }
    ways.push(timed("gearhash", || gearhash_cuts(bytes, sizes)));
    if let Some(python) = python {
        let path = data.path.clone();
        ways.push((
            "pyfastcdc".to_owned(),
            Box::new(move || python.cut(&path, sizes).expect("pyfastcdc answers")),
        ));
    }
    let expected = ways[0].1().1;
    for (name, run) in ways.iter_mut().filter(|(name, _)| name != "gearhash") {
        assert_eq!(run().1, expected, "chunks of {name}");
    }
    let (seconds, ratios) = race(&mut ways);
    print!("{sizes:>14}: fastcdc {:>5.0} MB/s", megabytes(bytes) / seconds);
    for ((name, _), ratio) in ways.iter().zip(&ratios).skip(1) {
        print!("  {name} {ratio:.2}");
    }
    println!();
}

fn cut_and_digest(data: &Data, sizes: Sizes) {
    let bytes = &data.bytes[..];
    let profile = profile(sizes);
    for (name, hash) in [("BLAKE3", HashAlgorithm::Blake3), ("SHA-256", HashAlgorithm::Sha256)] {
        let theirs = |chunk: &[u8]| digest_of(chunk, hash);
        let ends: Vec<usize> = cut_points(bytes, profile).collect();
        let mut ways = [
            timed("fastcdc", || {
                count(crate_cuts(bytes, sizes, PLAIN), |(start, end)| theirs(&bytes[start..end]))
            }),
            timed("ours", || count(chunk_slices(bytes, profile.hash(hash)), |chunk| chunk.hash)),
            timed("scan", || our_cuts(bytes, sizes, PLAIN, Scanner::detect())),
            timed("digest", || {
                let starts = std::iter::once(0).chain(ends.iter().copied());
                count(starts.zip(&ends), |(start, end)| theirs(&bytes[start..*end]))
            }),
        ];
        let (seconds, ratios) = race(&mut ways);
        let limit = 1.0 / (1.0 / ratios[2] + 1.0 / ratios[3]);
        println!(
            "{sizes:>14} {name:>8}: fastcdc {:>5.0} MB/s  ours {:.2}  limit of scan and digest {limit:.2}, reached {:.0} %",
            megabytes(bytes) / seconds,
            ratios[1],
            100.0 * ratios[1] / limit,
        );
    }
}

/// The digest by the libraries that ours is made of.
fn digest_of(chunk: &[u8], hash: HashAlgorithm) -> [u8; 32] {
    match hash {
        HashAlgorithm::Blake3 => *blake3::hash(chunk).as_bytes(),
        _ => sha2::Sha256::digest(chunk).into(),
    }
}

fn hostile(sizes: Sizes) {
    let names: Vec<_> = Scanner::available().map(Scanner::name).collect();
    let mut worst = vec![(f64::INFINITY, String::new()); names.len()];
    for data in data::hostile((2 * sizes.max).max(1024 * KIB)) {
        let bytes = &data.bytes[..];
        let mut ways = vec![timed("fastcdc", || crate_cuts(bytes, sizes, PLAIN).count())];
        for scanner in Scanner::available() {
            ways.push(timed(scanner.name(), move || our_cuts(bytes, sizes, PLAIN, scanner)));
        }
        // The best of each: the worst of 319 medians would be the worst disturbance.
        let mut best = best_of(&mut ways, HOSTILE_ROUNDS);
        if best[1..].iter().any(|own| best[0] / own < CLOSE) {
            best = best_of(&mut ways, CLOSER_ROUNDS);
        }
        for (own, worst) in best[1..].iter().zip(&mut worst) {
            let ratio = best[0] / own;
            if ratio < worst.0 {
                *worst = (ratio, data.name.clone());
            }
        }
    }
    print!("{sizes:>14}:");
    for (name, (ratio, data)) in names.iter().zip(&worst) {
        print!("  {name} {ratio:.2} ({data})");
    }
    println!();
}

fn profile(sizes: Sizes) -> Profile {
    Profile::new(sizes.min, sizes.avg, sizes.max).expect("valid sizes")
}

fn our_cuts(bytes: &[u8], sizes: Sizes, (level, seed): Variant, scanner: Scanner) -> usize {
    let profile = profile(sizes).level(level).expect("a mask").seed(seed);
    let mut finder = CutFinder::new(profile).with_scanner(scanner);
    let (mut rest, mut cuts) = (bytes, 0);
    while finder.next_cut(&mut rest).is_some() {
        cuts += 1;
    }
    cuts + usize::from(finder.finish().is_some())
}

/// The start and end of each chunk by the `fastcdc` crate.
fn crate_cuts(bytes: &[u8], sizes: Sizes, (level, seed): Variant) -> impl Iterator<Item = (usize, usize)> {
    let level = LEVELS[usize::from(level)];
    FastCDC::with_level_and_seed(bytes, sizes.min, sizes.avg, sizes.max, level, seed)
        .map(|chunk| black_box((chunk.offset, chunk.offset + chunk.length)))
}

/// Matches of one mask, without sizes: not the same cuts, but the same work for each byte.
fn gearhash_cuts(bytes: &[u8], sizes: Sizes) -> usize {
    let mask = u64::MAX << (64 - sizes.avg.ilog2());
    let mut hasher = gearhash::Hasher::default();
    let (mut rest, mut cuts) = (bytes, 0);
    while let Some(matched) = hasher.next_match(rest, mask) {
        rest = &rest[matched..];
        cuts += 1;
    }
    cuts
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
fn megabytes(bytes: &[u8]) -> f64 {
    bytes.len() as f64 / 1e6
}

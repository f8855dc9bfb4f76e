//! References of Nix, replaced and restored: against a copy, and against `aho-corasick` alone.
//!
//! Prints the median of ratios of CPU time of interleaved rounds: other processes hardly move them.

use aho_corasick::{AhoCorasick, MatchKind};
use chunker::nix::references::{ReferenceNormalizer, ReferencePatches, StoreHash};
use cpu_time::ThreadTime;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rounds::ROUNDS;
use std::hint::black_box;

const LENGTH: usize = 64 << 20;
const PIECE: usize = 1 << 20;

fn main() {
    let mut random = vec![0; LENGTH];
    let mut numbers = ChaCha8Rng::seed_from_u64(42);
    numbers.fill_bytes(&mut random);
    let hexadecimal: Vec<u8> =
        random[..LENGTH / 2].iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect();
    println!(
        "median of {ROUNDS} ratios of speed, {} MiB in pieces of 1 MiB, a hash in every 4 KiB",
        LENGTH >> 20
    );
    println!(
        "{:>12} {:>7} {:>14} {:>14} {:>16}",
        "data", "hashes", "replace/copy", "restore/copy", "replace/aho-c."
    );
    for (name, data) in [("random", random), ("program", program()), ("hexadecimal", hexadecimal)] {
        for count in [10, 1000] {
            report(name, data.clone(), &hashes(count, &mut numbers));
        }
    }
}

/// The compiler's own library: machine code, names and tables.
fn program() -> Vec<u8> {
    let sysroot =
        std::process::Command::new("rustc").args(["--print", "sysroot"]).output().expect("rustc is there");
    let library = std::path::Path::new(String::from_utf8_lossy(&sysroot.stdout).trim()).join("lib");
    let files = std::fs::read_dir(library).expect("a folder").map(|entry| entry.expect("an entry").path());
    let driver =
        files.into_iter().find(|path| path.to_string_lossy().contains("rustc_driver")).expect("the driver");
    let mut data = std::fs::read(driver).expect("it can be read");
    data.truncate(LENGTH);
    data
}

fn hashes(count: usize, numbers: &mut ChaCha8Rng) -> Vec<StoreHash> {
    let mut hash = || {
        let mut bytes = [0; 20];
        numbers.fill_bytes(&mut bytes);
        chunker::hashing::nix_base32_encode(&bytes).parse().expect("it is a hash")
    };
    (0..count).map(|_| hash()).collect()
}

fn report(name: &str, mut data: Vec<u8>, hashes: &[StoreHash]) {
    for (index, at) in (0..data.len() - 32).step_by(4096).enumerate() {
        data[at..at + 32].copy_from_slice(hashes[index % hashes.len()].as_str().as_bytes());
    }
    let automaton = AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostFirst)
        .build(hashes.iter().map(StoreHash::as_str))
        .expect("few hashes");
    let (stream, patches) = normalized(&data, hashes);
    assert_eq!(automaton.find_iter(&data).count(), patches.len());
    let copy = || data.chunks(PIECE).map(|piece| black_box(piece.to_vec()).len()).sum();
    let replace = || normalized_in_pieces(&data, hashes);
    let restore = || {
        let pieces = stream.chunks(PIECE).zip((0..).step_by(PIECE));
        let restored = pieces.map(|(piece, offset)| {
            let mut piece = piece.to_vec();
            patches.restore(offset, &mut piece).expect("it is of this stream");
            black_box(piece).len()
        });
        restored.sum()
    };
    let found = || automaton.find_iter(&data).count();
    let replaced = || {
        normalized_in_pieces(&data, hashes);
        patches.len()
    };
    println!(
        "{name:>12} {:>7} {:>14.3} {:>14.3} {:>16.3}",
        hashes.len(),
        ratio(copy, replace),
        ratio(copy, restore),
        ratio(found, replaced)
    );
}

/// Returns the length of the stream; each piece is dropped, as if it had been sent on.
fn normalized_in_pieces(data: &[u8], hashes: &[StoreHash]) -> usize {
    let mut normalizer = ReferenceNormalizer::new(hashes.iter().copied()).expect("few hashes");
    let (mut output, mut length) = (Vec::new(), 0);
    for piece in data.chunks(PIECE) {
        output.clear();
        normalizer.push(piece, &mut output).expect("within limits");
        length += black_box(&output).len();
    }
    output.clear();
    normalizer.finish(&mut output).expect("within limits");
    length + output.len()
}

fn normalized(data: &[u8], hashes: &[StoreHash]) -> (Vec<u8>, ReferencePatches) {
    let mut normalizer = ReferenceNormalizer::new(hashes.iter().copied()).expect("few hashes");
    let mut stream = Vec::with_capacity(data.len());
    for piece in data.chunks(PIECE) {
        normalizer.push(piece, &mut stream).expect("within limits");
    }
    let patches = normalizer.finish(&mut stream).expect("within limits");
    (stream, patches)
}

fn ratio(base: impl Fn() -> usize, other: impl Fn() -> usize) -> f64 {
    let start = || {
        let start = ThreadTime::now();
        move || start.elapsed()
    };
    rounds::ratio(start, base, other)
}

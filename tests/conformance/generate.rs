//! Prints `vectors.json`. No code of this library decides a number in it: cut points come from the
//! `fastcdc` crate, digests from the programs `sha256sum` and `b3sum`.

#[path = "inputs.rs"]
mod inputs;

use fastcdc::v2020::{FastCDC, Normalization};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

type Sizes = (usize, usize, usize);

/// What decides cut points besides the sizes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Variant {
    level: usize,
    seed: u64,
}

const PLAIN: Variant = Variant { level: 1, seed: 0 };
const LEVELS: [Normalization; 4] =
    [Normalization::Level0, Normalization::Level1, Normalization::Level2, Normalization::Level3];
/// The seed of the Remote Execution API's vectors, both ends, and one with bits in every byte.
const SEEDS: [u64; 5] = [0, 666, 1, 0x0123_4567_89ab_cdef, u64::MAX];

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Sizes from the smallest to the default, powers of two and others. The last ones lie on both sides
/// of 2^13.5, where the masks change.
const SIZES: [Sizes; 12] = [
    (64, 64, 64),
    (64, 128, 256),
    (64, 256, 1024),
    (256, 1024, 4096),
    (1000, 1500, 9002),
    (2 * KIB, 8 * KIB, 64 * KIB),
    (4 * KIB, 16 * KIB, 64 * KIB),
    (16 * KIB, 64 * KIB, 256 * KIB),
    (256 * KIB, MIB, 4 * MIB),
    (66, 11_584, 50_002),
    (66, 11_586, 50_002),
    (64, 64, 16 * KIB),
];

fn main() {
    let plain = cases().into_iter().map(|(name, input, sizes)| case(&name, &input, sizes, PLAIN));
    let others =
        variants().into_iter().map(|(name, input, sizes, variant)| case(&name, &input, sizes, variant));
    let cases: Vec<Value> = plain.chain(others).collect();
    println!("{{\"version\": 1, \"count\": {}, \"cases\": [", cases.len());
    for (index, case) in cases.iter().enumerate() {
        println!("{case}{}", if index + 1 == cases.len() { "" } else { "," });
    }
    println!("]}}");
}

fn cases() -> Vec<(String, Value, Sizes)> {
    let mut cases = Vec::new();
    let mut add = |name: String, input: Value, sizes: Sizes| cases.push((name, input, sizes));
    let random = |seed: usize, length: usize| json!({"kind": "random", "seed": seed, "length": length});

    for (seed, sizes) in SIZES.into_iter().enumerate() {
        let (min, avg, max) = sizes;
        let id = format!("{min}-{avg}-{max}");
        // About 30 chunks, fewer of the large ones; odd, so that the last byte stands alone.
        let length = (30 * avg).min(9 * MIB + 1) | 1;
        add(format!("random/{id}"), random(seed, length), sizes);
        add(format!("text/{id}"), json!({"kind": "text", "seed": seed, "length": length}), sizes);
        let sparse = json!({"kind": "sparse", "seed": seed, "every": 997, "length": 3 * max.min(MIB) + 1});
        add(format!("sparse/{id}"), sparse, sizes);
        // What follows a cut at the same bytes is cut the same: an insertion of 5 bytes.
        let shifted = json!({"kind": "concat", "parts": [{"kind": "hex", "hex": "0102030405"}, random(seed, length.min(2 * MIB))]});
        add(format!("inserted/{id}"), shifted, sizes);
        for (edge, size) in [("min", min), ("avg", avg), ("max", max)] {
            if size <= MIB {
                for length in size - 2..=size + 2 {
                    // A constant that never meets a mask: the sizes alone decide.
                    let zeros = json!({"kind": "constant", "byte": 0, "length": length});
                    add(format!("{edge}{:+}/{id}", length as isize - size as isize), zeros, sizes);
                }
            }
        }
        // The byte that meets the mask is the last one, or one or two before it: FastCDC v2020 does
        // not test the last byte of an odd tail.
        let data = inputs::bytes(&random(seed, length));
        let second = cuts(&data, sizes, PLAIN).get(1).copied();
        if let Some((offset, length)) = second.filter(|_| length < 2 * MIB) {
            for extra in 0..3 {
                let end = offset + length + extra;
                add(format!("cut+{extra}/{id}"), random(seed, end), sizes);
            }
        }
    }

    let small = (64, 256, 1024);
    for length in [0, 1, 2, 3, 7, 8, 63, 64, 65, 66, 67, 127, 128, 129] {
        add(format!("random length {length}"), random(1, length), small);
        add(format!("random length {length}, default sizes"), random(2, length), (256 * KIB, MIB, 4 * MIB));
    }
    for byte in [0x00, 0x01, 0x3f, 0x7f, 0x80, 0xed, 0xff] {
        let constant = json!({"kind": "constant", "byte": byte, "length": 9999});
        add(format!("constant {byte:#04x}"), constant, (64, 1024, 4096));
    }
    for (period, pattern) in
        ["a5", "00ff", "010203", "deadbeef", "6368756e6b6572", "00000000000000000000000000000001"]
            .into_iter()
            .enumerate()
    {
        for sizes in [small, (4 * KIB, 16 * KIB, 64 * KIB)] {
            let periodic = json!({"kind": "periodic", "hex": pattern, "length": 200_003});
            add(format!("periodic {period} avg {}", sizes.1), periodic, sizes);
        }
    }
    // Held back at many positions: every end of the input around the first chunks.
    for length in 64..112 {
        add(format!("dense length {length}"), random(77, length), (64, 64, 16 * KIB));
    }
    let mixed = json!({"kind": "concat", "parts": [
        {"kind": "hex", "hex": hex::encode(b"\r\0\0\0\0\0\0\0nix-archive-1\0\0\0")},
        {"kind": "text", "seed": 5, "length": 70_001},
        {"kind": "constant", "byte": 0, "length": 30_000},
        random(6, 150_000),
        {"kind": "periodic", "hex": "4883ec08e8", "length": 40_000},
        random(6, 150_000),
    ]});
    for sizes in SIZES.into_iter().filter(|&(_, avg, _)| avg >= 1024) {
        add(format!("mixed/{}-{}-{}", sizes.0, sizes.1, sizes.2), mixed.clone(), sizes);
    }
    cases
}

/// Every other level and seed, at sizes on both sides of where kernels and masks change.
fn variants() -> Vec<(String, Value, Sizes, Variant)> {
    let mut cases = Vec::new();
    for level in 0..LEVELS.len() {
        for (number, seed) in SEEDS.into_iter().enumerate() {
            let variant = Variant { level, seed };
            if variant == PLAIN {
                continue;
            }
            for (index, sizes) in SIZES.into_iter().enumerate() {
                let (min, avg, max) = sizes;
                // Of the seeds, every second size; the first three sizes are cheap enough for all.
                if seed != 0 && index > 2 && ((index + number + level) % 2 == 0 || avg > 64 * KIB) {
                    continue;
                }
                let input_seed = 1000 + 100 * level + 10 * number + index;
                let length = (12 * avg).min(3 * MIB) | 1;
                let random = json!({"kind": "random", "seed": input_seed, "length": length});
                let text = json!({"kind": "text", "seed": input_seed, "length": length});
                let name = format!("nc{level} seed {seed}/{min}-{avg}-{max}");
                cases.push((format!("random {name}"), random, sizes, variant));
                if avg < 256 * KIB {
                    cases.push((format!("text {name}"), text, sizes, variant));
                }
            }
            let small = (64, 256, 1024);
            for byte in [0x00, 0x3f, 0xed] {
                let constant = json!({"kind": "constant", "byte": byte, "length": 9999});
                cases.push((format!("constant {byte:#04x} nc{level} seed {seed}"), constant, small, variant));
            }
            // A cut at the last byte of the input, or one or two before it.
            let sizes = (64, 64, 16 * KIB);
            for length in 64..80 {
                let random = json!({"kind": "random", "seed": 77, "length": length});
                cases.push((format!("dense length {length} nc{level} seed {seed}"), random, sizes, variant));
            }
        }
    }
    // The Remote Execution API's profile at its recommended average; the cuts of the first input stand
    // in the notes of that API's implementers too.
    let recommended = (128 * KIB, 512 * KIB, 2 * MIB);
    for (seed, length) in [(0, 6 * MIB), (666, 3 * MIB)] {
        let random = json!({"kind": "random", "seed": 1, "length": length});
        let variant = Variant { level: 2, seed };
        cases.push((format!("remote execution, seed {seed}"), random, recommended, variant));
    }
    cases
}

fn case(name: &str, input: &Value, (min, avg, max): Sizes, variant: Variant) -> Value {
    let data = inputs::bytes(input);
    let chunks = cuts(&data, (min, avg, max), variant);
    let payloads = || chunks.iter().map(|&(offset, length)| &data[offset..offset + length]);
    let seed = if variant.seed == 0 { String::new() } else { format!("seed{}/", variant.seed) };
    let profile = format!("fastcdc-v2020/nc{}/{seed}{min}-{avg}-{max}", variant.level);
    let mut result = json!({
        "name": name, "input": input, "length": data.len(), "input_sha256": hex::encode(digest("sha256sum", &data)),
        "min_size": min, "avg_size": avg, "max_size": max, "profile": profile, "chunks": chunks, "manifest_root": {},
    });
    if variant != PLAIN {
        result["level"] = variant.level.into();
        result["seed"] = variant.seed.to_string().into();
    }
    for (algorithm, program) in [("sha256", "sha256sum"), ("blake3", "b3sum")] {
        let digests = digests(program, payloads());
        let manifest = manifest(&format!("{profile}/{algorithm}"), &data, &chunks, &digests);
        result["manifest_root"][algorithm] = hex::encode(digest(program, &manifest)).into();
        result[algorithm] = digests.iter().map(hex::encode).collect();
    }
    result
}

fn cuts(data: &[u8], (min, avg, max): Sizes, variant: Variant) -> Vec<(usize, usize)> {
    // The crate's own ranges are narrower than ours, but only debug builds check them.
    let level = LEVELS[variant.level];
    let chunks = FastCDC::with_level_and_seed(data, min, avg, max, level, variant.seed);
    chunks.map(|chunk| (chunk.offset, chunk.length)).collect()
}

fn manifest(profile: &str, data: &[u8], chunks: &[(usize, usize)], digests: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"CDCMNFT\x01".to_vec();
    bytes.push(u8::try_from(profile.len()).expect("a short profile id"));
    bytes.extend(profile.as_bytes());
    bytes.extend((data.len() as u64).to_le_bytes());
    bytes.extend((chunks.len() as u64).to_le_bytes());
    for (&(_, length), digest) in chunks.iter().zip(digests) {
        bytes.extend(u32::try_from(length).expect("at most 1 GiB").to_le_bytes());
        bytes.extend(digest);
    }
    bytes
}

fn digest(program: &str, data: &[u8]) -> Vec<u8> {
    digests(program, [data].into_iter()).remove(0)
}

/// Has a program hash every payload, each in a file of its own.
fn digests<'a>(program: &str, payloads: impl Iterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let folder = std::env::temp_dir().join(format!("chunker-vectors-{}", std::process::id()));
    std::fs::create_dir(&folder).expect("create a temporary folder");
    let write = |(index, payload): (usize, &[u8])| {
        let path = folder.join(format!("{index:06}"));
        std::fs::write(&path, payload).expect("write a chunk");
        path
    };
    let files: Vec<_> = payloads.enumerate().map(write).collect();
    let digests = files.chunks(1000).flat_map(|files| run(program, files)).collect();
    std::fs::remove_dir_all(&folder).expect("remove the temporary folder");
    digests
}

fn run(program: &str, files: &[impl AsRef<Path>]) -> Vec<Vec<u8>> {
    let output = Command::new(program).args(files.iter().map(AsRef::as_ref)).output();
    let output = output.expect("the program is installed");
    assert!(output.status.success(), "{program} failed");
    let text = String::from_utf8(output.stdout).expect("digests are text");
    text.lines().map(|line| hex::decode(&line[..64]).expect("a digest")).collect()
}

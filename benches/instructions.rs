//! Instructions of the paths that every machine has, counted by Callgrind: `make bench-regression`.
//!
//! The scan kernel is the portable one: the build says so.

#![allow(missing_docs, reason = "gungraun's macros make modules")]

#[path = "../tests/noise/mod.rs"]
mod noise;

use chunker::chunking::{HashAlgorithm, PushChunker, chunk_descriptors};
use chunker::compression::{Codec, DecompressionLimits, compress, decompress};
use chunker::hashing::{nix_base32_decode, nix_base32_encode};
use chunker::manifest::Manifest;
use chunker::{Profile, cut_points};
use gungraun::{library_benchmark, library_benchmark_group, main};
use noise::noise;
use std::hint::black_box;

const MB: usize = 1 << 20;

fn profile(min: usize, avg: usize, max: usize) -> Profile {
    Profile::new(min << 10, avg << 10, max << 10).expect("valid sizes")
}

/// Data, and sizes of its chunks in KiB.
fn input(min: usize, avg: usize, max: usize) -> (Vec<u8>, Profile) {
    (noise(4 * MB), profile(min, avg, max))
}

#[library_benchmark(setup = input)]
#[bench::kib_256_1024_4096(256, 1024, 4096)]
#[bench::kib_16_64_256(16, 64, 256)]
#[bench::kib_4_16_64(4, 16, 64)]
#[bench::kib_2_8_64(2, 8, 64)]
fn cut((data, profile): (Vec<u8>, Profile)) -> usize {
    cut_points(black_box(&data), profile).count()
}

fn hashed_input(hash: HashAlgorithm) -> (Vec<u8>, HashAlgorithm) {
    (noise(MB), hash)
}

#[library_benchmark(setup = hashed_input)]
#[bench::blake3(HashAlgorithm::Blake3)]
#[bench::sha256(HashAlgorithm::Sha256)]
fn cut_and_hash((data, hash): (Vec<u8>, HashAlgorithm)) -> usize {
    chunk_descriptors(black_box(&data), profile(4, 16, 64).hash(hash)).len()
}

fn pieces(piece: usize) -> (Vec<u8>, usize) {
    (noise(if piece < 4096 { 64 << 10 } else { MB }), piece)
}

#[library_benchmark(setup = pieces)]
#[bench::of_1_byte(1)]
#[bench::of_100_bytes(100)]
#[bench::of_4_kib(4 << 10)]
#[bench::of_64_kib(64 << 10)]
fn push((data, piece): (Vec<u8>, usize)) -> usize {
    let mut chunker = PushChunker::new(profile(4, 16, 64).hash(HashAlgorithm::Blake3));
    let found: usize = black_box(&data).chunks(piece).map(|piece| chunker.feed(piece).len()).sum();
    found + usize::from(chunker.finish().is_some())
}

fn manifest() -> Manifest {
    let profile = Profile::new(64, 256, 1024).expect("valid sizes");
    let hash = HashAlgorithm::Blake3;
    Manifest::new(profile.hash(hash), chunk_descriptors(&noise(256 << 10), profile.hash(hash)))
        .expect("chunks in order")
}

#[library_benchmark(setup = manifest)]
#[bench::of_a_thousand_chunks()]
fn manifest_bytes(manifest: Manifest) -> Vec<u8> {
    black_box(manifest).to_bytes()
}

fn canonical() -> Vec<u8> {
    manifest().to_bytes()
}

#[library_benchmark(setup = canonical)]
#[bench::of_a_thousand_chunks()]
fn manifest_parse(bytes: Vec<u8>) -> Manifest {
    Manifest::parse(black_box(&bytes), Manifest::DEFAULT_LIMIT).expect("its own bytes")
}

#[library_benchmark(setup = noise)]
#[bench::digest(32)]
fn base32_encode(digest: Vec<u8>) -> String {
    nix_base32_encode(black_box(&digest))
}

fn base32(length: usize) -> String {
    nix_base32_encode(&noise(length))
}

#[library_benchmark(setup = base32)]
#[bench::digest(32)]
fn base32_decode(text: String) -> Vec<u8> {
    nix_base32_decode(black_box(&text)).expect("its own text")
}

/// Half the entropy of noise.
fn compressible(codec: Codec) -> (Vec<u8>, Codec) {
    (noise(64 << 10).into_iter().map(|byte| byte & 0x0f).collect(), codec)
}

#[library_benchmark(setup = compressible)]
#[bench::zstd(Codec::Zstd)]
#[bench::lz4(Codec::Lz4)]
fn compression((data, codec): (Vec<u8>, Codec)) -> Vec<u8> {
    compress(codec, black_box(&data), None).expect("it compresses")
}

fn compressed(codec: Codec) -> (Vec<u8>, Codec) {
    let (data, codec) = compressible(codec);
    (compress(codec, &data, None).expect("it compresses"), codec)
}

#[library_benchmark(setup = compressed)]
#[bench::zstd(Codec::Zstd)]
#[bench::lz4(Codec::Lz4)]
fn decompression((data, codec): (Vec<u8>, Codec)) -> Vec<u8> {
    decompress(codec, black_box(&data), DecompressionLimits::default()).expect("its own data")
}

library_benchmark_group!(
    name = portable;
    benchmarks =
        cut, cut_and_hash, push, manifest_bytes, manifest_parse, base32_encode, base32_decode, compression, decompression
);

main!(library_benchmark_groups = portable);

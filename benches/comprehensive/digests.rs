//! Digests, signatures, Nix base32 and manifests.

use crate::cpu_time::CpuTime;
use crate::data::{DataPattern, MB, sizes};
use chunker::Profile;
use chunker::chunking::{HashAlgorithm, chunk_descriptors};
use chunker::hashing::{blake3_hash, nix_base32_decode, nix_base32_encode, sha256_hash};
use chunker::manifest::Manifest;
use chunker::signing::{generate_keypair, sign_data, verify_signature};
use criterion::{BenchmarkId, Criterion, Throughput};
use std::cell::LazyCell;
use std::hint::black_box;

pub(crate) fn hashing(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("hashing");
    for (size, name) in sizes(10 * MB) {
        let data = DataPattern::Random.lazily(size);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::new("sha256", name), |b| b.iter(|| sha256_hash(black_box(&data))));
        group.bench_function(BenchmarkId::new("blake3", name), |b| b.iter(|| blake3_hash(black_box(&data))));
    }
    group.finish();
}

pub(crate) fn signing(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("signing");
    let (secret_key, public_key) = generate_keypair();
    for (size, name) in sizes(10 * MB) {
        let data = DataPattern::Random.lazily(size);
        let signature = LazyCell::new(|| {
            let signature = sign_data(&data, &secret_key).expect("a key made here");
            verify_signature(&data, &signature, &public_key).expect("a signature made here");
            signature
        });
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::new("ed25519_sign", name), |b| {
            b.iter(|| sign_data(black_box(&data), &secret_key));
        });
        group.bench_function(BenchmarkId::new("ed25519_verify", name), |b| {
            b.iter(|| verify_signature(black_box(&data), &signature, &public_key));
        });
    }
    group.finish();
}

pub(crate) fn base32(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("base32");
    let hash = [0xAB; 32];
    let encoded = nix_base32_encode(&hash);
    assert_eq!(nix_base32_decode(&encoded).expect("encoded here"), hash);
    group.bench_function("nix_encode_32b", |b| b.iter(|| nix_base32_encode(black_box(&hash))));
    group.bench_function("nix_decode_32b", |b| b.iter(|| nix_base32_decode(black_box(&encoded))));
    group.finish();
}

pub(crate) fn manifests(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("manifest");
    let profile = Profile::new(64, 256, 1024).expect("valid sizes");
    let manifest = LazyCell::new(|| {
        let chunks =
            chunk_descriptors(&DataPattern::Random.generate(MB), profile.hash(HashAlgorithm::Blake3));
        Manifest::new(profile.hash(HashAlgorithm::Blake3), chunks).expect("chunks made here")
    });
    let bytes = LazyCell::new(|| {
        let bytes = manifest.to_bytes();
        assert!(Manifest::parse(&bytes, bytes.len()).is_ok_and(|parsed| parsed == *manifest));
        bytes
    });
    group.bench_function("write", |b| {
        let manifest = &*manifest;
        b.iter(|| black_box(manifest).to_bytes());
    });
    group.bench_function("parse", |b| {
        let bytes = &**bytes;
        b.iter(|| Manifest::parse(black_box(bytes), bytes.len()));
    });
    group.finish();
}

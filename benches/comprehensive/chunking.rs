//! Cuts, and chunks of a buffer, a reader, pieces, and by all cores.

use crate::cpu_time::CpuTime;
use crate::data::{DataPattern, MB, expected_chunks, sizes};
use chunker::chunking::{
    ChunkStream, HashAlgorithm, PushChunker, chunk_data, chunk_data_with_hash, chunk_descriptors_parallel,
};
use chunker::scan::Scanner;
use chunker::{CutFinder, Profile, cut_points};
use criterion::measurement::Measurement;
use criterion::{Bencher, BenchmarkId, Criterion, Throughput};
use std::cell::{Cell, LazyCell};
use std::hint::black_box;
use std::io::Cursor;

/// Returns a benchmark of `chunks`, which returns how many it made: first checked against the `fastcdc`
/// crate, then timed.
fn checked<M: Measurement>(
    pattern: DataPattern,
    size: usize,
    profile: Profile,
    chunks: impl Fn(&[u8]) -> usize,
) -> impl FnMut(&mut Bencher<'_, M>) {
    let data = LazyCell::new(move || pattern.generate(size));
    let unchecked = Cell::new(true);
    move |b| {
        if unchecked.replace(false) {
            assert_eq!(chunks(&data), expected_chunks(&data, profile), "{} of {size}", pattern.name());
        }
        b.iter(|| chunks(black_box(&data)));
    }
}

/// The peer, for what it is next to [`cut_points_raw`].
pub(crate) fn fastcdc_raw(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("fastcdc_raw");
    let profile = Profile::default();
    for (size, name) in sizes(10 * MB) {
        group.throughput(Throughput::Bytes(size as u64));
        let chunks = move |data: &[u8]| expected_chunks(data, profile);
        group.bench_function(
            BenchmarkId::new("random", name),
            checked(DataPattern::Random, size, profile, chunks),
        );
    }
    group.finish();
}

/// Every scan kernel that this CPU has.
pub(crate) fn cut_points_raw(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("cut_points_raw");
    let profile = Profile::default();
    for (size, name) in sizes(10 * MB) {
        group.throughput(Throughput::Bytes(size as u64));
        for pattern in DataPattern::ALL {
            let id = BenchmarkId::new(pattern.name(), name);
            group.bench_function(
                id,
                checked(pattern, size, profile, |data| cut_points(data, profile).count()),
            );
        }
        for scanner in Scanner::available() {
            let chunks = |mut data: &[u8]| {
                let mut finder = CutFinder::new(profile).with_scanner(scanner);
                let mut chunks = 0;
                while finder.next_cut(&mut data).is_some() {
                    chunks += 1;
                }
                chunks + usize::from(finder.finish().is_some())
            };
            let id = BenchmarkId::new(format!("{}_kernel", scanner.name()), name);
            group.bench_function(id, checked(DataPattern::Random, size, profile, chunks));
        }
    }
    group.finish();
}

pub(crate) fn chunk_data_eager(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("chunk_data_eager");
    let profile = Profile::default();
    for pattern in DataPattern::ALL {
        for (size, name) in sizes(10 * MB) {
            group.throughput(Throughput::Bytes(size as u64));
            let id = |hash| BenchmarkId::new(format!("{}/{name}", pattern.name()), hash);
            let sha256 = |data: &[u8]| chunk_data(data, None, None, None).expect("default sizes").len();
            group.bench_function(id("sha256"), checked(pattern, size, profile, sha256));
            let blake3 = |data: &[u8]| {
                let chunks = chunk_data_with_hash(data, None, None, None, HashAlgorithm::Blake3);
                chunks.expect("default sizes").len()
            };
            group.bench_function(id("blake3"), checked(pattern, size, profile, blake3));
        }
    }
    group.finish();
}

pub(crate) fn chunk_stream_nar(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("chunk_stream");
    let profile = Profile::default();
    for (size, name) in sizes(1 << 30) {
        group.throughput(Throughput::Bytes(size as u64));
        let chunks = |data: &[u8]| {
            let stream = ChunkStream::new(Cursor::new(data), None, None, None).expect("default sizes");
            stream.fold(0, |chunks, chunk| {
                black_box(chunk.expect("memory can be read"));
                chunks + 1
            })
        };
        group.bench_function(
            BenchmarkId::new("nar", name),
            checked(DataPattern::RealisticNar, size, profile, chunks),
        );
    }
    group.finish();
}

pub(crate) fn push_pieces(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("push");
    let profile = Profile::new(16 << 10, 64 << 10, 256 << 10).expect("valid sizes");
    group.throughput(Throughput::Bytes(MB as u64));
    for (piece, name) in [(64, "64B"), (4 << 10, "4KB"), (64 << 10, "64KB"), (MB, "1MB")] {
        for hash in [HashAlgorithm::Blake3, HashAlgorithm::Sha256] {
            let chunks = move |data: &[u8]| {
                let mut chunker = PushChunker::new(profile.hash(hash));
                let chunks: usize = data.chunks(piece).map(|piece| chunker.feed(piece).len()).sum();
                chunks + usize::from(chunker.finish().is_some())
            };
            let id = BenchmarkId::new(hash.name(), name);
            group.bench_function(id, checked(DataPattern::Random, MB, profile, chunks));
        }
    }
    group.finish();
}

/// By the clock: all cores take more CPU time than one.
pub(crate) fn parallel(c: &mut Criterion) {
    let mut group = c.benchmark_group("parallel");
    let profile = Profile::default();
    for (size, name) in sizes(1 << 30).filter(|(size, _)| *size >= MB) {
        group.throughput(Throughput::Bytes(size as u64));
        let chunks =
            |data: &[u8]| chunk_descriptors_parallel(data, profile.hash(HashAlgorithm::Blake3)).len();
        group.bench_function(
            BenchmarkId::new("blake3", name),
            checked(DataPattern::Random, size, profile, chunks),
        );
    }
    group.finish();
}

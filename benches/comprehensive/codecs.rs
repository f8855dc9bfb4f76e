//! Each codec at the levels of the design document.

use crate::cpu_time::CpuTime;
use crate::data::{DataPattern, MB, sizes};
use chunker::compression::{Codec, DecompressionLimits, compress, decompress};
use criterion::{BenchmarkId, Criterion, Throughput};
use std::cell::LazyCell;
use std::hint::black_box;

const LEVELS: [(Codec, Option<i32>, &str); 7] = [
    (Codec::Zstd, Some(1), "zstd_l1"),
    (Codec::Zstd, Some(3), "zstd_l3"),
    (Codec::Zstd, Some(9), "zstd_l9"),
    (Codec::Zstd, Some(19), "zstd_l19"),
    (Codec::Lz4, None, "lz4"),
    (Codec::Xz, None, "xz"),
    (Codec::Bzip2, None, "bzip2"),
];

const PATTERNS: [DataPattern; 3] = [DataPattern::Random, DataPattern::Zeros, DataPattern::RealisticNar];

pub(crate) fn compression(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("compression");
    for (size, name) in sizes(10 * MB) {
        group.throughput(Throughput::Bytes(size as u64));
        for pattern in PATTERNS {
            let data = pattern.lazily(size);
            for (codec, level, codec_name) in LEVELS {
                let id = BenchmarkId::new(format!("{codec_name}/{}", pattern.name()), name);
                group.bench_function(id, |b| b.iter(|| compress(codec, black_box(&data), level)));
            }
        }
    }
    group.finish();
}

pub(crate) fn decompression(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("decompression");
    for (size, name) in sizes(10 * MB) {
        group.throughput(Throughput::Bytes(size as u64));
        for codec in [Codec::Zstd, Codec::Lz4, Codec::Xz, Codec::Bzip2] {
            let compressed = LazyCell::new(|| {
                let data = DataPattern::RealisticNar.generate(size);
                let compressed = compress(codec, &data, None).expect("compresses");
                let back = decompress(codec, &compressed, DecompressionLimits::default());
                assert!(back.is_ok_and(|back| back == data), "{codec} gives its input back");
                compressed
            });
            group.bench_function(BenchmarkId::new(format!("{codec}/nar"), name), |b| {
                b.iter(|| decompress(codec, black_box(&compressed), DecompressionLimits::default()));
            });
        }
    }
    group.finish();
}

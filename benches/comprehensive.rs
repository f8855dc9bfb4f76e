//! What every operation takes, by criterion: the suite that CI compares between two versions.
//!
//! Time is the CPU's, not the clock's: other programs on the machine hardly move it. Only what runs on
//! several cores is measured by the clock. `BENCH_LARGEST=1MB` leaves out larger inputs, and
//! `BENCH_LARGEST=1GB` adds the largest.

#[path = "comprehensive/chunking.rs"]
mod chunking;
#[path = "comprehensive/codecs.rs"]
mod codecs;
#[path = "comprehensive/cpu_time.rs"]
mod cpu_time;
#[path = "comprehensive/data.rs"]
mod data;
#[path = "comprehensive/digests.rs"]
mod digests;
#[path = "../tests/fixtures/mod.rs"]
#[allow(dead_code, unreachable_pub, unused_imports, reason = "the suite of tests uses all of it")]
mod fixtures;

use cpu_time::CpuTime;
use criterion::{Criterion, criterion_group, criterion_main};

criterion_group!(
    name = one_thread;
    config = Criterion::default().with_measurement(CpuTime::from_environment());
    targets = chunking::fastcdc_raw,
        chunking::cut_points_raw,
        chunking::chunk_data_eager,
        chunking::chunk_stream_nar,
        chunking::push_pieces,
        digests::hashing,
        digests::signing,
        digests::base32,
        digests::manifests,
        codecs::compression,
        codecs::decompression
);
criterion_group!(all_cores, chunking::parallel);
criterion_main!(one_thread, all_cores);

//! How chunks, digests, compressions and errors are counted, and delivered to a recorder.

use super::latency::{Operation, watch};
use crate::hashing::HashAlgorithm;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

const ALGORITHMS: usize = HashAlgorithm::ALL.len();

/// The recorder's handles of what chunks and digests count, once [`init_metrics`] has them.
static HANDLES: OnceLock<Handles> = OnceLock::new();

/// What is counted seldom, and what no recorder has got yet.
///
/// Whoever finds no [`HANDLES`] looks again under this lock, and [`init_metrics`] makes them under
/// it: nothing is delivered twice, or not at all.
static STATE: Mutex<State> = Mutex::new(State {
    chunk_sizes: Values::new(),
    chunk_latencies: Values::new(),
    hash_latencies: [const { Values::new() }; ALGORITHMS],
    compression: BTreeMap::new(),
    errors: BTreeMap::new(),
});

fn lock() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct State {
    /// Before [`init_metrics`], in bytes.
    chunk_sizes: Values,
    /// Before [`init_metrics`], in nanoseconds, as all latencies.
    chunk_latencies: Values,
    hash_latencies: [Values; ALGORITHMS],
    compression: BTreeMap<&'static str, Compression>,
    errors: BTreeMap<&'static str, Errors>,
}

/// Values for a histogram, and how often each came; in bounded memory, rounded to 7 bits.
#[derive(Debug, Default)]
struct Values(BTreeMap<u64, usize>);

impl Values {
    const fn new() -> Self {
        Self(BTreeMap::new())
    }

    fn add(&mut self, value: u64, times: usize) {
        let dropped = (u64::BITS - value.leading_zeros()).saturating_sub(7);
        let middle = if dropped == 0 { 0 } else { 1 << (dropped - 1) };
        *self.0.entry((value >> dropped << dropped) | middle).or_default() += times;
    }

    fn deliver(&mut self, histogram: &Histogram, unit: f64) {
        for (value, times) in std::mem::take(&mut self.0) {
            histogram.record_many(value as f64 * unit, times);
        }
    }
}

const NANOSECOND: f64 = 1e-9;

#[derive(Debug, Default)]
struct Compression {
    bytes_in: u64,
    bytes_out: u64,
    handles: Option<CompressionHandles>,
    latencies: Values,
    /// In thousandths.
    ratios: Values,
}

#[derive(Debug)]
struct CompressionHandles {
    bytes_in: Counter,
    bytes_out: Counter,
    ratio: Histogram,
    latency: Histogram,
}

impl Compression {
    fn register(&mut self, codec: &'static str) {
        let handles = self.handles.insert(CompressionHandles {
            bytes_in: counter!("chunker.compression_bytes_in_total", "codec" => codec),
            bytes_out: counter!("chunker.compression_bytes_out_total", "codec" => codec),
            ratio: histogram!("chunker.compression_ratio", "codec" => codec),
            latency: histogram!("chunker.compression_latency_seconds", "codec" => codec),
        });
        handles.bytes_in.increment(self.bytes_in);
        handles.bytes_out.increment(self.bytes_out);
        self.ratios.deliver(&handles.ratio, 1e-3);
        self.latencies.deliver(&handles.latency, NANOSECOND);
    }

    #[cfg(any(feature = "zstd", feature = "lz4", feature = "xz", feature = "bzip2"))]
    fn add_bytes(&mut self, bytes_in: u64, bytes_out: u64) {
        self.bytes_in += bytes_in;
        self.bytes_out += bytes_out;
        if let Some(handles) = &self.handles {
            handles.bytes_in.increment(bytes_in);
            handles.bytes_out.increment(bytes_out);
        }
    }

    #[cfg(any(feature = "zstd", feature = "lz4", feature = "xz", feature = "bzip2"))]
    fn add_operation(&mut self, bytes_in: u64, bytes_out: u64, latency: Duration) {
        if let Some(handles) = &self.handles {
            handles.ratio.record(bytes_in as f64 / bytes_out.max(1) as f64);
            handles.latency.record(latency.as_secs_f64());
        } else {
            self.ratios.add(bytes_in.saturating_mul(1000) / bytes_out.max(1), 1);
            self.latencies.add(nanoseconds(latency), 1);
        }
    }
}

#[derive(Debug, Default)]
struct Errors {
    count: u64,
    handle: Option<Counter>,
}

impl Errors {
    fn register(&mut self, kind: &'static str) {
        let handle = self.handle.insert(counter!("chunker.errors_total", "kind" => kind));
        handle.increment(self.count);
    }
}

fn nanoseconds(latency: Duration) -> u64 {
    u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX)
}

/// All that was delivered by batches and digests since the start of the process.
static TOTALS: AtomicTotals = AtomicTotals {
    chunks_emitted: AtomicU64::new(0),
    bytes_processed: AtomicU64::new(0),
    hash_operations: [const { AtomicU64::new(0) }; ALGORITHMS],
    hash_bytes: [const { AtomicU64::new(0) }; ALGORITHMS],
};

struct AtomicTotals {
    chunks_emitted: AtomicU64,
    bytes_processed: AtomicU64,
    hash_operations: [AtomicU64; ALGORITHMS],
    hash_bytes: [AtomicU64; ALGORITHMS],
}

impl AtomicTotals {
    fn add(&self, counts: &Counts) {
        self.chunks_emitted.fetch_add(counts.chunks, Ordering::Relaxed);
        self.bytes_processed.fetch_add(counts.bytes, Ordering::Relaxed);
        for algorithm in 0..ALGORITHMS {
            if counts.hash_operations[algorithm] > 0 {
                self.hash_operations[algorithm]
                    .fetch_add(counts.hash_operations[algorithm], Ordering::Relaxed);
                self.hash_bytes[algorithm].fetch_add(counts.hash_bytes[algorithm], Ordering::Relaxed);
            }
        }
    }

    fn load(&self) -> Counts {
        let load = |amount: &AtomicU64| amount.load(Ordering::Relaxed);
        Counts {
            chunks: load(&self.chunks_emitted),
            bytes: load(&self.bytes_processed),
            hash_operations: self.hash_operations.each_ref().map(load),
            hash_bytes: self.hash_bytes.each_ref().map(load),
        }
    }
}

struct Handles {
    chunks_emitted: Counter,
    bytes_processed: Counter,
    chunk_size: Histogram,
    chunk_latency: Histogram,
    hash_operations: [Counter; ALGORITHMS],
    hash_bytes: [Counter; ALGORITHMS],
    hash_latency: [Histogram; ALGORITHMS],
}

impl Handles {
    fn register() -> Self {
        let algorithms = HashAlgorithm::ALL.map(HashAlgorithm::name);
        Self {
            chunks_emitted: counter!("chunker.chunks_emitted_total"),
            bytes_processed: counter!("chunker.bytes_processed_total"),
            chunk_size: histogram!("chunker.chunk_size_bytes"),
            chunk_latency: histogram!("chunker.chunk_latency_seconds"),
            hash_operations: algorithms
                .map(|name| counter!("chunker.hash_operations_total", "algorithm" => name)),
            hash_bytes: algorithms.map(|name| counter!("chunker.hash_bytes_total", "algorithm" => name)),
            hash_latency: algorithms
                .map(|name| histogram!("chunker.hash_latency_seconds", "algorithm" => name)),
        }
    }

    fn add(&self, counts: &Counts) {
        if counts.chunks > 0 {
            self.chunks_emitted.increment(counts.chunks);
            self.bytes_processed.increment(counts.bytes);
        }
        for algorithm in 0..ALGORITHMS {
            if counts.hash_operations[algorithm] > 0 {
                self.hash_operations[algorithm].increment(counts.hash_operations[algorithm]);
                self.hash_bytes[algorithm].increment(counts.hash_bytes[algorithm]);
            }
        }
    }
}

/// Takes handles from the recorder that the program has installed, and delivers to it all that was
/// counted before.
///
/// To be called once the recorder is installed; further calls do nothing.
pub fn init_metrics() {
    let mut state = lock();
    let State { chunk_sizes, chunk_latencies, hash_latencies, compression, errors } = &mut *state;
    HANDLES.get_or_init(|| {
        describe();
        let handles = Handles::register();
        handles.add(&TOTALS.load());
        chunk_sizes.deliver(&handles.chunk_size, 1.0);
        chunk_latencies.deliver(&handles.chunk_latency, NANOSECOND);
        for (latencies, histogram) in hash_latencies.iter_mut().zip(&handles.hash_latency) {
            latencies.deliver(histogram, NANOSECOND);
        }
        compression.iter_mut().for_each(|(codec, compression)| compression.register(codec));
        errors.iter_mut().for_each(|(kind, errors)| errors.register(kind));
        handles
    });
}

fn describe() {
    describe_counter!("chunker.chunks_emitted_total", Unit::Count, "Chunks with digests.");
    describe_counter!("chunker.bytes_processed_total", Unit::Bytes, "Bytes in chunks with digests.");
    describe_histogram!("chunker.chunk_size_bytes", Unit::Bytes, "Lengths of chunks.");
    describe_histogram!(
        "chunker.chunk_latency_seconds",
        Unit::Seconds,
        "Time to cut and hash a chunk, of one in 64."
    );
    describe_counter!("chunker.hash_operations_total", Unit::Count, "Digests.");
    describe_counter!("chunker.hash_bytes_total", Unit::Bytes, "Bytes digested.");
    describe_histogram!(
        "chunker.hash_latency_seconds",
        Unit::Seconds,
        "Time to compute a digest, of one in 64."
    );
    describe_counter!("chunker.compression_bytes_in_total", Unit::Bytes, "Bytes compressed.");
    describe_counter!("chunker.compression_bytes_out_total", Unit::Bytes, "Bytes that compression gave.");
    describe_histogram!("chunker.compression_ratio", "Bytes in by bytes out of compressions.");
    describe_histogram!("chunker.compression_latency_seconds", Unit::Seconds, "Time of a compression.");
    describe_counter!("chunker.errors_total", Unit::Count, "Errors returned, by their code.");
    describe_counter!(
        "chunker.latency_threshold_exceeded_total",
        Unit::Count,
        "Windows of ten seconds whose 99th percentile of latency was over its threshold."
    );
}

/// What was counted since the start of the process, on all threads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Chunks with digests.
    pub chunks_emitted: u64,
    /// Bytes in them.
    pub bytes_processed: u64,
    /// Digests, by algorithm: every algorithm has an entry.
    pub hashes: BTreeMap<&'static str, HashTotals>,
    /// Compressions, by codec: those that were used have an entry.
    pub compressions: BTreeMap<&'static str, CompressionTotals>,
    /// Errors returned, by their `code`.
    pub errors: BTreeMap<&'static str, u64>,
}

/// What one algorithm has hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HashTotals {
    /// Digests.
    pub operations: u64,
    /// Bytes digested.
    pub bytes: u64,
}

/// What one codec has compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompressionTotals {
    /// Bytes compressed.
    pub bytes_in: u64,
    /// Bytes that they became.
    pub bytes_out: u64,
}

/// Returns what was counted since the start of the process, with a recorder or without.
///
/// Inputs that have not ended hold back up to 15 chunks each.
#[must_use]
pub fn totals() -> Totals {
    let Counts { chunks, bytes, hash_operations, hash_bytes } = TOTALS.load();
    let hashes = HashAlgorithm::ALL.map(|hash| {
        let (operations, bytes) = (hash_operations[hash as usize], hash_bytes[hash as usize]);
        (hash.name(), HashTotals { operations, bytes })
    });
    let state = lock();
    let compressions = state.compression.iter().map(|(&codec, compression)| {
        let &Compression { bytes_in, bytes_out, .. } = compression;
        (codec, CompressionTotals { bytes_in, bytes_out })
    });
    Totals {
        chunks_emitted: chunks,
        bytes_processed: bytes,
        hashes: hashes.into(),
        compressions: compressions.collect(),
        errors: state.errors.iter().map(|(&kind, errors)| (kind, errors.count)).collect(),
    }
}

/// What is added at once.
#[derive(Debug, Default)]
struct Counts {
    chunks: u64,
    bytes: u64,
    hash_operations: [u64; ALGORITHMS],
    hash_bytes: [u64; ALGORITHMS],
}

impl Counts {
    fn digests(hash: HashAlgorithm, operations: u64, bytes: u64) -> Self {
        let mut counts = Self::default();
        counts.hash_operations[hash as usize] = operations;
        counts.hash_bytes[hash as usize] = bytes;
        counts
    }

    fn with_chunks(self, chunks: u64, bytes: u64) -> Self {
        Self { chunks, bytes, ..self }
    }
}

/// Adds `counts` to the totals and to the recorder; values for histograms, `record` adds, to the
/// recorder or to what waits for one.
#[inline]
fn deliver(counts: &Counts, record: impl FnOnce(Result<&Handles, &mut State>)) {
    if let Some(handles) = HANDLES.get() {
        TOTALS.add(counts);
        handles.add(counts);
        return record(Ok(handles));
    }
    let mut state = lock();
    TOTALS.add(counts);
    match HANDLES.get() {
        Some(handles) => {
            handles.add(counts);
            record(Ok(handles));
        }
        None => record(Err(&mut state)),
    }
}

/// Counts chunks of these `lengths` in bytes, digested by `hash`; of those that `is_recorded`, one in
/// `rate`, the lengths are recorded with that weight.
pub(super) fn add_chunks(
    lengths: &[u64],
    hash: Option<HashAlgorithm>,
    rate: u64,
    mut is_recorded: impl FnMut() -> bool,
) {
    let (chunks, bytes) = (lengths.len() as u64, lengths.iter().sum());
    let digests = hash.map(|hash| Counts::digests(hash, chunks, bytes)).unwrap_or_default();
    let recorded = lengths.iter().filter(|_| is_recorded());
    let weight = usize::try_from(rate).unwrap_or(usize::MAX);
    deliver(&digests.with_chunks(chunks, bytes), |destination| match destination {
        Ok(handles) if weight == 1 => recorded.for_each(|&length| handles.chunk_size.record(length as f64)),
        Ok(handles) => recorded.for_each(|&length| handles.chunk_size.record_many(length as f64, weight)),
        Err(state) => recorded.for_each(|&length| state.chunk_sizes.add(length, weight)),
    });
}

/// Adds the latencies of a chunk.
pub(super) fn add_latencies(hash: HashAlgorithm, cutting: Duration, hashing: Duration) {
    let latency = cutting + hashing;
    deliver(&Counts::default(), |destination| match destination {
        Ok(handles) => {
            handles.chunk_latency.record(latency.as_secs_f64());
            handles.hash_latency[hash as usize].record(hashing.as_secs_f64());
        }
        Err(state) => {
            state.chunk_latencies.add(nanoseconds(latency), 1);
            state.hash_latencies[hash as usize].add(nanoseconds(hashing), 1);
        }
    });
    watch(Operation::Chunk, latency);
    watch(Operation::Hash, hashing);
}

/// Counts a digest that belongs to no chunk.
pub(super) fn add_digest(hash: HashAlgorithm, length: u64, latency: Option<Duration>) {
    deliver(&Counts::digests(hash, 1, length), |destination| match (destination, latency) {
        (_, None) => {}
        (Ok(handles), Some(latency)) => handles.hash_latency[hash as usize].record(latency.as_secs_f64()),
        (Err(state), Some(latency)) => state.hash_latencies[hash as usize].add(nanoseconds(latency), 1),
    });
    if let Some(latency) = latency {
        watch(Operation::Hash, latency);
    }
}

/// Counts a compression, lengths in bytes.
#[cfg(any(feature = "zstd", feature = "lz4", feature = "xz", feature = "bzip2"))]
pub(super) fn add_compression(codec: &'static str, length_in: usize, length_out: usize, latency: Duration) {
    let (bytes_in, bytes_out) = (length_in as u64, length_out as u64);
    with_compression(codec, |compression| {
        compression.add_bytes(bytes_in, bytes_out);
        compression.add_operation(bytes_in, bytes_out, latency);
    });
    watch(Operation::Compression, latency);
}

/// Counts what a stream has compressed, lengths in bytes.
#[cfg(any(feature = "zstd", feature = "lz4", feature = "xz", feature = "bzip2"))]
pub(super) fn add_stream(codec: &'static str, bytes_in: u64, bytes_out: u64) {
    with_compression(codec, |compression| compression.add_bytes(bytes_in, bytes_out));
}

#[cfg(any(feature = "zstd", feature = "lz4", feature = "xz", feature = "bzip2"))]
fn with_compression(codec: &'static str, add: impl FnOnce(&mut Compression)) {
    let mut state = lock();
    let compression = state.compression.entry(codec).or_default();
    if compression.handles.is_none() && HANDLES.get().is_some() {
        compression.register(codec);
    }
    add(compression);
}

/// Counts an error that is returned.
pub(super) fn add_error(kind: &'static str) {
    let mut state = lock();
    let errors = state.errors.entry(kind).or_default();
    if errors.handle.is_none() && HANDLES.get().is_some() {
        errors.register(kind);
    }
    errors.count += 1;
    if let Some(handle) = &errors.handle {
        handle.increment(1);
    }
}

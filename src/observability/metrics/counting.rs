//! Counts chunks, digests, compressions and errors, and delivers the counts to a recorder.

use super::latency::{Operation, watch};
use crate::algorithm::HashAlgorithm;
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
    decompression: BTreeMap::new(),
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
    decompression: BTreeMap<&'static str, Decompression>,
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

    fn add_bytes(&mut self, bytes_in: u64, bytes_out: u64) {
        self.bytes_in += bytes_in;
        self.bytes_out += bytes_out;
        if let Some(handles) = &self.handles {
            handles.bytes_in.increment(bytes_in);
            handles.bytes_out.increment(bytes_out);
        }
    }

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
struct Decompression {
    bytes_in: u64,
    bytes_out: u64,
    handles: Option<[Counter; 2]>,
}

impl Decompression {
    fn register(&mut self, codec: &'static str) {
        let [bytes_in, bytes_out] = self.handles.insert([
            counter!("chunker.decompression_bytes_in_total", "codec" => codec),
            counter!("chunker.decompression_bytes_out_total", "codec" => codec),
        ]);
        bytes_in.increment(self.bytes_in);
        bytes_out.increment(self.bytes_out);
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
    chunks: [const { AtomicTally::new() }; ALGORITHMS],
    other_chunks: AtomicTally::new(),
    digests: [const { AtomicTally::new() }; ALGORITHMS],
};

struct AtomicTotals {
    chunks: [AtomicTally; ALGORITHMS],
    other_chunks: AtomicTally,
    digests: [AtomicTally; ALGORITHMS],
}

impl AtomicTotals {
    fn add(&self, counts: &Counts) {
        for algorithm in 0..ALGORITHMS {
            self.chunks[algorithm].add(counts.chunks[algorithm]);
            self.digests[algorithm].add(counts.digests[algorithm]);
        }
        self.other_chunks.add(counts.other_chunks);
    }

    fn load(&self) -> Counts {
        Counts {
            chunks: self.chunks.each_ref().map(AtomicTally::load),
            other_chunks: self.other_chunks.load(),
            digests: self.digests.each_ref().map(AtomicTally::load),
        }
    }
}

struct AtomicTally {
    count: AtomicU64,
    bytes: AtomicU64,
}

impl AtomicTally {
    const fn new() -> Self {
        Self { count: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }

    fn add(&self, tally: Tally) {
        if tally.count > 0 {
            self.count.fetch_add(tally.count, Ordering::Relaxed);
            self.bytes.fetch_add(tally.bytes, Ordering::Relaxed);
        }
    }

    fn load(&self) -> Tally {
        Tally { count: self.count.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
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

    /// The recorder's digests are all, those of chunks among them.
    fn add(&self, counts: &Counts) {
        let chunks = counts.chunks.iter().fold(counts.other_chunks, |sum, &tally| sum + tally);
        if chunks.count > 0 {
            self.chunks_emitted.increment(chunks.count);
            self.bytes_processed.increment(chunks.bytes);
        }
        for algorithm in 0..ALGORITHMS {
            let digests = counts.chunks[algorithm] + counts.digests[algorithm];
            if digests.count > 0 {
                self.hash_operations[algorithm].increment(digests.count);
                self.hash_bytes[algorithm].increment(digests.bytes);
            }
        }
    }
}

/// Connects to the recorder that the program has installed, and delivers to it everything that was
/// counted before.
///
/// Call it once the recorder is installed; further calls do nothing.
pub fn init_metrics() {
    let mut state = lock();
    let State { chunk_sizes, chunk_latencies, hash_latencies, compression, decompression, errors } =
        &mut *state;
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
        decompression.iter_mut().for_each(|(codec, decompression)| decompression.register(codec));
        errors.iter_mut().for_each(|(kind, errors)| errors.register(kind));
        handles
    });
}

/// Describes every metric, in the words of `metrics.md`.
fn describe() {
    describe_counter!("chunker.chunks_emitted_total", Unit::Count, "Chunks with digests.");
    describe_counter!("chunker.bytes_processed_total", Unit::Bytes, "Bytes in chunks with digests.");
    describe_histogram!("chunker.chunk_size_bytes", Unit::Bytes, "Length of a chunk.");
    describe_histogram!(
        "chunker.chunk_latency_seconds",
        Unit::Seconds,
        "Time to cut and hash a chunk, without waiting; measured for one in 64."
    );
    describe_counter!("chunker.hash_operations_total", Unit::Count, "Digests, including those of chunks.");
    describe_counter!("chunker.hash_bytes_total", Unit::Bytes, "Bytes digested.");
    describe_histogram!(
        "chunker.hash_latency_seconds",
        Unit::Seconds,
        "Time to compute a digest; measured for one in 64."
    );
    describe_counter!("chunker.compression_bytes_in_total", Unit::Bytes, "Bytes before compression.");
    describe_counter!("chunker.compression_bytes_out_total", Unit::Bytes, "Bytes after compression.");
    describe_histogram!("chunker.compression_ratio", "Bytes before compression / bytes after it.");
    describe_histogram!("chunker.compression_latency_seconds", Unit::Seconds, "Time of one compression.");
    describe_counter!("chunker.decompression_bytes_in_total", Unit::Bytes, "Bytes before decompression.");
    describe_counter!("chunker.decompression_bytes_out_total", Unit::Bytes, "Bytes after decompression.");
    describe_counter!("chunker.errors_total", Unit::Count, "Errors of codecs and readers, by their code.");
    describe_counter!(
        "chunker.latency_threshold_exceeded_total",
        Unit::Count,
        "Ten-second windows whose 99th percentile of latency exceeded its threshold."
    );
}

/// Totals since the start of the process, on all threads, in the same shape in every language.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Chunks with digests, by algorithm; every algorithm has an entry. Chunks from [`record_chunk`] count
    /// as `other`, if there are any.
    ///
    /// [`record_chunk`]: super::batch::record_chunk
    pub chunks: BTreeMap<&'static str, Tally>,
    /// Digests of other data, by algorithm; every algorithm has an entry.
    pub digests: BTreeMap<&'static str, Tally>,
    /// Compressed data, by codec; only codecs that were used have an entry.
    pub compression: BTreeMap<&'static str, CodecTally>,
    /// Decompressed data, by codec; only codecs that were used have an entry. Streams count while they run,
    /// even if they fail later.
    pub decompression: BTreeMap<&'static str, CodecTally>,
    /// Errors of codecs and readers, by their `code`.
    pub errors: BTreeMap<&'static str, u64>,
}

/// A number of items, and of the bytes in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The number of items.
    pub count: u64,
    /// The number of bytes in all of them.
    pub bytes: u64,
}

impl core::ops::Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { count: self.count + other.count, bytes: self.bytes + other.bytes }
    }
}

/// Bytes in and out of a codec, in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodecTally {
    /// Bytes that went in.
    pub bytes_in: u64,
    /// Bytes that came out.
    pub bytes_out: u64,
}

/// Returns the totals since the start of the process, with or without a recorder.
///
/// Each input that has not ended holds back up to 15 chunks.
#[must_use]
pub fn totals() -> Totals {
    let Counts { chunks, other_chunks, digests } = TOTALS.load();
    let by_algorithm =
        |tallies: [Tally; ALGORITHMS]| HashAlgorithm::ALL.map(|hash| (hash.name(), tallies[hash as usize]));
    let mut chunks = BTreeMap::from(by_algorithm(chunks));
    if other_chunks.count > 0 {
        chunks.insert("other", other_chunks);
    }
    let state = lock();
    let compression = state.compression.iter().map(|(&codec, compression)| {
        let &Compression { bytes_in, bytes_out, .. } = compression;
        (codec, CodecTally { bytes_in, bytes_out })
    });
    let decompression = state.decompression.iter().map(|(&codec, decompression)| {
        let &Decompression { bytes_in, bytes_out, .. } = decompression;
        (codec, CodecTally { bytes_in, bytes_out })
    });
    Totals {
        chunks,
        digests: by_algorithm(digests).into(),
        compression: compression.collect(),
        decompression: decompression.collect(),
        errors: state.errors.iter().map(|(&kind, errors)| (kind, errors.count)).collect(),
    }
}

/// Amounts to add in one go.
#[derive(Debug, Default)]
struct Counts {
    chunks: [Tally; ALGORITHMS],
    /// Chunks of an unknown algorithm.
    other_chunks: Tally,
    digests: [Tally; ALGORITHMS],
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
    let mut counts = Counts::default();
    let tally = Tally { count: lengths.len() as u64, bytes: lengths.iter().sum() };
    match hash {
        Some(hash) => counts.chunks[hash as usize] = tally,
        None => counts.other_chunks = tally,
    }
    let recorded = lengths.iter().filter(|_| is_recorded());
    let weight = usize::try_from(rate).unwrap_or(usize::MAX);
    deliver(&counts, |destination| match destination {
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
    let mut counts = Counts::default();
    counts.digests[hash as usize] = Tally { count: 1, bytes: length };
    deliver(&counts, |destination| match (destination, latency) {
        (_, None) => {}
        (Ok(handles), Some(latency)) => handles.hash_latency[hash as usize].record(latency.as_secs_f64()),
        (Err(state), Some(latency)) => state.hash_latencies[hash as usize].add(nanoseconds(latency), 1),
    });
    if let Some(latency) = latency {
        watch(Operation::Hash, latency);
    }
}

/// Counts a compression, lengths in bytes.
pub(super) fn add_compression(codec: &'static str, length_in: usize, length_out: usize, latency: Duration) {
    let (bytes_in, bytes_out) = (length_in as u64, length_out as u64);
    with_compression(codec, |compression| {
        compression.add_bytes(bytes_in, bytes_out);
        compression.add_operation(bytes_in, bytes_out, latency);
    });
    watch(Operation::Compression, latency);
}

/// Counts what a stream has compressed, lengths in bytes.
pub(super) fn add_stream(codec: &'static str, bytes_in: u64, bytes_out: u64) {
    with_compression(codec, |compression| compression.add_bytes(bytes_in, bytes_out));
}

fn with_compression(codec: &'static str, add: impl FnOnce(&mut Compression)) {
    let mut state = lock();
    let compression = state.compression.entry(codec).or_default();
    if compression.handles.is_none() && HANDLES.get().is_some() {
        compression.register(codec);
    }
    add(compression);
}

/// Counts what was decompressed, lengths in bytes.
pub(super) fn add_decompression(codec: &'static str, bytes_in: u64, bytes_out: u64) {
    let mut state = lock();
    let decompression = state.decompression.entry(codec).or_default();
    if decompression.handles.is_none() && HANDLES.get().is_some() {
        decompression.register(codec);
    }
    decompression.bytes_in += bytes_in;
    decompression.bytes_out += bytes_out;
    if let Some([counter_in, counter_out]) = &decompression.handles {
        counter_in.increment(bytes_in);
        counter_out.increment(bytes_out);
    }
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

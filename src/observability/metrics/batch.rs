//! Collects the chunks of an input, or of a thread, and delivers them to a recorder in one go.

use super::counting::{add_chunks, add_latencies};
use crate::algorithm::HashAlgorithm;
use crate::observability::clock::Instant;
use crate::observability::phase::Phase;
use core::cell::{Cell, RefCell};
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

/// Chunks that are gathered before they are delivered.
const BATCH: usize = 16;

/// One chunk or digest in this many is timed on each thread: reading the clock costs more than all the
/// rest.
const TIMED: u64 = 64;

/// The lengths in bytes of chunks that were not delivered yet.
#[derive(Debug, Default)]
struct Batch {
    lengths: [u64; BATCH],
    /// How many of `lengths` are set.
    chunks: usize,
    /// What all of them were digested by, if they were.
    hash: Option<HashAlgorithm>,
}

impl Batch {
    #[inline]
    fn add(&mut self, length: usize) {
        self.lengths[self.chunks] = length as u64;
        self.chunks += 1;
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.chunks == BATCH
    }

    fn flush(&mut self) {
        let lengths = &self.lengths[..std::mem::take(&mut self.chunks)];
        if !lengths.is_empty() {
            let rate = length_sample_rate();
            let is_recorded = || rate == 1 || SAMPLING.with(|sampling| is_due(&sampling.sized, rate));
            add_chunks(lengths, self.hash, rate, is_recorded);
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Returns the sampling rate of lengths, which is also the weight of each sample: the value of
/// `CHUNKER_METRICS_SAMPLE_RATE` at the first call, or 1 if that is not an integer of at least 1.
fn length_sample_rate() -> u64 {
    static RATE: LazyLock<u64> = LazyLock::new(|| {
        let rate = std::env::var("CHUNKER_METRICS_SAMPLE_RATE").ok();
        rate.and_then(|rate| rate.parse().ok()).filter(|&rate| rate > 0).unwrap_or(1)
    });
    *RATE
}

/// What a thread still lets pass before the next sample of each kind.
struct Sampling {
    timed_chunk: Cell<u64>,
    timed_digest: Cell<u64>,
    sized: Cell<u64>,
}

std::thread_local! {
    static SAMPLING: Sampling = {
        // The first thread times its first chunk; the others begin elsewhere, so that threads that
        // live for a few chunks do not time more than others.
        static THREADS: AtomicU64 = AtomicU64::new(0);
        let start = THREADS.fetch_add(1, Ordering::Relaxed).wrapping_mul(5) % TIMED;
        // A random start makes the expectation of a sum over samples that of the sum over all.
        let random = RandomState::new().hash_one(start) % length_sample_rate();
        Sampling {
            timed_chunk: Cell::new(start),
            timed_digest: Cell::new(start),
            sized: Cell::new(random),
        }
    };

    static BATCH_OF_THREAD: RefCell<Batch> = RefCell::default();
}

#[inline]
fn is_due(left: &Cell<u64>, rate: u64) -> bool {
    let due = left.get() == 0;
    left.set(if due { rate - 1 } else { left.get() - 1 });
    due
}

/// Returns whether the next digest that belongs to no chunk is one of those that are timed.
pub(super) fn times_digest() -> bool {
    SAMPLING.with(|sampling| is_due(&sampling.timed_digest, TIMED))
}

/// Lets at most [`TIMED`] chunks pass, of which one may have been timed.
fn pass(left: &Cell<u64>, chunks: u64) {
    left.set(left.get().checked_sub(chunks).unwrap_or_else(|| left.get() + TIMED - chunks));
}

/// Counts a chunk of `size` bytes that did not come from this library, such as one that was
/// cut elsewhere.
///
/// It is delivered every 16 chunks, by [`flush_metrics`], and when the thread ends.
#[inline]
pub fn record_chunk(size: usize) {
    let recorded = BATCH_OF_THREAD.try_with(|batch| {
        let mut batch = batch.borrow_mut();
        batch.add(size);
        if batch.is_full() {
            batch.flush();
        }
    });
    if recorded.is_err() {
        Batch::default().add(size); // the thread is ending: delivered right away
    }
}

/// Delivers what this thread has [recorded](record_chunk).
pub fn flush_metrics() {
    let _ending = BATCH_OF_THREAD.try_with(|batch| batch.borrow_mut().flush());
}

/// The metrics of one input while it is chunked.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    batch: Batch,
    timing: Timing,
    cutting: Duration,
    hashing: Duration,
}

/// Which chunk of a batch is timed: decided once for a batch, since asking the thread costs more than
/// the rest of counting a chunk.
#[derive(Debug, Default)]
enum Timing {
    #[default]
    Undecided,
    /// The chunk after this many chunks of the batch, if the batch has one.
    Behind(u64),
    Never,
}

impl Chunks {
    pub(crate) fn untimed() -> Self {
        let mut metrics = Self::default();
        metrics.timing = Timing::Never;
        metrics
    }

    /// Does the work of a phase, and adds the time that it takes where this chunk is timed.
    #[inline]
    pub(crate) fn timing<T>(&mut self, phase: Phase, work: impl FnOnce() -> T) -> T {
        if matches!(self.timing, Timing::Undecided) {
            self.timing = Timing::Behind(SAMPLING.with(|sampling| sampling.timed_chunk.get()));
        }
        let start = self.is_timed().then(Instant::now);
        let result = work();
        if let Some(start) = start {
            match phase {
                Phase::FastCdc => self.cutting += start.elapsed(),
                _ => self.hashing += start.elapsed(),
            }
        }
        result
    }

    #[inline]
    fn is_timed(&self) -> bool {
        matches!(self.timing, Timing::Behind(chunks) if chunks == self.batch.chunks as u64)
    }

    #[inline]
    pub(crate) fn emitted(&mut self, hash: HashAlgorithm, length: usize) {
        if self.is_timed() {
            add_latencies(hash, std::mem::take(&mut self.cutting), std::mem::take(&mut self.hashing));
        }
        self.batch.hash = Some(hash);
        self.batch.add(length);
        if self.batch.is_full() {
            self.flush();
        }
    }

    pub(crate) fn flush(&mut self) {
        if matches!(self.timing, Timing::Behind(_)) {
            SAMPLING.with(|sampling| pass(&sampling.timed_chunk, self.batch.chunks as u64));
            (self.timing, self.cutting, self.hashing) = Default::default();
        }
        self.batch.flush();
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        self.flush();
    }
}

//! Where the time goes: cutting, hashing, compressing, or waiting for input.
//!
//! `CHUNKER_PROFILE=1` in the environment, or [`set_profiling_enabled`], times every phase, with two
//! clock readings each. The times of all threads are added up.
//!
//! ```
//! use chunker::{chunking, profiling};
//!
//! profiling::set_profiling_enabled(true);
//! let before = profiling::pipeline_metrics();
//! chunking::chunk_data(&[7; 5_000_000], None, None, None)?;
//! let metrics = profiling::pipeline_metrics().since(&before);
//! assert_eq!(metrics.bytes_processed, 5_000_000);
//! println!("{}", metrics.timings());
//! # Ok::<(), chunking::ChunkingError>(())
//! ```

pub use crate::observability::phase::Phase;

use crate::observability::clock::Instant;
use core::fmt;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use core::time::Duration;
use std::string::String;

static PROFILING: AtomicU8 = AtomicU8::new(UNKNOWN);
const UNKNOWN: u8 = 0;
const OFF: u8 = 1;
const ON: u8 = 2;

/// Returns whether phases are timed: the last value of [`set_profiling_enabled`], or otherwise whether
/// `CHUNKER_PROFILE` was `1` or `true` at the first call.
#[inline]
#[must_use]
pub fn is_profiling_enabled() -> bool {
    match PROFILING.load(Ordering::Relaxed) {
        UNKNOWN => read_environment(),
        state => state == ON,
    }
}

#[cold]
fn read_environment() -> bool {
    let on = std::env::var("CHUNKER_PROFILE")
        .is_ok_and(|value| value == "1" || value.eq_ignore_ascii_case("true"));
    let state = if on { ON } else { OFF };
    match PROFILING.compare_exchange(UNKNOWN, state, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => on,
        Err(set_meanwhile) => set_meanwhile == ON,
    }
}

/// Switches the timing of phases on or off, whatever the environment says.
pub fn set_profiling_enabled(enabled: bool) {
    PROFILING.store(if enabled { ON } else { OFF }, Ordering::Relaxed);
}

static DURATIONS: [AtomicU64; Phase::ALL.len()] = [const { AtomicU64::new(0) }; Phase::ALL.len()];
static CHUNKS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

pub(super) fn add(phase: Phase, duration: Duration) {
    DURATIONS[phase as usize].fetch_add(nanoseconds(duration), Ordering::Relaxed);
}

pub(super) fn add_chunk(length: usize) {
    CHUNKS.fetch_add(1, Ordering::Relaxed);
    BYTES.fetch_add(length as u64, Ordering::Relaxed);
}

/// Returns the nanoseconds of `duration`; 584 years at most.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Returns the work done while profiling was on, since the start of the process, on all threads.
#[must_use]
pub fn pipeline_metrics() -> PipelineMetrics {
    let nanoseconds = |phase: Phase| DURATIONS[phase as usize].load(Ordering::Relaxed);
    PipelineMetrics {
        fastcdc_duration_ns: nanoseconds(Phase::FastCdc),
        hashing_duration_ns: nanoseconds(Phase::Hashing),
        compression_duration_ns: nanoseconds(Phase::Compression),
        io_wait_duration_ns: nanoseconds(Phase::IoWait),
        chunks_emitted: CHUNKS.load(Ordering::Relaxed),
        bytes_processed: BYTES.load(Ordering::Relaxed),
    }
}

/// Emits the breakdown of [`pipeline_metrics`] as events, if profiling is on.
pub fn report() {
    pipeline_metrics().timings().report();
}

/// Durations of the phases, in nanoseconds, and the work done in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PipelineMetrics {
    /// Finding cut points.
    pub fastcdc_duration_ns: u64,
    /// Computing digests.
    pub hashing_duration_ns: u64,
    /// Compressing.
    pub compression_duration_ns: u64,
    /// Waiting for readers.
    pub io_wait_duration_ns: u64,
    /// Chunks with digests.
    pub chunks_emitted: u64,
    /// Bytes in these chunks.
    pub bytes_processed: u64,
}

impl PipelineMetrics {
    /// Returns the difference from `earlier`, a snapshot taken before this one.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            fastcdc_duration_ns: self.fastcdc_duration_ns.wrapping_sub(earlier.fastcdc_duration_ns),
            hashing_duration_ns: self.hashing_duration_ns.wrapping_sub(earlier.hashing_duration_ns),
            compression_duration_ns: self
                .compression_duration_ns
                .wrapping_sub(earlier.compression_duration_ns),
            io_wait_duration_ns: self.io_wait_duration_ns.wrapping_sub(earlier.io_wait_duration_ns),
            chunks_emitted: self.chunks_emitted.wrapping_sub(earlier.chunks_emitted),
            bytes_processed: self.bytes_processed.wrapping_sub(earlier.bytes_processed),
        }
    }

    /// Returns the durations, with their sum as the total.
    #[must_use]
    pub fn timings(&self) -> PipelineTimings {
        let mut timings = PipelineTimings {
            fastcdc_ns: self.fastcdc_duration_ns,
            hashing_ns: self.hashing_duration_ns,
            compression_ns: self.compression_duration_ns,
            io_wait_ns: self.io_wait_duration_ns,
            total_ns: 0,
        };
        timings.total_ns =
            Phase::ALL.into_iter().fold(0, |sum, phase| sum.saturating_add(timings.nanoseconds(phase)));
        timings
    }
}

/// Durations of the phases and of the whole, in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PipelineTimings {
    /// Finding cut points.
    pub fastcdc_ns: u64,
    /// Computing digests.
    pub hashing_ns: u64,
    /// Compressing.
    pub compression_ns: u64,
    /// Waiting for readers.
    pub io_wait_ns: u64,
    /// The total: the sum of the phases, or the time that passed.
    pub total_ns: u64,
}

/// Behind this share of the total, in per cent, waiting for input is worth a hint.
const IO_WAIT_HINT: f64 = 50.0;

const HINT: &str = "I/O wait exceeds 50%: larger reads may help (CHUNKER_READ_SLICE_CAP_BYTES, at most 1 GiB), \
                    or a memory-mapped file in place of a reader";

impl PipelineTimings {
    /// Returns the duration of `phase` in nanoseconds.
    #[must_use]
    pub const fn nanoseconds(&self, phase: Phase) -> u64 {
        match phase {
            Phase::FastCdc => self.fastcdc_ns,
            Phase::Hashing => self.hashing_ns,
            Phase::Compression => self.compression_ns,
            Phase::IoWait => self.io_wait_ns,
        }
    }

    /// Returns the share of `phase` in the total, in percent; 0 if the total is 0.
    #[must_use]
    pub fn percentage(&self, phase: Phase) -> f64 {
        if self.total_ns == 0 {
            return 0.0;
        }
        self.nanoseconds(phase) as f64 / self.total_ns as f64 * 100.0
    }

    /// Returns the phase that took longest, or `None` if none took any time.
    #[must_use]
    pub fn slowest_phase(&self) -> Option<Phase> {
        let slowest = Phase::ALL.into_iter().max_by_key(|&phase| self.nanoseconds(phase))?;
        (self.nanoseconds(slowest) > 0).then_some(slowest)
    }

    /// Returns a hint on what may help, if more than half of the time was spent waiting for input.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        (self.percentage(Phase::IoWait) > IO_WAIT_HINT).then_some(HINT)
    }

    /// Emits the breakdown as an event at level `INFO`, and the hint as another. Does nothing unless
    /// profiling is on and something was timed.
    pub fn report(&self) {
        let Some(slowest) = self.slowest_phase().filter(|_| is_profiling_enabled() && self.total_ns > 0)
        else {
            return;
        };
        let percent = |phase| -> String { std::format!("{:.1}%", self.percentage(phase)) };
        tracing::info!(
            fastcdc_pct = percent(Phase::FastCdc),
            hashing_pct = percent(Phase::Hashing),
            compression_pct = percent(Phase::Compression),
            io_wait_pct = percent(Phase::IoWait),
            slowest = slowest.name(),
            total_ms = std::format!("{:.2}", self.total_ns as f64 / 1e6),
            "pipeline_timing_breakdown"
        );
        if let Some(hint) = self.hint() {
            tracing::info!("suggestion: {hint}");
        }
    }
}

impl fmt::Display for PipelineTimings {
    /// A line for each phase and for the total, then the slowest phase and the hint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |nanoseconds: u64| nanoseconds as f64 / 1e6;
        for phase in Phase::ALL {
            let (time, share) = (milliseconds(self.nanoseconds(phase)), self.percentage(phase));
            writeln!(f, "{phase:<12}{time:>12.2} ms{share:>7.1} %")?;
        }
        write!(f, "{:<12}{:>12.2} ms", "total", milliseconds(self.total_ns))?;
        if let Some(slowest) = self.slowest_phase() {
            write!(f, "\nslowest phase: {slowest}, {:.1} %", self.percentage(slowest))?;
        }
        self.hint().map_or(Ok(()), |hint| write!(f, "\n{hint}"))
    }
}

/// Adds its lifetime to a number of nanoseconds.
///
/// ```
/// use chunker::profiling::{PhaseTimer, PipelineTimings};
///
/// let mut timings = PipelineTimings::default();
/// {
///     let _timer = PhaseTimer::new(&mut timings.hashing_ns);
///     chunker::hashing::blake3_hash_raw(&[7; 100_000]);
/// }
/// assert!(timings.hashing_ns > 0);
/// ```
#[derive(Debug)]
#[must_use = "it times until it is dropped"]
pub struct PhaseTimer<'a> {
    start: Instant,
    accumulator: &'a mut u64,
}

impl<'a> PhaseTimer<'a> {
    /// Starts the clock.
    pub fn new(accumulator: &'a mut u64) -> Self {
        Self { start: Instant::now(), accumulator }
    }
}

impl Drop for PhaseTimer<'_> {
    fn drop(&mut self) {
        *self.accumulator = self.accumulator.saturating_add(nanoseconds(self.start.elapsed()));
    }
}

#[cfg(feature = "flamegraph")]
pub use super::flame::{FlamegraphError, FlamegraphGuard, setup_flamegraph, setup_flamegraph_in};

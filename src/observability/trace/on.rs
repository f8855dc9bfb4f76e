//! Events and phases, for `tracing` and profiles.

#[cfg(feature = "flamegraph")]
mod flame;
pub mod profiling;
#[cfg_attr(feature = "spans", path = "spans/on.rs")]
#[cfg_attr(not(feature = "spans"), path = "spans/off.rs")]
pub(super) mod spans;
pub(super) mod subscriber;

use super::clock::Instant;
use super::phase::Phase;
use crate::algorithm::HashAlgorithm;
use core::fmt;
use core::time::Duration;
use subscriber::{is_tracing_enabled, trace_sample_rate};

/// Emits an event at level `TRACE` for one in `$rate` passes: the first of each thread, then every
/// `$rate`th.
///
/// The rate is a `u64` of at least 1; the arguments after it are those of `tracing::trace!`. Each use of the
/// macro counts separately.
///
/// ```
/// use chunker::tracing_utils::trace_sampled;
///
/// let (offset, length) = (0, 4096);
/// trace_sampled!(1024, offset = offset, length = length, "chunk_emitted");
/// ```
#[macro_export]
macro_rules! trace_sampled {
    ($rate:expr, $($event:tt)*) => {
        if $crate::tracing_utils::is_tracing_enabled() {
            ::std::thread_local! {
                static LEFT: ::core::cell::Cell<u64> = const { ::core::cell::Cell::new(0) };
            }
            let left = LEFT.get();
            if left == 0 {
                let rate: u64 = $rate;
                LEFT.set(rate.saturating_sub(1));
                $crate::tracing_utils::__tracing::trace!($($event)*);
            } else {
                LEFT.set(left - 1);
            }
        }
    };
}

/// Does the work of a phase.
#[inline]
pub(super) fn in_phase<T>(phase: Phase, work: impl FnOnce() -> T) -> T {
    let _span = spans::enter(phase);
    let start = profiling::is_profiling_enabled().then(Instant::now);
    let result = work();
    if let Some(start) = start {
        profiling::add(phase, start.elapsed());
    }
    result
}

/// Observes the reads of one input.
#[derive(Debug, Default)]
pub(crate) struct ReadObserver {
    /// When the read began that the reader has not answered yet.
    pending_since: Option<Instant>,
}

impl ReadObserver {
    /// Does what reads; an error stands for an answer that has to be waited for.
    #[inline]
    pub(crate) fn reading<T, P>(&mut self, read: impl FnOnce() -> Result<T, P>) -> Result<T, P> {
        let waiting = self.pending_since.take();
        let start = waiting.or_else(|| profiling::is_profiling_enabled().then(Instant::now));
        let _span = spans::enter(Phase::IoWait);
        let result = read();
        match start {
            Some(start) if result.is_ok() => profiling::add(Phase::IoWait, start.elapsed()),
            start => self.pending_since = start,
        }
        result
    }
}

/// A chunk is complete.
#[inline]
pub(super) fn emitted(hash: HashAlgorithm, offset: u64, length: usize) {
    if profiling::is_profiling_enabled() {
        profiling::add_chunk(length);
    }
    trace_sampled!(
        trace_sample_rate(),
        target: "chunker",
        offset,
        length,
        hash = hash.name(),
        "chunk_emitted"
    );
}

/// An error is returned.
#[cold]
pub(super) fn failed(code: &'static str) {
    if is_tracing_enabled() {
        tracing::debug!(target: "chunker", code, "error_returned");
    }
}

/// The latencies of a window are over their threshold.
pub(super) fn latency_exceeded(
    operation: &dyn fmt::Display,
    threshold: Duration,
    operations: u64,
    over: u64,
    longest: Duration,
) {
    tracing::warn!(
        %operation,
        threshold_secs = threshold.as_secs_f64(),
        operations,
        over_threshold = over,
        longest_secs = longest.as_secs_f64(),
        "latency_threshold_exceeded"
    );
}

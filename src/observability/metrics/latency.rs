//! Latencies: the buckets of their histograms, and warnings when their 99th percentile is too high.

use crate::observability::clock::Instant;
use crate::observability::trace;
use core::fmt;
use core::panic::Location;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use metrics::{Histogram, counter};
use std::collections::BTreeMap;
use std::string::ToString;
use std::sync::{Mutex, PoisonError};

/// Bounds of buckets, in seconds, for exporters that need them.
pub mod buckets {
    /// Cutting and hashing a chunk: 100 µs to 100 ms.
    pub const CHUNK_LATENCY: &[f64] = &[0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1];

    /// Compressing: 1 ms to 10 s.
    pub const COMPRESSION_LATENCY: &[f64] =
        &[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

    /// Hashing: 10 µs to 100 ms.
    pub const HASH_LATENCY: &[f64] = &[0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.01, 0.1];
}

/// How long a percentile is taken over.
const WINDOW: Duration = Duration::from_secs(10);

/// From this many latencies on, a window need not end before its 99th percentile means something.
const ENOUGH: u64 = 100;

/// The latencies of [`WINDOW`], as far as a threshold cares.
#[derive(Debug, Default)]
struct Window {
    start: Option<Instant>,
    operations: u64,
    /// How many of them took longer than the threshold.
    over: u64,
    longest: Duration,
    warned: bool,
}

impl Window {
    /// Adds a latency, and returns what to warn of: once in a window, when its 99th percentile (by
    /// nearest rank) is over the threshold. A window of few latencies is judged when the next begins.
    fn add(&mut self, latency: Duration, over: bool, now: Instant) -> Option<Exceeded> {
        let ended = self.start.is_some_and(|start| now.saturating_duration_since(start) >= WINDOW);
        let of_last = if ended { std::mem::take(self).judged(1) } else { None };
        self.start.get_or_insert(now);
        self.operations += 1;
        self.over += u64::from(over);
        self.longest = self.longest.max(latency);
        let exceeded = self.judged(ENOUGH);
        self.warned |= exceeded.is_some();
        of_last.or(exceeded)
    }

    /// The 99th percentile is over the threshold when more than a hundredth of the latencies are.
    fn judged(&self, enough: u64) -> Option<Exceeded> {
        let Self { operations, over, longest, warned, .. } = *self;
        (!warned && operations >= enough && over > operations / 100).then_some(Exceeded {
            operations,
            over,
            longest,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Exceeded {
    operations: u64,
    over: u64,
    longest: Duration,
}

impl Exceeded {
    fn warn(self, operation: &dyn fmt::Display, threshold: Duration) {
        counter!("chunker.latency_threshold_exceeded_total", "operation" => operation.to_string())
            .increment(1);
        trace::latency_exceeded(operation, threshold, self.operations, self.over, self.longest);
    }
}

/// An operation of the library whose latencies are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Cutting and hashing a chunk.
    Chunk,
    /// Hashing.
    Hash,
    /// Compressing.
    Compression,
}

impl Operation {
    const fn name(self) -> &'static str {
        match self {
            Self::Chunk => "chunk",
            Self::Hash => "hash",
            Self::Compression => "compression",
        }
    }
}

/// A threshold and the window that it is held against.
struct Watch {
    /// Nanoseconds; [`NO_THRESHOLD`] stands for none.
    threshold: AtomicU64,
    window: Mutex<Window>,
}

const NO_THRESHOLD: u64 = u64::MAX;

static WATCHES: [Watch; 3] = [const {
    let window = Window { start: None, operations: 0, over: 0, longest: Duration::ZERO, warned: false };
    Watch { threshold: AtomicU64::new(NO_THRESHOLD), window: Mutex::new(window) }
}; 3];

/// Warns when the 99th percentile of the latencies of `operation` exceeds `threshold`;
/// `None` switches the warning off.
///
/// Percentiles cover windows of ten seconds, and each window warns at most once: with the event
/// `latency_threshold_exceeded` at level `WARN` if the feature `tracing` is on, and always in the counter
/// `chunker.latency_threshold_exceeded_total`. Thresholds of 584 years or more never warn.
pub fn set_latency_threshold(operation: Operation, threshold: Option<Duration>) {
    let nanoseconds = threshold.and_then(|threshold| u64::try_from(threshold.as_nanos()).ok());
    WATCHES[operation as usize].threshold.store(nanoseconds.unwrap_or(NO_THRESHOLD), Ordering::Relaxed);
}

/// Holds a latency of the library against its threshold, if there is one.
pub(super) fn watch(operation: Operation, latency: Duration) {
    let Watch { threshold, window } = &WATCHES[operation as usize];
    let nanoseconds = threshold.load(Ordering::Relaxed);
    if nanoseconds == NO_THRESHOLD {
        return;
    }
    let threshold = Duration::from_nanos(nanoseconds);
    let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
    let exceeded = window.add(latency, latency > threshold, Instant::now());
    drop(window);
    if let Some(exceeded) = exceeded {
        exceeded.warn(&operation.name(), threshold);
    }
}

/// The windows of the lines that call [`LatencyGuard::with_threshold`].
static LINES: Mutex<BTreeMap<&Location<'_>, Window>> = Mutex::new(BTreeMap::new());

/// Records its lifetime in a histogram, in seconds.
///
/// ```
/// use chunker::metrics_utils::LatencyGuard;
/// use std::sync::LazyLock;
///
/// static UPLOAD: LazyLock<metrics::Histogram> =
///     LazyLock::new(|| metrics::histogram!("upload_latency_seconds"));
///
/// let guard = LatencyGuard::new(&UPLOAD).with_threshold(0.5);
/// // the upload
/// drop(guard);
/// ```
#[derive(Debug)]
#[must_use = "it measures until it is dropped"]
pub struct LatencyGuard {
    start: Instant,
    histogram: &'static Histogram,
    threshold: Option<(f64, &'static Location<'static>)>,
}

impl LatencyGuard {
    /// Starts the clock.
    pub fn new(histogram: &'static Histogram) -> Self {
        Self { start: Instant::now(), histogram, threshold: None }
    }

    /// Warns when the 99th percentile exceeds `threshold_secs`, as
    /// [`set_latency_threshold`] does.
    ///
    /// Each line of code that calls this has its own window. A threshold that no duration exceeds,
    /// such as infinity or `NaN`, never warns.
    #[track_caller]
    pub fn with_threshold(mut self, threshold_secs: f64) -> Self {
        self.threshold = Some((threshold_secs, Location::caller()));
        self
    }
}

impl Drop for LatencyGuard {
    fn drop(&mut self) {
        let now = Instant::now();
        let latency = now.saturating_duration_since(self.start);
        self.histogram.record(latency.as_secs_f64());
        let Some((threshold, line)) = self.threshold else {
            return;
        };
        let over = latency.as_secs_f64() > threshold;
        let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        let exceeded = lines.entry(line).or_default().add(latency, over, now);
        drop(lines);
        if let Some(exceeded) = exceeded {
            exceeded.warn(line, Duration::try_from_secs_f64(threshold).unwrap_or_default());
        }
    }
}

/// Evaluates an expression and records how long it took: `time_operation!(histogram, threshold_secs,
/// expression)`.
///
/// The histogram is a `&'static metrics::Histogram`; thresholds are those of
/// [`LatencyGuard::with_threshold`](crate::metrics_utils::LatencyGuard::with_threshold).
#[macro_export]
macro_rules! time_operation {
    ($histogram:expr, $threshold:expr, $body:expr) => {{
        let _guard = $crate::metrics_utils::LatencyGuard::new($histogram).with_threshold($threshold);
        $body
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(window: &mut Window, start: Instant, milliseconds: u64, over: bool) -> Option<Exceeded> {
        window.add(Duration::from_millis(5), over, start + Duration::from_millis(milliseconds))
    }

    #[test]
    fn one_slow_operation_of_a_hundred_is_no_breach_and_two_are() {
        let (mut window, start) = (Window::default(), Instant::now());
        assert_eq!(add(&mut window, start, 0, true), None);
        for at in 1..100 {
            assert_eq!(add(&mut window, start, at, false), None);
        }
        let exceeded = add(&mut window, start, 100, true).expect("2 of 101");
        assert_eq!((exceeded.operations, exceeded.over), (101, 2));
    }

    #[test]
    fn a_window_warns_once_however_many_are_slow() {
        let (mut window, start) = (Window::default(), Instant::now());
        let warnings = (0..9_999).filter_map(|at| add(&mut window, start, at, true)).count();
        assert_eq!(warnings, 1);
        let warnings = (10_000..20_000).filter_map(|at| add(&mut window, start, at, true)).count();
        assert_eq!(warnings, 1, "in the next window");
    }

    #[test]
    fn a_window_of_few_operations_is_judged_when_the_next_begins() {
        let (mut window, start) = (Window::default(), Instant::now());
        assert_eq!(add(&mut window, start, 0, true), None);
        assert_eq!(add(&mut window, start, 9_999, false), None);
        let exceeded = add(&mut window, start, 10_000, false).expect("the longest of two is their p99");
        assert_eq!((exceeded.operations, exceeded.over), (2, 1));
        assert_eq!(add(&mut window, start, 20_000, false), None, "the one before had none over");
    }

    #[test]
    fn the_judgement_is_that_of_the_sorted_latencies() {
        for over in 0..20 {
            for operations in [100, 101, 199, 200, 201, 999, 1000] {
                let window = Window { operations, over, ..Window::default() };
                // nearest rank: the smallest latency that at least 99 % are not above
                let rank = (operations * 99).div_ceil(100);
                let exceeds = rank > operations - over;
                assert_eq!(window.judged(ENOUGH).is_some(), exceeds, "{over} of {operations}");
            }
        }
    }
}

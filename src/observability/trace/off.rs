//! Empty stand-ins for builds without `tracing` and profiles.

use super::phase::Phase;
use crate::algorithm::HashAlgorithm;
use core::fmt;
use core::time::Duration;

/// Does nothing: the crate was built without its feature `tracing`.
#[macro_export]
macro_rules! trace_sampled {
    ($rate:expr, $($event:tt)*) => {};
}

#[inline(always)]
pub(super) fn in_phase<T>(_phase: Phase, work: impl FnOnce() -> T) -> T {
    work()
}

/// Observes the reads of one input.
#[derive(Debug, Default)]
pub(crate) struct ReadObserver(());

impl ReadObserver {
    #[inline(always)]
    pub(crate) fn reading<T, P>(&mut self, read: impl FnOnce() -> Result<T, P>) -> Result<T, P> {
        read()
    }
}

#[inline(always)]
pub(super) fn emitted(_hash: HashAlgorithm, _offset: u64, _length: usize) {}

#[inline(always)]
pub(super) fn failed(_code: &'static str) {}

#[cfg_attr(not(feature = "metrics"), expect(dead_code, reason = "metrics alone measure latencies"))]
#[inline(always)]
pub(super) fn latency_exceeded(
    _operation: &dyn fmt::Display,
    _threshold: Duration,
    _operations: u64,
    _over: u64,
    _longest: Duration,
) {
}

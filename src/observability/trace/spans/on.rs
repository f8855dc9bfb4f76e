//! Phases as spans of `tracing`.

use crate::observability::phase::Phase;
use core::sync::atomic::{AtomicBool, Ordering};
use tracing::span::EnteredSpan;

static SPANS: AtomicBool = AtomicBool::new(false);

/// Switches the spans of phases on or off; they are off at first.
///
/// While they are on, every phase of every chunk is a span of level `TRACE`, named as
/// [`Phase::name`] says, for whatever subscriber the program has.
pub fn set_spans_enabled(enabled: bool) {
    SPANS.store(enabled, Ordering::Relaxed);
}

/// Returns whether phases are spans.
#[inline]
#[must_use]
pub fn are_spans_enabled() -> bool {
    SPANS.load(Ordering::Relaxed)
}

/// Opens a span for `phase`, if spans are on.
#[inline]
pub(in crate::observability::trace) fn enter(phase: Phase) -> Option<EnteredSpan> {
    are_spans_enabled().then(|| match phase {
        Phase::FastCdc => tracing::trace_span!("fastcdc").entered(),
        Phase::Hashing => tracing::trace_span!("hashing").entered(),
        Phase::Compression => tracing::trace_span!("compression").entered(),
        Phase::IoWait => tracing::trace_span!("io_wait").entered(),
    })
}

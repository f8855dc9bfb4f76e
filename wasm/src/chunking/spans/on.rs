//! What the core does not observe: cuts without digests.

use chunker::tracing_utils::{trace_sample_rate, trace_sampled};

/// Does what cuts.
pub(super) fn cutting<T>(cut: impl FnOnce() -> T) -> T {
    tracing::trace_span!("fastcdc").in_scope(cut)
}

/// A chunk was found.
pub(super) fn emitted(offset: u64, length: usize) {
    trace_sampled!(trace_sample_rate(), target: "chunker", offset, length, "chunk_emitted");
}

//! Where the rest of the crate says what it does: once per chunk or operation, never per byte.
//!
//! Everything here is inlined, so that without tracing and metrics not an instruction is left of it.

pub(crate) use super::metrics::{DigestObserver, StreamObserver, decompressed};
pub(crate) use super::trace::ReadObserver;

use super::phase::Phase;
use super::{metrics, trace};
use crate::algorithm::HashAlgorithm;

/// Observes one input while it is chunked.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    metrics: metrics::Chunks,
}

impl Clone for Observer {
    /// Returns an observer that has seen nothing: what this one has seen, it delivers itself.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Observer {
    /// Returns an observer of chunks that another thread has cut, whose latencies say nothing.
    #[inline(always)]
    pub(crate) fn untimed() -> Self {
        Self { metrics: metrics::Chunks::untimed() }
    }

    /// Does what cuts.
    #[inline(always)]
    pub(crate) fn cutting<T>(&mut self, cut: impl FnOnce() -> T) -> T {
        self.metrics.timing(Phase::FastCdc, || trace::in_phase(Phase::FastCdc, cut))
    }

    /// Does what hashes.
    #[inline(always)]
    pub(crate) fn hashing<T>(&mut self, hash: impl FnOnce() -> T) -> T {
        self.metrics.timing(Phase::Hashing, || trace::in_phase(Phase::Hashing, hash))
    }

    /// Returns the digest of a chunk; [`emitted`](Self::emitted) counts it.
    #[inline(always)]
    pub(crate) fn digest(&mut self, hash: HashAlgorithm, chunk: &[u8]) -> [u8; 32] {
        self.hashing(|| hash.unobserved_digest(chunk))
    }

    /// A chunk is complete.
    #[inline(always)]
    pub(crate) fn emitted(&mut self, hash: HashAlgorithm, offset: u64, length: usize) {
        self.metrics.emitted(hash, length);
        trace::emitted(hash, offset, length);
    }

    /// The input has failed, with an error of this code.
    #[inline(always)]
    pub(crate) fn failed(&mut self, code: &'static str) {
        failed(code);
        self.ended();
    }

    /// The input has ended.
    #[inline(always)]
    pub(crate) fn ended(&mut self) {
        self.metrics.flush();
    }
}

/// Does what cuts, on a thread that works for others.
#[inline(always)]
pub(crate) fn cutting<T>(cut: impl FnOnce() -> T) -> T {
    trace::in_phase(Phase::FastCdc, cut)
}

/// Returns the digest of a chunk, on a thread that works for others; [`Observer::emitted`] counts it.
#[inline(always)]
pub(crate) fn digest_of_chunk(hash: HashAlgorithm, chunk: &[u8]) -> [u8; 32] {
    trace::in_phase(Phase::Hashing, || hash.unobserved_digest(chunk))
}

/// Returns the digest of data that belong to no observed chunk.
#[inline(always)]
pub(crate) fn digest(hash: HashAlgorithm, data: &[u8]) -> [u8; 32] {
    metrics::digesting(hash, data.len(), || trace::in_phase(Phase::Hashing, || hash.unobserved_digest(data)))
}

/// Does what compresses `length` bytes in one call; `made` says how many they became.
#[inline(always)]
pub(crate) fn compressing<T, E>(
    codec: &'static str,
    length: usize,
    compress: impl FnOnce() -> Result<T, E>,
    made: impl FnOnce(&T) -> usize,
) -> Result<T, E> {
    metrics::compressing(codec, length, || trace::in_phase(Phase::Compression, compress), made)
}

/// An error is returned.
#[inline(always)]
pub(crate) fn failed(code: &'static str) {
    metrics::failed(code);
    trace::failed(code);
}

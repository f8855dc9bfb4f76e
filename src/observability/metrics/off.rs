//! Empty stand-ins for builds without the feature `metrics`.

use super::phase::Phase;
use crate::algorithm::HashAlgorithm;

/// Does nothing: the crate was built without its feature `metrics`.
#[inline]
pub fn init_metrics() {}

/// Does nothing: the crate was built without its feature `metrics`.
#[inline]
pub fn record_chunk(_size: usize) {}

/// Does nothing: the crate was built without its feature `metrics`.
#[inline]
pub fn flush_metrics() {}

/// The metrics of one input while it is chunked.
#[derive(Debug, Default)]
pub(super) struct Chunks(());

impl Chunks {
    #[inline(always)]
    pub(super) fn untimed() -> Self {
        Self(())
    }

    #[inline(always)]
    pub(super) fn timing<T>(&mut self, _phase: Phase, work: impl FnOnce() -> T) -> T {
        work()
    }

    #[inline(always)]
    pub(super) fn emitted(&mut self, _hash: HashAlgorithm, _length: usize) {}

    #[inline(always)]
    pub(super) fn flush(&mut self) {}
}

#[inline(always)]
pub(super) fn digesting<T>(_hash: HashAlgorithm, _length: usize, digest: impl FnOnce() -> T) -> T {
    digest()
}

/// Observes a digest of data that arrive in pieces.
#[derive(Clone, Debug)]
pub(crate) struct DigestObserver(());

impl DigestObserver {
    #[inline(always)]
    pub(crate) fn new(_hash: HashAlgorithm) -> Self {
        Self(())
    }

    #[inline(always)]
    pub(crate) fn silent() -> Self {
        Self(())
    }

    #[inline(always)]
    pub(crate) fn updated(&mut self, _length: usize) {}

    #[inline(always)]
    pub(crate) fn finished(&mut self) {}
}

/// Observes a stream that is compressed or decompressed.
#[derive(Debug)]
pub(crate) struct StreamObserver(());

impl StreamObserver {
    #[inline(always)]
    pub(crate) fn compressing(_codec: &'static str) -> Self {
        Self(())
    }

    #[inline(always)]
    pub(crate) fn decompressing(_codec: &'static str) -> Self {
        Self(())
    }

    #[inline(always)]
    pub(crate) fn read(&mut self, _length: usize) {}

    #[inline(always)]
    pub(crate) fn wrote(&mut self, _length: usize) {}
}

#[inline(always)]
pub(super) fn compressing<T, E>(
    _codec: &'static str,
    _length: usize,
    compress: impl FnOnce() -> Result<T, E>,
    _made: impl FnOnce(&T) -> usize,
) -> Result<T, E> {
    compress()
}

#[inline(always)]
pub(crate) fn decompressed(_codec: &'static str, _length_in: usize, _length_out: usize) {}

#[inline(always)]
pub(super) fn failed(_code: &'static str) {}

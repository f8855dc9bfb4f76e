//! The hooks of a build that observes nothing: they are not there.

#![allow(clippy::inline_always, reason = "not an instruction may be left of them")]

use crate::algorithm::HashAlgorithm;
#[cfg(feature = "std")]
use core::task::Poll;

/// Observes one input while it is chunked.
#[cfg(feature = "alloc")]
#[derive(Clone, Debug, Default)]
pub(crate) struct Observer(());

#[cfg(feature = "alloc")]
impl Observer {
    #[cfg(feature = "rayon")]
    #[inline(always)]
    pub(crate) fn untimed() -> Self {
        Self::default()
    }

    #[inline(always)]
    pub(crate) fn cutting<T>(&mut self, cut: impl FnOnce() -> T) -> T {
        cut()
    }

    #[inline(always)]
    pub(crate) fn hashing<T>(&mut self, hash: impl FnOnce() -> T) -> T {
        hash()
    }

    #[inline(always)]
    pub(crate) fn digest(&mut self, hash: HashAlgorithm, chunk: &[u8]) -> [u8; 32] {
        hash.digest(chunk)
    }

    #[inline(always)]
    pub(crate) fn emitted(&mut self, _hash: HashAlgorithm, _offset: u64, _length: usize) {}

    #[inline(always)]
    pub(crate) fn ended(&mut self) {}

    #[cfg(feature = "std")]
    #[inline(always)]
    pub(crate) fn failed(&mut self, _code: &'static str) {}
}

/// Observes the reads of one input.
#[cfg(feature = "std")]
#[derive(Debug, Default)]
pub(crate) struct ReadObserver(());

#[cfg(feature = "std")]
impl ReadObserver {
    #[inline(always)]
    pub(crate) fn reading<T>(&mut self, read: impl FnOnce() -> Poll<T>) -> Poll<T> {
        read()
    }
}

#[inline(always)]
pub(crate) fn digesting<T>(_hash: HashAlgorithm, _length: usize, digest: impl FnOnce() -> T) -> T {
    digest()
}

#[cfg(feature = "alloc")]
#[inline(always)]
pub(crate) fn failed(_code: &'static str) {}

/// Observes a digest of data that arrive in pieces.
#[derive(Clone, Debug)]
pub(crate) struct DigestObserver(());

impl DigestObserver {
    #[inline(always)]
    pub(crate) fn new(_hash: HashAlgorithm) -> Self {
        Self(())
    }

    #[cfg(feature = "alloc")]
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
#[cfg(any(feature = "zstd", feature = "lz4", feature = "xz", feature = "bzip2"))]
#[derive(Debug)]
pub(crate) struct StreamObserver(());

#[cfg(any(feature = "zstd", feature = "lz4", feature = "xz", feature = "bzip2"))]
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

#[cfg(any(feature = "zstd", feature = "lz4", feature = "xz", feature = "bzip2"))]
#[inline(always)]
pub(crate) fn compressing<T, E>(
    _codec: &'static str,
    _length: usize,
    compress: impl FnOnce() -> Result<T, E>,
    _made: impl FnOnce(&T) -> usize,
) -> Result<T, E> {
    compress()
}

#[cfg(any(feature = "zstd", feature = "lz4", feature = "xz", feature = "bzip2"))]
#[inline(always)]
pub(crate) fn decompressed(_codec: &'static str, _length_in: usize, _length_out: usize) {}

#[cfg(feature = "rayon")]
#[inline(always)]
pub(crate) fn cutting<T>(cut: impl FnOnce() -> T) -> T {
    cut()
}

#[cfg(feature = "rayon")]
#[inline(always)]
pub(crate) fn digest_of_chunk(hash: HashAlgorithm, chunk: &[u8]) -> [u8; 32] {
    hash.digest(chunk)
}

//! Counters and histograms, for a recorder of the `metrics` facade.

mod batch;
mod counting;
mod latency;

pub use crate::time_operation;
pub(super) use batch::Chunks;
pub use batch::{flush_metrics, record_chunk};
pub use counting::{CodecTally, Tally, Totals, init_metrics, totals};
pub use latency::{LatencyGuard, Operation, buckets, set_latency_threshold};

use super::clock::Instant;
use crate::algorithm::HashAlgorithm;
use core::mem;

/// Does what digests `length` bytes that belong to no observed chunk.
#[inline]
pub(super) fn digesting<T>(hash: HashAlgorithm, length: usize, digest: impl FnOnce() -> T) -> T {
    let start = batch::times_digest().then(Instant::now);
    let result = digest();
    counting::add_digest(hash, length as u64, start.map(|start| start.elapsed()));
    result
}

/// Observes a digest of data that arrive in pieces.
#[derive(Clone, Debug)]
pub(crate) struct DigestObserver {
    /// What digests, unless the caller counts for itself.
    hash: Option<HashAlgorithm>,
    length: u64,
}

impl DigestObserver {
    pub(crate) fn new(hash: HashAlgorithm) -> Self {
        Self { hash: Some(hash), length: 0 }
    }

    /// Returns one that counts nothing, for digests that their caller counts.
    pub(crate) fn silent() -> Self {
        Self { hash: None, length: 0 }
    }

    /// The digest will be of `length` more bytes.
    #[inline]
    pub(crate) fn updated(&mut self, length: usize) {
        self.length += length as u64;
    }

    /// The digest is made, and the next begins.
    #[inline]
    pub(crate) fn finished(&mut self) {
        let length = mem::take(&mut self.length);
        if let Some(hash) = self.hash {
            counting::add_digest(hash, length, None);
        }
    }
}

/// Observes a stream that is compressed or decompressed; what it has counted it delivers every MiB, and
/// when it is dropped.
#[derive(Debug)]
pub(crate) struct StreamObserver {
    /// Counts bytes in and out of a codec.
    count: fn(&'static str, u64, u64),
    codec: &'static str,
    bytes_in: u64,
    bytes_out: u64,
}

impl StreamObserver {
    pub(crate) fn compressing(codec: &'static str) -> Self {
        Self { count: counting::add_stream, codec, bytes_in: 0, bytes_out: 0 }
    }

    pub(crate) fn decompressing(codec: &'static str) -> Self {
        Self { count: counting::add_decompression, codec, bytes_in: 0, bytes_out: 0 }
    }

    /// `length` bytes more went in.
    #[inline]
    pub(crate) fn read(&mut self, length: usize) {
        self.bytes_in += length as u64;
        if self.bytes_in >= 1 << 20 {
            self.flush();
        }
    }

    /// `length` bytes more came out.
    #[inline]
    pub(crate) fn wrote(&mut self, length: usize) {
        self.bytes_out += length as u64;
        if self.bytes_out >= 1 << 20 {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let (bytes_in, bytes_out) = (mem::take(&mut self.bytes_in), mem::take(&mut self.bytes_out));
        if bytes_in + bytes_out > 0 {
            (self.count)(self.codec, bytes_in, bytes_out);
        }
    }
}

impl Drop for StreamObserver {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Does what compresses `length` bytes in one call; `made` says how many they became.
pub(super) fn compressing<T, E>(
    codec: &'static str,
    length: usize,
    compress: impl FnOnce() -> Result<T, E>,
    made: impl FnOnce(&T) -> usize,
) -> Result<T, E> {
    let start = Instant::now();
    let result = compress();
    if let Ok(output) = &result {
        counting::add_compression(codec, length, made(output), start.elapsed());
    }
    result
}

/// `length_in` bytes were decompressed in one call, and became `length_out`.
pub(crate) fn decompressed(codec: &'static str, length_in: usize, length_out: usize) {
    counting::add_decompression(codec, length_in as u64, length_out as u64);
}

/// An error is returned.
#[cold]
pub(super) fn failed(code: &'static str) {
    counting::add_error(code);
}

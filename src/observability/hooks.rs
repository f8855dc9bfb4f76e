//! Where the rest of the crate says what it does: once per chunk or operation, never per byte.

use super::clock::Instant;
use super::phase::Phase;
#[cfg(feature = "metrics")]
use super::{batch, counting};
#[cfg(feature = "tracing")]
use super::{profiling, tracing_utils};
use crate::algorithm::HashAlgorithm;
use core::task::Poll;
use core::time::Duration;
use sha2::Digest as _;

/// Observes one input while it is chunked.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    #[cfg(feature = "metrics")]
    metrics: batch::ChunkMetrics,
}

impl Clone for Observer {
    /// Returns an observer that has seen nothing: what this one has seen, it delivers itself.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Observer {
    /// Returns an observer of chunks that another thread has cut, whose latencies say nothing.
    #[cfg(feature = "rayon")]
    pub(crate) fn untimed() -> Self {
        Self {
            #[cfg(feature = "metrics")]
            metrics: batch::ChunkMetrics::untimed(),
        }
    }

    /// Does what cuts.
    #[inline]
    pub(crate) fn cutting<T>(&mut self, cut: impl FnOnce() -> T) -> T {
        self.phase(Phase::FastCdc, cut)
    }

    /// Does what hashes.
    #[inline]
    pub(crate) fn hashing<T>(&mut self, hash: impl FnOnce() -> T) -> T {
        self.phase(Phase::Hashing, hash)
    }

    /// Returns the digest of a chunk; [`emitted`](Self::emitted) counts it.
    #[inline]
    pub(crate) fn digest(&mut self, hash: HashAlgorithm, chunk: &[u8]) -> [u8; 32] {
        self.hashing(|| unobserved_digest(hash, chunk))
    }

    #[inline]
    fn phase<T>(&mut self, phase: Phase, work: impl FnOnce() -> T) -> T {
        #[cfg(feature = "metrics")]
        let timed = self.metrics.times_chunk();
        #[cfg(not(feature = "metrics"))]
        let timed = false;
        let (result, duration) = observed(phase, timed, work);
        #[cfg(feature = "metrics")]
        if let Some(duration) = duration {
            self.metrics.add_duration(phase, duration);
        }
        #[cfg(not(feature = "metrics"))]
        let _ = duration;
        result
    }

    /// A chunk is complete.
    #[inline]
    #[cfg_attr(not(feature = "metrics"), expect(clippy::unused_self, reason = "metrics need it"))]
    pub(crate) fn emitted(&mut self, hash: HashAlgorithm, offset: u64, length: usize) {
        #[cfg(feature = "metrics")]
        self.metrics.emitted(hash, length);
        #[cfg(feature = "tracing")]
        {
            if profiling::is_profiling_enabled() {
                profiling::add_chunk(length);
            }
            tracing_utils::trace_sampled!(
                tracing_utils::trace_sample_rate(),
                target: "chunker",
                offset,
                length,
                hash = hash.name(),
                "chunk_emitted"
            );
        }
        #[cfg(not(feature = "tracing"))]
        let _ = offset;
    }

    /// The input has failed, with an error of this code.
    pub(crate) fn failed(&mut self, code: &'static str) {
        failed(code);
        self.ended();
    }

    /// The input has ended.
    #[cfg_attr(not(feature = "metrics"), expect(clippy::unused_self, reason = "metrics need it"))]
    pub(crate) fn ended(&mut self) {
        #[cfg(feature = "metrics")]
        self.metrics.flush();
    }
}

/// Observes the reads of one input.
#[derive(Debug, Default)]
pub(crate) struct ReadObserver {
    /// When the read began that the reader has not answered yet.
    #[cfg(feature = "tracing")]
    pending_since: Option<Instant>,
}

impl ReadObserver {
    /// Does what reads.
    #[inline]
    pub(crate) fn reading<T>(&mut self, read: impl FnOnce() -> Poll<T>) -> Poll<T> {
        #[cfg(feature = "tracing")]
        {
            let waiting = self.pending_since.take();
            let start = waiting.or_else(|| profiling::is_profiling_enabled().then(Instant::now));
            #[cfg(feature = "flamegraph")]
            let _span = profiling::enter(Phase::IoWait);
            let result = read();
            match start {
                Some(start) if result.is_ready() => profiling::add(Phase::IoWait, start.elapsed()),
                start => self.pending_since = start,
            }
            result
        }
        #[cfg(not(feature = "tracing"))]
        read()
    }
}

/// Does `work`, and returns how long it took when that is asked for or profiled.
#[inline]
fn observed<T>(phase: Phase, timed: bool, work: impl FnOnce() -> T) -> (T, Option<Duration>) {
    #[cfg(feature = "tracing")]
    let profiled = profiling::is_profiling_enabled();
    #[cfg(not(feature = "tracing"))]
    let profiled = false;
    #[cfg(feature = "flamegraph")]
    let _span = profiling::enter(phase);
    let start = (timed || profiled).then(Instant::now);
    let result = work();
    let duration = start.map(|start| start.elapsed());
    #[cfg(feature = "tracing")]
    if let Some(duration) = duration.filter(|_| profiled) {
        profiling::add(phase, duration);
    }
    #[cfg(not(feature = "tracing"))]
    let _ = phase;
    (result, duration)
}

/// Does what cuts, on a thread that works for others.
#[cfg(feature = "rayon")]
#[inline]
pub(crate) fn cutting<T>(cut: impl FnOnce() -> T) -> T {
    observed(Phase::FastCdc, false, cut).0
}

/// Returns the digest of a chunk, on a thread that works for others; [`Observer::emitted`] counts it.
#[cfg(feature = "rayon")]
#[inline]
pub(crate) fn digest_of_chunk(hash: HashAlgorithm, chunk: &[u8]) -> [u8; 32] {
    observed(Phase::Hashing, false, || unobserved_digest(hash, chunk)).0
}

fn unobserved_digest(hash: HashAlgorithm, data: &[u8]) -> [u8; 32] {
    match hash {
        HashAlgorithm::Sha256 => sha2::Sha256::digest(data).into(),
        HashAlgorithm::Blake3 => blake3::hash(data).into(),
    }
}

/// Does what digests `length` bytes that belong to no observed chunk.
#[inline]
pub(crate) fn digesting<T>(hash: HashAlgorithm, length: usize, digest: impl FnOnce() -> T) -> T {
    #[cfg(feature = "metrics")]
    let timed = batch::times_digest();
    #[cfg(not(feature = "metrics"))]
    let timed = false;
    let (result, duration) = observed(Phase::Hashing, timed, digest);
    #[cfg(feature = "metrics")]
    counting::add_digest(hash, length as u64, duration.filter(|_| timed));
    #[cfg(not(feature = "metrics"))]
    let _ = (hash, length, duration);
    result
}

/// Observes a digest of data that arrive in pieces.
#[derive(Clone, Debug)]
pub(crate) struct DigestObserver {
    /// What digests, unless the caller counts for itself.
    #[cfg(feature = "metrics")]
    hash: Option<HashAlgorithm>,
    #[cfg(feature = "metrics")]
    length: u64,
}

impl DigestObserver {
    #[cfg_attr(not(feature = "metrics"), expect(unused_variables, reason = "metrics need it"))]
    pub(crate) fn new(hash: HashAlgorithm) -> Self {
        Self {
            #[cfg(feature = "metrics")]
            hash: Some(hash),
            #[cfg(feature = "metrics")]
            length: 0,
        }
    }

    /// Returns one that counts nothing, for digests that their caller counts.
    pub(crate) fn silent() -> Self {
        Self {
            #[cfg(feature = "metrics")]
            hash: None,
            #[cfg(feature = "metrics")]
            length: 0,
        }
    }

    /// The digest will be of `length` more bytes.
    #[inline]
    #[cfg_attr(
        not(feature = "metrics"),
        expect(unused_variables, clippy::unused_self, reason = "metrics need it")
    )]
    pub(crate) fn updated(&mut self, length: usize) {
        #[cfg(feature = "metrics")]
        {
            self.length += length as u64;
        }
    }

    /// The digest is made, and the next begins.
    #[inline]
    #[cfg_attr(not(feature = "metrics"), expect(clippy::unused_self, reason = "metrics need it"))]
    pub(crate) fn finished(&mut self) {
        #[cfg(feature = "metrics")]
        {
            let length = core::mem::take(&mut self.length);
            if let Some(hash) = self.hash {
                counting::add_digest(hash, length, None);
            }
        }
    }
}

/// Counts bytes in and out of a codec.
#[cfg(all(feature = "metrics", any(feature = "zstd", feature = "lz4", feature = "xz", feature = "bzip2")))]
type CountBytes = fn(&'static str, u64, u64);

/// Observes a stream that is compressed or decompressed; what it has counted it delivers every MiB, and
/// when it is dropped.
#[cfg(any(feature = "zstd", feature = "lz4", feature = "xz", feature = "bzip2"))]
#[derive(Debug)]
pub(crate) struct StreamObserver {
    #[cfg(feature = "metrics")]
    count: CountBytes,
    #[cfg(feature = "metrics")]
    codec: &'static str,
    #[cfg(feature = "metrics")]
    bytes_in: u64,
    #[cfg(feature = "metrics")]
    bytes_out: u64,
}

#[cfg(any(feature = "zstd", feature = "lz4", feature = "xz", feature = "bzip2"))]
#[cfg_attr(
    not(feature = "metrics"),
    expect(unused_variables, clippy::unused_self, reason = "metrics need it")
)]
impl StreamObserver {
    pub(crate) fn compressing(codec: &'static str) -> Self {
        Self {
            #[cfg(feature = "metrics")]
            count: counting::add_stream,
            #[cfg(feature = "metrics")]
            codec,
            #[cfg(feature = "metrics")]
            bytes_in: 0,
            #[cfg(feature = "metrics")]
            bytes_out: 0,
        }
    }

    pub(crate) fn decompressing(codec: &'static str) -> Self {
        Self {
            #[cfg(feature = "metrics")]
            count: counting::add_decompression,
            #[cfg(feature = "metrics")]
            codec,
            #[cfg(feature = "metrics")]
            bytes_in: 0,
            #[cfg(feature = "metrics")]
            bytes_out: 0,
        }
    }

    /// `length` bytes more went in.
    #[inline]
    pub(crate) fn read(&mut self, length: usize) {
        #[cfg(feature = "metrics")]
        {
            self.bytes_in += length as u64;
            if self.bytes_in >= 1 << 20 {
                self.flush();
            }
        }
    }

    /// `length` bytes more came out.
    #[inline]
    pub(crate) fn wrote(&mut self, length: usize) {
        #[cfg(feature = "metrics")]
        {
            self.bytes_out += length as u64;
            if self.bytes_out >= 1 << 20 {
                self.flush();
            }
        }
    }

    #[cfg(feature = "metrics")]
    fn flush(&mut self) {
        let (bytes_in, bytes_out) =
            (core::mem::take(&mut self.bytes_in), core::mem::take(&mut self.bytes_out));
        if bytes_in + bytes_out > 0 {
            (self.count)(self.codec, bytes_in, bytes_out);
        }
    }
}

#[cfg(all(feature = "metrics", any(feature = "zstd", feature = "lz4", feature = "xz", feature = "bzip2")))]
impl Drop for StreamObserver {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Does what compresses `length` bytes in one call; `made` says how many they became.
#[cfg(any(feature = "zstd", feature = "lz4", feature = "xz", feature = "bzip2"))]
pub(crate) fn compressing<T, E>(
    codec: &'static str,
    length: usize,
    compress: impl FnOnce() -> Result<T, E>,
    made: impl FnOnce(&T) -> usize,
) -> Result<T, E> {
    let (result, duration) = observed(Phase::Compression, cfg!(feature = "metrics"), compress);
    #[cfg(feature = "metrics")]
    if let (Ok(output), Some(duration)) = (&result, duration) {
        counting::add_compression(codec, length, made(output), duration);
    }
    #[cfg(not(feature = "metrics"))]
    let _ = (codec, length, duration, made);
    result
}

/// `length_in` bytes were decompressed in one call, and became `length_out`.
#[cfg(any(feature = "zstd", feature = "lz4", feature = "xz", feature = "bzip2"))]
pub(crate) fn decompressed(codec: &'static str, length_in: usize, length_out: usize) {
    #[cfg(feature = "metrics")]
    counting::add_decompression(codec, length_in as u64, length_out as u64);
    #[cfg(not(feature = "metrics"))]
    let _ = (codec, length_in, length_out);
}

/// An error is returned.
#[cold]
pub(crate) fn failed(code: &'static str) {
    #[cfg(feature = "metrics")]
    counting::add_error(code);
    #[cfg(feature = "tracing")]
    if tracing_utils::is_tracing_enabled() {
        tracing::debug!(target: "chunker", code, "error_returned");
    }
}

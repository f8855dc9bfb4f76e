//! Chunks of a reader, one after another, in bounded memory.

use super::chunk::{ChunkDescriptor, ChunkMetadata};
use super::error::{ChunkingError, ReadError};
use super::push::{Payload, PayloadCutter, PushChunker};
use crate::algorithm::HashAlgorithm;
use crate::environment::{self, EnvironmentError};
use crate::observability::hooks::{self, Observer, ReadObserver};
use crate::options::ChunkingOptions;
use crate::profile::Profile;
use crate::reader::checked_length;
use alloc::vec::{self, Vec};
use core::convert::Infallible;
use std::io::{self, Read};

/// Iterator over the chunks of a reader.
///
/// Holds at most one chunk and one read: `max_size` plus the read size, which is 1 MiB or what the
/// environment variable `CHUNKER_READ_SLICE_CAP_BYTES` allows (`1..=1 GiB`); the heap has twice that
/// while a long chunk moves to a new buffer. Retries reads that were
/// [interrupted](io::ErrorKind::Interrupted). After any other error, which it returns once with its
/// offset, the iterator ends; reading can go on in a new stream that
/// [resumes at](Self::resume_at) the [last cut](Self::last_cut), with the same chunks.
///
/// A payload keeps at most eight times its length alive: small ones are copied out of the buffer that
/// they were read into, the others share it.
///
/// ```
/// use chunker::Profile;
/// use chunker::chunking::ChunkStream;
///
/// let reader = std::io::Cursor::new(vec![7; 5_000_000]); // a file, a socket, …
/// for chunk in ChunkStream::with_profile(reader, Profile::MEDIUM)? {
///     let chunk = chunk?;
///     println!("{} {} {}", chunk.hash_hex(), chunk.offset, chunk.length);
/// }
/// # Ok::<(), chunker::chunking::ChunkingError>(())
/// ```
#[derive(Debug)]
pub struct ChunkStream<R> {
    reader: R,
    reading: Reading,
    hash: HashAlgorithm,
}

impl<R: Read> ChunkStream<R> {
    /// Returns a stream with SHA-256 digests. Sizes are in bytes; `None` stands for the default size.
    ///
    /// # Errors
    /// [`ChunkingError::InvalidOptions`], or as [`with_profile`](Self::with_profile).
    pub fn new(
        reader: R,
        min_size: Option<usize>,
        avg_size: Option<usize>,
        max_size: Option<usize>,
    ) -> Result<Self, ChunkingError> {
        let options = ChunkingOptions::resolve(min_size, avg_size, max_size)
            .inspect_err(|error| hooks::failed(error.code()))?;
        Self::with_profile(reader, options)
    }

    /// Returns a stream over the chunks of `reader`.
    ///
    /// # Errors
    /// [`ChunkingError::Environment`] when `CHUNKER_READ_SLICE_CAP_BYTES` is set, but not to
    /// an integer in `1..=1 GiB`.
    pub fn with_profile(reader: R, profile: impl Into<Profile>) -> Result<Self, ChunkingError> {
        Self::resume_at(reader, profile, 0)
    }

    /// Returns a stream for the rest of an input that was cut at `offset`, in bytes.
    ///
    /// `reader` starts there; the chunks are those of the whole input.
    ///
    /// # Errors
    /// As [`with_profile`](Self::with_profile).
    pub fn resume_at(reader: R, profile: impl Into<Profile>, offset: u64) -> Result<Self, ChunkingError> {
        let profile = profile.into();
        let reading = Reading::resume_at(profile, offset)?;
        Ok(Self { reader, reading, hash: profile.hash_algorithm() })
    }

    /// Returns this stream if it can never hold more than `limit` bytes of its input.
    ///
    /// Use it for options from an untrusted source.
    ///
    /// # Errors
    /// [`ChunkingError::BufferLimitExceeded`].
    pub fn within_buffer_limit(self, limit: usize) -> Result<Self, ChunkingError> {
        self.reading.check_buffer_limit(limit)?;
        Ok(self)
    }

    /// Returns the offset of the last cut: all bytes before it are in chunks that were returned.
    #[must_use]
    pub fn last_cut(&self) -> u64 {
        self.reading.last_cut()
    }
}

impl<R: Read> Iterator for ChunkStream<R> {
    type Item = Result<ChunkMetadata, ChunkingError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Ok(item) = self.reading.next(|space| answered(self.reader.read(space)));
        item.map(|payload| Ok(payload?.hashed(self.hash, self.reading.observer())))
    }
}

impl<R: Read> std::iter::FusedIterator for ChunkStream<R> {}

/// Returns the chunks of everything that `reader` yields, with SHA-256 digests.
///
/// # Errors
/// [`ChunkingError::InvalidOptions`], or [`ChunkingError::Io`] of the first error of `reader`.
pub fn chunk_stream<R: Read>(
    reader: R,
    min_size: Option<usize>,
    avg_size: Option<usize>,
    max_size: Option<usize>,
) -> Result<Vec<ChunkMetadata>, ChunkingError> {
    ChunkStream::new(reader, min_size, avg_size, max_size)?.collect()
}

/// Iterator over the digests and positions of a reader's chunks: a [`ChunkStream`] without payloads.
///
/// Holds one read, 64 KiB, and the descriptors of the chunks that end in that read.
///
/// ```
/// use chunker::Profile;
/// use chunker::chunking::DescriptorStream;
///
/// let reader = std::io::Cursor::new(vec![7; 5_000_000]);
/// let chunks: Result<Vec<_>, _> = DescriptorStream::new(reader, Profile::LARGE)?.collect();
/// assert_eq!(chunks?.last().map(|chunk| chunk.offset), Some(4 << 20));
/// # Ok::<(), chunker::chunking::ChunkingError>(())
/// ```
#[derive(Debug)]
pub struct DescriptorStream<R> {
    input: Input<R>,
    /// `None` when the input ended or failed.
    chunker: Option<PushChunker>,
    space: Vec<u8>,
    /// Where the last chunk that was found ends.
    last_cut: u64,
    /// Chunks that ended in the last read.
    ready: vec::IntoIter<ChunkDescriptor>,
}

impl<R: Read> DescriptorStream<R> {
    /// Returns a stream over the chunks of `reader`.
    ///
    /// # Errors
    /// As [`ChunkStream::with_profile`].
    pub fn new(reader: R, profile: impl Into<Profile>) -> Result<Self, ChunkingError> {
        Self::resume_at(reader, profile, 0)
    }

    /// Returns a stream for the rest of an input that was cut at `offset`, in bytes.
    ///
    /// `reader` starts there; the chunks are those of the whole input.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn resume_at(reader: R, profile: impl Into<Profile>, offset: u64) -> Result<Self, ChunkingError> {
        let read_size = read_size()?;
        Ok(Self {
            input: Input::new(reader, offset),
            chunker: Some(PushChunker::resume_at(profile, offset)),
            space: alloc::vec![0; read_size],
            last_cut: offset,
            ready: Vec::new().into_iter(),
        })
    }

    /// Returns the offset of the last cut in what was read: a new stream can [resume](Self::resume_at)
    /// there, once the chunks before it were returned.
    #[must_use]
    pub fn last_cut(&self) -> u64 {
        self.last_cut
    }
}

impl<R: Read> Iterator for DescriptorStream<R> {
    type Item = Result<ChunkDescriptor, ChunkingError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(chunk) = self.ready.next() {
                return Some(Ok(chunk));
            }
            let chunker = self.chunker.as_mut()?;
            match self.input.read(&mut self.space) {
                Ok(0) => return self.chunker.take().and_then(PushChunker::finish).map(Ok),
                Ok(length) => {
                    self.ready = chunker.feed(&self.space[..length]).into_iter();
                    self.last_cut = chunker.last_cut();
                }
                Err(error) => {
                    self.chunker = None;
                    hooks::failed(error.code());
                    return Some(Err(error));
                }
            }
        }
    }
}

impl<R: Read> std::iter::FusedIterator for DescriptorStream<R> {}

/// A reader, and how far it was read.
#[derive(Debug)]
pub(crate) struct Input<R> {
    reader: R,
    position: u64,
    reads: ReadObserver,
}

impl<R: Read> Input<R> {
    /// Returns the input whose rest, from `offset` on, `reader` has.
    pub(crate) fn new(reader: R, offset: u64) -> Self {
        Self { reader, position: offset, reads: ReadObserver::default() }
    }

    /// Reads once, and returns how many bytes: 0 at the end.
    pub(crate) fn read(&mut self, space: &mut [u8]) -> Result<usize, ChunkingError> {
        loop {
            let Ok(read) = self.reads.reading(|| answered(self.reader.read(space)));
            match checked_length(read, space.len()) {
                Ok(length) => {
                    self.position = self.position.wrapping_add(length as u64);
                    return Ok(length);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(ReadError { offset: self.position, source }.into()),
            }
        }
    }
}

/// Wraps the answer of a reader that always has one.
pub(crate) fn answered<T>(answer: T) -> Result<T, Infallible> {
    Ok(answer)
}

/// Why a read gave nothing.
enum NoRead<P> {
    Pending(P),
    Failed(io::Error),
}

/// What synchronous and asynchronous streams share: all but the reader.
#[derive(Debug)]
pub(crate) struct Reading {
    cutter: PayloadCutter,
    options: ChunkingOptions,
    read_size: usize,
    position: u64,
    /// The input ended or failed.
    ended: bool,
    reads: ReadObserver,
}

impl Reading {
    pub(crate) fn resume_at(profile: Profile, offset: u64) -> Result<Self, EnvironmentError> {
        let cutter = PayloadCutter::resume_at(profile, offset);
        let options = profile.options();
        let read_size = read_size()?;
        let reads = ReadObserver::default();
        Ok(Self { cutter, options, read_size, position: offset, ended: false, reads })
    }

    pub(crate) fn check_buffer_limit(&self, limit: usize) -> Result<(), ChunkingError> {
        let required = self.options.max_size() + self.read_size;
        if required > limit {
            let error = ChunkingError::BufferLimitExceeded { required, limit };
            hooks::failed(error.code());
            return Err(error);
        }
        Ok(())
    }

    pub(crate) fn last_cut(&self) -> u64 {
        self.cutter.last_cut()
    }

    pub(crate) fn observer(&mut self) -> &mut Observer {
        &mut self.cutter.observer
    }

    /// Returns the next chunk that ends in what was read.
    pub(crate) fn next_buffered(&mut self) -> Option<Payload> {
        self.cutter.next_payload()
    }

    /// Returns the next chunk, `None` at the end and after an error; what `read` says that has no answer
    /// yet, it passes on.
    ///
    /// A reader that always answers says `Infallible`, and then so does this.
    pub(crate) fn next<P>(
        &mut self,
        mut read: impl FnMut(&mut [u8]) -> Result<io::Result<usize>, P>,
    ) -> Result<Option<Result<Payload, ChunkingError>>, P> {
        loop {
            if let Some(payload) = self.next_buffered() {
                return Ok(Some(Ok(payload)));
            }
            if self.ended {
                self.observer().ended();
                return Ok(None);
            }
            let reads = &mut self.reads;
            let filled = self.cutter.fill(self.read_size, |space| {
                let read = reads.reading(|| read(space)).map_err(NoRead::Pending)?;
                checked_length(read, space.len()).map_err(NoRead::Failed)
            });
            match filled {
                Ok(0) => {
                    self.ended = true;
                    return Ok(self.cutter.take_last_payload().map(Ok));
                }
                Ok(length) => self.position = self.position.wrapping_add(length as u64),
                Err(NoRead::Pending(pending)) => return Err(pending),
                Err(NoRead::Failed(source)) if source.kind() == io::ErrorKind::Interrupted => {}
                Err(NoRead::Failed(source)) => {
                    self.ended = true;
                    let error = ChunkingError::from(ReadError { offset: self.position, source });
                    self.observer().failed(error.code());
                    return Ok(Some(Err(error)));
                }
            }
        }
    }
}

/// Returns the size of one read, in bytes.
pub(crate) fn read_size() -> Result<usize, EnvironmentError> {
    const DEFAULT: usize = 1024 * 1024;
    let size = environment::size("CHUNKER_READ_SLICE_CAP_BYTES", 1..=1 << 30);
    Ok(size.inspect_err(|error| hooks::failed(error.code()))?.unwrap_or(DEFAULT))
}

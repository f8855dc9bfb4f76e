//! Reads an input in blocks and cuts it in place: only short reads are copied.

use crate::algorithm::HashAlgorithm;
use crate::chunking::chunk::ChunkDescriptor;
use crate::chunking::error::ChunkingError;
use crate::chunking::push::chunk_length;
use crate::chunking::stream::{Input, read_size};
use crate::cut::CutFinder;
use crate::hashing::Hasher;
use crate::observability::hooks::Observer;
use crate::profile::Profile;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;
use std::io::Read;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Least capacity of a block for short reads, in bytes.
const LEAST_BLOCK: usize = 4096;

/// Reads an input in blocks and finds its chunks.
pub(super) struct BlockReader<R> {
    input: Input<R>,
    /// `None` after the end of the input or an error.
    finder: Option<CutFinder>,
    /// The bytes since the last cut.
    uncut: VecDeque<Part>,
    spares: Arc<Spares>,
    read_size: usize,
    observer: Observer,
}

/// A chunk that has no digest yet.
pub(super) struct Unhashed {
    offset: u64,
    /// The first of its bytes, in one block.
    first: Part,
    /// The rest of its bytes, in later blocks.
    rest: Box<[Part]>,
}

/// Bytes of a block, at least one.
#[derive(Clone)]
struct Part {
    block: Arc<Block>,
    start: usize,
    end: usize,
}

/// One read, or several short ones.
struct Block {
    bytes: Vec<u8>,
    /// Where the buffer returns once no chunk uses it; `None` for short reads.
    spares: Option<Arc<Spares>>,
}

/// Read buffers for reuse: a new one must be zeroed.
#[derive(Default)]
struct Spares(Mutex<Vec<Vec<u8>>>);

impl<R: Read> BlockReader<R> {
    /// Returns a reader of the rest of an input that was cut at `offset`, in bytes.
    pub(super) fn resume_at(reader: R, profile: Profile, offset: u64) -> Result<Self, ChunkingError> {
        Ok(Self {
            input: Input::new(reader, offset),
            finder: Some(CutFinder::resume_at(profile, offset)),
            uncut: VecDeque::new(),
            spares: Arc::default(),
            read_size: read_size()?,
            observer: Observer::default(),
        })
    }

    /// Reads until a chunk ends, and returns all that end in that read; `None` at the end and after an error.
    pub(super) fn next(&mut self) -> Option<Result<Vec<Unhashed>, ChunkingError>> {
        loop {
            let mut finder = self.finder.take()?;
            let mut bytes = self.spares.take().unwrap_or_else(|| alloc::vec![0; self.read_size]);
            let length = match self.input.read(&mut bytes) {
                Ok(0) => {
                    let offset = finder.last_cut();
                    let last = finder.finish().and_then(|end| self.take(offset, end));
                    self.observer.ended();
                    return last.map(|chunk| Ok(Vec::from([chunk])));
                }
                Ok(length) => length,
                Err(error) => {
                    self.observer.failed(error.code());
                    return Some(Err(error));
                }
            };
            let read = self.append(bytes, length);
            let mut unread = read.bytes();
            let mut chunks = Vec::new();
            loop {
                let offset = finder.last_cut();
                let Some(cut) = self.observer.cutting(|| finder.next_cut(&mut unread)) else { break };
                chunks.extend(self.take(offset, cut));
            }
            self.finder = Some(finder);
            if !chunks.is_empty() {
                return Some(Ok(chunks));
            }
        }
    }

    /// Appends the first `length` bytes of `bytes` to the uncut ones, and returns where they lie. Copies short reads,
    /// which would pin a whole buffer.
    fn append(&mut self, bytes: Vec<u8>, length: usize) -> Part {
        if length == self.read_size && length >= LEAST_BLOCK {
            return self.append_block(bytes, Some(Arc::clone(&self.spares)));
        }
        let part = self.append_copy(&bytes[..length]);
        self.spares.keep_only(bytes);
        part
    }

    fn append_copy(&mut self, read: &[u8]) -> Part {
        if let Some(part) = self.uncut.back_mut().and_then(|last| last.extend(read)) {
            return part;
        }
        let mut copy = Vec::with_capacity(read.len().max(self.read_size / 16).max(LEAST_BLOCK));
        copy.extend_from_slice(read);
        self.append_block(copy, None)
    }

    fn append_block(&mut self, bytes: Vec<u8>, spares: Option<Arc<Spares>>) -> Part {
        let end = bytes.len();
        let part = Part { block: Arc::new(Block { bytes, spares }), start: 0, end };
        self.uncut.push_back(part.clone());
        part
    }

    /// Takes the bytes from one cut to the next.
    fn take(&mut self, offset: u64, cut: u64) -> Option<Unhashed> {
        let mut missing = chunk_length(offset, cut);
        let first = self.take_part(missing)?;
        missing -= first.len();
        let mut rest = Vec::new();
        while missing > 0 {
            let part = self.take_part(missing)?;
            missing -= part.len();
            rest.push(part);
        }
        Some(Unhashed { offset, first, rest: rest.into() })
    }

    /// Takes up to `limit` bytes from the first block.
    fn take_part(&mut self, limit: usize) -> Option<Part> {
        let part = self.uncut.front_mut()?;
        if part.len() <= limit {
            return self.uncut.pop_front();
        }
        let taken = Part { end: part.start + limit, ..part.clone() };
        part.start = taken.end;
        Some(taken)
    }
}

impl Unhashed {
    pub(super) fn hashed(&self, hash: HashAlgorithm, observer: &mut Observer) -> ChunkDescriptor {
        let Self { offset, first, rest } = self;
        let digest = if rest.is_empty() {
            observer.digest(hash, first.bytes())
        } else {
            observer.hashing(|| {
                let mut hasher = Hasher::unobserved(hash);
                hasher.update(first.bytes());
                rest.iter().for_each(|part| hasher.update(part.bytes()));
                hasher.finalize()
            })
        };
        let length = first.len() + rest.iter().map(Part::len).sum::<usize>();
        observer.emitted(hash, *offset, length);
        ChunkDescriptor { hash: digest, offset: *offset, length }
    }
}

impl Part {
    const fn len(&self) -> usize {
        self.end - self.start
    }

    fn bytes(&self) -> &[u8] {
        &self.block.bytes[self.start..self.end]
    }

    /// Appends a short read, and returns where it lies; `None` if a chunk shares the block or it has no room.
    fn extend(&mut self, read: &[u8]) -> Option<Self> {
        let bytes = &mut Arc::get_mut(&mut self.block)?.bytes;
        if bytes.capacity() - bytes.len() < read.len() {
            return None;
        }
        bytes.extend_from_slice(read);
        let start = mem::replace(&mut self.end, bytes.len());
        Some(Self { start, ..self.clone() })
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some(spares) = &self.spares {
            spares.buffers().push(mem::take(&mut self.bytes));
        }
    }
}

impl Spares {
    fn take(&self) -> Option<Vec<u8>> {
        self.buffers().pop()
    }

    /// Replaces all buffers by this one.
    fn keep_only(&self, bytes: Vec<u8>) {
        let mut buffers = self.buffers();
        buffers.clear();
        buffers.push(bytes);
    }

    fn buffers(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

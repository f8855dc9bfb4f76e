//! What the threaded module has besides: the same chunks, by all threads of a pool.
//!
//! JavaScript has the threads. Several workers instantiate the module with one memory; the first calls
//! [`start_pool`] and makes chunkers, each of the others becomes a thread of its pool by [`run_thread`].

use super::{offset_of, profile_of, record};
use crate::failure::Failure;
use crate::{bytes, number};
use chunker::Profile;
use chunker::chunking::{ChunkDescriptor, chunk_descriptors_parallel};
use js_sys::Uint8Array;
use rayon::{ThreadBuilder, ThreadPool, ThreadPoolBuilder};
use std::sync::{Mutex, OnceLock, PoisonError};
use wasm_bindgen::prelude::*;

/// Not the global pool of rayon: making that one waits for threads, which wait for it here.
static POOL: OnceLock<ThreadPool> = OnceLock::new();

/// Threads of the pool that no worker has become yet.
static WANTED: Mutex<Vec<ThreadBuilder>> = Mutex::new(Vec::new());

/// Makes the pool, of `threads` threads that [`run_thread`] is to be called for.
#[wasm_bindgen(js_name = startPool)]
pub fn start_pool(threads: usize) -> Result<(), Failure> {
    let want = |thread| {
        WANTED.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    };
    let pool = ThreadPoolBuilder::new().num_threads(threads).spawn_handler(want).build();
    let pool = pool.map_err(|_| Failure::argument("the pool cannot be made"))?;
    POOL.set(pool).map_err(|_| Failure::argument("the pool was started before"))
}

/// Becomes a thread of the pool, and does not return while there is one.
#[wasm_bindgen(js_name = runThread)]
pub fn run_thread() -> Result<(), Failure> {
    let wanted = WANTED.lock().unwrap_or_else(PoisonError::into_inner).pop();
    wanted.ok_or(Failure::argument("the pool has all its threads"))?.run();
    Ok(())
}

/// How much of the input is chunked at once, in average chunks, in bytes at least, and in bytes at most:
/// enough for several threads, and far more than the chunk that is cut again in the next window.
const WINDOW: (usize, usize, usize) = (64, 32 << 20, 256 << 20);

/// A push chunker of the pool: bytes in, records of chunks out, a window later.
#[wasm_bindgen(js_name = ParallelChunker)]
pub struct JsParallelChunker {
    profile: Profile,
    /// The input from the last cut on; `None` once finished.
    held: Option<Vec<u8>>,
    /// Where that begins in the input, in bytes.
    position: u64,
    /// The length in bytes at which it is chunked.
    window: usize,
}

#[wasm_bindgen(js_class = ParallelChunker)]
impl JsParallelChunker {
    /// Returns a chunker for the input behind `offset`; `undefined` stands for the core's default.
    #[wasm_bindgen(constructor)]
    pub fn new(
        min_size: &JsValue,
        avg_size: &JsValue,
        max_size: &JsValue,
        hash: &JsValue,
        offset: &JsValue,
    ) -> Result<Self, Failure> {
        let profile = profile_of(min_size, avg_size, max_size, hash)?;
        let (chunks, least, most) = WINDOW;
        let window = (chunks * profile.options.avg_size()).clamp(least, most);
        Ok(Self { profile, held: Some(Vec::new()), position: offset_of(offset)?, window })
    }

    /// Reads all of `piece` and returns the records of the chunks that are known by now.
    pub fn feed(&mut self, piece: &Uint8Array) -> Result<Uint8Array, Failure> {
        let held = self.held.as_mut().ok_or(Failure::CLOSED)?;
        let end = self.position + (held.len() + bytes::length(piece)) as u64;
        if end > number::MAX_SAFE_INTEGER {
            return Err(Failure::argument("the input is longer than 2^53-1 bytes"));
        }
        bytes::append(piece, held)?;
        if held.len() < self.window {
            return Ok(record::pack(&[]));
        }
        let mut chunks = described(held, self.profile, self.position)?;
        // Where it ends is not known yet.
        chunks.pop();
        let cut: usize = chunks.iter().map(|chunk| chunk.length).sum();
        if cut == 0 {
            self.window = self.window.saturating_mul(2);
        }
        held.drain(..cut);
        self.position += cut as u64;
        Ok(record::pack(&chunks))
    }

    /// Ends the input and returns the records of the chunks that were not known.
    pub fn finish(&mut self) -> Result<Uint8Array, Failure> {
        let held = self.held.take().ok_or(Failure::CLOSED)?;
        Ok(record::pack(&described(&held, self.profile, self.position)?))
    }
}

/// Returns the chunks of `data`, which begins at `position` of the input.
fn described(data: &[u8], profile: Profile, position: u64) -> Result<Vec<ChunkDescriptor>, Failure> {
    let pool = POOL.get().ok_or(Failure::argument("the pool was not started"))?;
    let mut chunks = pool.install(|| chunk_descriptors_parallel(data, profile.options, profile.hash))?;
    for chunk in &mut chunks {
        chunk.offset += position;
    }
    Ok(chunks)
}

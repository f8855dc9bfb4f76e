//! What the threaded module has besides: the same chunks, by all threads of a pool.
//!
//! JavaScript starts the threads, and `wasm-bindgen-rayon` makes them rayon's pool. Several workers instantiate
//! the module with one memory: the first calls [`init_thread_pool`] and makes chunkers, and each of the others
//! becomes a thread of the pool by calling `wbg_rayon_start_worker`.

use super::{offset_of, profile_of, record};
use crate::failure::Failure;
use crate::{bytes, number};
use chunker::Profile;
use chunker::chunking::{ChunkDescriptor, chunk_descriptors_parallel};
use js_sys::Uint8Array;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use wasm_bindgen::prelude::*;

pub use wasm_bindgen_rayon::init_thread_pool;

/// How much of the input is chunked at once, in average chunks, in bytes at least, and in bytes at most:
/// enough for several threads, and far more than the chunk that is cut again in the next window.
const WINDOW: (usize, usize, usize) = (32, 16 << 20, 128 << 20);

/// Room before a window, in average chunks and in bytes at most, for what the one before leaves.
const HEADROOM: (usize, usize) = (4, 8 << 20);

/// The length in bytes from which on room for a whole window is taken at once: by doubling, a vector
/// would need three windows while it grows.
const LONG: usize = 4 << 20;

/// The longest piece that is usual, in bytes: the last one may go beyond the window.
const PIECE: usize = 1 << 20;

/// A push chunker of the pool: bytes in, records of chunks out, two windows later.
///
/// While the pool finds the chunks of one window, the next is gathered.
#[wasm_bindgen(js_name = ParallelChunker)]
pub struct JsParallelChunker {
    profile: Profile,
    /// The length in bytes at which a window is full.
    window: usize,
    /// What is gathered, behind the headroom; `None` once finished.
    gathered: Option<Vec<u8>>,
    /// The headroom before it, in bytes. The first window needs none.
    headroom: usize,
    running: Option<Arc<Window>>,
    /// Where the input's last known cut is, in bytes.
    position: u64,
    /// Where the next piece begins in the input, in bytes.
    end: u64,
}

#[wasm_bindgen(js_class = ParallelChunker)]
impl JsParallelChunker {
    /// Returns a chunker for the input from `offset` on.
    #[wasm_bindgen(constructor)]
    pub fn new(profile: &JsValue, offset: &JsValue) -> Result<Self, Failure> {
        let profile = profile_of(profile)?;
        let (chunks, least, most) = WINDOW;
        let window = (chunks * profile.options().avg_size()).clamp(least, most);
        let position = offset_of(offset)?;
        let gathered = Some(Vec::new());
        Ok(Self { profile, window, gathered, headroom: 0, running: None, position, end: position })
    }

    /// Reads all of `piece` and returns the records of the chunks that are known by now.
    pub fn feed(&mut self, piece: &Uint8Array) -> Result<Uint8Array, Failure> {
        let gathered = self.gathered.as_mut().ok_or(Failure::CLOSED)?;
        let end = self.end + u64::from(piece.length());
        if end > number::MAX_SAFE_INTEGER {
            return Err(Failure::argument("the input is longer than 2^53-1 bytes"));
        }
        let length = gathered.len() + bytes::length(piece);
        if length > LONG.max(gathered.capacity()) {
            let room = length.max(self.headroom + self.window + PIECE) - gathered.len();
            gathered.try_reserve_exact(room).map_err(|_| Failure::memory(room))?;
        }
        bytes::append(piece, gathered)?;
        self.end = end;
        if gathered.len() - self.headroom < self.window {
            return Ok(record::pack(&[]));
        }
        let (chunks, spare) = self.turn(false)?;
        self.gathered = Some(spare);
        Ok(record::pack(&chunks))
    }

    /// Ends the input and returns the records of the chunks that were not known.
    pub fn finish(&mut self) -> Result<Uint8Array, Failure> {
        let (mut chunks, _) = self.turn(true)?;
        if let Some(window) = self.running.take() {
            chunks.extend(window.wait().chunks);
        }
        Ok(record::pack(&chunks))
    }

    /// Waits for the chunks of the window before, and lets the pool find those of what is gathered.
    /// Returns the chunks, and a buffer that has nothing but headroom.
    fn turn(&mut self, is_last: bool) -> Result<(Vec<ChunkDescriptor>, Vec<u8>), Failure> {
        let mut data = self.gathered.take().ok_or(Failure::CLOSED)?;
        let mut start = self.headroom;
        let (chunks, most) = HEADROOM;
        self.headroom = (chunks * self.profile.options().avg_size()).min(most);
        let (mut known, mut spare) = (Vec::new(), Vec::new());
        if let Some(window) = self.running.take() {
            let before = window.wait();
            known = before.chunks;
            spare = before.data;
            let length: usize = known.iter().map(|chunk| chunk.length).sum();
            if length == 0 {
                self.window = self.window.saturating_mul(2);
            }
            self.position += length as u64;
            let rest = spare.drain(before.start + length..);
            match start.checked_sub(rest.len()) {
                Some(room) => {
                    data[room..start].copy_from_slice(rest.as_slice());
                    start = room;
                }
                None => {
                    data.try_reserve_exact(rest.len()).map_err(|_| Failure::memory(rest.len()))?;
                    data.splice(..start, rest);
                    start = 0;
                }
            }
        }
        let room = self.headroom.saturating_sub(spare.len());
        spare.try_reserve_exact(room).map_err(|_| Failure::memory(room))?;
        spare.resize(self.headroom, 0);
        self.running = Some(Window::start(data, start, self.profile, self.position, is_last));
        Ok((known, spare))
    }
}

/// Bytes of which the pool finds the chunks.
#[derive(Default)]
struct Window {
    found: Mutex<Option<Found>>,
    ready: Condvar,
}

struct Found {
    /// Without the last, unless the input ends there: where that one ends is not known yet.
    chunks: Vec<ChunkDescriptor>,
    /// The bytes, from `start` on.
    data: Vec<u8>,
    start: usize,
}

impl Window {
    /// Starts with the bytes of `data` from `start` on, which are at `position` of the input.
    fn start(data: Vec<u8>, start: usize, profile: Profile, position: u64, is_last: bool) -> Arc<Self> {
        let window = Arc::new(Self::default());
        let own = Arc::clone(&window);
        let find = move || {
            let mut chunks = chunk_descriptors_parallel(&data[start..], profile);
            if !is_last {
                chunks.pop();
            }
            for chunk in &mut chunks {
                chunk.offset += position;
            }
            *own.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(Found { chunks, data, start });
            own.ready.notify_one();
        };
        rayon::spawn(find);
        window
    }

    /// Returns what was found, once.
    fn wait(&self) -> Found {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match found.take() {
                Some(found) => return found,
                None => found = self.ready.wait(found).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

//! The chunks that a pipeline has found and JavaScript has not taken.

use super::input::Input;
use crate::failure::Failure;
use chunker::chunking::ChunkDescriptor;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Bytes of chunks to report together, unless the input has no more for now. Fewer would wake JavaScript too
/// often.
const BATCH: u64 = 4 << 20;

/// Bytes of chunks that may wait to be taken.
const MOST: u64 = 64 << 20;

/// The chunks found so far.
pub(super) struct Output {
    /// The input; `None` for a file, which always has more.
    input: Option<Arc<Input>>,
    state: Mutex<State>,
    /// Notified of chunks, of the end, and by the input when it has no more; JavaScript waits for it.
    found: Arc<Notify>,
    /// Notified of room, and when no more is needed; the finding thread waits for it.
    taken: Condvar,
}

#[derive(Default)]
struct State {
    records: Vec<u8>,
    /// Bytes of the chunks in `records`.
    bytes: u64,
    closed: bool,
    end: Option<Result<(), Failure>>,
}

/// What to report next.
pub(super) enum Step {
    /// The records of chunks.
    Found(Vec<u8>),
    /// There are no more chunks.
    Ended,
    /// The chunks of the rest of the input were not found.
    Failed(Failure),
}

impl Output {
    /// Returns the output for chunks of a file.
    pub(super) fn of_file() -> Self {
        Self { input: None, state: Mutex::default(), found: Arc::default(), taken: Condvar::new() }
    }

    /// Returns the output for chunks of pushed pieces, and the input to push them to.
    pub(super) fn of_pieces() -> (Self, Arc<Input>) {
        let output = Self::of_file();
        let input = Arc::new(Input::new(Arc::clone(&output.found)));
        (Self { input: Some(Arc::clone(&input)), ..output }, input)
    }

    /// Adds `chunk` by `append`, and waits for room after it. Returns whether more chunks are needed.
    pub(super) fn add(
        &self,
        chunk: &ChunkDescriptor,
        append: impl FnOnce(&ChunkDescriptor, &mut Vec<u8>),
    ) -> bool {
        let mut state = self.state();
        append(chunk, &mut state.records);
        state.bytes += chunk.length as u64;
        if state.bytes >= BATCH || self.is_starved() {
            self.found.notify_waiters();
        }
        if state.bytes >= MOST && !state.closed {
            self.rest(true);
            while state.bytes >= MOST && !state.closed {
                state = self.taken.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            self.rest(false);
        }
        !state.closed
    }

    /// Records that there are no more chunks.
    pub(super) fn end(&self, end: Result<(), Failure>) {
        self.state().end = Some(end);
        self.close_input();
        self.found.notify_waiters();
    }

    /// Stops the search: no more chunks are needed.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.records = Vec::new();
        drop(state);
        self.close_input();
        self.taken.notify_one();
        self.found.notify_waiters();
    }

    /// Waits for chunks or the end.
    pub(super) async fn next(&self) -> Step {
        loop {
            let found = self.found.notified();
            {
                let mut state = self.state();
                if state.closed {
                    return Step::Failed(Failure::CLOSED);
                }
                let enough = state.bytes >= BATCH || state.end.is_some() || self.is_starved();
                if enough && !state.records.is_empty() {
                    state.bytes = 0;
                    self.taken.notify_one();
                    return Step::Found(std::mem::take(&mut state.records));
                }
                if let Some(end) = state.end.take() {
                    state.closed = true;
                    return end.map_or_else(Step::Failed, |()| Step::Ended);
                }
            }
            found.await;
        }
    }

    fn rest(&self, resting: bool) {
        if let Some(input) = &self.input {
            input.rest(resting);
        }
    }

    fn close_input(&self) {
        if let Some(input) = &self.input {
            input.close();
        }
    }

    fn is_starved(&self) -> bool {
        self.input.as_ref().is_some_and(|input| input.is_starved())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

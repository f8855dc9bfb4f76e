//! A reader of the pieces that JavaScript pushes.

use crate::failure::Failure;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Limit for the bytes that wait to be read.
const MOST: usize = 8 << 20;

/// Buffers kept for further pieces: a new buffer costs more than copying the bytes.
const SPARES: usize = 8;

/// The pieces that were pushed and not read yet.
pub(super) struct Input {
    /// Notified when the reader starts to wait: no further chunks can be found for now.
    starved: Arc<Notify>,
    queue: Mutex<Queue>,
    /// Notified of pieces and of the end; the reading thread waits for it.
    pushed: Condvar,
    /// Notified of room, and when no more is needed; JavaScript waits for it.
    taken: Notify,
}

#[derive(Default)]
struct Queue {
    pieces: VecDeque<Vec<u8>>,
    /// Bytes already read of the first piece.
    read: usize,
    /// Bytes that were not read yet.
    length: usize,
    spares: Vec<Vec<u8>>,
    ended: bool,
    /// No more will be read.
    closed: bool,
    /// The input ended early; JavaScript reports why.
    failed: bool,
    /// The reader waits for a piece.
    starved: bool,
    /// Reading stops while this many chunks wait to be taken.
    resting: bool,
}

impl Input {
    pub(super) fn new(starved: Arc<Notify>) -> Self {
        Self { starved, queue: Mutex::default(), pushed: Condvar::new(), taken: Notify::new() }
    }

    /// Appends a copy of `piece`, and returns whether there is room for another one.
    pub(super) fn push(&self, piece: &[u8]) -> Result<bool, Failure> {
        let mut queue = self.queue();
        if queue.closed || queue.ended {
            return if queue.closed { Ok(false) } else { Err(Failure::CLOSED) };
        }
        let mut copy = queue.spares.pop().unwrap_or_default();
        drop(queue); // only JavaScript pushes, so nothing can come in between
        copy.clear();
        copy.try_reserve(piece.len()).map_err(|_| Failure::memory(piece.len()))?;
        copy.extend_from_slice(piece);
        let mut queue = self.queue();
        queue.length += piece.len();
        queue.pieces.push_back(copy);
        let room = queue.length < MOST;
        drop(queue);
        self.pushed.notify_one();
        Ok(room)
    }

    /// Waits until there is room for another piece, or no more is needed. Returns `false` if there is no room
    /// until JavaScript takes chunks: it may never take them, and the process must not wait for that.
    pub(super) async fn room(&self) -> bool {
        loop {
            let taken = self.taken.notified();
            {
                let queue = self.queue();
                if queue.length < MOST || queue.closed {
                    return true;
                }
                if queue.resting {
                    return false;
                }
            }
            taken.await;
        }
    }

    /// Sets whether chunks must be taken before more is read.
    pub(super) fn rest(&self, resting: bool) {
        self.queue().resting = resting;
        self.taken.notify_waiters();
    }

    /// Ends the input after the pieces that were pushed.
    pub(super) fn end(&self) {
        self.queue().ended = true;
        self.pushed.notify_one();
    }

    /// Makes reading fail after the pieces that were pushed.
    pub(super) fn fail(&self) {
        self.queue().failed = true;
        self.end();
    }

    /// Closes the input, since no more is needed: the reader ends immediately.
    pub(super) fn close(&self) {
        let mut queue = self.queue();
        queue.closed = true;
        queue.pieces.clear();
        queue.spares.clear();
        drop(queue);
        self.pushed.notify_one();
        self.taken.notify_waiters();
    }

    /// Whether the reader waits for a piece.
    pub(super) fn is_starved(&self) -> bool {
        self.queue().starved
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the pieces that are pushed.
pub(super) struct Pushed(pub(super) Arc<Input>);

impl Read for Pushed {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let input = &*self.0;
        let mut queue = input.queue();
        while queue.length == 0 && !queue.ended && !queue.closed {
            queue.starved = true;
            input.starved.notify_waiters();
            queue = input.pushed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.starved = false;
        if queue.length == 0 && queue.failed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let mut length = 0;
        while length < space.len()
            && let Some(piece) = queue.pieces.pop_front()
        {
            // The copy does not delay pushes: JavaScript appends at the other end.
            let start = queue.read;
            drop(queue);
            let part = (piece.len() - start).min(space.len() - length);
            space[length..length + part].copy_from_slice(&piece[start..start + part]);
            length += part;
            queue = input.queue();
            queue.length = queue.length.saturating_sub(part);
            queue.read = start + part;
            if queue.closed {
                return Ok(0);
            }
            if queue.read < piece.len() {
                queue.pieces.push_front(piece);
            } else {
                queue.read = 0;
                if queue.spares.len() < SPARES {
                    queue.spares.push(piece);
                }
            }
        }
        drop(queue);
        input.taken.notify_waiters();
        Ok(length)
    }
}

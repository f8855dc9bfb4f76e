//! The pieces that JavaScript pushes, as a reader.

use crate::failure::Failure;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// With this many bytes waiting to be read, there is no room for more.
const MOST: usize = 8 << 20;

/// Buffers kept for further pieces: that of a new one costs more than the copy of its bytes.
const SPARES: usize = 8;

/// What was pushed and not read.
pub(super) struct Input {
    /// Told when the reader begins to wait: what was found by then is all that there is for now.
    starved: Arc<Notify>,
    queue: Mutex<Queue>,
    /// Told of pieces and of the end: for the thread that reads.
    pushed: Condvar,
    /// Told of room, and that no more is wanted: for JavaScript.
    taken: Notify,
}

#[derive(Default)]
struct Queue {
    pieces: VecDeque<Vec<u8>>,
    /// Bytes of the first piece that were read.
    read: usize,
    /// Bytes that were not.
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
        drop(queue); // JavaScript is the only one who pushes: nothing comes between
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

    /// Waits until there is room for another piece, or no more is wanted. Returns `false` when there is
    /// none before JavaScript takes chunks: it may never do so, and the process is not to wait for that.
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

    /// Lets reading fail after the pieces that were pushed.
    pub(super) fn fail(&self) {
        self.queue().failed = true;
        self.end();
    }

    /// Closes the input, since no more is wanted: the reader ends immediately.
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

/// Reads what is pushed.
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
            // The copy holds up no push: JavaScript appends at the other end.
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

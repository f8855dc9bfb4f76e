//! Values that Elixir holds and uses call by call.

use crate::failure::Failure;
use rustler::{Env, LocalPid};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};

/// A value that closes when it is taken, when a use of it fails, or when the process that opened it ends.
///
/// One process uses it at a time; another one gets [`Failure::BUSY`] and never waits on a scheduler.
pub(crate) struct Handle<T> {
    state: Mutex<State<T>>,
    /// The process that opened it has ended.
    orphaned: AtomicBool,
}

enum State<T> {
    Idle(Box<T>),
    /// A process has fed some slices of a piece, and must feed the others.
    Amid(Box<T>, LocalPid),
    Closed,
}

impl<T> Handle<T> {
    /// Returns an open handle. Its resource monitors the process that opens it, and [orphans](Self::orphan)
    /// it.
    pub(crate) fn new(value: T) -> Self {
        Self { state: Mutex::new(State::Idle(Box::new(value))), orphaned: AtomicBool::new(false) }
    }

    /// Closes the handle: the process that opened it has ended.
    pub(crate) fn orphan(&self) {
        self.orphaned.store(true, Ordering::Release);
        // The current holder of the lock is the last to use the value.
        if let Ok(mut state) = self.try_lock() {
            *state = State::Closed;
        }
    }

    /// Returns the result of `work` with the value, and closes the handle if that is a failure.
    ///
    /// `more` means that the calling process must use it next, because it has more slices of the same piece.
    pub(crate) fn with<R>(
        &self,
        env: Env<'_>,
        more: bool,
        work: impl FnOnce(&mut T) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        let mut state = self.try_lock()?;
        let mut value = self.claim(env, &mut state)?;
        let result = work(&mut value)?;
        *state = if more { State::Amid(value, env.pid()) } else { State::Idle(value) };
        Ok(result)
    }

    /// Closes the handle and returns its value.
    pub(crate) fn take(&self, env: Env<'_>) -> Result<T, Failure> {
        let mut state = self.try_lock()?;
        Ok(*self.claim(env, &mut state)?)
    }

    /// Takes the value out of its state, which is then closed.
    fn claim(&self, env: Env<'_>, state: &mut State<T>) -> Result<Box<T>, Failure> {
        let value = match std::mem::replace(state, State::Closed) {
            State::Idle(value) => value,
            State::Amid(value, other) if other == env.pid() => value,
            State::Amid(value, other) if other.is_alive(env) => {
                *state = State::Amid(value, other);
                return Err(Failure::BUSY);
            }
            // The process that fed it died in the middle of a piece, and the rest of it is lost.
            State::Amid(..) | State::Closed => return Err(Failure::CLOSED),
        };
        if self.orphaned.load(Ordering::Acquire) {
            return Err(Failure::CLOSED);
        }
        Ok(value)
    }

    fn try_lock(&self) -> Result<MutexGuard<'_, State<T>>, Failure> {
        match self.state.try_lock() {
            Ok(state) => Ok(state),
            Err(TryLockError::WouldBlock) => Err(Failure::BUSY),
            // A call panicked, and may have stopped halfway.
            Err(TryLockError::Poisoned(_)) => Err(Failure::CLOSED),
        }
    }
}

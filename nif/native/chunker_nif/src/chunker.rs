//! Chunkers that are fed.

use crate::chunks::{BYTES_PER_PERCENT, without_payload};
use crate::failure::Failure;
use crate::options::{Hash, Size, profile_of};
use crate::terms::{Bytes, account};
use chunker::chunking::{ChunkMetadata, PayloadChunker, PushChunker};
use rustler::{Atom, Binary, Encoder, Env, LocalPid, Monitor, Resource, ResourceArc, Term};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};

/// A chunker that closes when it is finished, or when the process that opened it ends.
struct ChunkerResource {
    state: Mutex<State>,
    /// The process that opened it has ended.
    orphaned: AtomicBool,
}

enum State {
    Idle(Box<AnyChunker>),
    /// A process has fed some slices of a piece, and is to feed the others.
    Amid(Box<AnyChunker>, LocalPid),
    Closed,
}

#[allow(clippy::large_enum_variant)] // one per resource, which holds buffers besides
enum AnyChunker {
    WithoutPayloads(PushChunker),
    WithPayloads(PayloadChunker),
}

#[rustler::resource_impl]
impl Resource for ChunkerResource {
    fn down<'a>(&'a self, _: Env<'a>, _: LocalPid, _: Monitor) {
        self.orphaned.store(true, Ordering::Release);
        // Whoever holds the lock now uses the chunker for the last time.
        if let Ok(mut state) = self.try_lock() {
            *state = State::Closed;
        }
    }
}

impl ChunkerResource {
    fn try_lock(&self) -> Result<MutexGuard<'_, State>, Failure> {
        match self.state.try_lock() {
            Ok(state) => Ok(state),
            Err(TryLockError::WouldBlock) => Err(Failure::BUSY),
            // A call panicked: nobody knows how far it came.
            Err(TryLockError::Poisoned(_)) => Err(Failure::CLOSED),
        }
    }

    /// Gives the chunker to `use_it` and takes back what that leaves.
    fn with<R>(
        &self,
        env: Env<'_>,
        use_it: impl FnOnce(Box<AnyChunker>, LocalPid) -> (State, R),
    ) -> Result<R, Failure> {
        let mut state = self.try_lock()?;
        let process = env.pid();
        let chunker = match std::mem::replace(&mut *state, State::Closed) {
            State::Idle(chunker) => chunker,
            State::Amid(chunker, other) if other == process => chunker,
            State::Amid(chunker, other) if other.is_alive(env) => {
                *state = State::Amid(chunker, other);
                return Err(Failure::BUSY);
            }
            // The process that fed it ended amid a piece: nobody can feed the rest.
            State::Amid(..) | State::Closed => return Err(Failure::CLOSED),
        };
        if self.orphaned.load(Ordering::Acquire) {
            return Err(Failure::CLOSED);
        }
        let (next, result) = use_it(chunker, process);
        *state = next;
        Ok(result)
    }
}

/// Returns a chunker that the calling process owns.
#[rustler::nif]
fn chunker_open_with(
    env: Env<'_>,
    min: Size,
    avg: Size,
    max: Size,
    hash: Hash,
    payloads: bool,
) -> Result<ResourceArc<ChunkerResource>, Failure> {
    let profile = profile_of(min, avg, max, &hash)?;
    let chunker = if payloads {
        AnyChunker::WithPayloads(PayloadChunker::new(profile))
    } else {
        AnyChunker::WithoutPayloads(PushChunker::new(profile))
    };
    let state = Mutex::new(State::Idle(Box::new(chunker)));
    let resource = ResourceArc::new(ChunkerResource { state, orphaned: AtomicBool::new(false) });
    // A process that runs this call is alive.
    let _ = resource.monitor(Some(env), &env.pid());
    Ok(resource)
}

#[rustler::nif]
fn chunker_feed_normal<'a>(
    env: Env<'a>,
    chunker: ResourceArc<ChunkerResource>,
    slice: Binary<'a>,
    more: bool,
) -> Result<Vec<Term<'a>>, Failure> {
    let chunks = feed(env, &chunker, slice, more);
    account(env, slice.len(), BYTES_PER_PERCENT);
    chunks
}

#[rustler::nif(schedule = "DirtyCpu")]
fn chunker_feed_dirty<'a>(
    env: Env<'a>,
    chunker: ResourceArc<ChunkerResource>,
    slice: Binary<'a>,
    more: bool,
) -> Result<Vec<Term<'a>>, Failure> {
    feed(env, &chunker, slice, more)
}

/// Returns the chunks that end in `slice`; `more` says that other slices of the same piece follow.
fn feed<'a>(
    env: Env<'a>,
    chunker: &ChunkerResource,
    slice: Binary<'a>,
    more: bool,
) -> Result<Vec<Term<'a>>, Failure> {
    chunker.with(env, |mut chunker, process| {
        let chunks = match &mut *chunker {
            AnyChunker::WithoutPayloads(chunker) => {
                chunker.feed(slice.as_slice()).iter().map(|chunk| without_payload(env, chunk)).collect()
            }
            AnyChunker::WithPayloads(chunker) => {
                chunker.feed(slice.as_slice()).iter().map(|chunk| with_payload(env, chunk)).collect()
            }
        };
        (if more { State::Amid(chunker, process) } else { State::Idle(chunker) }, chunks)
    })
}

/// Returns the last chunk, if there is one, and closes the chunker.
#[rustler::nif(schedule = "DirtyCpu")]
fn chunker_finish_dirty<'a>(
    env: Env<'a>,
    chunker: ResourceArc<ChunkerResource>,
) -> Result<Vec<Term<'a>>, Failure> {
    chunker.with(env, |chunker, _| {
        let last = match *chunker {
            AnyChunker::WithoutPayloads(chunker) => {
                chunker.finish().map(|chunk| without_payload(env, &chunk))
            }
            AnyChunker::WithPayloads(chunker) => chunker.finish().map(|chunk| with_payload(env, &chunk)),
        };
        (State::Closed, last.into_iter().collect())
    })
}

/// Closes the chunker and frees what it holds.
#[rustler::nif]
fn chunker_close(env: Env<'_>, chunker: ResourceArc<ChunkerResource>) -> Result<Atom, Failure> {
    chunker.with(env, |_, _| (State::Closed, rustler::types::atom::ok()))
}

/// Returns `{hash, offset, length, payload}`.
fn with_payload<'a>(env: Env<'a>, chunk: &ChunkMetadata) -> Term<'a> {
    (Bytes(chunk.hash), chunk.offset, chunk.length, Bytes(&chunk.payload)).encode(env)
}

//! How chunks are read for an answer, and the memory for it.
//!
//! Usually, they are read ahead. While memory is short, so that slow clients cannot have all of it, an answer holds only a
//! slice, and a chunk that is longer is read and checked again for each of its slices.

use super::answer::Refusal;
use super::budget::{Budget, Leaving, Reservation};
use super::exchange::{Reader, Shared};
use crate::error::StoreError;
use crate::read::Ahead;
use crate::store::Store;
use bytes::Bytes;
use futures::TryStreamExt as _;
use futures::stream::{self, BoxStream, StreamExt as _};
use std::ops::Range;
use std::sync::Arc;

/// Longest chunk in most files, in bytes: the maximum of the profile `large`.
pub(super) const USUAL: u64 = 4 << 20;
/// How far to read ahead while there is little memory.
pub(super) const NEAR: Ahead = Ahead { window: 256 << 10, windows: 1 };
/// How far to read ahead while there is plenty.
const FAR: Ahead = Ahead { window: 4 << 20, windows: 2 };
/// Bytes that an answer holds while there is none.
const SLICE: usize = 256 << 10;

/// The pieces of an answer.
pub(super) type Pieces = BoxStream<'static, Result<Bytes, StoreError>>;

/// How to read chunks.
#[derive(Debug)]
pub(super) struct Plan {
    /// How far to read ahead; if `None`, they are read [`in_slices`].
    pub(super) ahead: Option<Ahead>,
    pub(super) memory: Reservation,
}

/// Returns the least memory to read chunks with, in bytes. Reading one twice from other storage than a disk would take
/// too long.
pub(super) fn least(store: &Store, longest: u64) -> u64 {
    if store.inner.objects.is_local() { SLICE as u64 } else { near(longest) }
}

/// Returns the memory for the window being sent and the next one, in bytes. The next one is also held as it is stored.
const fn near(longest: u64) -> u64 {
    4 * (NEAR.window + longest)
}

/// Plans how to read chunks of `bytes` in total, the longest of which has `longest`.
///
/// The answer needs `kept` bytes in addition. Of `memory`, it keeps what it needs.
pub(super) async fn plan(
    reader: &Reader<'_>,
    mut memory: Reservation,
    kept: u64,
    longest: u64,
    bytes: u64,
) -> Result<Plan, Refusal> {
    let budget = &reader.shared.budget;
    let least = budget.within(kept + least(reader.store, longest));
    if !memory.shrink(least) {
        drop(memory); // nobody may wait for memory while holding some
        memory = budget.take(least).await?;
    }
    let far = || budget.try_take_paced(5 * (FAR.window + longest), Leaving::Half);
    let near = || budget.try_take_paced(near(longest).min(4 * bytes), Leaving::Quarter);
    let is_local = reader.store.inner.objects.is_local();
    let (ahead, more) = match (bytes > FAR.window).then(far).flatten() {
        Some(more) => (Some(FAR), Some(more)),
        None if is_local => near().map_or((None, None), |more| (Some(NEAR), Some(more))),
        None => (Some(NEAR), None),
    };
    if let Some(more) = more {
        memory.merge(more);
    }
    Ok(Plan { ahead, memory })
}

/// Returns the bytes of chunks of these `lengths`, which `read` returns for any range of them.
pub(super) fn in_slices(
    shared: &Shared,
    longest: u64,
    lengths: Vec<u64>,
    read: impl Fn(Range<usize>) -> Pieces + Send + Sync + 'static,
) -> Pieces {
    let budget = shared.budget.clone();
    let slices = Arc::new(Slices { budget, brief: 3 * longest.max(SLICE as u64), lengths, read });
    let pieces = stream::try_unfold(Position::default(), move |position| {
        let slices = Arc::clone(&slices);
        async move { slices.next(position).await }
    });
    pieces.boxed()
}

struct Slices<R> {
    budget: Budget,
    /// Memory for a moment, to read a chunk.
    brief: u64,
    lengths: Vec<u64>,
    read: R,
}

#[derive(Default)]
struct Position {
    chunk: usize,
    /// Bytes of it that were sent.
    sent: usize,
    /// For a piece longer than a slice, until it is sent.
    _held: Option<Reservation>,
}

impl<R: Fn(Range<usize>) -> Pieces> Slices<R> {
    /// Returns short chunks together, or a long one as far as there is memory for it, and the position after them.
    async fn next(
        &self,
        Position { chunk, sent, .. }: Position,
    ) -> Result<Option<(Bytes, Position)>, StoreError> {
        let Some(&first) = self.lengths.get(chunk) else { return Ok(None) };
        let (mut end, mut bytes) = (chunk + 1, first);
        while let Some(next) = self.lengths.get(end).filter(|next| bytes + *next <= SLICE as u64) {
            bytes += next;
            end += 1;
        }
        let _brief = self.budget.take_briefly(self.brief).await;
        let pieces: Vec<Bytes> = (self.read)(chunk..end).try_collect().await?;
        let window = if let [piece] = &pieces[..] { piece.clone() } else { pieces.concat().into() };
        let rest = window.slice(sent..);
        let held = (rest.len() > SLICE)
            .then(|| self.budget.try_take_paced(window.len() as u64, Leaving::Nothing))
            .flatten();
        // A slice has a buffer of its own, so that it does not hold the rest.
        let piece =
            if held.is_some() { rest } else { Bytes::copy_from_slice(&rest[..rest.len().min(SLICE)]) };
        let sent = sent + piece.len();
        let position = if sent == window.len() {
            Position { chunk: end, sent: 0, _held: held }
        } else {
            Position { chunk, sent, _held: held }
        };
        Ok(Some((piece, position)))
    }
}

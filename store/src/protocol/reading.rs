//! Reads chunks for an answer, and takes the memory for it.
//!
//! Whoever finds plenty of memory reads ahead, and keeps it until the end. Everyone else holds only what is being sent.

use super::budget::{Budget, Reservation};
use super::exchange::Reader;
use crate::error::StoreError;
use crate::host::start_awaited_task;
use crate::read::Ahead;
use bytes::Bytes;
use futures::TryStreamExt as _;
use futures::stream::{self, BoxStream, StreamExt as _};
use std::ops::Range;
use std::sync::Arc;

/// How far to read ahead with plenty of memory.
const FAR: Ahead = Ahead { window: 4 << 20, windows: 2 };
/// Bytes to read together otherwise: from a disk, and from other storage, where each read takes long.
const NEAR: u64 = 256 << 10;
const NEAR_REMOTE: u64 = 4 << 20;

/// The pieces of an answer.
pub(super) type Pieces = BoxStream<'static, Result<Bytes, StoreError>>;

/// Returns the bytes of chunks of these `lengths`, as `read` returns them for any range of the chunks.
pub(super) fn pieces(
    reader: &Reader<'_>,
    lengths: Vec<u64>,
    read: impl Fn(Range<usize>, Ahead) -> Pieces + Send + Sync + 'static,
) -> Pieces {
    let budget = reader.shared.budget.clone();
    let longest = lengths.iter().copied().max().unwrap_or_default();
    // Windows that are being read, were read, and are being sent; some of them also as they are stored.
    let needed = 5 * (FAR.window + longest);
    if let Some(memory) = budget.spare_paced(needed.min(4 * lengths.iter().sum::<u64>())) {
        let pieces = read(0..lengths.len(), FAR);
        return pieces.inspect(move |_| _ = &memory).boxed();
    }
    let window = if reader.store.inner.objects.is_local() { NEAR } else { NEAR_REMOTE };
    let windows = Arc::new(Windows { budget, window, lengths, read });
    let host = Arc::clone(&reader.store.inner.host);
    let pieces = stream::try_unfold((0, None), move |(chunk, _): (usize, Option<Reservation>)| {
        let windows = Arc::clone(&windows);
        // A task of its own soon gives half of the memory back, even if a slow client stops to poll this.
        let next = start_awaited_task(&host, async move { windows.next(chunk).await });
        async move { next.await? }
    });
    pieces.map_ok(|window| stream::iter(window).map(Ok)).try_flatten().boxed()
}

struct Windows<R> {
    budget: Budget,
    /// Bytes of short chunks to read together.
    window: u64,
    lengths: Vec<u64>,
    read: R,
}

impl<R: Fn(Range<usize>, Ahead) -> Pieces + Send + Sync> Windows<R> {
    /// Returns the pieces of the next chunks, where those after them begin, and the memory that the pieces take until
    /// then.
    async fn next(
        &self,
        chunk: usize,
    ) -> Result<Option<(Vec<Bytes>, (usize, Option<Reservation>))>, StoreError> {
        let Some(&first) = self.lengths.get(chunk) else { return Ok(None) };
        let (mut end, mut bytes) = (chunk + 1, first);
        while let Some(next) = self.lengths.get(end).filter(|next| bytes + *next <= self.window) {
            bytes += next;
            end += 1;
        }
        // As stored, and as sent.
        let mut memory = self.budget.take_to_send(2 * bytes).await.ok();
        let pieces = (self.read)(chunk..end, Ahead { window: bytes, windows: 1 }).try_collect().await?;
        if let Some(memory) = &mut memory {
            memory.shrink(bytes);
        }
        Ok(Some((pieces, (end, memory))))
    }
}

//! The packs that are arriving, so that a commit can wait for their chunks.

use super::wire::Row;
use crate::chunk::ChunkId;
use crate::error::StoreError;
use crate::store::{Inner, Store};
use chunker::hashing::HashAlgorithm;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The packs that an engine is receiving.
#[derive(Debug, Default)]
pub(super) struct Arriving(Mutex<Vec<Pack>>);

/// A pack that is arriving at a store.
#[derive(Clone, Debug)]
struct Pack {
    store: Arc<Inner>,
    algorithm: HashAlgorithm,
    /// Its table, once that has arrived. Closed when the pack is stored or given up.
    rows: watch::Receiver<Option<Arc<[Row]>>>,
}

/// While this exists, its pack counts as arriving.
#[derive(Debug)]
pub(super) struct ArrivingPack {
    arriving: Arc<Arriving>,
    rows: watch::Sender<Option<Arc<[Row]>>>,
}

impl ArrivingPack {
    /// Records the table of the pack.
    pub(super) fn set_rows(&self, rows: Arc<[Row]>) {
        self.rows.send_replace(Some(rows));
    }
}

impl Drop for ArrivingPack {
    fn drop(&mut self) {
        let ended = self.rows.subscribe();
        self.arriving.packs().retain(|pack| !pack.rows.same_channel(&ended));
    }
}

/// What a commit learns while it waits for a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Learned {
    /// The pack has none of the wanted chunks.
    Unrelated,
    /// The pack is stored or given up.
    Ended,
}

impl Pack {
    /// Returns whether it has one of these chunks, as far as that is known.
    fn may_have(&mut self, chunks: &HashSet<ChunkId>) -> bool {
        let is_wanted = |row: &Row| chunks.contains(&ChunkId::new(self.algorithm, row.digest));
        self.rows.borrow_and_update().as_ref().is_none_or(|rows| rows.iter().any(is_wanted))
    }

    /// Waits until it has ended, or its table shows that it has none of these chunks.
    async fn wait(mut self, chunks: &HashSet<ChunkId>) -> Learned {
        loop {
            if !self.may_have(chunks) {
                return Learned::Unrelated;
            }
            if self.rows.changed().await.is_err() {
                return Learned::Ended;
            }
        }
    }
}

impl Arriving {
    fn packs(&self) -> MutexGuard<'_, Vec<Pack>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a pack.
    pub(super) fn add(self: &Arc<Self>, store: Arc<Inner>, algorithm: HashAlgorithm) -> ArrivingPack {
        let (sender, rows) = watch::channel(None);
        self.packs().push(Pack { store, algorithm, rows });
        ArrivingPack { arriving: Arc::clone(self), rows: sender }
    }

    /// Waits until no missing chunk is in a pack that is arriving at the same store, and returns the missing
    /// chunks.
    ///
    /// It does not return early if another chunk is missing for certain: the client may be about to send it.
    pub(super) async fn missing_of(
        &self,
        store: &Store,
        ids: Arc<[ChunkId]>,
    ) -> Result<Vec<ChunkId>, StoreError> {
        let mut wanted = ids;
        loop {
            // Listed before the look, so that the end of a pack in between is not missed.
            let mut packs = self.packs().clone();
            packs.retain(|pack| Arc::ptr_eq(&pack.store, &store.inner));
            let missing = missing_of(store, &wanted).await?;
            if missing.is_empty() {
                return Ok(missing);
            }
            let chunks: HashSet<ChunkId> = missing.iter().copied().collect();
            packs.retain_mut(|pack| pack.may_have(&chunks));
            if packs.is_empty() {
                return Ok(missing);
            }
            // All at once: a pack that makes no progress must not hide that another one is stored.
            let mut waits: FuturesUnordered<_> = packs.into_iter().map(|pack| pack.wait(&chunks)).collect();
            while waits.next().await == Some(Learned::Unrelated) {}
            drop(waits);
            wanted = missing.into();
        }
    }
}

/// Returns which chunks are missing.
pub(super) async fn missing_of(store: &Store, ids: &Arc<[ChunkId]>) -> Result<Vec<ChunkId>, StoreError> {
    let missing = store.missing_of(Arc::clone(ids)).await?;
    let missing = ids.iter().zip(missing).filter(|(_, missing)| *missing);
    Ok(missing.map(|(id, _)| *id).collect())
}

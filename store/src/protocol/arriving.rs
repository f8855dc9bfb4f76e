//! The packs that are arriving, so that a commit can wait for their chunks.

use super::wire::Row;
use crate::chunk::ChunkId;
use crate::error::StoreError;
use crate::store::{Inner, Store};
use chunker::hashing::HashAlgorithm;
use futures::StreamExt as _;
use futures::future::{Either, select};
use futures::stream::FuturesUnordered;
use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::watch;

/// The packs that an engine is receiving. Reports those that are added.
#[derive(Debug, Default)]
pub(super) struct Arriving(watch::Sender<Packs>);

#[derive(Clone, Debug, Default)]
struct Packs {
    /// How many were ever added.
    added: u64,
    /// Those that have not ended, in the order in which they were added.
    arriving: Vec<Pack>,
}

impl Packs {
    /// Returns the packs that were added after the first `count`, except for those that have ended.
    fn since(&self, count: u64) -> &[Pack] {
        let first = self.arriving.partition_point(|pack| pack.number < count);
        self.arriving.get(first..).unwrap_or_default()
    }
}

/// A pack that is arriving at a store.
#[derive(Clone, Debug)]
struct Pack {
    /// How many packs were added before it.
    number: u64,
    store: Arc<Inner>,
    algorithm: HashAlgorithm,
    /// Its table, once that has arrived. Closed when the pack is stored or given up.
    rows: watch::Receiver<Option<Arc<[Row]>>>,
}

/// While this exists, its pack counts as arriving.
#[derive(Debug)]
pub(super) struct ArrivingPack {
    arriving: Arc<Arriving>,
    number: u64,
    algorithm: HashAlgorithm,
    rows: watch::Sender<Option<Arc<[Row]>>>,
}

impl ArrivingPack {
    /// The algorithm of its digests.
    pub(super) const fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// Records the table of the pack.
    pub(super) fn set_rows(&self, rows: Arc<[Row]>) {
        self.rows.send_replace(Some(rows));
    }
}

impl Drop for ArrivingPack {
    fn drop(&mut self) {
        self.arriving.0.send_if_modified(|packs| {
            packs.arriving.retain(|pack| pack.number != self.number);
            false // its own channel reports the end
        });
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
    fn is_at(&self, store: &Store) -> bool {
        Arc::ptr_eq(&self.store, &store.inner)
    }

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
    /// Adds a pack.
    pub(super) fn add(self: &Arc<Self>, store: Arc<Inner>, algorithm: HashAlgorithm) -> ArrivingPack {
        let (sender, rows) = watch::channel(None);
        let mut number = 0;
        self.0.send_modify(|packs| {
            number = packs.added;
            packs.added += 1;
            packs.arriving.push(Pack { number, store, algorithm, rows });
        });
        ArrivingPack { arriving: Arc::clone(self), number, algorithm, rows: sender }
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
        let mut packs = self.0.subscribe();
        let mut wanted = ids;
        loop {
            // Listed before the look, so that the end of a pack in between is not missed.
            let mut listed = packs.borrow_and_update().clone();
            let missing = missing_of(store, &wanted).await?;
            if missing.is_empty() {
                return Ok(missing);
            }
            let chunks: HashSet<ChunkId> = missing.iter().copied().collect();
            listed.arriving.retain_mut(|pack| pack.is_at(store) && pack.may_have(&chunks));
            if listed.arriving.is_empty() {
                return Ok(missing);
            }
            one_ended(&mut packs, listed, store, &chunks).await;
            wanted = missing.into();
        }
    }
}

/// Waits until a pack that may have one of these chunks has ended, or none is left. It may be one of the `listed` packs,
/// or one that is added meanwhile.
async fn one_ended(
    packs: &mut watch::Receiver<Packs>,
    listed: Packs,
    store: &Store,
    chunks: &HashSet<ChunkId>,
) {
    // All at once: a pack that makes no progress must not hide that another one is stored.
    let mut waits: FuturesUnordered<_> = listed.arriving.into_iter().map(|pack| pack.wait(chunks)).collect();
    let mut seen = listed.added;
    loop {
        let learned = match select(waits.next(), pin!(packs.changed())).await {
            Either::Left((learned, _)) => Some(learned),
            Either::Right(_) => None,
        };
        match learned {
            Some(Some(Learned::Unrelated)) => {}
            Some(Some(Learned::Ended) | None) => return,
            None => {
                let packs = packs.borrow_and_update();
                let added = packs.since(seen);
                if (added.len() as u64) < packs.added - seen {
                    return; // one of them has ended already
                }
                let added = added.iter().filter(|pack| pack.is_at(store)).cloned();
                waits.extend(added.map(|pack| pack.wait(chunks)));
                seen = packs.added;
            }
        }
    }
}

/// Returns which chunks are missing.
pub(super) async fn missing_of(store: &Store, ids: &Arc<[ChunkId]>) -> Result<Vec<ChunkId>, StoreError> {
    let missing = store.missing_of(Arc::clone(ids)).await?;
    let missing = ids.iter().zip(missing).filter(|(_, missing)| *missing);
    Ok(missing.map(|(id, _)| *id).collect())
}

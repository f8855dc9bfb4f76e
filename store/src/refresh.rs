//! Finds out what other processes have written: lists objects, reads footers, and keeps a snapshot.

use crate::chunk::ChunkId;
use crate::error::StoreError;
use crate::format;
use crate::host::{Moment, start_work, within};
use crate::index::CACHE_PATIENCE;
use crate::index::{Damaged, View};
use crate::name::TimeName;
use crate::objects::{Folder, Found, found};
use crate::pack::format::{ENTRY, Entry, PackError, Place, TRAILER, footer_length, parse_footer};
use crate::rules::{DOOM_RETENTION, LISTING_SLACK, Rule};
use crate::store::Inner;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use std::collections::{BTreeMap, HashMap};
use std::io::ErrorKind;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of the first read at the end of a pack: the footer of 1,500 chunks.
const TAIL: u64 = 64 << 10;
/// Limit for the packs in one doom.
pub(crate) const DOOMED_PACKS: usize = 1 << 20;
/// Bytes of the longest doom: a line for every pack.
const LONGEST_DOOM: u64 = DOOMED_PACKS as u64 * 37;
/// Number of footers to read before the table may be written.
const BATCH: usize = 1024;
/// Limit for the chunks kept in memory.
const MOST: usize = 2 << 20;
/// Chunks whose footers the next process should not have to read again.
const WORTH_KEEPING: usize = 4096;
/// Chunks to keep in memory, regardless of the size of the snapshot.
const RECENT: usize = 1 << 20;

impl Inner {
    /// Updates the view: reads all dooms, then the packs after the newest one, or all packs if `full`.
    pub(crate) async fn refresh(self: &Arc<Self>, full: bool) -> Result<(), StoreError> {
        loop {
            let start = Moment::now(self.host.as_ref());
            let full = self.read_dooms(start).await? || full;
            let (sequence, after) = {
                let view = self.view();
                let slack =
                    if self.rules.hold(Rule::Slack) { LISTING_SLACK } else { std::time::Duration::ZERO };
                let after = view.newest().filter(|_| !full).map(|newest| newest.earlier(slack).to_string());
                (view.sequence(), after)
            };
            let list = self.objects.list(Folder::Packs, after.as_deref()).await?;
            // A list is out of date if dooms may have come and gone since.
            if !self.is_recent(start) {
                continue;
            }
            let unknown = self.view_mut().apply(&list, after.is_none(), sequence);
            if self.read_footers(unknown, start).await? {
                return Ok(());
            }
        }
    }

    /// Returns whether what was learned since a moment is still valid: no doom that could have been read since
    /// then is forgotten yet (rule 10).
    pub(crate) fn is_recent(&self, start: Moment) -> bool {
        start.age(self.host.as_ref()) < DOOM_RETENTION / 2
    }

    /// Checks that every doom could be read. Otherwise it is unknown which packs are doomed, so no commit may
    /// rely on a pack, and no pack may be deleted.
    pub(crate) fn all_dooms_known(&self) -> Result<(), StoreError> {
        match self.view().damaged_doom {
            Some(name) => Err(StoreError::Doom { name: Folder::Dooms.object(name) }),
            None => Ok(()),
        }
    }

    /// Returns the packs of a doom: `Some(None)` if the doom is damaged, `None` if it does not exist.
    pub(crate) async fn read_doom(
        &self,
        name: TimeName,
        size: u64,
    ) -> Result<Option<Option<Vec<TimeName>>>, StoreError> {
        if size > LONGEST_DOOM {
            return Ok(Some(None));
        }
        let bytes = found(self.objects.get(&Folder::Dooms.object(name), Some(0..size)).await)?;
        Ok(bytes.map(|bytes| parse_doom(&bytes)))
    }

    /// Reads the dooms that are not known yet, and returns whether all packs must be listed.
    async fn read_dooms(self: &Arc<Self>, start: Moment) -> Result<bool, StoreError> {
        let newest = self.view().newest_doom().map(|name| name.to_string());
        let after = newest.filter(|_| !self.rules.hold(Rule::WholeDooms));
        let list = self.objects.list(Folder::Dooms, after.as_deref()).await?;
        let listed = |doom: &Found| Some((doom.name.parse::<TimeName>().ok()?, doom.size));
        let listed: BTreeMap<TimeName, u64> = list.iter().filter_map(listed).collect();
        let unknown: Vec<(TimeName, u64)> = {
            let view = self.view();
            let dooms = listed.iter().map(|(&name, &size)| (name, size));
            dooms.filter(|&(name, _)| !view.knows_doom(name)).collect()
        };
        let reads = unknown.into_iter().map(|(name, size)| {
            let inner = Arc::clone(self);
            async move { Ok::<_, StoreError>((name, inner.read_doom(name, size).await?)) }
        });
        let dooms: Vec<_> =
            futures::stream::iter(reads).buffered(self.options.concurrency).try_collect().await?;
        let now = Moment::now(self.host.as_ref());
        let mut view = self.view_mut();
        if after.is_none() {
            // Rule 10: a doom that is old enough to be in this list, and is not, was deleted.
            let is_over = |seen: Moment| start.is_after(&seen, self.format.listing_lag);
            let freed = view.apply_dooms(&listed.into_keys().collect(), now, is_over);
            if self.rules.hold(Rule::ForgottenDooms) {
                view.forget_packs(&freed);
            }
        }
        // A damaged doom that no longer exists was removed by an operator.
        let mut vanished = view.damaged_doom.take().is_some();
        for (name, packs) in dooms {
            match packs {
                Some(Some(packs)) => view.doom(name, packs, now),
                Some(None) => view.damaged_doom = Some(name),
                None => vanished = true,
            }
        }
        let outdated =
            view.dooms_listed.is_none_or(|listed| listed.age(self.host.as_ref()) >= DOOM_RETENTION / 2);
        if outdated || vanished {
            view.packs_listed = false;
        }
        view.dooms_listed = Some(start);
        Ok(!view.packs_listed)
    }

    /// Makes known packs of other processes durable: a pack can be listed before its writer has made its name
    /// durable (rule 1).
    pub(crate) async fn settle_packs(&self) -> Result<(), StoreError> {
        let unsettled = self.view().unsettled();
        if let Some(unsettled) = unsettled {
            self.objects.settle(Folder::Packs).await?;
            self.view_mut().settle(unsettled);
        }
        Ok(())
    }

    /// Reads the footers of packs in a list that began at `start`, and returns whether that was in time.
    async fn read_footers(
        self: &Arc<Self>,
        packs: Vec<(TimeName, u64)>,
        start: Moment,
    ) -> Result<bool, StoreError> {
        for batch in packs.chunks(BATCH) {
            let reads = batch.iter().copied().map(|(name, size)| {
                let inner = Arc::clone(self);
                async move { Ok::<_, StoreError>((name, size, inner.read_footer(name, size).await?)) }
            });
            let mut reads = futures::stream::iter(reads).buffered(self.options.concurrency);
            while let Some((name, size, footer)) = reads.try_next().await? {
                if !self.is_recent(start) {
                    return Ok(false);
                }
                match footer {
                    Some(Ok(entries)) => self.view_mut().add(name, size, &entries),
                    Some(Err(error)) => self.view_mut().add_damaged(name, size, error),
                    None => {} // deleted meanwhile
                }
            }
            self.keep_snapshot(RECENT, 2).await?;
        }
        if !packs.is_empty() {
            self.keep_snapshot(WORTH_KEEPING, 16).await?;
        }
        Ok(true)
    }

    /// Returns the entries of a pack, or what is wrong with its footer, or `None` if the pack does not exist.
    pub(crate) async fn read_footer(
        &self,
        name: TimeName,
        size: u64,
    ) -> Result<Option<Result<Vec<Entry>, PackError>>, StoreError> {
        if size < TRAILER as u64 {
            return Ok(Some(Err(PackError::Truncated)));
        }
        let tail = |length: u64| self.read_pack(name, size - length..size);
        let bytes = match tail(size.min(TAIL)).await? {
            None => return Ok(None),
            Some(Err(error)) => return Ok(Some(Err(error))),
            Some(Ok(bytes)) => bytes,
        };
        let length = match footer_length(&bytes, size) {
            Err(error) => return Ok(Some(Err(error))),
            Ok(length) => length as u64,
        };
        let bytes = if length > bytes.len() as u64 { tail(length).await? } else { Some(Ok(bytes)) };
        Ok(bytes.map(|bytes| parse_footer(&bytes?, size)))
    }

    /// Returns a range of a pack, or what is wrong with it, or `None` if the pack does not exist.
    pub(crate) async fn read_pack(
        &self,
        name: TimeName,
        range: Range<u64>,
    ) -> Result<Option<Result<Bytes, PackError>>, StoreError> {
        let error = match self.objects.get(&Folder::Packs.object(name), Some(range)).await {
            Ok(bytes) => return Ok(Some(Ok(bytes))),
            Err(error) => error,
        };
        match error.kind {
            ErrorKind::NotFound => Ok(None),
            ErrorKind::UnexpectedEof => Ok(Some(Err(PackError::Truncated))),
            // One unreadable pack must not make the store unusable, and an unreadable store must not look like
            // an empty one.
            kind if self.objects.is_of_one(&error) && self.objects.get(format::NAME, None).await.is_ok() => {
                Ok(Some(Err(PackError::Unreadable { kind })))
            }
            _ => Err(error.into()),
        }
    }

    /// Reads the footer of a pack again in which chunks are not where they should be, and returns whether the
    /// view was wrong: then it is not any more.
    pub(crate) async fn correct(
        self: &Arc<Self>,
        pack: TimeName,
        chunks: &[Entry],
    ) -> Result<bool, StoreError> {
        let Some(size) = self.view().size_of(pack) else { return Ok(false) };
        match self.read_footer(pack, size).await? {
            None => {
                self.view_mut().remove(pack);
                Ok(true)
            }
            Some(Err(error)) => {
                self.view_mut().add_damaged(pack, size, error);
                Ok(false)
            }
            Some(Ok(entries)) => {
                let places: HashMap<ChunkId, Place> =
                    entries.iter().map(|entry| (entry.id, entry.place)).collect();
                if chunks.iter().all(|chunk| places.get(&chunk.id) == Some(&chunk.place)) {
                    return Ok(false);
                }
                let corrected = self.view().agrees(pack, size, &entries) == Ok(true); // by another task
                if !corrected {
                    self.discard_cache().await?; // it is wrong about other packs, too
                    self.forget_chunks().await?;
                }
                Ok(true)
            }
        }
    }

    /// Asks the view about chunks. If its snapshot turns out to be damaged, makes a new one and asks again.
    pub(crate) async fn look_up<C: Send + Sync + 'static, T: Send + 'static>(
        self: &Arc<Self>,
        ids: Arc<[C]>,
        ask: impl Fn(&View, &C) -> Result<T, Damaged> + Clone + Send + 'static,
    ) -> Result<Vec<T>, StoreError> {
        loop {
            let (inner, ids, ask) = (Arc::clone(self), Arc::clone(&ids), ask.clone());
            let answers = move || {
                let view = inner.view();
                ids.iter().map(|id| ask(&view, id)).collect::<Result<Vec<_>, _>>()
            };
            if let Ok(answers) = start_work(&self.host, answers).await? {
                return Ok(answers);
            }
            self.forget_chunks().await?;
        }
    }

    /// Removes this machine's snapshots, because they are wrong.
    pub(crate) async fn discard_cache(&self) -> Result<(), StoreError> {
        let cache = self.cache.clone();
        within(&self.host, CACHE_PATIENCE, start_work(&self.host, move || cache.discard()))
            .await
            .transpose()?;
        Ok(())
    }

    /// Reads all footers again, and stops using snapshots, because this machine's are damaged.
    async fn forget_chunks(self: &Arc<Self>) -> Result<(), StoreError> {
        crate::observability::index_damaged();
        {
            let mut view = self.view_mut();
            self.cache.disable();
            *view = view.without_chunks();
        }
        self.refresh(true).await
    }

    /// Writes the table into a new snapshot if at least `least` chunks, and a `share`th of the snapshot's,
    /// are in none. Writes one at a time, for a limited time, because a cache that hangs must not stop the
    /// work.
    pub(crate) async fn keep_snapshot(
        self: &Arc<Self>,
        least: usize,
        share: usize,
    ) -> Result<(), StoreError> {
        let Some(_turn) = self.cache.turn() else { return Ok(()) };
        let parts = {
            let view = self.view();
            let old = view.snapshot().map_or(0, |snapshot| snapshot.len());
            if view.recent_len() < least.max(old / share).min(MOST) || !self.cache.is_enabled() {
                return Ok(());
            }
            view.parts()
        };
        let (name, now) = (self.new_name()?, self.host.now());
        let cache = self.cache.clone();
        let write = start_work(&self.host, move || (cache.write(&parts, name, now), parts));
        match within(&self.host, CACHE_PATIENCE, write).await.transpose()? {
            Some((Ok(snapshot), parts)) if self.cache.is_enabled() => {
                self.view_mut().adopt(snapshot, &parts);
            }
            _ => self.cache.disable(), // the table stays in memory
        }
        Ok(())
    }
}

/// Returns the bytes of a doom: the names of its packs, one per line.
pub(crate) fn doom_text(packs: &[TimeName]) -> String {
    packs.iter().map(|pack| format!("{pack}\n")).collect()
}

fn parse_doom(bytes: &[u8]) -> Option<Vec<TimeName>> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.is_empty() || text.ends_with('\n'))?;
    text.lines().map(|line| line.parse().ok()).collect()
}

/// Longest footer to read at once, in bytes: it must fit in memory.
const _: () = assert!(crate::pack::format::MAX_CHUNKS as usize * ENTRY < 64 << 20);

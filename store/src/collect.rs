//! Garbage collection: dooms packs, copies their live chunks, then deletes them. Committers, readers and
//! other collectors can continue at the same time.

use crate::chunk::ChunkId;
use crate::error::StoreError;
use crate::host::Moment;
use crate::index::{Damaged, Snapshot, View};
use crate::live::{self, LiveFiles};
use crate::name::TimeName;
use crate::objects::{Folder, found};
use crate::pack::PackWriter;
use crate::pack::encoding::{ChunkError, Encoded, Record};
use crate::pack::format::{ENTRY, Entry};
use crate::progress::{Callback, Progress, Step};
use crate::read::{Ahead, Failed, Fetched};
use crate::refresh::doom_text;
use crate::rules::{DOOM_RETENTION, PENDING_EXPIRY, Rule};
use crate::store::{Inner, Store};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Limit for the chunks in packs that are doomed together: they are held in memory.
const DOOMED_CHUNKS: u64 = 1 << 20;
/// How often a collector tries to finish a doom before it leaves it to the next collection.
const LOOKS: u32 = 16;
/// Small packs that are worth merging.
const SMALL_PACKS: usize = 8;

/// Options of a collection.
#[derive(Clone, Debug)]
pub struct CollectOptions {
    pub(crate) min_age: Duration,
    max_waste: u8,
    dry_run: bool,
    progress: Callback,
}

impl Default for CollectOptions {
    fn default() -> Self {
        Self {
            min_age: Duration::from_hours(24),
            max_waste: 20,
            dry_run: false,
            progress: Callback::default(),
        }
    }
}

impl CollectOptions {
    /// Returns the default options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves packs younger than this alone. Default: 24 hours.
    ///
    /// An upload that takes longer may find chunks missing when it commits, and must add them again. No
    /// age, even 0, harms a committed file.
    #[must_use]
    pub const fn min_age(mut self, age: Duration) -> Self {
        self.min_age = age;
        self
    }

    /// Rewrites packs with at least this percentage of waste. Default: 20; 100 deletes only packs that
    /// contain nothing else.
    #[must_use]
    pub const fn max_waste(mut self, percent: u8) -> Self {
        self.max_waste = percent;
        self
    }

    /// Whether to report only, and write nothing. Default: false.
    #[must_use]
    pub const fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Calls `progress` during the collection, from the task that polls it.
    #[must_use]
    pub fn progress(mut self, progress: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.progress = Callback::new(progress);
        self
    }
}

/// The result of a collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CollectReport {
    /// Files in the store.
    pub files: u64,
    /// Packs in the store at the start.
    pub packs: u64,
    /// Bytes of these packs.
    pub bytes: u64,
    /// Bytes in these packs that files need.
    pub live_bytes: u64,
    /// Packs that were chosen to be deleted.
    pub doomed_packs: u64,
    /// Packs that were deleted, including those that other collections had chosen.
    pub deleted_packs: u64,
    /// Bytes of the packs that were deleted.
    pub deleted_bytes: u64,
    /// Live chunks that were copied out of them.
    pub copied_chunks: u64,
    /// Bytes of these chunks, as stored.
    pub copied_bytes: u64,
    /// Packs that could not be deleted yet, because they have the only copy of a live chunk, and it is
    /// damaged.
    pub kept_packs: Vec<TimeName>,
    /// Commits that started more than a day ago and never finished.
    pub expired_commits: u64,
    /// Temporary files of writers that died.
    pub removed_temporaries: u64,
}

impl Store {
    /// Deletes chunks that no file needs.
    ///
    /// Chooses packs with much waste, copies their live chunks into new packs, and deletes them. Safe at any
    /// time, from any number of processes: you can kill it at any moment, and the next collection finishes
    /// what it started. Committed files stay readable throughout. It frees space at once, but does not touch
    /// packs younger than [`min_age`](CollectOptions::min_age).
    ///
    /// # Errors
    /// [`StoreError::Manifest`] or [`StoreError::ManifestDigest`] if a manifest is damaged: the chunks that
    /// its file needs are unknown, so nothing may be deleted; see [`check`](Self::check).
    /// [`StoreError::Doom`]; [`StoreError::Object`].
    pub async fn collect(&self, options: CollectOptions) -> Result<CollectReport, StoreError> {
        let report = Collector::new(Arc::clone(&self.inner), options).await?.collect().await;
        report.inspect_err(|error| crate::observability::failed(error.code()))
    }
}

pub(crate) struct Collector {
    inner: Arc<Inner>,
    options: CollectOptions,
    now: SystemTime,
    pub(crate) files: LiveFiles,
    /// Dooms that were removed; late lists may still have them.
    forgotten: HashSet<TimeName>,
    pub(crate) report: CollectReport,
}

impl Collector {
    pub(crate) async fn new(inner: Arc<Inner>, options: CollectOptions) -> Result<Self, StoreError> {
        let now = if options.dry_run { inner.host.now() } else { inner.store_time().await? };
        let files = LiveFiles::new(Arc::clone(&inner), now, !options.dry_run, options.progress.clone());
        Ok(Self { inner, options, now, files, forgotten: HashSet::new(), report: CollectReport::default() })
    }

    async fn collect(mut self) -> Result<CollectReport, StoreError> {
        if !self.options.dry_run {
            self.report.removed_temporaries = self.inner.objects.sweep(PENDING_EXPIRY).await?;
            self.sweep_clock().await?;
            self.delete_old_dooms().await?;
        }
        self.inner.refresh(true).await?;
        self.inner.all_dooms_known()?;
        let victims = self.choose().await?;
        self.report.doomed_packs = victims.iter().map(|batch| batch.len() as u64).sum();
        if !self.options.dry_run {
            if !self.inner.rules.hold(Rule::DoomFirst) {
                return self.collect_backwards(victims).await;
            }
            for batch in victims {
                self.doom(batch).await?;
                self.finish().await?;
            }
            self.finish().await?; // dooms of others, and old ones
            drop(self.inner.keep_snapshot(1, 16).await);
        }
        self.report.files = self.files.files;
        self.report.expired_commits = self.files.expired;
        Ok(self.report)
    }

    /// Deletes what was live before the doom: what rule 4 forbids.
    async fn collect_backwards(mut self, victims: Vec<Vec<TimeName>>) -> Result<CollectReport, StoreError> {
        self.files.start_over();
        let mut live = BTreeSet::new();
        self.files
            .look(|manifest| {
                live.extend(live::chunks(manifest));
                Ok(())
            })
            .await?;
        for batch in victims {
            self.doom(batch).await?;
            self.finish_with(Some(&live)).await?;
        }
        Ok(self.report)
    }

    /// Returns the packs that are worth deleting, in batches.
    async fn choose(&mut self) -> Result<Vec<Vec<TimeName>>, StoreError> {
        let inner = Arc::clone(&self.inner);
        let mut marks = Marks::new(inner.view().snapshot());
        let mut live: BTreeMap<TimeName, u64> = BTreeMap::new();
        let mut rebuilt = false;
        self.files
            .look(|manifest| {
                let view = inner.view();
                for id in live::chunks(manifest) {
                    if marks.mark(&id) {
                        continue;
                    }
                    match view.copies(&id) {
                        Ok(copies) => {
                            if let Some(copy) = copies.first().filter(|copy| copy.usable) {
                                let range = copy.place.range();
                                *live.entry(copy.pack).or_default() += range.end - range.start + ENTRY as u64;
                            }
                        }
                        Err(Damaged) => rebuilt = true,
                    }
                }
                Ok(())
            })
            .await?;
        if rebuilt {
            inner.look_up(Arc::from([]), View::has).await?;
            return Ok(Vec::new()); // the next collection chooses; this one finishes what is doomed
        }
        let view = inner.view();
        let mut victims = Vec::new();
        let mut small = Vec::new();
        for pack in view.present() {
            self.report.packs += 1;
            self.report.bytes += pack.size;
            let live = live.get(&pack.name).copied().unwrap_or(0).min(pack.size);
            self.report.live_bytes += live;
            let age = pack.modified.and_then(|modified| self.now.duration_since(modified).ok());
            let old = age.unwrap_or_default() >= self.min_age();
            if pack.doomed || pack.damage.is_some() || !old {
                continue;
            }
            let waste = (pack.size - live) * 100 / pack.size.max(1);
            if live == 0 || waste >= u64::from(self.options.max_waste) {
                victims.push((waste, pack.name, pack.chunks));
            } else if pack.size < inner.options.pack_size / 4 {
                small.push((waste, pack.name, pack.chunks));
            }
        }
        if small.len() >= SMALL_PACKS {
            victims.extend(small);
        }
        victims.sort_unstable_by_key(|&(waste, name, _)| (std::cmp::Reverse(waste), name));
        let mut batches: Vec<Vec<TimeName>> = Vec::new();
        let mut chunks = u64::MAX;
        for (_, name, count) in victims {
            chunks = chunks.saturating_add(count.into());
            match batches.last_mut() {
                Some(batch) if chunks <= DOOMED_CHUNKS => batch.push(name),
                _ => {
                    batches.push(vec![name]);
                    chunks = count.into();
                }
            }
        }
        Ok(batches)
    }

    fn min_age(&self) -> Duration {
        if self.inner.rules.hold(Rule::Liveness) { self.options.min_age } else { Duration::ZERO }
    }

    /// Dooms packs, irrevocably (rule 3).
    pub(crate) async fn doom(&self, packs: Vec<TimeName>) -> Result<(), StoreError> {
        let name = self.inner.new_name()?;
        let text = doom_text(&packs);
        self.inner.objects.put(&Folder::Dooms.object(name), vec![text.into()]).await?;
        let seen = Moment::now(self.inner.host.as_ref());
        self.inner.view_mut().doom(name, packs, seen);
        Ok(())
    }

    /// Finishes every doom: copies the live chunks out of its packs, and deletes the packs (rule 4).
    pub(crate) async fn finish(&mut self) -> Result<(), StoreError> {
        self.finish_with(None).await
    }

    async fn finish_with(&mut self, known_live: Option<&BTreeSet<ChunkId>>) -> Result<(), StoreError> {
        let inner = Arc::clone(&self.inner);
        inner.refresh(false).await?;
        inner.all_dooms_known()?;
        let mut dooms = self.unfinished().await?;
        if dooms.is_empty() {
            return Ok(());
        }
        let lag = inner.format.listing_lag;
        if !lag.is_zero() && inner.rules.hold(Rule::Grace) {
            inner.host.sleep(lag * 2).await; // rule 7: now every process sees these dooms, and we see its packs
        }
        // Only now: another task may have read a doom before its packs were listed.
        inner.refresh(true).await?;
        let Targets { present, entries, unreadable } = self.targets(&dooms).await?;
        let mut needed: BTreeSet<ChunkId> = BTreeSet::new();
        let mut hurt: BTreeSet<ChunkId> = BTreeSet::new();
        let mut lost = false;
        let mut listed = Moment::now(inner.host.as_ref());
        self.files.start_over();
        for look in 0.. {
            if look == LOOKS {
                return Ok(()); // others change the store so often that one of them will finish
            }
            // Rule 4: pending, then manifests, then dooms, then packs.
            let mut unreadable_needed: Vec<ChunkId> = Vec::new();
            if let Some(live) = known_live {
                needed.extend(live.iter().filter(|id| entries.contains_key(*id)));
            } else {
                let (view, files) = (Arc::clone(&inner), &mut self.files);
                files
                    .look(|manifest| {
                        needed.extend(live::chunks(manifest).filter(|id| entries.contains_key(id)));
                        if !unreadable.is_empty() {
                            let view = view.view();
                            let missing = live::chunks(manifest).filter(|id| !view.has(id).unwrap_or(false));
                            unreadable_needed.extend(missing);
                        }
                        Ok(())
                    })
                    .await?;
            }
            listed = Moment::now(inner.host.as_ref());
            inner.refresh(true).await?;
            inner.all_dooms_known()?;
            let ids: Arc<[ChunkId]> = needed.iter().chain(&unreadable_needed).copied().collect();
            let present = inner.look_up(Arc::clone(&ids), View::has).await?;
            let unsafe_chunks =
                ids.iter().zip(present).filter(|(id, present)| !present && !hurt.contains(*id));
            let unsafe_chunks: BTreeSet<ChunkId> = unsafe_chunks.map(|(id, _)| *id).collect();
            if unsafe_chunks.is_empty() {
                let ids: Arc<[ChunkId]> = hurt.iter().copied().collect();
                let healed = inner.look_up(Arc::clone(&ids), View::has).await?;
                hurt = ids.iter().zip(healed).filter(|(_, healed)| !healed).map(|(id, _)| *id).collect();
                lost |= !hurt.is_empty();
                break;
            }
            self.rescue(unsafe_chunks.into_iter().collect(), &mut hurt).await?;
        }
        let mut keep: BTreeSet<TimeName> = BTreeSet::new();
        keep.extend(hurt.iter().filter_map(|id| entries.get(id)).flatten());
        if lost {
            keep.extend(&unreadable); // who knows what is in them
        }
        inner.settle_packs().await?;
        // Rule 10: a doom that another collector has finished and deleted is no longer valid.
        dooms.retain(|name, _| inner.view().knows_doom(*name));
        self.delete(dooms, &present, &keep, listed).await
    }

    /// Returns the dooms whose packs may not all be deleted.
    async fn unfinished(&self) -> Result<BTreeMap<TimeName, Vec<TimeName>>, StoreError> {
        let finished = self.inner.objects.list(Folder::Finished, None).await?;
        let finished: HashSet<TimeName> = finished.iter().filter_map(|doom| doom.name.parse().ok()).collect();
        let listed = self.inner.objects.list(Folder::Dooms, None).await?;
        let listed: HashSet<TimeName> = listed.iter().filter_map(|doom| doom.name.parse().ok()).collect();
        let view = self.inner.view();
        let over = |name: &TimeName| {
            !listed.contains(name) || finished.contains(name) || self.forgotten.contains(name)
        };
        let unfinished = view.dooms().filter(|(name, _)| !over(name));
        Ok(unfinished.map(|(name, packs)| (name, packs.to_vec())).collect())
    }

    /// Reads the footers of the packs of these dooms.
    async fn targets(&self, dooms: &BTreeMap<TimeName, Vec<TimeName>>) -> Result<Targets, StoreError> {
        let packs: BTreeSet<TimeName> = dooms.values().flatten().copied().collect();
        let mut targets = Targets::default();
        {
            let view = self.inner.view();
            let present = view.present().filter(|pack| packs.contains(&pack.name));
            targets.present.extend(present.map(|pack| (pack.name, pack.size)));
        }
        let reads = targets.present.clone().into_iter().map(|(name, size)| {
            let inner = Arc::clone(&self.inner);
            async move { Ok::<_, StoreError>((name, inner.read_footer(name, size).await?)) }
        });
        let mut reads = stream::iter(reads).buffered(self.inner.options.concurrency);
        while let Some((name, footer)) = reads.try_next().await? {
            match footer {
                Some(Ok(entries)) => {
                    for entry in entries {
                        targets.entries.entry(entry.id).or_default().push(name);
                    }
                }
                Some(Err(_)) => drop(targets.unreadable.insert(name)),
                None => {}
            }
        }
        Ok(targets)
    }

    /// Copies chunks into new packs, as they are stored; those that cannot be read are `hurt`.
    async fn rescue(&mut self, chunks: Vec<ChunkId>, hurt: &mut BTreeSet<ChunkId>) -> Result<(), StoreError> {
        let Some(first) = chunks.first() else { return Ok(()) };
        let total = chunks.len() as u64;
        let mut done = 0;
        let mut writer = PackWriter::new(Arc::clone(&self.inner), first.algorithm);
        let (mut copied, mut bytes) = (0, 0);
        for window in chunks.chunks(1024) {
            for ids in self.inner.split_window(window.to_vec(), Ahead::FAR.window).await? {
                let mut fetched = HashMap::new();
                self.inner.fetch_known(&ids, as_stored, &mut fetched, &mut Failed::default()).await?;
                for id in ids {
                    match fetched.remove(&id) {
                        Some(Fetched { place, content }) => {
                            copied += 1;
                            bytes += u64::from(place.stored);
                            writer.push_encoded(content).await?;
                        }
                        None => drop(hurt.insert(id)),
                    }
                    done += 1;
                }
                self.options.progress.report(Step::CopyChunks, done, total);
            }
        }
        writer.seal().await?;
        self.report.copied_chunks += copied;
        self.report.copied_bytes += bytes;
        crate::observability::chunks_copied(copied, bytes);
        Ok(())
    }

    /// Deletes the packs of these dooms, except some, and notes which dooms are finished. All of them existed
    /// at the moment `listed`.
    async fn delete(
        &mut self,
        dooms: BTreeMap<TimeName, Vec<TimeName>>,
        present: &BTreeMap<TimeName, u64>,
        keep: &BTreeSet<TimeName>,
        listed: Moment,
    ) -> Result<(), StoreError> {
        let (total, mut done) = (present.len() as u64, 0);
        for (doom, packs) in dooms {
            let (kept, deleted): (Vec<_>, Vec<_>) = packs.into_iter().partition(|pack| keep.contains(pack));
            let mut finished = kept.is_empty();
            for pack in deleted {
                let name = Folder::Packs.object(pack);
                let Some(size) = present.get(&pack) else {
                    finished &= found(self.inner.objects.head(&name).await)?.is_none();
                    continue;
                };
                if !self.inner.is_recent(listed) {
                    return Ok(()); // rule 10: by now they may be gone, and their packs back
                }
                self.inner.objects.delete(&name).await?;
                self.inner.view_mut().remove(pack);
                self.report.deleted_packs += 1;
                self.report.deleted_bytes += size;
                crate::observability::packs_deleted(1, *size);
                done += 1;
                self.options.progress.report(Step::DeletePacks, done, total);
            }
            if finished {
                // Rule 5: the doom stays for processes that know its packs, and its time starts now.
                if self.inner.rules.hold(Rule::KeptDooms) {
                    self.inner.objects.put(&Folder::Finished.object(doom), Vec::new()).await?;
                } else {
                    self.inner.objects.delete(&Folder::Dooms.object(doom)).await?;
                }
            }
            for pack in kept {
                if !self.report.kept_packs.contains(&pack) {
                    self.report.kept_packs.push(pack);
                }
            }
        }
        Ok(())
    }

    /// Removes dooms whose packs were deleted long ago.
    async fn delete_old_dooms(&mut self) -> Result<(), StoreError> {
        for finished in self.inner.objects.list(Folder::Finished, None).await? {
            if self.now.duration_since(finished.modified).is_ok_and(|age| age > DOOM_RETENTION) {
                self.inner.objects.delete(&Folder::Dooms.object(&finished.name)).await?;
                self.inner.objects.delete(&Folder::Finished.object(&finished.name)).await?;
                self.forgotten.extend(finished.name.parse::<TimeName>());
            }
        }
        Ok(())
    }

    /// Removes clock objects of processes that died.
    async fn sweep_clock(&self) -> Result<(), StoreError> {
        for object in self.inner.objects.list(Folder::Clock, None).await? {
            if self.now.duration_since(object.modified).is_ok_and(|age| age > PENDING_EXPIRY) {
                self.inner.objects.delete(&Folder::Clock.object(&object.name)).await?;
            }
        }
        Ok(())
    }
}

/// The chunks in packs that are to be deleted.
#[derive(Debug, Default)]
struct Targets {
    /// The packs and their sizes. No others are deleted, because their chunks are unknown.
    present: BTreeMap<TimeName, u64>,
    /// The packs that contain a chunk.
    entries: HashMap<ChunkId, Vec<TimeName>>,
    /// Packs whose footers are damaged.
    unreadable: BTreeSet<TimeName>,
}

/// Returns a verified chunk as it is stored.
fn as_stored(record: &Record) -> Result<Encoded, ChunkError> {
    record.chunk()?;
    let Entry { id, place } = *record.entry();
    Encoded::new(id, place.encoding, place.length, record.stored())
}

/// The chunks counted so far: a bit for each one in the snapshot, and the names of the others.
struct Marks {
    snapshot: Option<Arc<Snapshot>>,
    bits: Vec<u64>,
    others: HashSet<ChunkId>,
}

impl Marks {
    fn new(snapshot: Option<Arc<Snapshot>>) -> Self {
        let bits = vec![0; snapshot.as_ref().map_or(0, |snapshot| snapshot.len().div_ceil(64))];
        Self { snapshot, bits, others: HashSet::new() }
    }

    /// Marks a chunk, and returns whether it was marked before.
    fn mark(&mut self, id: &ChunkId) -> bool {
        let mut first = None;
        if let Some(snapshot) = &self.snapshot {
            let found = snapshot.find(id, |row, _| first = first.or(Some(row)));
            first = first.filter(|_| found.is_ok());
        }
        match first.and_then(|row| Some((self.bits.get_mut(row / 64)?, 1 << (row % 64)))) {
            Some((word, bit)) => {
                let marked = *word & bit != 0;
                *word |= bit;
                marked
            }
            None => !self.others.insert(*id),
        }
    }
}

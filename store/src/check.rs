//! Looks whether a store is sound, and mends what can be mended.

use crate::chunk::{ChunkId, Root};
use crate::collect::{CollectOptions, Collector};
use crate::error::StoreError;
use crate::host::start_work;
use crate::index::View;
use crate::live;
use crate::name::TimeName;
use crate::objects::{Folder, found};
use crate::pack::encoding::{ChunkError, decode};
use crate::pack::format::{Entry, HEAD, PackError};
use crate::progress::{Callback, Progress, Step};
use crate::store::{Inner, Store};
use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use std::collections::HashSet;
use std::sync::Arc;

/// Bytes of a pack that are read at once.
const WINDOW: u64 = 4 << 20;
/// Packs that are read at the same time: each takes a window of memory.
const PACKS: usize = 4;

/// Options of a check.
#[derive(Clone, Debug, Default)]
pub struct CheckOptions {
    read_data: bool,
    repair: bool,
    progress: Callback,
}

impl CheckOptions {
    /// Returns the default options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether every chunk is read and its digest checked, not only every footer and manifest. Default:
    /// false.
    #[must_use]
    pub const fn read_data(mut self, read_data: bool) -> Self {
        self.read_data = read_data;
        self
    }

    /// Whether damaged packs are doomed, once their good chunks are copied, so that the next upload of what
    /// they had heals the store. Default: false; then nothing is written.
    #[must_use]
    pub const fn repair(mut self, repair: bool) -> Self {
        self.repair = repair;
        self
    }

    /// Calls `progress` while the check goes on, from the task that polls it.
    #[must_use]
    pub fn progress(mut self, progress: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.progress = Callback::new(progress);
        self
    }
}

/// What a check has found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CheckReport {
    /// Packs that were checked.
    pub packs: u64,
    /// Chunks in these packs.
    pub chunks: u64,
    /// Bytes of these packs.
    pub bytes: u64,
    /// Files that were checked.
    pub files: u64,
    /// Packs that are damaged.
    pub damaged_packs: Vec<DamagedPack>,
    /// Files that cannot be read whole.
    pub hurt_files: Vec<HurtFile>,
    /// Objects that are damaged, or that a store does not have; by name.
    pub strange_objects: Vec<String>,
    /// Chunks that were copied out of damaged packs.
    pub rescued_chunks: u64,
    /// Damaged packs that were deleted: nothing in them is needed any more.
    pub deleted_packs: u64,
}

impl CheckReport {
    /// Says whether every file can be read and no pack is damaged.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.damaged_packs.is_empty() && self.hurt_files.is_empty() && self.strange_objects.is_empty()
    }
}

/// A pack that is damaged.
#[derive(Debug)]
#[non_exhaustive]
pub struct DamagedPack {
    /// Its name.
    pub pack: TimeName,
    /// What is wrong with the pack as a whole.
    pub error: Option<PackError>,
    /// Its chunks that are damaged.
    pub chunks: Vec<ChunkId>,
}

/// A file that cannot be read whole.
#[derive(Debug)]
#[non_exhaustive]
pub struct HurtFile {
    /// The file's name.
    pub root: Root,
    /// What is wrong with its manifest.
    pub error: Option<StoreError>,
    /// Its chunks of which no good copy is in the store, each once.
    pub chunks: Vec<ChunkId>,
}

impl Store {
    /// Checks every footer and every manifest, and with [`CheckOptions::read_data`] every byte.
    ///
    /// Files that are committed, packs that are written, and collections may go on meanwhile; what is
    /// deleted during a check is not reported. With [`CheckOptions::repair`] damaged packs are doomed, and
    /// deleted as soon as no file needs anything in them; a process that dies meanwhile leaves the rest to
    /// the next collection. Without it, nothing is written.
    ///
    /// # Errors
    /// [`StoreError::Object`], when the store cannot be listed or read. Damage is no error, but reported.
    pub async fn check(&self, options: CheckOptions) -> Result<CheckReport, StoreError> {
        let inner = &self.inner;
        inner.refresh(true).await?;
        let mut report = CheckReport::default();
        if let Err(StoreError::Doom { name }) = inner.all_dooms_known() {
            report.strange_objects.push(name);
        }
        let bad = check_packs(inner, &options, &mut report).await?;
        check_files(inner, &options, &bad, &mut report).await?;
        if options.repair && !report.damaged_packs.is_empty() {
            repair(inner, &options, &mut report).await?;
        }
        Ok(report)
    }
}

/// Checks the packs, and returns the damaged chunks in each.
async fn check_packs(
    inner: &Arc<Inner>,
    options: &CheckOptions,
    report: &mut CheckReport,
) -> Result<HashSet<(ChunkId, TimeName)>, StoreError> {
    for folder in Folder::ALL.into_iter().filter(|&folder| folder != Folder::Manifests) {
        let list = inner.objects.list(folder, None).await?;
        let strange = list.iter().filter(|object| object.name.parse::<TimeName>().is_err());
        report.strange_objects.extend(strange.map(|object| folder.object(&object.name)));
    }
    let packs: Vec<_> = {
        let view = inner.view();
        view.present().map(|pack| (pack.name, pack.size, pack.damage.cloned())).collect()
    };
    let total = packs.len() as u64;
    let read_data = options.read_data;
    let checks =
        packs.into_iter().map(|(name, size, damage)| {
            let inner = Arc::clone(inner);
            async move {
                Ok::<_, StoreError>((name, size, check_pack(&inner, name, size, damage, read_data).await?))
            }
        });
    let concurrency = if read_data { PACKS } else { inner.options.concurrency };
    let mut checks = stream::iter(checks).buffered(concurrency);
    let mut bad = HashSet::new();
    let mut done = 0;
    while let Some((pack, size, checked)) = checks.try_next().await? {
        done += 1;
        options.progress.report(Step::CheckPacks, done, total);
        let Some(Checked { count, error, chunks }) = checked else { continue };
        report.packs += 1;
        report.bytes += size;
        report.chunks += count;
        bad.extend(chunks.iter().map(|&id| (id, pack)));
        if error.is_some() || !chunks.is_empty() {
            report.damaged_packs.push(DamagedPack { pack, error, chunks });
        }
    }
    Ok(bad)
}

struct Checked {
    count: u64,
    error: Option<PackError>,
    chunks: Vec<ChunkId>,
}

/// Checks one pack; `None` when it was deleted meanwhile.
async fn check_pack(
    inner: &Arc<Inner>,
    name: TimeName,
    size: u64,
    damage: Option<PackError>,
    read_data: bool,
) -> Result<Option<Checked>, StoreError> {
    let damaged = |error| Ok(Some(Checked { count: 0, error: Some(error), chunks: Vec::new() }));
    if let Some(error) = damage {
        return damaged(error);
    }
    let entries = match inner.read_footer(name, size).await? {
        None => return Ok(None),
        Some(Err(error)) => return damaged(error),
        Some(Ok(entries)) => entries,
    };
    let mut checked = Checked { count: entries.len() as u64, error: None, chunks: Vec::new() };
    if !read_data {
        return Ok(Some(checked));
    }
    let object = Folder::Packs.object(name);
    let Some(head) = found(inner.objects.get(&object, Some(0..HEAD.len() as u64)).await)? else {
        return Ok(None);
    };
    if head != HEAD[..] {
        checked.error = Some(PackError::Truncated);
    }
    let mut rest = entries.as_slice();
    while let Some(first) = rest.first() {
        let start = first.place.range().start;
        let fits = rest.iter().take_while(|entry| entry.place.range().end - start <= WINDOW).count().max(1);
        let (window, behind) = rest.split_at(fits);
        rest = behind;
        let end = window.last().map_or(start, |entry| entry.place.range().end);
        let Some(bytes) = found(inner.objects.get(&object, Some(start..end)).await)? else { return Ok(None) };
        let window = window.to_vec();
        checked.chunks.extend(start_work(&inner.host, move || damaged_chunks(&window, start, &bytes)).await?);
    }
    Ok(Some(checked))
}

fn damaged_chunks(entries: &[Entry], start: u64, bytes: &Bytes) -> Vec<ChunkId> {
    let check = |entry: &Entry| -> Result<(), ChunkError> {
        let at = usize::try_from(entry.place.range().start - start).unwrap_or(usize::MAX);
        decode(entry.id, entry.place, bytes.slice(at..at + entry.place.stored as usize)).map(drop)
    };
    entries.iter().filter(|entry| check(entry).is_err()).map(|entry| entry.id).collect()
}

/// Checks that every file's manifest is sound and every chunk has a good copy.
async fn check_files(
    inner: &Arc<Inner>,
    options: &CheckOptions,
    bad: &HashSet<(ChunkId, TimeName)>,
    report: &mut CheckReport,
) -> Result<(), StoreError> {
    let list = inner.objects.list(Folder::Manifests, None).await?;
    let mut roots = Vec::new();
    for file in list {
        match file.name.parse::<Root>() {
            Ok(root) => roots.push(root),
            Err(_) => report.strange_objects.push(Folder::Manifests.object(&file.name)),
        }
    }
    let total = roots.len() as u64;
    let reads = roots.into_iter().map(|root| {
        let inner = Arc::clone(inner);
        async move { (root, inner.read_manifest(&root).await) }
    });
    let mut reads = stream::iter(reads).buffered(inner.options.concurrency);
    let mut done = 0;
    let mut refreshed = false;
    while let Some((root, manifest)) = reads.next().await {
        done += 1;
        options.progress.report(Step::ReadManifests, done, total);
        let manifest = match manifest {
            Ok(None) => continue, // deleted meanwhile
            Ok(Some(manifest)) => manifest,
            Err(error @ StoreError::Object(_)) => return Err(error),
            Err(error) => {
                report.files += 1;
                report.hurt_files.push(HurtFile { root, error: Some(error), chunks: Vec::new() });
                continue;
            }
        };
        report.files += 1;
        let mut seen = HashSet::new();
        let ids: Arc<[ChunkId]> = live::chunks(&manifest).filter(|id| seen.insert(*id)).collect();
        let mut chunks = lost_chunks(inner, &ids, bad).await?;
        if !chunks.is_empty() && !refreshed {
            inner.refresh(true).await?; // it may have been committed, or a pack rewritten, after the lists
            refreshed = true;
            chunks = lost_chunks(inner, &ids, bad).await?;
        }
        if !chunks.is_empty() && found(inner.objects.head(&Folder::Manifests.object(root)).await)?.is_some() {
            report.hurt_files.push(HurtFile { root, error: None, chunks });
        }
    }
    Ok(())
}

async fn lost_chunks(
    inner: &Arc<Inner>,
    ids: &Arc<[ChunkId]>,
    bad: &HashSet<(ChunkId, TimeName)>,
) -> Result<Vec<ChunkId>, StoreError> {
    let copies = inner.look_up(Arc::clone(ids), View::copies).await?;
    let lost = ids
        .iter()
        .zip(copies)
        .filter(|(id, copies)| copies.iter().all(|copy| bad.contains(&(**id, copy.pack))));
    Ok(lost.map(|(id, _)| *id).collect())
}

/// Dooms the damaged packs, and finishes that as far as it can be.
async fn repair(
    inner: &Arc<Inner>,
    options: &CheckOptions,
    report: &mut CheckReport,
) -> Result<(), StoreError> {
    inner.all_dooms_known()?;
    let progress = options.progress.clone();
    let collect = CollectOptions::new()
        .progress(move |Progress { step, done, total }| progress.report(step, done, total));
    let mut collector = Collector::new(Arc::clone(inner), collect).await?;
    let doomed: HashSet<TimeName> =
        inner.view().present().filter(|pack| pack.doomed).map(|pack| pack.name).collect();
    let packs = report.damaged_packs.iter().map(|damaged| damaged.pack);
    let packs: Vec<TimeName> = packs.filter(|pack| !doomed.contains(pack)).collect();
    if !packs.is_empty() {
        collector.doom(packs).await?;
    }
    // Any other error is a damaged manifest: nothing may be deleted then, and the report has it already.
    if let Err(error @ StoreError::Object(_)) = collector.finish().await {
        return Err(error);
    }
    report.rescued_chunks = collector.report.copied_chunks;
    report.deleted_packs = collector.report.deleted_packs;
    Ok(())
}
